"""Installations as data: what a profile may ask to be run, and what comes of its placeholders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from smi_conformance.cluster.port import ClusterError
from smi_conformance.meshes import steps
from smi_conformance.meshes.fetching import InstallError
from smi_conformance.meshes.profile import available
from smi_conformance.meshes.recipe import Installation, Step

CHART = {"chart": "mine", "repo": "https://charts.example", "version": "1.0.0"}
STEPS = [
    ["helm", "install", "mine", "{chart}", "--set", "strict={strict}"],
    {"run": ["{mine}", "render"], "into": ["kubectl", "apply", "--filename", "-"]},
]


def installation(**more: object) -> Installation:
    """From fields as they stand in a profile."""
    given = {
        "sources": {"chart": CHART, "mine": {"command": "mine"}},
        "by_posture": {"deny": {"strict": "true"}, "permissive": {"strict": "false"}},
        "steps": STEPS,
    }
    return Installation.model_validate(given | more)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": [["helm", "install", "{cahrt}"]]}, "unknown placeholder {cahrt}; known: chart, mine, strict"),
        ({"steps": [["sh", "-c", "helm install"]]}, "not 'sh'"),
        ({"steps": [["{chart}"]]}, "a source that is a command"),
        ({"steps": []}, "either steps, or refused"),
        ({"refused": "never had SMI"}, "either steps, or refused"),
        ({"by_posture": {"deny": {"strict": "{nowhere}"}}}, "not {nowhere}"),
        ({"by_posture": {"deny": {"strict": "true"}, "permissive": {}}}, "unknown placeholder {strict}"),
        ({"sources": {"chart": {"chart": "mine"}, "mine": {"command": "mine"}}}, "a chart needs repo and version"),
        ({"sources": {"chart": {**CHART, "url": "x"}, "mine": {"command": "mine"}}}, "one of chart, url and command"),
        ({"sources": {"chart": {**CHART, "sha256": "abc"}, "mine": {"command": "mine"}}}, "sha256"),
    ],
)
def test_bad_installations_are_refused(fields: dict[str, object], words: str) -> None:
    """When the profile is loaded, not when half of it has been run."""
    with pytest.raises(ValidationError) as refused:
        installation(**fields)
    assert words in str(refused.value)


def test_placeholders_are_filled_in_for_one_posture() -> None:
    """A value may stand for a source in its turn."""
    way = installation(by_posture={"deny": {"strict": "{mine}"}, "permissive": {"strict": "no"}})
    paths = {"chart": "/t/mine.tgz", "mine": "/bin/mine"}
    shown = [steps.shown(step) for step in steps.written_out(way.steps, way, "deny", paths)]
    assert shown == [
        "helm install mine /t/mine.tgz --set strict=/bin/mine",
        "/bin/mine render | kubectl apply --filename -",
    ]
    assert "strict=no" in steps.shown(steps.written_out(way.steps, way, "permissive", paths)[0])


def test_a_posture_that_nobody_described_is_refused() -> None:
    """With those that are."""
    way = installation(by_posture={"deny": {"strict": "true"}})
    with pytest.raises(InstallError, match="at posture permissive, only deny"):
        steps.written_out(way.steps, way, "permissive", {"chart": "c", "mine": "m"})


def program(folder: Path, name: str, text: str) -> str:
    """An executable that is a Python program."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_words_are_not_read_by_a_shell(tmp_path: Path) -> None:
    """And the second command reads what the first prints."""
    told = tmp_path / "told"
    first = program(tmp_path, "first", "print(sys.argv[1:], os.environ['KUBECONFIG'])")
    second = program(tmp_path, "second", f"open({str(told)!r}, 'w').write(sys.stdin.read())")
    step = Step(run=(first, "$HOME; true", "a b"), into=(second,))
    steps.run(step, steps.Cluster({"KUBECONFIG": "/k"}))
    assert told.read_text() == "['$HOME; true', 'a b'] /k\n"


def test_a_failing_command_ends_the_installation(tmp_path: Path) -> None:
    """With its own last words."""
    bad = program(tmp_path, "bad", "sys.exit('no such release')")
    with pytest.raises(ClusterError, match=r"bad failed \(1\): no such release"):
        steps.run(Step(run=(bad,)), steps.Cluster({}))


def test_a_missing_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is run."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InstallError, match="the command helm is not on the PATH"):
        steps.run(Step(run=("helm", "list")), steps.Cluster({}))


def test_a_context_becomes_a_kubeconfig_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools name the option differently, or have none; the file is gone afterwards, for it holds credentials."""
    program(tmp_path, "kubectl", "print('contexts of', os.environ['KUBECONFIG'], sys.argv[-1])")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with steps.cluster_of(Path("/some/config"), "west") as there:
        path = Path(there.variables["KUBECONFIG"])
        assert path.read_text() == "contexts of /some/config west\n"
        assert path.parent.stat().st_mode & 0o077 == 0
    assert not path.exists()


@pytest.mark.parametrize("profile", available(), ids=lambda one: one.name)
def test_built_in_installations_are_pinned(profile: object) -> None:
    """Every chart has a version and every file stands at a commit; whose checksum is not known cannot be installed."""
    way = getattr(profile, "installation", None)
    for source in way.sources.values() if way else ():
        assert source.url is None or "/main/" not in source.url
        assert source.sha256 is None or source.origin, "a checksum says where it is from"
        assert source.sha256 or source.command, "the checksums of all charts and files are known"


def test_the_steps_of_a_profile_stand_as_they_are_read() -> None:
    """A list is one command."""
    read = yaml.safe_load("steps: [[helm, list], {run: [helm, list], into: [kubectl, apply]}]")
    assert [len(step.commands()) for step in Installation.model_validate(read).steps] == [1, 2]
