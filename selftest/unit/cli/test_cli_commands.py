"""The commands: what they pass on, what they print, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from selftest.unit.cli.conftest import SWITCHES, Command, replays
from selftest.unit.report import sample
from smi_conformance.cluster import doctor
from smi_conformance.cluster.doctor import Finding
from smi_conformance.cluster.port import ClusterError
from smi_conformance.lab import cluster as lab
from smi_conformance.meshes import install
from smi_conformance.plugin import catalogue, runner
from smi_conformance.plugin.runner import RunOptions
from smi_conformance.plugin.scenario import Scenario
from smi_conformance.report import write_all


def test_run_has_the_documented_defaults(command: Command, started: list[RunOptions]) -> None:
    """And ends with the exit code of the run."""
    assert command("run", "--seed", "1")[0] == 1
    assert started == [RunOptions(report=Path("reports/latest"), seed=1)]


def test_run_passes_every_option_on(command: Command, started: list[RunOptions], tmp_path: Path) -> None:
    """As typed."""
    (tmp_path / "kube config").touch()
    typed = (
        "run --mesh none --cluster current --requirement SP-0* --requirement split.tcp --api split=v1alpha4 "
        "--posture permissive --rigor quick --report out -n 2 --keep --seed 7 --deadline split=60 --context c"
    )
    argv = typed.split()
    command(*argv, "--kubeconfig", "kube config")
    assert started == [
        RunOptions(
            mesh="none",
            cluster="current",
            requirements=("SP-0*", "split.tcp"),
            api=("split=v1alpha4",),
            posture="permissive",
            rigor="quick",
            report=Path("out"),
            workers=2,
            keep=True,
            seed=7,
            deadlines={"split": 60.0},
            kubeconfig=Path("kube config"),
            context="c",
        )
    ]


def test_a_fault_of_the_reference_mesh_can_be_switched_on(command: Command, started: list[RunOptions]) -> None:
    """By its address."""
    command("run", "--fault", "TA-050/second-target-ignored")
    assert started[0].faults == ("TA-050/second-target-ignored",)


def test_what_a_cluster_asks_for_is_handed_on(command: Command, started: list[RunOptions], tmp_path: Path) -> None:
    """From the command line to the run, and from there to plain pytest."""
    (tmp_path / "w.yaml").write_text("user: null")
    words = "--cluster kind:mine --kind-image node:v1 --namespace-prefix shop --workload w.yaml --workload-image py:3"
    command("run", *words.split(), "--kind-nodes", "3")
    asked = started[0]
    assert (asked.kind_image, asked.kind_nodes, asked.namespace_prefix) == ("node:v1", 3, "shop")
    assert (asked.workload.image, asked.workload.user) == ("py:3", None)
    handed_on = set(runner.arguments(asked))
    assert handed_on >= {"--kind-image=node:v1", "--kind-nodes=3", "--workload=w.yaml", "--workload-image=py:3"}


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ("run --reqirement x", "No such option: --reqirement"),
        ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
        ("run extra", "unexpected extra argument"),
        ("run --mesh referense", "unknown mesh 'referense': did you mean reference?"),
        ("run --mesh ./absent.yaml", "profile absent.yaml cannot be read: No such file or directory"),
        ("run --requirement SP-01O", "unknown requirement 'SP-01O': did you mean SP-010 or SP-011 or SP-012?"),
        ("run --requirement zz*", "unknown requirement 'zz*'; known: API-010, API-012"),
        ("run --api acess=v1alpha3", "unknown API group 'acess': did you mean access?"),
        ("run --api access=v1alpha9", "unknown version of access 'v1alpha9'"),
        ("run --api al", "unknown choice of API versions 'al': did you mean all?"),
        ("run --fault TA-050/second", "did you mean TA-050/second-target-ignored?"),
        ("run --mesh none --fault TA-050/x", "mesh none has no fault switches: --fault goes with --mesh reference"),
        ("run --cluster embeded", "unknown cluster 'embeded': did you mean embedded?"),
        ("run --cluster replay:", "replay takes a report folder"),
        ("run --cluster replay:absent", "absent is no report folder (it has no events.jsonl)"),
        ("run --cluster kind:", "kind takes the name of a cluster"),
        ("run --cluster kind:Mine", "small letters, digits, dots and dashes"),
        ("run --cluster current:x", "nothing else does"),
        ("run --kind-nodes 2", "go with --cluster kind"),
        ("run --cluster kind --kind-nodes 0", "--kind-nodes takes 1 or more"),
        ("run --cluster kind --kind-config absent", "--kind-config absent: there is no such file"),
        ("run --workload absent", "--workload absent cannot be read: No such file or directory"),
        ("run --namespace-prefix Mine", "--namespace-prefix takes small letters"),
        ("run --kubeconfig x", "--kubeconfig and --context go with --cluster current, not with embedded"),
        ("run --cluster current --kubeconfig absent", "--kubeconfig absent: there is no such file"),
        ("run --posture denny", "unknown posture 'denny': did you mean deny?"),
        ("run --rigor certified", "unknown rigor 'certified': did you mean certify?"),
        ("run --deadline polcy=3", "unknown deadline 'polcy': did you mean policy?"),
        ("run --deadline policy=soon", "--deadline policy takes seconds, not 'soon'"),
        ("run --deadline policy=-1", "policy"),
        ("run -n -1", "Invalid value for '-n'"),
        ("mesh install istio", "unknown mesh 'istio': did you mean istio-"),
        ("doctor --cluster kin", "unknown cluster 'kin'"),
        ("doctor --output xml", "unknown output 'xml'; known: text, json"),
        ("doctor --mesh istoi", "unknown mesh 'istoi'"),
        ("doctor --context c", "--kubeconfig and --context go with --cluster current"),
        ("images load a.tar --into kindd", "unknown target 'kindd'"),
        ("images list --part meshes", "unknown part 'meshes'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(command: Command, started: list[RunOptions], argv: str, told: str) -> None:
    """With the nearest name that exists; nothing starts and nothing is written."""
    code, out, err = command(*argv.split())
    assert (code, out, started) == (2, "", [])
    assert told in err
    assert err.startswith("smi-conformance: ")
    assert len(err.splitlines()) == 1
    assert not Path("reports").exists()


def test_a_folder_that_cannot_be_written_is_exit_3(command: Command, started: list[RunOptions]) -> None:
    """Before the run, which would be lost."""
    Path("file").touch()
    code, _, err = command("run", "--report", "file/below")
    assert (code, started) == (3, [])
    assert err == "smi-conformance: the report cannot be written to file/below: Not a directory\n"


def test_an_unexpected_exception_is_one_line_with_a_file(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback is kept and not shown."""

    def run(_: RunOptions) -> int:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(runner, "run", run)
    code, _, err = command("run")
    assert code == 3
    assert err.startswith("smi-conformance: ZeroDivisionError: division by zero. This is a defect of the suite;")
    kept = Path(err.split()[-1])
    assert "Traceback" in kept.read_text()
    kept.unlink()


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ClusterError("no API server answers"), 3, "no API server answers"),
        (pytest.UsageError("bad\nscenario"), 2, "bad scenario"),
    ],
)
def test_known_errors_have_their_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    """One line each."""

    def run(_: RunOptions) -> int:
        raise error

    monkeypatch.setattr(runner, "run", run)
    assert command("run") == (code, "", f"smi-conformance: {told}\n")


