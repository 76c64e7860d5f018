"""The pytest hooks: collection rules, the environment of the run, and the event stream.

Only scenarios (test items below conformance/) are touched; any other test that shares the root conftest
runs as if the plugin were not there.
"""

from __future__ import annotations

import json
import time
import traceback
from collections import defaultdict
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import allure
import pytest

from smi_conformance.cluster.port import ClusterError
from smi_conformance.judge.statistics import family_wise
from smi_conformance.judge.verdict import Nonconformance, Verdict
from smi_conformance.locations import CONFORMANCE
from smi_conformance.plugin import selection
from smi_conformance.plugin.environment import Environment, open_environment
from smi_conformance.plugin.eventlog import EventLog
from smi_conformance.plugin.options import options_of, pytest_addoption
from smi_conformance.plugin.outcome import (
    Unsupported,
    exit_status,
    message_of,
    row_verdict,
    scenario_verdict,
    verdict_of,
)
from smi_conformance.plugin.scenario import Scenario, scenario_of
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.plugin.worker import Scene, Worker
from smi_conformance.report import ReportError

__all__ = ["pytest_addoption"]

SCENE = pytest.StashKey[Scene]()
WORKER = pytest.StashKey[Worker]()
SCENARIO = pytest.StashKey[Scenario]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "requirement(*ids, omits): the requirements of the register that a scenario judges"
    )
    if not _targets_scenarios(config):
        return
    options = options_of(config)
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerSide(options), "smi-worker")
    elif config.option.collectonly:
        config.pluginmanager.register(Collection(options), "smi-collection")
    else:
        if not options.workers or options.replay:  # registered first, so that it ends first
            config.pluginmanager.register(WorkerSide(options), "smi-worker")
        config.pluginmanager.register(Controller(config, options), "smi-controller")


def _targets_scenarios(config: pytest.Config) -> bool:
    """Whether any path on the command line lies below conformance/."""
    base = config.invocation_params.dir
    paths = ((base / str(arg).split("::")[0]).resolve() for arg in config.args)
    return any(path.is_relative_to(CONFORMANCE) for path in paths)


