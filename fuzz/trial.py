"""One case on a cluster: policies are written, then looks are taken until all agrees or the deadline has passed.

The pacemaker is written after the policies: a grant on a path that is new each time, and a split that turns each time.
Its requests are part of every look, so nothing counts as settled before they arrive where they should, and whatever is
denied is denied beside them. Nobody sleeps for a while and hopes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from fixtures.calls import Call
from fixtures.traffic import Client
from fuzz.cases import HOME, LISTED, Case, Named, Probe, beat_objects, moved, pace_probes, pace_targets
from fuzz.expectation import Disagreement, Expectation, disagreements, expect
from fuzz.scenery import Scenery
from smi_conformance.cluster.port import Ref
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.judge.observation import Observation, Plan
from smi_conformance.judge.verdict import HarnessError, WitnessError
from smi_conformance.model.objects import SmiObject
from smi_conformance.model.render import Manifest, render
from smi_conformance.model.world import World

REST = 1.0  # seconds between two looks once the pacemaker is seen: most cases need but one
BRIEF = 1.0  # seconds that a request may take which nobody may answer: some meshes deny by silence


@dataclass(frozen=True)
class Look:
    """What one look at a case showed."""

    disagreements: tuple[Disagreement, ...]
    observations: tuple[Observation, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A case whose disagreements have outlasted the deadline."""

    case: Case
    objects: tuple[Named, ...]
    """Everything that stood, in the order of writing, the pacemaker's objects included."""
    world: World
    look: Look
    seconds: float
    """How long it was looked at."""

    @property
    def main(self) -> Disagreement:
        """The first one: of a drawn request if there is any."""
        return min(self.look.disagreements, key=lambda one: one.probe.is_pace)


@dataclass
class Trial:
    """Carries cases out, one after another."""

    scenery: Scenery
    splits: bool
    """Whether the mesh is said to split traffic: else the pacemaker does without."""
    requests: int = 0
    """How many were sent until now."""
    _beat: int = 0
    _standing: list[tuple[Ref, SmiObject]] = field(default_factory=list)

    def judge(self, case: Case, patience: float | None = None) -> Finding | None:
        """What disagrees with every reading for so many seconds; by default until the deadlines have passed.

        Raises HarnessError when the cluster fails, no witness is answered, or the machine is too crowded to judge.
        """
        limits = self.scenery.scene.options.limits
        deadline = patience or max(limits.policy, limits.split)
        objects, clock = self._write(case), self.scenery.scene.cluster.clock
        world, began = self.scenery.world(objects), clock.now()
        asked = self._asked(case, world)
        beat = {client: [pair for pair in few if pair[0].is_pace] for client, few in asked.items() if client in LISTED}
        for part, rest in ((beat, None), (asked, REST)):
            left = deadline - (clock.now() - began)
            try:
                until(partial(self._look, part), deadline=left, poll=rest, clock=clock, holds=_agrees)
            except DeadlineExpired as expired:
                return self._confirmed(Finding(case, tuple(objects), world, _last(expired), clock.now() - began), part)
        return None

    def _confirmed(self, found: Finding, asked: Asked) -> Finding | None:
        """What the last look and one more have in common, while the servers that were missed answer themselves."""
        before = {one.key for one in found.look.disagreements}
        again = self._look(asked)
        common = tuple(one for one in again.disagreements if one.key in before)
        for one in common:
            self._require_alive(one.probe)
        if common:
            self.scenery.scene.cluster.crowd.require_quiet(f"{common[0].probe} is answered otherwise")
        return replace(found, look=Look(common, again.observations)) if common else None

    def _require_alive(self, probe: Probe) -> None:
        """The servers answer on loopback, so what was lost was lost on its way. Raises WitnessError."""
        client, call = self._client(probe.client), self.scenery.call(probe)
        for pod in call.to.pods:
            own = Call(call.to.at(pod), call.protocol, call.port)
            if client.vital_signs([own]).unanswered():
                raise WitnessError(f"server {pod.name} does not answer itself, so nothing is known of the mesh")

    # Policies

    def _write(self, case: Case) -> list[Named]:
        """Bring the policies of a case into force; what stands already, in the same order, is left alone."""
        self._beat += 1
        standing, beat = [*pace_targets(), *case.policies.objects()], beat_objects(self._beat, splits=self.splits)
        self._replace([(Ref.of(self._manifest(named)), named[1]) for named in standing])
        for named in beat:
            self._apply(named)
        return [*standing, *beat]

    def _replace(self, wanted: list[tuple[Ref, SmiObject]]) -> None:
        pairs = zip(self._standing, wanted, strict=False)
        kept = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(self._standing), len(wanted)))
        for ref, _ in reversed(self._standing[kept:]):
            self.scenery.scene.cluster.delete(ref)
            self._standing.pop()
        for ref, thing in wanted[kept:]:
            self._standing.append((ref, thing))
            self._apply((ref.name, thing))

    def _apply(self, named: Named) -> None:
        self.scenery.scene.cluster.apply(self._manifest(named))

    def _manifest(self, named: Named) -> Manifest:
        places = self.scenery.places
        return render(moved(named[1], places), named[0], places[HOME], self.scenery.scene.versions)

    # Traffic

    def _asked(self, case: Case, world: World) -> Asked:
        """The probes of each client, after those of the pacemaker, with what is expected of them."""
        probes: defaultdict[str, list[Probe]] = defaultdict(list)
        for probe in case.probes:
            probes[probe.client].append(probe)
        if not probes.keys() & LISTED.keys():  # then one of the listed is the witness of the others
            probes[next(iter(LISTED))] = []
        return {
            client: [(probe, expect(world, self.scenery.request(world, probe))) for probe in self._paced(client, few)]
            for client, few in probes.items()
        }

    def _paced(self, client: str, probes: Sequence[Probe]) -> list[Probe]:
        if client not in LISTED:
            return list(probes)
        return [*pace_probes(client, self._beat, splits=self.splits), *probes]

    def _look(self, asked: Asked) -> Look:
        found: list[Disagreement] = []
        observed: list[Observation] = []
        for client, probes in asked.items():
            seen, few = self._send(client, probes)
            observed.append(seen)
            found += few
        return Look(tuple(found), tuple(observed))

    def _send(self, name: str, asked: list[tuple[Probe, Expectation]]) -> tuple[Observation, list[Disagreement]]:
        client, prefix = self._client(name), self.scenery.scene.fresh("q")
        calls = [self.scenery.call(probe) for probe, _ in asked]
        steps = tuple(
            client.step(call, f"{prefix}.{n}", expected.count, None if expected.may_arrive else BRIEF)
            for n, (call, (_, expected)) in enumerate(zip(calls, asked, strict=True))
        )
        self.requests += sum(step.count for step in steps)
        seen = client.observe(f"{prefix}.", Plan(steps), calls)
        if seen.outcomes()["unresolved"]:
            raise HarnessError(f"{name} cannot resolve {', '.join(sorted({step.host for step in steps}))}")
        rows = zip(asked, steps, strict=True)
        return seen, [one for (probe, due), step in rows for one in disagreements(probe, due, step, seen)]

    def _client(self, name: str) -> Client:
        return self.scenery.cast.client(self.scenery.scene, name)


Asked = dict[str, list[tuple[Probe, Expectation]]]


def _agrees(look: Look) -> bool:
    return not look.disagreements


def _last(expired: DeadlineExpired) -> Look:
    assert isinstance(expired.last, Look)
    return expired.last
