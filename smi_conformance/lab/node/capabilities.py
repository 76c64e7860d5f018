"""Linux capabilities of a container: the default set of containerd, changed by its securityContext."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any


class Capability(IntEnum):
    """linux/capability.h"""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    FSETID = 4
    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    LINUX_IMMUTABLE = 9
    NET_BIND_SERVICE = 10
    NET_BROADCAST = 11
    NET_ADMIN = 12
    NET_RAW = 13
    IPC_LOCK = 14
    IPC_OWNER = 15
    SYS_MODULE = 16
    SYS_RAWIO = 17
    SYS_CHROOT = 18
    SYS_PTRACE = 19
    SYS_PACCT = 20
    SYS_ADMIN = 21
    SYS_BOOT = 22
    SYS_NICE = 23
    SYS_RESOURCE = 24
    SYS_TIME = 25
    SYS_TTY_CONFIG = 26
    MKNOD = 27
    LEASE = 28
    AUDIT_WRITE = 29
    AUDIT_CONTROL = 30
    SETFCAP = 31
    MAC_OVERRIDE = 32
    MAC_ADMIN = 33
    SYSLOG = 34
    WAKE_ALARM = 35
    BLOCK_SUSPEND = 36
    AUDIT_READ = 37
    PERFMON = 38
    BPF = 39
    CHECKPOINT_RESTORE = 40


DEFAULT = frozenset(
    {
        Capability.CHOWN,
        Capability.DAC_OVERRIDE,
        Capability.FSETID,
        Capability.FOWNER,
        Capability.MKNOD,
        Capability.NET_RAW,
        Capability.SETGID,
        Capability.SETUID,
        Capability.SETFCAP,
        Capability.SETPCAP,
        Capability.NET_BIND_SERVICE,
        Capability.SYS_CHROOT,
        Capability.KILL,
        Capability.AUDIT_WRITE,
    }
)
_EVERY = frozenset(Capability)


def _named(names: Iterable[str]) -> frozenset[Capability]:
    """Those of the names that exist, ALL aside."""
    plain = (name.upper().removeprefix("CAP_") for name in names)
    return frozenset(Capability[name] for name in plain if name in Capability.__members__)


def granted(security_context: dict[str, Any]) -> list[int]:
    """The numbers of the capabilities that the container's root has: ALL is applied before single names."""
    if security_context.get("privileged"):
        return sorted(_EVERY)
    change = security_context.get("capabilities") or {}
    add, drop = change.get("add") or (), change.get("drop") or ()
    kept = _EVERY if "ALL" in add else DEFAULT
    kept = frozenset() if "ALL" in drop else kept
    return sorted((kept - _named(drop)) | _named(add))
