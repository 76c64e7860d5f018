"""The embedded lab from outside: a Kubernetes of one's own that lives as long as its owner."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

KUBECONFIG = "kubeconfig"
LOG = "lab.log"
_PROCESS = "process.json"
_START_LIMIT = 20.0  # seconds until the API must answer
_STOP_LIMIT = 10.0  # seconds until everything must be gone
_REQUEST_LIMIT = 5.0  # seconds
_RETRY = 0.02  # seconds between looks at /readyz
_ROOT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """The lab cannot do what was asked; one line says why."""


def _silent(_text: str) -> None:
    """Progress that nobody wants to see."""


class Lab:
    """A running lab. It ends with `stop`, at the end of a `with` block, or with its owner's process."""

    def __init__(self, state: Path, process: subprocess.Popen[bytes], life: int) -> None:
        self._state, self._process, self._life = state, process, life

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; readable by the owner only."""
        return self._state / KUBECONFIG

    @property
    def log(self) -> Path:
        """What the lab's control plane wrote."""
        return self._state / LOG

    @classmethod
    def start(cls, *, state: Path | None = None, nodes: int = 1, progress: Callable[[str], None] = _silent) -> Self:
        """Start a lab and return when its API answers. `state`: a directory that does not exist or is empty.

        Raises LabError when this machine cannot run one (see node.preflight) or the start fails.
        """
        if nodes != 1:
            raise LabError(f"the embedded lab has one node, not {nodes}; use a kind cluster for more")
        folder = _make_state(state)
        progress("starting the embedded lab")
        reader, life = os.pipe()
        ready, told = os.pipe()
        try:
            process = _spawn(folder, {"--life": reader, "--ready": told})
        finally:
            os.close(reader)
            os.close(told)
        lab = cls(folder, process, life)
        try:
            _await_start(folder, ready)
        except BaseException:
            lab._end()  # the directory stays: it has the log
            raise
        progress("the embedded lab is ready")
        return lab

    def stop(self) -> None:
        """End every process of the lab and remove its state directory. May be called again."""
        self._end()
        shutil.rmtree(self._state, ignore_errors=True)

    def _end(self) -> None:
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
        try:
            self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _make_state(state: Path | None) -> Path:
    if state is None:
        return Path(tempfile.mkdtemp(prefix="smi-lab-"))
    folder = state.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise LabError(f"the state directory {folder} is not empty: a lab may be running there")
    folder.chmod(0o700)
    return folder


