"""The process that the user started: environment, event stream, exit code."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import pytest

from smi_conformance.cluster.port import ClusterError
from smi_conformance.cluster.testing import NotATestCluster
from smi_conformance.judge.statistics import family_wise
from smi_conformance.judge.verdict import Verdict
from smi_conformance.plugin import selection
from smi_conformance.plugin.durations import Durations
from smi_conformance.plugin.environment import Environment, open_environment
from smi_conformance.plugin.eventlog import EventLog
from smi_conformance.plugin.judging import served_versions
from smi_conformance.plugin.outcome import exit_status, outside_by, row_verdict, scenario_verdict
from smi_conformance.plugin.running import WorkerSide, plan_of
from smi_conformance.plugin.selection import Stage
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.report import ReportError

# Pytest prints the name of the class and the text: the line reads like those of the other commands.
Unstarted = type("smi-conformance", (pytest.exit.Exception,), {})


class Controller:
    """The process that the user started: environment, event stream, exit code."""

    def __init__(self, config: pytest.Config, options: RunOptions) -> None:
        self.config = config
        self.options = options
        self.environment: Environment | None = None
        self.log: EventLog | None = None
        self.broken: str | None = None
        self.verdicts: list[Verdict] = []
        self._phases: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._interrupted = False
        self._finished = False
        self._false_failures: list[float] = []
        self._began = time.monotonic()
        self._limit = time.time() + options.max_time if options.max_time else None
        self._recorded = Durations.of(options.report)
        self.planned: set[str] = set()
        self.collected = False
        self._done: set[str] = set()
        self._set_aside = 0

    def say(self, text: str) -> None:
        """Progress for the person who waits."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if reporter and capture else nullcontext():
            self._write(reporter, text)

    def _write(self, reporter: Any, text: str) -> None:
        if reporter:
            began = getattr(reporter, "began", self._began)
            reporter.write_line(f"{time.monotonic() - began:6.1f} s  {text}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        try:
            self.log = EventLog(self.options.report, fresh=True)
            self.environment = open_environment(self.options, self.say)
            self.environment.end = self._limit
            self.log.write(self.environment.started)
        except (ClusterError, OSError) as error:
            self.broken = str(error)
            self._close()
            refused = isinstance(error, NotATestCluster)  # which is a matter of the command line
            raise Unstarted(" ".join(str(error).split()), returncode=2 if refused else 3) from None

    def turn(self, posture: str) -> None:
        """Bring the mesh into a posture. Raises ClusterError."""
        assert self.environment
        if not self.options.replay:
            self.environment.turn(posture, self.say)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        assert self.environment
        node.workerinput["smi"] = self.environment.coordinates()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from smi_conformance.plugin.sharing import Together  # noqa: PLC0415  # a run in one process needs none of it

        return Together(config, log)

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        assert self.log
        self.log.write({"event": "scenario-started", "time": _now(), "nodeid": nodeid})

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        phase = getattr(report, "smi", None)
        if phase is None:  # a worker died: pytest-xdist reports for it
            phase = {
                "verdict": Verdict.ERROR.value,
                "message": str(report.longrepr)[:400],
                "requirements": [],
            }
        phases = self._phases[report.nodeid]
        phases.append({**phase, "seconds": report.duration})
        if report.when == "teardown" or "smi" not in vars(report):
            self._finish(report, phases)

    def _finish(self, report: pytest.TestReport, phases: list[dict[str, Any]]) -> None:
        assert self.log
        verdict = scenario_verdict(phases)
        worst = next(phase for phase in phases if phase["verdict"] == verdict.value)
        last = phases[-1]
        self._done.add(report.nodeid)
        self._false_failures += [e["false_failure"] for e in last.get("evidence", ()) if e.get("false_failure")]
        adapter = last.get("adapter") if verdict in (Verdict.PASS, Verdict.FAIL) else None  # else nothing was judged
        verdict = outside_by(adapter, verdict)
        rows = [self._row(row, verdict, worst["message"], adapter) for row in last.get("rows", ())]
        self.verdicts += [Verdict(row["verdict"]) for row in rows] or [verdict]
        self.log.write({
            "event": "scenario-finished", "time": _now(), "nodeid": report.nodeid,
            "worker": getattr(report, "worker_id", "main"), "title": last.get("title"), "requirements": rows,
            "versions": last.get("versions", {}), "light": last.get("light", False), "posture": last.get("posture"),
            "verdict": verdict.value, "message": worst["message"], "details": worst.get("details"),
            "seconds": round(sum(p["seconds"] for p in phases), 3), "omits": last.get("omits", []),
            "evidence": last.get("evidence", []), "propagation": last.get("propagation", []),
        })  # fmt: skip

    def _row(self, row: dict[str, Any], verdict: Verdict, reason: str | None, adapter: str | None) -> dict[str, Any]:
        entry = self.options.register.get(row["id"])
        if verdict not in (Verdict.PASS, Verdict.FAIL):
            row = {**row, "evidence_at": None}  # nothing was looked at
        judged = row_verdict(entry, row["version"], verdict)
        return {**row, "verdict": judged.value, "reason": reason, "adapter": adapter}

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        assert self.environment
        side = self.config.pluginmanager.get_plugin("smi-worker")
        if side and side.selected:  # else a rule of collection was broken, which pytest tells
            self._plan(plan_of(session, self.environment.options, served_versions(self.environment.started)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        assert self.log
        if node.gateway.id == "gw0":
            told = self.log.handed_over()
            self._set_aside = told["set_aside"]
            self._plan(told["scenarios"])

    def _plan(self, scenarios: list[dict[str, Any]]) -> None:
        assert self.log
        self.collected = True
        if scenarios:
            left_out = [{"id": name, "reason": reason} for name, reason in selection.uncovered().items()]
            self.log.write({"event": "plan", "scenarios": scenarios, "uncovered": left_out})
            self.planned |= {one["nodeid"] for one in scenarios}
            if not self.options.replay:
                self._estimate([one["nodeid"] for one in scenarios])

    def _estimate(self, nodeids: list[str]) -> None:
        from smi_conformance.report import words  # noqa: PLC0415  # costs time that other pytest runs need not spend

        backend = self.environment.backend if self.environment else None
        seconds = self._recorded.estimate(nodeids, backend.name if backend else "") / max(self.options.workers, 1)
        room = f"; --max-time {self.options.max_time:g}" if self.options.max_time else ""
        self.say(f"{words.plural(len(nodeids), 'scenario')}, about {words.duration(seconds)}{room}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """What the workers set aside, because it may disturb others, is run in this process when they are done."""
        result = yield
        if self._set_aside:
            self._run_alone(session)
        return result

    def _run_alone(self, session: pytest.Session) -> None:
        assert self.environment
        side = WorkerSide(self.options, Stage.LATE)
        self.config.pluginmanager.register(side, "smi-worker")
        side.begin(self.config, self.environment.coordinates(), self.options, self.turn)
        items = session.perform_collect()
        for item, following in zip_longest(items, items[1:]):
            self.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        side.end()

    @pytest.hookimpl
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._interrupted = isinstance(excinfo.value, KeyboardInterrupt)

    @pytest.hookimpl
    def pytest_internalerror(self, excrepr: object) -> None:
        self.broken = str(excrepr).splitlines()[-1][:400]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._note_images()
        self._close()
        self._finish_log(self._status())
        session.exitstatus = self._status()

    def _note_images(self) -> None:
        """Which images ran, by digest: known only now that there are pods."""
        if self.log and self.environment and self.verdicts:
            for image, digest in self.environment.images().items():
                text = f"image {image}: {digest or 'no digest told'}"
                self.log.write({"event": "note", "time": _now(), "level": "info", "text": text})

    def _status(self) -> int:
        return exit_status(
            self.verdicts, interrupted=self._interrupted, broken=bool(self.broken), out_of_time=bool(self._stopped)
        )

    @property
    def _stopped(self) -> str | None:
        """Why scenarios were left, when the time of the run was over."""
        left = len(self.planned - self._done)
        if not (left and self._limit and time.time() >= self._limit) or self._interrupted or self.broken:
            return None
        return f"--max-time {self.options.max_time:g} was over, {left} of {len(self.planned)} scenarios were left"

    def _finish_log(self, status: int) -> None:
        if self._finished or not (self.log and self.environment and self.environment.started):
            return
        self._finished = True
        self.log.write({
            "event": "run-finished", "time": _now(), "seconds": round(time.monotonic() - self._began, 2),
            "interrupted": self._interrupted, "exit": status, "broken": self.broken, "stopped": self._stopped,
            "family_wise_false_failure": family_wise(self._false_failures),
        })  # fmt: skip
        try:
            self.log.publish()
        except (ReportError, OSError) as error:
            self.broken = str(error)

    def _close(self) -> None:
        try:
            if self.environment:
                self.environment.close(self.say)
        except ClusterError as error:
            self.broken = str(error)
            self.say(str(error))

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        self._close()  # a run that is stopped while it starts never reaches sessionfinish
        self._finish_log(self._status())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
