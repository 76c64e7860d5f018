"""The process that runs scenarios: which ones, what each of them stands on, and what its end means."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import allure
import pytest

from smi_conformance.cluster.port import ClusterError
from smi_conformance.judge.verdict import Blocked, Nonconformance, Wedged
from smi_conformance.plugin import selection
from smi_conformance.plugin.eventlog import hand_over
from smi_conformance.plugin.judging import Judging, Versions, judging, require_served
from smi_conformance.plugin.outcome import Unsupported, message_of, verdict_of
from smi_conformance.plugin.scenario import scenario_of
from smi_conformance.plugin.selection import Stage
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.plugin.stash import JUDGING, SCENARIO, SCENE, WORKER
from smi_conformance.plugin.worker import Scene, Worker


def plan_of(session: pytest.Session, options: RunOptions, served: Versions) -> list[dict[str, Any]]:
    """The scenarios of a session, each with the requirements and versions that it judges."""
    items = [item for item in session.items if SCENARIO in item.stash]
    rows = [judging(item.stash[SCENARIO], options.register, options.versions, served).rows for item in items]
    return [
        {
            "nodeid": item.nodeid,
            "requirements": [row.id for row in own],
            "versions": {row.id: row.version for row in own},
        }
        for item, own in zip(items, rows, strict=True)
    ]


class Collection:
    """The rules of collection and the selection of the run."""

    def __init__(self, options: RunOptions, stage: Stage = Stage.ALL) -> None:
        self.options, self.stage = options, stage
        self.set_aside = 0
        self.selected = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self.stage is Stage.EARLY:
            self.set_aside = len(selection.select(items, self.options, Stage.LATE)[0])
        chosen, dropped = selection.select(items, self.options, self.stage)
        for item in chosen:
            item.stash[SCENARIO] = scenario_of(item)
            if item.stash[SCENARIO].schedule == "poison" and isinstance(item, pytest.Function):
                item.fixturenames.insert(0, "aftermath")  # the first to be set up is the last to look
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        items[:] = chosen
        self.selected = True


class TimeLimit:
    """Begins no scenario any more when the time of the run is over; the report shows them as not run."""

    def __init__(self, end: float) -> None:
        self.end = end

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> bool | None:
        return True if time.time() >= self.end else None


class CrowdedMachine:
    """Lets no scenario fail on a machine that was too crowded to tell what is late from what is wrong."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        item.stash[SCENE].cluster.crowd.forget()
        with _excused(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        with _excused(item):
            return (yield)

    pytest_runtest_teardown = pytest_runtest_call


@contextmanager
def _excused(item: pytest.Item) -> Iterator[None]:
    """A failure inside, or a server that stays open, is an error where the machine may be the cause. Raises Starved."""
    try:
        yield
    except (Nonconformance, Blocked) as failure:
        item.stash[SCENE].cluster.crowd.require_quiet(failure)
        raise


class WorkerSide(Collection):
    """Runs scenarios: opens the journal, gives each scenario its scene, turns its end into verdicts."""

    def __init__(self, options: RunOptions, stage: Stage = Stage.ALL) -> None:
        super().__init__(options, stage)
        self.worker: Worker | None = None
        self.turn: Callable[[str], None] | None = None

    @pytest.hookimpl
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take the coordinates from the controller, in this process or over pytest-xdist."""
        config = session.config
        controller = config.pluginmanager.get_plugin("smi-controller")
        if controller:
            self.begin(config, controller.environment.coordinates(), controller.environment.options, controller.turn)
        else:
            given = vars(config)["workerinput"]
            self.begin(config, given["smi"], self.options, None, given["workerid"])

    def begin(
        self,
        config: pytest.Config,
        coordinates: Mapping[str, Any],
        options: RunOptions,
        turn: Callable[[str], None] | None,
        name: str = "main",
    ) -> None:
        """Open the journal; `turn` brings the mesh into a posture, where this process may do that."""
        self.options, self.turn = options, turn
        self.worker = config.stash[WORKER] = Worker(options, coordinates, name)
        config.pluginmanager.register(CrowdedMachine())
        if coordinates.get("end") is not None:
            config.pluginmanager.register(TimeLimit(coordinates["end"]))

    def end(self) -> None:
        """Close the journal."""
        if self.worker:
            self.worker.close()
            self.worker = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The first worker of pytest-xdist tells the controller what the run holds: itself it sees only node ids."""
        if self.worker and self.worker.name == "gw0":
            plan = plan_of(session, self.options, self.worker.served)
            hand_over(self.options.report, {"scenarios": plan, "set_aside": self.set_aside})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self.end()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        assert self.worker
        scenario, options, worker = item.stash[SCENARIO], self.options, self.worker
        for glance in worker.meanwhile if not (options.replay or worker.lost) else ():
            glance()
        plan = item.stash[JUDGING] = judging(scenario, options.register, options.versions, worker.served)
        worker.options = options.at(selection.posture_of(scenario, options))
        item.stash[SCENE] = Scene(
            worker, item.nodeid, scenario.requirements, plan.versions, plan.light, numbers=scenario.numbers
        )
        worker.cluster.sign(scenario.requirements[0])
        with worker.journal.scope(item.nodeid):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        assert self.worker
        if self.worker.lost:
            raise ClusterError(self.worker.lost)
        if self.worker.wedged:
            raise Wedged(self.worker.wedged)
        rows, profile = item.stash[JUDGING].rows, self.options.profile
        for entry in (self.options.register.get(row.id) for row in rows):
            feature = profile.features.get(entry.feature)
            if feature and feature.claim == "none" and not (profile.prometheus and item.stash[SCENE].numbers):
                raise Unsupported(f"the profile declares {entry.feature}: none ({feature.reason})")
        first = self.options.register.get(rows[0].id)
        require_served(first, rows[0].version, self.worker.served, profile.claims)
        if self.turn:
            self.turn(self.worker.options.posture)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Labels of the Allure result: the mesh is a parameter, or two meshes would merge into one entry."""
        profile = self.options.profile
        allure.dynamic.title(item.stash[SCENARIO].title)
        for name, value in (
            ("mesh", profile.name),
            ("mesh version", profile.version),
            *item.stash[JUDGING].versions.items(),
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
        if isinstance(raised, ClusterError) and self.worker and not self.worker.lost:
            self.worker.lost = self.worker.cluster.silence()
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
            plan = item.stash[JUDGING]
            omits = [{"outcome": outcome, "reason": reason} for outcome, reason in scenario.omits.items()]
            return {
                "title": scenario.title, "requirements": list(scenario.requirements), "omits": omits,
                "rows": [asdict(row) for row in plan.rows], "tentative": self._tentative(plan),
                "versions": dict(plan.versions), "light": plan.light, "posture": scene.options.posture,
                "evidence": scene.evidence, "propagation": scene.propagation, "adapter": scene.adapter or None,
            }  # fmt: skip
        if raised and not isinstance(raised, pytest.skip.Exception):
            return {"details": self._details(item, raised)}
        return {}

    def _tentative(self, plan: Judging) -> bool:
        """Whether nothing that the scenario judges counts."""
        return all(self.options.register.get(row.id).tentative(row.version) for row in plan.rows)

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
        prefix = f"{self.options.namespace_prefix}-{scene.worker.run}-{scene.worker.name.removeprefix('gw')[:1]}"
        state = scene.cluster.dump([f"{prefix}a", f"{prefix}b", f"{prefix}u", *profile.namespaces])
        name = "".join(c if c.isalnum() else "-" for c in item.nodeid.split("/")[-1])[:80]
        folder = self.options.report / "dumps"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(state, indent=1))
