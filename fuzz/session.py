"""A run of the fuzzer: cluster and cast, the search, the report, and the way back."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fixtures.cast import Cast
from fuzz import report
from fuzz.drawing import Menu, cases
from fuzz.scenery import Scenery
from fuzz.search import Search
from fuzz.trial import Finding, Trial
from smi_conformance.cluster.port import ClusterError
from smi_conformance.judge.verdict import HarnessError
from smi_conformance.model.versions import BASELINE, best
from smi_conformance.plugin.environment import Environment, open_environment
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.plugin.worker import Scene, Worker
from smi_conformance.report.words import plural

OK, DISAGREES, HARNESS, INTERRUPTED = 0, 1, 3, 130
EVERY = 10.0  # seconds between two lines of progress


@dataclass(frozen=True)
class Bounds:
    """How long a run goes on: seconds of drawing, cases if they are limited, and counter-examples."""

    seconds: float
    cases: int | None = None
    counterexamples: int = 3

    @property
    def shrinking(self) -> float:
        """Seconds that one counter-example may be shrunk for."""
        return min(300.0, max(10.0, self.seconds / 2))


@dataclass
class Session:
    """One run."""

    options: RunOptions
    bounds: Bounds
    _began: float = field(default_factory=time.monotonic)
    _said: float = 0.0
    _found: list[dict[str, Any]] = field(default_factory=list)
    _interrupted: bool = False

    def run(self) -> int:
        """Search, and give everything back; returns the exit code. Raises OSError when the report cannot be written."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        sys.unraisablehook = _unless_interrupted
        environment: Environment | None = None
        code = HARNESS
        try:
            environment = open_environment(self.options, self.say)
            code = self._searched(environment)
        except HarnessError as error:
            self.say(f"the suite or the cluster failed, which says nothing of the mesh: {_line(error)}")
        except KeyboardInterrupt:
            self.say("interrupted")
            code = INTERRUPTED
        finally:
            code = self._closed(environment, code)
        return code

    def say(self, text: str) -> None:
        """Progress for the person who waits."""
        self._said = time.monotonic()
        sys.stdout.write(f"{self._said - self._began:6.1f} s  {text}\n")
        sys.stdout.flush()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True  # a finalizer or a hook of the garbage collection may swallow what is raised here
        raise KeyboardInterrupt

    def _closed(self, environment: Environment | None, code: int) -> int:
        try:
            if environment:
                environment.close(self.say)
        except ClusterError as error:
            self.say(_line(error))
            return HARNESS
        return code

    def _searched(self, environment: Environment) -> int:
        worker = Worker(self.options, environment.coordinates(), "main", record=False)
        try:
            scene = Scene(worker, "fuzz", ("fuzz",), _versions(worker))
            scene.cluster.sign("fuzz")
            self.say("starting the cast")
            scenery = Scenery.built(scene, Cast(worker, "main"))
            return self._judged(scenery)
        finally:
            worker.close()

    def _judged(self, scenery: Scenery) -> int:
        menu = Menu.of(self.options.profile, scenery.scene.versions)
        trial, bounds, seed = Trial(scenery, menu.splits), self.bounds, self.options.seed or 0
        search = Search(
            cases(menu), trial.judge, seed, bounds.seconds, bounds.cases,
            shrinking=bounds.shrinking, hasty=self.options.limits.stale,
        )  # fmt: skip
        search.told = lambda: self._progress(search, trial)
        self.say(f"drawing for {bounds.seconds:g} s, seed {seed}")
        try:
            search.run(lambda finding: self._tell(finding, scenery, search.drawn), bounds.counterexamples)
        finally:
            self._sum_up(search, trial)
        return DISAGREES if self._found else OK

    def _progress(self, search: Search, trial: Trial) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        if time.monotonic() - self._said >= EVERY:
            doing = "; shrinking a counter-example" if search.shrinks else ""
            self.say(f"{search.drawn} policy sets, {trial.requests} requests{doing}")

    def _tell(self, finding: Finding, scenery: Scenery, drawn: int) -> None:
        folder = self.options.report / f"counterexample-{len(self._found) + 1}"
        report.write(finding, scenery, folder, self.command(drawn))
        told = report.paragraph(finding, scenery, folder)
        self._found.append({"folder": folder.name, "text": told})
        self.say(f"DISAGREES  {told}")

    def _sum_up(self, search: Search, trial: Trial) -> None:
        found = plural(len(self._found), "counter-example") if self._found else "no disagreement"
        self.say(f"{search.drawn} policy sets, {trial.requests} requests: {found}")
        summary = {
            "command": self.command(), "mesh": self.options.mesh, "cluster": self.options.cluster,
            "seed": self.options.seed, "faults": list(self.options.faults), "bounds": asdict(self.bounds),
            "policy_sets": search.drawn, "requests": trial.requests,
            "seconds": round(time.monotonic() - self._began, 1), "counterexamples": self._found,
        }  # fmt: skip
        path = self.options.report / "fuzz.json"
        path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")

    def command(self, drawn: int | None = None) -> str:
        """How to repeat the run, or its first policy sets until so many were drawn."""
        options, limit = self.options, drawn or self.bounds.cases
        words = ["smi-conformance", "fuzz", "--mesh", options.mesh, "--cluster", options.cluster]
        words += ["--time", f"{self.bounds.seconds:g}s", "--seed", str(options.seed)]
        words += ["--examples", str(limit)] if limit else []
        words += [word for fault in options.faults for word in ("--fault", fault)]
        words += [word for name, last in options.deadlines.items() for word in ("--deadline", f"{name}={last:g}")]
        return shlex.join(words)


def prepare(folder: Path) -> None:
    """Make the report's folder, without what an earlier run has left there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("counterexample-*/*"), *folder.glob("cast.yaml"), *folder.glob("fuzz.json")]:
        old.unlink()
    for emptied in folder.glob("counterexample-*"):
        emptied.rmdir()


def run(options: RunOptions, bounds: Bounds) -> int:
    """A run with options that were checked; returns the exit code. Raises OSError."""
    prepare(options.report)
    return Session(options, bounds).run()


def _versions(worker: Worker) -> dict[str, str]:
    """The stable version of each group, or the best of those that the cluster serves."""
    served = {group: found for group, found in worker.served.items() if found}
    return {
        group: version if version in served.get(group, (version,)) else best(group, served[group])
        for group, version in BASELINE.items()
        if group != "metrics"
    }


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _unless_interrupted(lost: sys.UnraisableHookArgs) -> None:
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
