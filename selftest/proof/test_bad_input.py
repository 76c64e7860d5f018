"""Bad input: one clear line, the right exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from selftest.proof.conftest import Run
from smi_conformance.lab.cluster import Lab

USAGE = [
    (["--mesh", "istoi"], "istoi"),
    (["--mesh", "./no-such-file.yaml"], "no-such-file.yaml"),
    (["--requirement", "TA-999"], "TA-999"),
    (["--api", "access=v9"], "v9"),
    (["--api", "traffic=v1"], "traffic"),
    (["--fault", "TA-050/no-such-slug"], "no-such-slug"),
    (["--cluster", "clowd"], "clowd"),
    (["--cluster", "kind:"], "kind takes the name"),
    (["--posture", "open"], "open"),
    (["--rigor", "lax"], "lax"),
    (["--deadline", "polcy=3"], "policy"),
    (["--deadline", "policy=soon"], "soon"),
]


@pytest.mark.parametrize(("arguments", "word"), USAGE, ids=lambda value: str(value)[:40])
def test_usage_errors_name_the_mistake(run: Run, arguments: list[str], word: str) -> None:
    """Exit code 2, before anything is started."""
    done = run(*arguments)
    assert done.code == 2, done.output
    assert word in done.output
    assert "Traceback" not in done.output


def test_unreadable_kubeconfig(run: Run, tmp_path: Path) -> None:
    """A kubeconfig that is none."""
    (tmp_path / "config").write_text("{]")
    done = run("--cluster", "current", "--kubeconfig", str(tmp_path / "config"))
    assert done.code in (2, 3), done.output
    assert "kubeconfig" in done.output
    assert "Traceback" not in done.output


def test_expired_credentials(run: Run, lab: Lab, tmp_path: Path) -> None:
    """A token that the cluster refuses."""
    config = yaml.safe_load(lab.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "expired"  # noqa: S105
    config["clusters"][0]["cluster"]["certificate-authority"] = str(lab.kubeconfig.with_name("ca.crt"))
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    done = run("--cluster", "current", "--kubeconfig", str(tmp_path / "config"))
    assert done.code == 3, done.output
    assert "401" in done.output


def test_cluster_without_the_resources(run: Run) -> None:
    """A cluster that serves no SMI resource is an error of the set-up, not a failure of a mesh."""
    with Lab.start() as bare:
        done = run("--mesh", "none", "--cluster", "current", "--kubeconfig", str(bare.kubeconfig))
    assert done.code == 3, done.output
    assert "traffictargets.access.smi-spec.io" in done.output


def test_folder_that_is_no_report(run: Run, tmp_path: Path) -> None:
    """Replay of something else."""
    done = run("--cluster", f"replay:{tmp_path}")
    assert done.code in (2, 3), done.output
    assert "events.jsonl" in done.output
    assert "Traceback" not in done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(run: Run, tmp_path: Path) -> None:
    """A report folder that cannot be written."""
    file = tmp_path / "file"
    file.write_text("")
    done = run("--report", str(file / "below"))
    assert done.code == 3, done.output
    assert "Traceback" not in done.output