class Collection:
    """The rules of collection and the selection of the run."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.environment: Environment | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen, dropped = selection.select(items, self.options)
        for item in chosen:
            item.stash[SCENARIO] = scenario_of(item)
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        items[:] = chosen


class WorkerSide(Collection):
    """Runs scenarios: opens the journal, gives each scenario its scene, turns its end into verdicts."""

    def __init__(self, options: RunOptions) -> None:
        super().__init__(options)
        self.worker: Worker | None = None

    @pytest.hookimpl
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        name = getattr(session.config, "workerinput", {}).get("workerid", "main")
        coordinates = getattr(session.config, "workerinput", {}).get("smi")
        controller = session.config.pluginmanager.get_plugin("smi-controller")
        if controller:
            coordinates, self.options = controller.environment.coordinates(), controller.environment.options
        assert coordinates
        self.worker = session.config.stash[WORKER] = Worker(self.options, coordinates, name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        if self.worker:
            self.worker.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        assert self.worker
        scenario = item.stash[SCENARIO]
        item.stash[SCENE] = Scene(self.worker, item.nodeid, scenario.requirements)
        self.worker.cluster.sign(scenario.requirements[0])
        with self.worker.journal.scope(item.nodeid):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        for name in item.stash[SCENARIO].requirements:
            feature = self.options.profile.features.get(self.options.register.get(name).feature)
            if feature and feature.claim == "none":
                raise Unsupported(
                    f"the profile declares {self.options.register.get(name).feature}: none ({feature.reason})"
                )

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Labels of the Allure result: the mesh is a parameter, or two meshes would merge into one entry."""
        profile = self.options.profile
        allure.dynamic.title(item.stash[SCENARIO].title)
        for name, value in (
            ("mesh", profile.name),
            ("mesh version", profile.version),
            *self.options.versions.items(),
        ):
            allure.dynamic.parameter(name, value)
        allure.dynamic.parameter("requirement", ", ".join(item.stash[SCENARIO].requirements))
        for requirement in item.stash[SCENARIO].requirements:
            allure.dynamic.label("requirement", requirement)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        raised = call.excinfo.value if call.excinfo else None
        verdict = verdict_of(raised)
        vars(report)["smi"] = {
            "verdict": verdict.value,
            "message": message_of(raised),
            **self._record(item, report, raised),
        }
        return report

    def _record(self, item: pytest.Item, report: pytest.TestReport, raised: BaseException | None) -> dict[str, Any]:
        if report.when == "teardown":
            scene = item.stash[SCENE]
            scenario = item.stash[SCENARIO]
            omits = [{"outcome": outcome, "reason": reason} for outcome, reason in scenario.omits.items()]
            return {
                "title": scenario.title, "requirements": list(scenario.requirements), "omits": omits,
                "evidence": scene.evidence, "propagation": scene.propagation,
            }  # fmt: skip
        if raised and not isinstance(raised, pytest.skip.Exception):
            return {"details": self._details(item, raised)}
        return {}

    def _details(self, item: pytest.Item, raised: BaseException) -> str:
        """Where it happened, and the state of the cluster, kept before anything is cleaned up."""
        self._dump(item)
        if isinstance(raised, (Nonconformance, ClusterError)):
            return ""
        return "".join(traceback.format_exception(raised))[-4000:]

    def _dump(self, item: pytest.Item) -> None:
        scene, profile = item.stash[SCENE], self.options.profile
        if self.options.replay:
            return
        prefix = f"smi-{scene.worker.run}-{scene.worker.name.removeprefix('gw')[:1]}"
        state = scene.cluster.dump([f"{prefix}a", f"{prefix}b", f"{prefix}u", *profile.namespaces])
        name = "".join(c if c.isalnum() else "-" for c in item.nodeid.split("/")[-1])[:80]
        folder = self.options.report / "dumps"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(state, indent=1))


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
        self._planned = False
        self._finished = False
        self._false_failures: list[float] = []
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Progress for the person who waits."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"{time.monotonic() - self._began:6.1f} s  {text}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        try:
            self.log = EventLog(self.options.report, fresh=True)
            self.environment = open_environment(self.options, self.say)
            self.log.write(self.environment.started)
        except (ClusterError, OSError) as error:
            self.broken = str(error)
            self._close()
            pytest.exit(f"harness error: {error}", returncode=3)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        assert self.environment
        node.workerinput["smi"] = self.environment.coordinates()

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
        self.verdicts.append(verdict)
        self._false_failures += [e["false_failure"] for e in last.get("evidence", ()) if e.get("false_failure")]
        rows = [self._row(name, verdict, worst["message"]) for name in last["requirements"]]
        self.log.write({
            "event": "scenario-finished", "time": _now(), "nodeid": report.nodeid,
            "worker": getattr(report, "worker_id", "main"), "title": last.get("title"), "requirements": rows,
            "verdict": verdict.value, "message": worst["message"], "details": worst.get("details"),
            "seconds": round(sum(p["seconds"] for p in phases), 3), "omits": last.get("omits", []),
            "evidence": last.get("evidence", []), "propagation": last.get("propagation", []),
        })  # fmt: skip

    def _row(self, name: str, verdict: Verdict, reason: str | None) -> dict[str, Any]:
        entry = self.options.register.get(name)
        version = self.options.versions[entry.group]
        return {
            "id": name,
            "version": version,
            "verdict": row_verdict(entry, version, verdict).value,
            "reason": reason,
        }

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._plan(
            [
                {"nodeid": i.nodeid, "requirements": i.stash[SCENARIO].requirements}
                for i in session.items
                if SCENARIO in i.stash
            ]
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        if not self._planned:
            self._plan([{"nodeid": nodeid, "requirements": []} for nodeid in ids])

    def _plan(self, scenarios: list[dict[str, Any]]) -> None:
        assert self.log
        self._planned = bool(scenarios)
        if scenarios:
            left_out = [{"id": name, "reason": reason} for name, reason in selection.uncovered().items()]
            self.log.write({"event": "plan", "scenarios": scenarios, "uncovered": left_out})

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
        return exit_status(self.verdicts, interrupted=self._interrupted, broken=bool(self.broken))

    def _finish_log(self, status: int) -> None:
        if self._finished or not (self.log and self.environment and self.environment.started):
            return
        self._finished = True
        self.log.write({
            "event": "run-finished", "time": _now(), "seconds": round(time.monotonic() - self._began, 2),
            "interrupted": self._interrupted, "exit": status, "broken": self.broken,
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
            self.say(f"harness error: {error}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        self._close()  # a run that is stopped while it starts never reaches sessionfinish
        self._finish_log(self._status())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
