"""A lab lives as long as its owner and leaves nothing, however the owner ends."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from smi_conformance.lab import cluster
from smi_conformance.lab.cluster import Lab, LabError

from .conftest import SLEEP, Cluster, until

_OWNER = """
import json, sys
from pathlib import Path
from smi_conformance.lab import cluster
from selftest.lab.node.conftest import SLEEP, Cluster
lab = cluster.Lab.start(state=Path(sys.argv[1]))
made = Cluster(lab, "life")
made.pod("victim", SLEEP)
made.ready("victim")
print(json.dumps(cluster._tree(lab._process.pid)), flush=True)
sys.stdin.read()
"""


def _interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _gone(pid: int) -> bool:
    return not cluster._stat(pid)


@pytest.fixture
def owned(tmp_path: Path) -> tuple[subprocess.Popen[str], list[int], Path]:
    """A process that owns a lab with a pod; the processes of the lab; its state directory."""
    state = tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline()), state


def _finish(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_killing_the_owner_leaves_nothing(owned: tuple[subprocess.Popen[str], list[int], Path]) -> None:
    process, lab, state = owned
    assert len(lab) >= 4  # guard, process 1, zygote, the pod's program
    assert state.exists()
    process.kill()
    _finish(process)
    until(lambda: all(_gone(pid) for pid in lab))
    until(lambda: not state.exists())
    assert str(state) not in Path("/proc/self/mountinfo").read_text()
    assert not any(name.startswith("veth2") for name in _interfaces() - {"lo"})


def test_killing_the_guard_too_leaves_no_process(
    owned: tuple[subprocess.Popen[str], list[int], Path],
) -> None:
    process, lab, _state = owned
    guard = lab[0]
    os.kill(guard, signal.SIGKILL)
    until(lambda: all(_gone(pid) for pid in lab[1:]))
    process.kill()
    _finish(process)


def test_stop_removes_everything_and_may_be_repeated(tmp_path: Path) -> None:
    before = _interfaces()
    lab = Lab.start(state=tmp_path / "state")
    tree = cluster._tree(lab._process.pid)
    lab.stop()
    lab.stop()
    assert all(_gone(pid) for pid in tree)
    assert not (tmp_path / "state").exists()
    assert _interfaces() == before


def test_secrets_are_the_owners_alone(lab: Lab) -> None:
    assert stat.S_IMODE(lab.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(lab.kubeconfig.parent.stat().st_mode) == 0o700
    assert list((lab.kubeconfig.parent / "run").iterdir()) == []


def test_only_the_loopback_leads_in(lab: Lab) -> None:
    listening = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line}
    port = int(lab.kubeconfig.read_text().partition("https://127.0.0.1:")[2].split()[0])
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


def test_nothing_leads_out(cluster: Cluster) -> None:
    cluster.pod("inmate", SLEEP)
    cluster.ready("inmate")
    script = "import socket; s=socket.socket(); s.settimeout(1); print(s.connect_ex(('192.0.2.1', 80)))"
    assert cluster.run("inmate", "python3", "-c", script).strip() != "0"


def test_a_used_state_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(LabError, match="is not empty"):
        Lab.start(state=tmp_path)


def test_more_than_one_node_is_refused() -> None:
    with pytest.raises(LabError, match="one node, not 3"):
        Lab.start(nodes=3)


def test_a_failing_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "smi_conformance").mkdir()
    (tmp_path / "smi_conformance" / "__init__.py").touch()  # stands before an installed one, and holds no lab
    monkeypatch.setattr(cluster, "_ROOT", tmp_path)
    state = tmp_path / "state"
    with pytest.raises(LabError, match=r"ended while starting: .*No module named.*its log: .*lab\.log") as caught:
        Lab.start(state=state)
    assert "\n" not in str(caught.value)
    assert (state / "lab.log").exists()


def test_a_detached_lab_goes_up_and_down(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert cluster.status(state).condition == "stopped"
    assert cluster.down(state) is False
    with pytest.raises(LabError, match="no lab is running"):
        cluster.kubeconfig(state)
    try:
        assert cluster.up(state) == cluster.kubeconfig(state)
        told = cluster.status(state)
        assert (told.condition, told.pods) == ("running", {})
        assert 20 << 20 < told.memory < 300 << 20
        with pytest.raises(LabError, match="already running"):
            cluster.up(state)
    finally:
        assert cluster.down(state) is True
    assert not state.exists()


def test_a_crashed_lab_is_told_and_cleared_away(tmp_path: Path) -> None:
    state = tmp_path / "state"
    cluster.up(state)
    pid = json.loads((state / "process.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert cluster.status(state).condition == "crashed"
    assert cluster.down(state) is True
    assert not state.exists()


def test_a_reused_process_number_is_not_killed(tmp_path: Path) -> None:
    innocent = subprocess.Popen(["/bin/sleep", "30"])
    try:
        (tmp_path / "lab.log").touch()
        (tmp_path / "process.json").write_text(json.dumps({"pid": innocent.pid, "started": "1"}))
        assert cluster.status(tmp_path).condition == "crashed"
        cluster.down(tmp_path)
        descriptor = os.pidfd_open(innocent.pid)
        assert select.select([descriptor], [], [], 0.1)[0] == []
        os.close(descriptor)
    finally:
        innocent.kill()
        innocent.wait()
