"""`smi-conformance run`: the same pytest run that a person could start by hand, with our own progress lines."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

import pytest

from smi_conformance.locations import CONFORMANCE, SUITE
from smi_conformance.plugin.settings import RunOptions

__all__ = ["RunOptions", "collect_less_garbage", "run"]
GARBAGE = 50_000  # new objects after which unreachable ones are looked for


def run(options: RunOptions) -> int:
    """Run the suite; returns the exit code: 0, 1, 2 (usage), 3 (harness error) or 130 (interrupted)."""
    sys.dont_write_bytecode = True
    os.environ.pop("PYTEST_ADDOPTS", None)  # a developer's own options do not belong into a certificate
    signal.signal(signal.SIGTERM, _interrupt)
    interrupts = _Interrupts()
    status = int(pytest.main(arguments(options), plugins=[interrupts, _Memory()]))
    if interrupts.seen:
        return 130
    return {int(pytest.ExitCode.USAGE_ERROR): 2, int(pytest.ExitCode.NO_TESTS_COLLECTED): 2}.get(status, status)


def arguments(options: RunOptions) -> list[str]:
    """The equivalent command line of plain pytest."""
    argv = [
        str(CONFORMANCE),
        f"--rootdir={SUITE}",
        f"--confcutdir={SUITE}",
        "-p",
        "smi_conformance.plugin.progress",
        "--assert=plain",  # a verdict rests on evidence, never on the words of an assert
        *("-p", "no:unraisableexception"),  # which looks through all evidence for garbage, several times
    ]
    argv += ["-o", "addopts=", "-o", "filterwarnings="]  # the project's own strictness is not the user's
    argv += [f"--mesh={options.mesh}", f"--cluster={options.cluster}", f"--posture={options.posture}"]
    argv += [
        f"--rigor={options.rigor}",
        f"--report={options.report}",
        f"--alluredir={options.report}/allure-results",
    ]
    argv += ["--clean-alluredir", *(f"--requirement={pattern}" for pattern in options.requirements)]
    argv += [*(f"--api={choice}" for choice in options.api)]
    argv += [*(f"--fault={fault}" for fault in options.faults), *(["--keep"] if options.keep else [])]
    argv += [*(f"--deadline={name}={seconds}" for name, seconds in options.deadlines.items())]
    argv += [*(f"--scenario={nodeid}" for nodeid in options.scenarios)]
    argv += [f"--max-time={options.max_time}"] if options.max_time is not None else []
    argv += [f"--delay={options.delay}"] if options.delay else []
    argv += [f"--seed={options.seed}"] if options.seed is not None else []
    argv += [f"--kube-config={options.kubeconfig}"] if options.kubeconfig else []
    argv += [f"--kube-context={options.context}"] if options.context else []
    argv += ["--yes-this-cluster"] if options.yes_this_cluster else []
    argv += [f"--namespace-prefix={options.namespace_prefix}", f"--kind-nodes={options.kind_nodes}"]
    argv += [f"--workload={options.workload_file}"] if options.workload_file else []
    argv += [f"--workload-image={options.workload_image}"] if options.workload_image is not None else []
    argv += [f"--kind-image={options.kind_image}"] if options.kind_image else []
    argv += [f"--kind-config={options.kind_config}"] if options.kind_config else []
    return argv + ([f"-n{options.workers}"] if options.workers else [])


class _Interrupts:
    """Tells a person's interrupt from an exit that the suite itself asked for."""

    seen = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.seen = isinstance(excinfo.value, KeyboardInterrupt)


class _Memory:
    """Spares what stays until the end of the process."""

    def pytest_collection_finish(self) -> None:
        collect_less_garbage()

    def pytest_unconfigure(self) -> None:
        gc.freeze()  # the evidence goes with the process, without being looked through once more


def collect_less_garbage() -> None:
    """What is loaded by now stays, and a scenario makes far more evidence than cycles. For a process that soon ends."""
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