def _spawn(state: Path, descriptors: dict[str, int]) -> subprocess.Popen[bytes]:
    """Start lab.main in a session of its own: Ctrl-C is for the owner, who still needs the lab."""
    words = [word for flag, fd in descriptors.items() for word in (flag, str(fd))]
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "smi_conformance.lab.main", "--state", str(state), *words]
    with os.fdopen(os.open(state / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=list(descriptors.values()),
            env=os.environ | {"PYTHONPATH": path},
            cwd="/",
            start_new_session=True,
        )


def _await_start(state: Path, ready: int) -> None:
    """Wait until the lab says that it runs and its API answers. Closes `ready`. Raises LabError."""
    deadline = time.monotonic() + _START_LIMIT
    with os.fdopen(ready, "rb", buffering=0) as pipe:
        if not select.select([pipe], [], [], _START_LIMIT)[0]:
            raise LabError(f"the lab did not start within {_START_LIMIT:g} s; its log: {state / LOG}")
        line = pipe.readline()
    message = json.loads(line) if line else {}
    if "error" in message:
        shutil.rmtree(state, ignore_errors=True)  # the line says it all
        raise LabError(message["error"])
    if not message:
        raise LabError(f"the lab ended while starting: {_last_line(state / LOG)}; its log: {state / LOG}")
    _await_api(state, deadline)


def _await_api(state: Path, deadline: float) -> None:
    while True:
        try:
            _request(state / KUBECONFIG, "/readyz")
        except OSError as error:  # URLError is one
            if time.monotonic() > deadline:
                raise LabError(f"the lab's API is not ready: {error}; its log: {state / LOG}") from error
            time.sleep(_RETRY)
        else:
            return


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")


def _request(kubeconfig: Path, path: str) -> bytes:
    """GET from the API as the administrator. Raises OSError."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    request = urllib.request.Request(  # noqa: S310 (always https on 127.0.0.1)
        cluster["server"] + path, headers={"Authorization": f"Bearer {user['token']}"}
    )
    context = ssl.create_default_context(cafile=kubeconfig.with_name(cluster["certificate-authority"]))
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(request, timeout=_REQUEST_LIMIT) as response:
        data: bytes = response.read()
    return data


# A detached lab: `smi-conformance lab up|down|status|kubeconfig`


@dataclass(frozen=True)
class Status:
    """What `lab status` tells. `condition`: running, stopped, or crashed (its directory is left)."""

    condition: str
    state: Path
    pods: dict[str, int]
    memory: int
    """Bytes, shared pages counted in part (PSS), of all processes of the lab."""


def default_state() -> Path:
    """Where a detached lab keeps its kubeconfig and log unless told otherwise."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "smi-conformance" / "lab"


def up(state: Path | None = None, *, progress: Callable[[str], None] = _silent) -> Path:
    """Start a lab that stays until `down`; return its kubeconfig. Raises LabError, also if one is running."""
    folder = state or default_state()
    condition = _condition(folder)
    if condition == "running":
        raise LabError(f"a lab is already running: {folder / KUBECONFIG}")
    if condition == "crashed":
        shutil.rmtree(folder)
    folder = _make_state(folder)
    progress("starting the embedded lab")
    ready, told = os.pipe()
    try:
        process = _spawn(folder, {"--ready": told})
    finally:
        os.close(told)
    process.returncode = 0  # it is not waited for: it outlives this process
    record = {"pid": process.pid, "started": _start_time(process.pid)}
    (folder / _PROCESS).write_text(json.dumps(record))
    try:
        _await_start(folder, ready)
    except BaseException:
        _end_recorded(folder)
        raise
    return folder / KUBECONFIG


def down(state: Path | None = None) -> bool:
    """End the detached lab and remove its directory; whether there was one. Raises LabError."""
    folder = state or default_state()
    condition = _condition(folder)
    _end_recorded(folder)
    if condition == "crashed":
        shutil.rmtree(folder, ignore_errors=True)
    return condition != "stopped"


def status(state: Path | None = None) -> Status:
    """How the detached lab is."""
    folder = state or default_state()
    condition = _condition(folder)
    if condition != "running":
        return Status(condition, folder, {}, 0)
    pid = json.loads((folder / _PROCESS).read_text())["pid"]
    try:
        pods = json.loads(_request(folder / KUBECONFIG, "/api/v1/pods"))["items"]
    except OSError as error:
        raise LabError(f"the lab runs but its API does not answer: {error}; its log: {folder / LOG}") from error
    phases = Counter(pod.get("status", {}).get("phase", "Unknown") for pod in pods)
    return Status(condition, folder, dict(phases), sum(map(_memory, _tree(pid))))


def kubeconfig(state: Path | None = None) -> Path:
    """The kubeconfig of the running detached lab. Raises LabError if none runs."""
    folder = state or default_state()
    if _condition(folder) != "running":
        raise LabError(f"no lab is running in {folder}; start one with: smi-conformance lab up")
    return folder / KUBECONFIG


def _condition(folder: Path) -> str:
    if not (folder / _PROCESS).exists():
        return "crashed" if (folder / LOG).exists() else "stopped"
    return "crashed" if _recorded(folder) is None else "running"


def _recorded(folder: Path) -> int | None:
    """The process of the lab, if it is still that very process and not another with its number."""
    try:
        record = json.loads((folder / _PROCESS).read_text())
    except (FileNotFoundError, ValueError):
        return None
    pid: int = record["pid"]
    return pid if _start_time(pid) == record["started"] else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on, which is the third; none for a process gone or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if fields[0] in "ZX" else fields


def _start_time(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[19] if fields else None


def _end_recorded(folder: Path) -> None:
    """SIGTERM to the recorded process and wait for its end; nothing if it is gone."""
    pid = _recorded(folder)
    if pid is None:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _recorded(folder) != pid:
            return
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], _STOP_LIMIT)[0]:
            raise LabError(f"the lab (process {pid}) did not end within {_STOP_LIMIT:g} s")
    finally:
        os.close(descriptor)


def _tree(root: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else []
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