def test_an_interrupted_run_is_exit_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be said was said by the run."""

    def run(_: RunOptions) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", run)
    assert command("run")[0] == 130


def test_version_and_help(command: Command) -> None:
    """Without a command there is help."""
    assert command("--version") == (0, "smi-conformance 0.1.0\n", "")
    assert "Commands" in command()[1]
    code, out, _ = command("run", "--help")
    assert code == 0
    for part in ("Examples", "Exit codes", "130 interrupted", "[default: reference]", "--mesh none"):
        assert part in out


def test_help_imports_nothing_heavy() -> None:
    """So that it comes at once."""
    program = """
import sys
from smi_conformance.cli.app import execute
execute(["run", "--help"])
heavy = ["pytest", "kubernetes", "scipy", "jinja2", "yaml", "smi_conformance.plugin", "smi_conformance.report.html"]
sys.exit(" ".join(name for name in heavy if name in sys.modules) or None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of two scenarios."""
    found = [
        Scenario("conformance/split/test_a.py::test_b[1]", "Title [b].", ("SP-010", "SP-011"), {"x": "y"}),
        Scenario("conformance/split/test_a.py::test_c", "Other.", ("SP-010",), {}),
    ]
    monkeypatch.setattr(catalogue, "scenarios", lambda: found)
    monkeypatch.setattr(install, "faults_of", lambda _: SWITCHES)


@pytest.mark.usefixtures("known")
def test_list_prints_tables_with_one_line_per_entry(command: Command) -> None:
    """In a pipe nothing is wrapped."""
    lines = [line.split() for line in command("list", "--requirements")[1].splitlines()]
    assert ["SP-010", "must", "text", "settled", "split.http", "2"] in [line[:6] for line in lines]
    assert "split/test_a.py::test_b[1]" in command("list", "--scenarios")[1]
    assert "Title [b]." in command("list", "--scenarios")[1]
    assert "no mesh (null control)" in command("list", "--meshes")[1]
    assert "TA-050/second-target-ignored" in command("list", "--faults")[1]


@pytest.mark.usefixtures("known")
def test_list_json_is_one_object(command: Command) -> None:
    """For machines."""
    found = json.loads(command("list", "--json")[1])
    entry = next(one for one in found["requirements"] if one["id"] == "SP-010")
    assert {"id", "area", "group", "level", "ground", "state", "versions", "scenarios"} <= entry.keys()
    assert entry["scenarios"] == ["conformance/split/test_a.py::test_b[1]", "conformance/split/test_a.py::test_c"]
    assert found["scenarios"][0]["omits"] == {"x": "y"}
    assert {one["name"] for one in found["meshes"]} >= {"none", "reference"}
    assert found["faults"] == [{"id": name, "mesh": "reference", "fault": text} for name, text in SWITCHES.items()]


def test_doctor_says_what_mends_a_problem(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends with 1 when there is one, with 3 when there is no cluster; a warning spoils nothing."""
    well, off = Finding("cluster", "ok", "v1.33"), Finding("clock", "warning", "6 s apart", "timedatectl ...")
    missing = Finding("rights", "problem", "missing: create pods", "kubectl create ...")
    found = [well, off, missing]
    monkeypatch.setattr(doctor, "checks", lambda _: iter(found))
    assert command("doctor", "--cluster", "current") == (
        1,
        "ok       cluster: v1.33\n"
        "warning  clock: 6 s apart\n"
        "         to mend it: timedatectl ...\n"
        "problem  rights: missing: create pods\n"
        "         to mend it: kubectl create ...\n"
        "1 problem found, 1 warning\n",
        "",
    )
    found.pop()
    assert command("doctor")[:2] == (
        0,
        "ok       cluster: v1.33\nwarning  clock: 6 s apart\n         to mend it: timedatectl ...\n"
        "ready for a run, 1 warning\n",
    )
    found[:] = [Finding("cluster", "fatal", "nobody answers", "kubectl cluster-info")]
    code, out, _ = command("doctor", "--output", "json")
    told = {"check": "cluster", "severity": "fatal", "found": "nobody answers", "remedy": "kubectl cluster-info"}
    assert (code, json.loads(out)) == (3, {"exit": 3, "findings": [told]})


def test_lab_commands(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """They speak to the lab's own functions."""
    running = SimpleNamespace(condition="running", pods={"Running": 3}, memory=2**21, state="/s")
    monkeypatch.setattr(lab, "up", lambda progress: Path("/s/kubeconfig"))
    monkeypatch.setattr(lab, "down", lambda: False)
    monkeypatch.setattr(lab, "status", lambda: running)
    monkeypatch.setattr(lab, "kubeconfig", lambda: Path("/s/kubeconfig"))
    assert command("lab", "up")[1] == "export KUBECONFIG=/s/kubeconfig\n"
    assert command("lab", "down")[1] == "no lab was running\n"
    assert command("lab", "status") == (0, "lab:    running\npods:   3 running\nmemory: 2 MiB\nfiles:  /s\n", "")
    assert command("lab", "kubeconfig")[1] == "/s/kubeconfig\n"
    running.condition = "stopped"
    assert command("lab", "status") == (1, "lab:    stopped\n", "")


def test_mesh_install_uses_the_installer(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the cluster of the kubeconfig."""
    calls: list[Any] = []

    def connect(*where: object) -> str:
        calls.append(where)
        return "api"

    monkeypatch.setattr("smi_conformance.cluster.backends.connect", connect)
    monkeypatch.setattr("smi_conformance.cluster.backends.reachable", lambda _: None)
    monkeypatch.setattr("smi_conformance.cluster.kube.KubeCluster", lambda api, _: api)
    monkeypatch.setattr(install, "install", lambda cluster, profile, _: calls.append((cluster, profile.name)))
    assert command("mesh", "install", "reference", "--kubeconfig", "k", "--context", "c")[0] == 0
    assert calls == [(Path("k"), "c"), ("api", "reference")]


def test_report_verify_judges_again(command: Command, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the recorded conditions, into a folder that is gone afterwards."""
    asked = replays(monkeypatch, recorded, {})
    assert command("report", "verify", "report")[:2] == (0, "all 272 verdicts are the same when judged again\n")
    assert (asked[0].cluster, asked[0].mesh, asked[0].seed) == ("replay:report", "none", 20251120)
    assert not asked[0].report.exists()


def test_report_verify_names_what_differs(command: Command, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends with 1."""
    replays(monkeypatch, recorded, {"TA-021": "pass"})
    code, out, _ = command("report", "verify", "report")
    assert (code, out) == (1, "TA-021 v1alpha3: fail -> pass\n1 of 272 verdicts differ\n")


def test_report_verify_of_no_report_is_exit_3(command: Command) -> None:
    """One line."""
    assert command("report", "verify", "absent") == (
        3,
        "",
        "smi-conformance: absent/report.json cannot be read: No such file or directory\n",
    )


def test_report_html_makes_the_page_again(command: Command, recorded: Path) -> None:
    """From the events."""
    (recorded / "index.html").unlink()
    assert command("report", "html", "report")[:2] == (0, "report/index.html\n")
    assert (recorded / "index.html").exists()


def test_report_diff_compares_two_folders(command: Command, recorded: Path, tmp_path: Path) -> None:
    """Row by row."""
    (tmp_path / "other").mkdir()
    sample.write(tmp_path / "other", sample.events(complete=False))
    write_all(tmp_path / "other")
    assert command("report", "diff", "report", "report")[:2] == (0, "all 272 verdicts are the same\n")
    code, out, _ = command("report", "diff", "report", "other")
    assert code == 1
    assert "SP-014 v1alpha4: pass -> not-run" in out
