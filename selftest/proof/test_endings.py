"""However a run ends, nothing stays and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selftest.proof.conftest import command
from smi_conformance.lab.cluster import Lab

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a run whose temporary files lie in a folder of their own, by which its lab is known."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        # A shell without job control lets background jobs ignore SIGINT; a person's terminal does not.
        argv = ["env", "--default-signal=INT", *command("run", "--report", str(tmp_path / "report"), *arguments)]
        environment = {**os.environ, "TMPDIR": str(scratch(tmp_path))}
        run = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=environment
        )
        started.append(run)
        return run

    yield begin
    for run in started:
        run.kill()
        run.communicate()


def scratch(folder: Path) -> Path:
    """Where the lab of a test keeps its state."""
    path = folder / "t"
    path.mkdir(exist_ok=True)
    return path


def lab_processes(folder: Path) -> set[int]:
    """Processes of the lab that a run of this test started."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(scratch(folder)).encode() in words:
                found.add(int(entry.name))
    return found


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _nothing_stays(tmp_path: Path) -> Iterator[None]:
    """The lab that a test starts is gone when it ends, and its files with it."""
    yield
    wait_for(lambda: not lab_processes(tmp_path) and not list(scratch(tmp_path).glob("smi-lab-*")), 15)


def events(folder: Path) -> str:
    path = folder / "report" / "events.jsonl"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("phase", ["run-started", "scenario-started", "scenario-finished"])
def test_interrupt_keeps_what_was_judged(start: Start, tmp_path: Path, phase: str) -> None:
    """Ctrl-C: exit code 130, a partial report, nothing left behind."""
    run = start()
    wait_for(lambda: phase in events(tmp_path))
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert '"interrupted": true' in (tmp_path / "report" / "report.json").read_text(), output
    assert "Traceback" not in output


def test_interrupt_while_the_lab_starts(start: Start, tmp_path: Path) -> None:
    """Ctrl-C before anything was judged: exit code 130 and no traceback."""
    run = start()
    wait_for(lambda: bool(lab_processes(tmp_path)))
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert "Traceback" not in output


def test_kill_leaves_no_lab(start: Start, tmp_path: Path) -> None:
    """kill -9: the lab goes with its owner, the events until then stay readable."""
    run = start()
    wait_for(lambda: "scenario-finished" in events(tmp_path))
    run.kill()
    run.communicate(timeout=10)
    assert "scenario-finished" in events(tmp_path)


def test_kill_leaves_no_namespace(start: Start, tmp_path: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 of a run on a cluster that it does not own: the reaper removes its namespaces."""
    monkeypatch.setitem(os.environ, "KUBECONFIG", str(lab.kubeconfig))
    run = start("--cluster", "current")
    wait_for(lambda: "scenario-finished" in events(tmp_path))
    run.kill()
    run.communicate(timeout=10)
    wait_for(lambda: not run_namespaces(lab))


def test_a_cluster_that_vanishes_is_an_error(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In mid-run: whatever is left is an error with the cause, at once, and nothing is said of the mesh."""
    with Lab.start() as passing:
        monkeypatch.setitem(os.environ, "KUBECONFIG", str(passing.kubeconfig))
        subprocess.run(command("mesh", "install", "reference"), check=True, timeout=120, stdout=subprocess.DEVNULL)
        run = start("--cluster", "current", "--requirement", "TA-0*")
        wait_for(lambda: "scenario-finished" in events(tmp_path))
        passing.stop()
        output, _ = run.communicate(timeout=180)
    assert run.returncode == 3, output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    told = {one["verdict"] for one in report["scenarios"]}
    assert told <= {"pass", "error"}, output
    errors = [one["message"] for one in report["scenarios"] if one["verdict"] == "error"]
    assert len(errors) > 10, output
    assert sum("no API server answers" in message for message in errors) >= len(errors) - 1, errors
    assert "kubectl delete namespace -l" in output or "may be left" in output or "label" in output


def run_namespaces(lab: Lab) -> list[str]:
    from kubernetes import client  # noqa: PLC0415

    from smi_conformance.cluster.backends import connect  # noqa: PLC0415
    from smi_conformance.cluster.reaper import LABEL  # noqa: PLC0415

    found = client.CoreV1Api(connect(lab.kubeconfig, None)).list_namespace(label_selector=LABEL).items
    return [namespace.metadata.name for namespace in found]
