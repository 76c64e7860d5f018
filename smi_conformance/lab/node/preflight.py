"""Can this machine run the lab? Tries each kernel feature in a child and names the first that fails."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from . import linux, netlink, nft
from .netlink import NETLINK_NETFILTER, NETLINK_ROUTE, Netlink

Step = tuple[str, Callable[[], None]]

SANDBOX_NAMESPACES = (
    linux.CLONE_NEWNET | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC
)
_SO_MARK = 36
#: What the extra `lab` brings, as it is imported.
PACKAGES = ("aiohttp", "envoy", "grpc", "jsonpatch")


class PreflightError(Exception):
    """The lab cannot run here: the step that failed, its errno (0: none) and the way out, in one line."""

    def __init__(self, step: str, number: int, way_out: str) -> None:
        name = f" ({errno.errorcode.get(number, number)})" if number else ""
        super().__init__(f"the lab cannot run here: {step} failed{name}: {way_out}")
        self.step, self.errno, self.way_out = step, number, way_out


def preflight() -> None:
    """Raise PreflightError with the first thing that is missing; takes some 50 ms."""
    needs_user_namespace()


def needs_user_namespace() -> bool:
    """Whether the lab runs in a user namespace (the first choice, for root too) or as plain root.

    Raises PreflightError if neither works.
    """
    _check_platform()
    _check_packages()
    failure = _failing_step(user=True)
    if failure is None:
        return True
    if os.geteuid() == 0:
        failure = _failing_step(user=False)
        if failure is None:
            return False
    raise PreflightError(*failure, _way_out(*failure))


def _check_platform() -> None:
    if sys.platform != "linux":
        raise PreflightError("the operating system", 0, f"the lab needs Linux, this is {sys.platform}")
    if platform.machine() not in linux.SYS_PIVOT_ROOT:
        known = " and ".join(linux.SYS_PIVOT_ROOT)
        raise PreflightError("the architecture", 0, f"the lab runs on {known}, not on {platform.machine()}")


def _check_packages() -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        way_out = f"not installed: {names}; pip install 'smi-conformance[lab]'"
        raise PreflightError("the Python packages", 0, way_out)


def _failing_step(*, user: bool) -> tuple[str, int] | None:
    """Run the steps in a child; the first failure as (step, errno)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _report(writer, _steps(user=user))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return "the probe itself", errno.ECHILD
    step, number = json.loads(text)
    return None if step is None else (str(step), int(number))


def _report(writer: int, steps: list[Step]) -> NoReturn:
    """In the child: run the steps, write [step, errno] or [null, 0], and end."""
    result: tuple[str | None, int] = (None, 0)
    for name, step in steps:
        try:
            step()
        except OSError as error:
            result = (name, error.errno or errno.EIO)
            break
    os.write(writer, json.dumps(result).encode())
    os._exit(0)


def _steps(*, user: bool) -> list[Step]:
    first: list[Step] = [("making a user namespace", _enter_user_namespace)] if user else []
    return [
        *first,
        ("making network, mount, process, host name and IPC namespaces", _enter_namespaces),
        ("starting the first process of a process namespace", _become_init),
        ("making mounts private", linux.make_private),
        ("mounting /proc", lambda: linux.mount("proc", "/proc", "proc")),
        ("mounting a tmpfs", _mount_tmpfs),
        ("binding /usr read-only (Linux 5.12)", lambda: linux.bind("/usr", "/usr", read_only=True)),
        ("switching on IP forwarding", lambda: _write("/proc/sys/net/ipv4/ip_forward", "1")),
        ("making a pod's network namespace and a veth pair", _make_pair),
        ("marking packets (SO_MARK)", _mark),
        ("loading nf_tables NAT rules", _load_rules),
    ]


def _enter_user_namespace() -> None:
    enter_user_namespace()


def enter_user_namespace() -> None:
    """Enter a user namespace in which this user is root."""
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


def _enter_namespaces() -> None:
    linux.unshare(SANDBOX_NAMESPACES)


def _become_init() -> None:
    """Go on in a child, which is process 1 of the namespace made before; this process only waits."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)


def _mount_tmpfs() -> None:
    # Any directory will do for the probe; nothing of it is seen outside.
    linux.mount("tmpfs", tempfile.gettempdir(), "tmpfs")


def _write(path: str, text: str) -> None:
    Path(path).write_text(text)


def _make_pair() -> None:
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    linux.unshare(linux.CLONE_NEWNET)
    pod = os.open("/proc/self/ns/net", os.O_RDONLY)
    linux.setns(own, linux.CLONE_NEWNET)
    with Netlink(NETLINK_ROUTE) as link:
        link.send(netlink.veth("probe", "eth0", pod))


def _mark() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, _SO_MARK, 1)


def _load_rules() -> None:
    rules = (
        nft.new_table("probe"),
        nft.base_chain("probe", "nat", "nat", nft.PREROUTING, nft.PRIORITY_DSTNAT),
        nft.base_chain("probe", "filter", "filter", nft.FORWARD, nft.PRIORITY_FILTER),
        nft.base_chain("probe", "source", "nat", nft.POSTROUTING, nft.PRIORITY_SRCNAT),
        nft.rule("probe", "nat", nft.port(socket.IPPROTO_TCP, 1), nft.one_in(2), nft.dnat("10.0.0.1", 1)),
        nft.rule("probe", "filter", nft.reject()),
        nft.rule("probe", "source", nft.snat("10.0.0.1")),
    )
    with Netlink(NETLINK_NETFILTER) as link:
        nft.commit(link, rules)


def _sysctl(name: str) -> str:
    path = Path("/proc/sys", name.replace(".", "/"))
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _way_out(step: str, number: int) -> str:
    root = "run as root (sudo)"
    if _sysctl("kernel.apparmor_restrict_unprivileged_userns") == "1" and number in (
        errno.EPERM,
        errno.EACCES,
    ):
        return f"{root}, or: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    if _sysctl("kernel.unprivileged_userns_clone") == "0":
        return f"{root}, or: sudo sysctl kernel.unprivileged_userns_clone=1"
    if number == errno.ENOSPC:
        return f"raise {_full_limit()}: sudo sysctl {_full_limit()}=1000"
    if number in (
        errno.EOPNOTSUPP,
        errno.ENOENT,
        errno.EINVAL,
        errno.ENOSYS,
        errno.ENODEV,
        errno.EAFNOSUPPORT,
    ):
        return "this kernel lacks the feature; use a kernel of Linux 5.12 or later with nf_tables, NAT and veth"
    if step == "mounting /proc":
        return "a container that masks /proc forbids it; run outside it, or in one with --privileged"
    return f"{root}, or, in a container, allow it to make namespaces (docker run --privileged)"


def _full_limit() -> str:
    kinds = ("user", "net", "mnt", "pid", "uts", "ipc")
    names = [f"user.max_{kind}_namespaces" for kind in kinds]
    zero = [name for name in names if _sysctl(name) == "0"]
    return zero[0] if zero else "user.max_net_namespaces"
