"""What a person sees while a run goes on: one line per scenario, then the summary.

Takes the place of pytest's own terminal reporter in `smi-conformance run`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from textwrap import fill
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from smi_conformance.judge.verdict import Verdict
from smi_conformance.plugin.outcome import outside_by
from smi_conformance.report import summarize

MARKS = {
    "pass": ("pass", "green"), "fail": ("FAIL", "red"), "error": ("ERROR", "yellow"), "blocked": ("blocked", "yellow"),
    "unsupported": ("unsupported", "blue"), "skipped": ("skipped", "blue"),
    "tentative-pass": ("tent. pass", "blue"), "tentative-fail": ("tent. fail", "blue"),
}  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Replace the terminal reporter; workers of pytest-xdist have none."""
    standard = config.pluginmanager.get_plugin("terminalreporter")
    if standard is not None:
        config.pluginmanager.unregister(standard)
        config.pluginmanager.register(Progress(config), "terminalreporter")


TOLD_LAST = ("title", "requirements", "tentative", "adapter")
INDENT = " " * 10


class Progress(TerminalReporter):  # type: ignore[misc]  # final by annotation; pytest-sugar and others extend it too
    """One line per scenario: verdict, requirement, title, seconds; below a failure what was got and wanted."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config)
        self.began = time.monotonic()
        self._worst: dict[str, dict[str, Any]] = {}
        self._done = 0
        self._total = 0

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        self._starttime = time.time()

    def pytest_collection(self) -> None:
        """Collection is quick and says nothing."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """The summary says that the run is partial; where the interrupt hit the suite is of no use."""

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.stats.setdefault("deselected", []).extend(items)

    def report_collect(self, final: bool = False) -> None:
        """As above."""

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Nothing: a line is written when the scenario ends."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        record = {
            **getattr(report, "smi", {"verdict": "error", "message": str(report.longrepr)}),
            "seconds": report.duration,
        }
        worst = self._worst.setdefault(report.nodeid, {**record, "seconds": 0.0})
        seconds = worst["seconds"] + report.duration
        if worst["verdict"] == "pass":
            worst.update(record)
        worst["seconds"] = seconds
        if report.when == "teardown" or not hasattr(report, "smi"):
            self._line(report.nodeid, {**worst, **{k: record[k] for k in TOLD_LAST if k in record}})

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Nothing more to say."""

    def _line(self, nodeid: str, record: dict[str, Any]) -> None:
        self._done += 1
        adapter = " by adapter" if record.get("adapter") else ""
        verdict = outside_by(record.get("adapter"), Verdict(record["verdict"]))
        word, colour = MARKS[verdict.tentatively() if record.get("tentative") else verdict]
        ids = ",".join(record.get("requirements", ()))
        case = f" [{nodeid.split('[', 1)[1]}" if "[" in nodeid else ""
        self.write(f"{time.monotonic() - self.began:6.1f} s  ")
        self.write(f"{word:<11}", bold=True, **{colour: True})
        self.write_line(f" {ids:<7} {record.get('title') or nodeid}{case}{adapter} ({record['seconds']:.1f} s)")
        if record["verdict"] not in ("pass", "unsupported") and record["message"]:
            self.write_line(
                fill(record["message"], self._tw.fullwidth, initial_indent=INDENT, subsequent_indent=INDENT)
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None]:
        """The summary comes at the very end, when the report is written."""
        return (yield)

    def pytest_unconfigure(self) -> None:
        controller = self.config.pluginmanager.get_plugin("smi-controller")
        if controller and controller.log and (controller.log.folder / "report.json").exists():
            summarize(controller.log.folder)
        if controller and controller.broken and controller.verdicts:
            told = f"The suite or the cluster failed, which says nothing of the mesh: {controller.broken}"
            self.write_line(fill(told, self._tw.fullwidth), yellow=True)
        elif controller and controller.collected and not controller.planned:
            self.write_line("Nothing was judged: no scenario fits the selection (see `smi-conformance list`).")
        elif self.stats.get("error"):
            self.summary_errors()
