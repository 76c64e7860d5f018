"""Defects of traffic splitting (SP-010 to SP-053), and of access control behind a split (SP-200)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from smi_conformance.lab.mesh import policy
from smi_conformance.lab.mesh.model import Backend, HeaderFilter, HttpMatch, Name, Pod, Split, State
from smi_conformance.lab.mesh.policy import Inbound
from smi_conformance.lab.mesh.splits import Branch, Choice, Outbound, VirtualPort
from smi_conformance.lab.mesh.switchboard import fault

PORT = "(:[0-9]+)?"


def with_backends(state: State, change: Callable[[tuple[Backend, ...]], Sequence[Backend]]) -> State:
    """The same splits with other backends."""
    return replace(state, splits=tuple(replace(s, backends=tuple(change(s.backends))) for s in state.splits))


def weighted(backends: Sequence[Backend], weights: Sequence[int]) -> list[Backend]:
    """The same backends with other weights."""
    return [replace(backend, weight=weight) for backend, weight in zip(backends, weights, strict=True)]


def weights_of(backends: Sequence[Backend]) -> list[int]:
    """The weights alone."""
    return [backend.weight for backend in backends]


@fault("SP-010/weights-ignored", "all backends get the same share", "state")
def weights_ignored(state: State) -> State:
    return with_backends(state, lambda backends: weighted(backends, [1] * len(backends)))


@fault("SP-010/weights-swapped", "the weights are applied in reverse order", "state")
def weights_swapped(state: State) -> State:
    return with_backends(state, lambda backends: weighted(backends, weights_of(backends)[::-1]))


@fault("SP-010/third-backend-dropped", "backends after the second are left out", "state")
def third_backend_dropped(state: State) -> State:
    return with_backends(state, lambda backends: backends[:2])


@fault("SP-010/heaviest-takes-all", "the heaviest backend, of several the first, gets everything", "state")
def heaviest_takes_all(state: State) -> State:
    def only(backends: tuple[Backend, ...]) -> list[Backend]:
        heaviest = max(backends, key=lambda backend: backend.weight, default=None)
        return weighted(backends, [b.weight if b is heaviest else 0 for b in backends])

    return with_backends(state, only)


@fault("SP-010/five-points-off", "shares are five points off, where each is at least that large", "state")
def five_points_off(state: State) -> State:
    return with_backends(state, _five_points_off)


def _five_points_off(backends: tuple[Backend, ...]) -> Sequence[Backend]:
    shares = _shares(backends)
    used = [place for place, share in enumerate(shares) if share]
    if len(used) < 2 or min(shares[place] for place in used) < 500:
        return backends
    heaviest = max(used, key=lambda place: shares[place])
    moved = dict.fromkeys(used, 500) | {heaviest: -500 * (len(used) - 1)}
    return weighted(backends, [max(share + moved.get(place, 0), 0) for place, share in enumerate(shares)])


def _shares(backends: Sequence[Backend]) -> list[int]:
    """Shares in hundredths of a per cent."""
    total = sum(weights_of(backends)) or 1
    return [round(10_000 * weight / total) for weight in weights_of(backends)]


def with_splits(outbound: Outbound, change: Callable[[VirtualPort], VirtualPort]) -> Outbound:
    """The same with other ports of split roots."""
    return replace(outbound, ports=tuple(change(port) if port.split else port for port in outbound.ports))


def with_split_choices(
    outbound: Outbound, change: Callable[[VirtualPort, tuple[Choice, ...]], tuple[Choice, ...]]
) -> Outbound:
    """The same with other destinations of what is split; the root's own selection stays as it is."""

    def branch(port: VirtualPort, item: Branch) -> Branch:
        own = [choice.service for choice in item.choices] == [port.service.name]
        return item if own or not item.choices else replace(item, choices=change(port, item.choices))

    return with_splits(outbound, lambda p: replace(p, branches=tuple(branch(p, b) for b in p.branches)))


@fault("SP-010/decoy-leak", "2 % of the split requests go to the root's own selection", "outbound")
def decoy_leak(outbound: Outbound, _state: State) -> Outbound:
    def leaking(port: VirtualPort, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        total = sum(choice.weight for choice in choices)
        kept = (replace(choice, weight=choice.weight * 98) for choice in choices)
        return (*kept, Choice(port.service.name, port.port.number, total * 2))

    return with_split_choices(outbound, leaking)


@fault("SP-010/one-client-pod-unsplit", "of a namespace's client pods the newest never learns of splits", "view")
def one_client_pod_unsplit(state: State, pod: Pod) -> State:
    clients = [
        other
        for other in state.pods
        if other.meshed and other.name.namespace == pod.name.namespace and not policy.selecting(state, other)
    ]
    newest = max(clients, key=lambda other: (other.created, other.name), default=None)
    return replace(state, splits=()) if len(clients) > 1 and pod == newest else state


@fault("SP-013/zero-read-as-one", "weight 0 is read as unset, and an unset weight as the largest one", "state")
def zero_read_as_one(state: State) -> State:
    def unset(backends: tuple[Backend, ...]) -> list[Backend]:
        largest = max(weights_of(backends), default=0) or 1
        return weighted(backends, [weight or largest for weight in weights_of(backends)])

    return with_backends(state, unset)


@fault("SP-013/zero-invalidates-split", "a split with a weight of 0 is left out", "state")
def zero_invalidates_split(state: State) -> State:
    return replace(state, splits=tuple(split for split in state.splits if all(weights_of(split.backends))))


def spilling(state: State, percent: int) -> State:
    """Backends of weight 0 together get that much of the requests."""

    def spilled(backends: tuple[Backend, ...]) -> Sequence[Backend]:
        shares = _shares(backends)
        zeros = weights_of(backends).count(0)
        if not zeros or zeros == len(backends):
            return backends
        return weighted(backends, [share * (100 - percent) or 10_000 * percent // zeros for share in shares])

    return with_backends(state, spilled)


@fault("SP-013/spill-to-zero", "5 % of the requests go to backends of weight 0", "state")
def spill_to_zero(state: State) -> State:
    return spilling(state, 5)


@fault("SP-013/one-percent-to-zero", "1 % of the requests goes to backends of weight 0", "state")
def one_percent_to_zero(state: State) -> State:
    return spilling(state, 1)


@fault("SP-013/zero-keeps-old-share", "a backend that is set to 0 keeps the weight it had", "state")
class ZeroKeepsOldShare:
    """Remembers the last weight other than 0 of each backend of each split."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}

    def __call__(self, state: State) -> State:
        return replace(state, splits=tuple(map(self._changed, state.splits)))

    def _changed(self, split: Split) -> Split:
        weights = []
        for backend in split.backends:
            key = split.uid, backend.service
            if backend.weight:
                self._last[key] = backend.weight
            weights.append(self._last.get(key, 0))
        return replace(split, backends=tuple(weighted(split.backends, weights)))


def only_for_host(outbound: Outbound, pattern: Callable[[Name], str]) -> Outbound:
    """HTTP is split only if the whole Host fits the pattern; everything else gets the root's own selection."""

    def limited(port: VirtualPort) -> VirtualPort:
        if port.port.protocol != "http":
            return port
        host = HeaderFilter(":authority", pattern(port.service.name))
        split = [replace(branch, match=_and_header(branch.match, host)) for branch in port.branches]
        return replace(port, branches=(*split, own_selection(port)))

    return with_splits(outbound, limited)


def _and_header(match: HttpMatch | None, header: HeaderFilter) -> HttpMatch:
    match = match or HttpMatch()
    return replace(match, headers=(*match.headers, header))


def own_selection(port: VirtualPort, match: HttpMatch | None = None) -> Branch:
    """The root's own selection for what fits a match."""
    return Branch((Choice(port.service.name, port.port.number),), match)


@fault("SP-020/short-name-only", "only requests with the root's short name as Host are split", "outbound")
def short_name_only(outbound: Outbound, _state: State) -> Outbound:
    return only_for_host(outbound, lambda root: root.name + PORT)


@fault("SP-020/fqdn-only", "only requests with the root's full name as Host are split", "outbound")
def fqdn_only(outbound: Outbound, _state: State) -> Outbound:
    return only_for_host(outbound, lambda root: rf"{root.name}\.{root.namespace}\.svc\.cluster\.local{PORT}")


@fault("SP-020/other-namespaces-bypass", "clients of other namespaces do not see a split", "view")
def other_namespaces_bypass(state: State, pod: Pod) -> State:
    own = tuple(split for split in state.splits if split.name.namespace == pod.name.namespace)
    return replace(state, splits=own)


@fault("SP-020/port-in-host-misses", "requests whose Host carries a port are not split", "outbound")
def port_in_host_misses(outbound: Outbound, _state: State) -> Outbound:
    with_port = HttpMatch(headers=(HeaderFilter(":authority", ".*:[0-9]+"),))

    def missed(port: VirtualPort) -> VirtualPort:
        if port.port.protocol != "http":
            return port
        return replace(port, branches=(own_selection(port, with_port), *port.branches))

    return with_splits(outbound, missed)


class Remembering:
    """Remembers what each split said when it was seen first."""

    def __init__(self) -> None:
        self._first: dict[str, Split] = {}

    def __call__(self, state: State) -> State:
        return replace(state, splits=tuple(self.seen(s, self._first.setdefault(s.uid, s)) for s in state.splits))

    def seen(self, split: Split, first: Split) -> Split:
        """What counts of a split."""
        raise NotImplementedError


@fault("SP-032/first-weights-kept", "the backends and weights a split was created with stay in force", "state")
class FirstWeightsKept(Remembering):
    """Other fields are followed."""

    def seen(self, split: Split, first: Split) -> Split:
        """The first backends, the current rest."""
        return replace(split, backends=first.backends)


@fault("SP-032/needs-recreate", "a split stays in force as it was created", "state")
class NeedsRecreate(Remembering):
    """No field is followed."""

    def seen(self, split: Split, first: Split) -> Split:
        """As at first."""
        return first


@fault("SP-032/one-update-behind", "each update of a split brings the one before it into force", "state")
class OneUpdateBehind:
    """Remembers the last two contents of each split."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Split, Split]] = {}

    def __call__(self, state: State) -> State:
        return replace(state, splits=tuple(map(self._one_behind, state.splits)))

    def _one_behind(self, split: Split) -> Split:
        before, current = self._last.get(split.uid, (split, split))
        if split != current:
            before = current
        self._last[split.uid] = before, split
        return before


@fault("SP-053/shared-target-port", "all backends are called on the first one's container port", "outbound")
def shared_target_port(outbound: Outbound, state: State) -> Outbound:
    def shared(_port: VirtualPort, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        target = target_of(state, choices[0])
        return tuple(replace(choice, target=target) for choice in choices)

    return with_split_choices(outbound, shared)


@fault("SP-053/service-port-as-pod-port", "backends are called on the Service's port number", "outbound")
def service_port_as_pod_port(outbound: Outbound, _state: State) -> Outbound:
    return with_split_choices(outbound, lambda _p, choices: tuple(replace(c, target=c.port) for c in choices))


@fault("SP-053/changed-target-port-missed", "a targetPort that changes later is not followed", "outbound")
class ChangedTargetPortMissed:
    """Remembers the first container port of each backend's port."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}

    def __call__(self, outbound: Outbound, state: State) -> Outbound:
        return with_split_choices(outbound, lambda _p, choices: tuple(self._kept(state, c) for c in choices))

    def _kept(self, state: State, choice: Choice) -> Choice:
        key = state.services[choice.service].uid, choice.port
        target = target_of(state, choice)
        return replace(choice, target=self._first.setdefault(key, target) if target else 0)


def target_of(state: State, choice: Choice) -> int:
    """The container port of a destination; 0 while nothing tells it."""
    port = state.services[choice.service].ports[choice.port]
    if isinstance(port.target, int):
        return port.target
    return port.endpoints[0][1] if port.endpoints else 0


@fault("SP-200/grant-opens-all", "a grant for one pod behind a split root opens all pods of the split", "state")
def grant_opens_all(state: State) -> State:
    opened = list(state.targets)
    for split in state.splits:
        names = [split.root, *(Name(split.name.namespace, backend.service) for backend in split.backends)]
        accounts = sorted(set().union(*(state.accounts_of(name) for name in names)))
        granting = [target for target in state.targets if target.destination in accounts]
        opened += [replace(target, destination=account) for target in granting for account in accounts]
    return replace(state, targets=tuple(opened))


@fault(
    "SP-200/decision-by-root-name", "a request to a split root is granted by any grant for the root's pods", "inbound"
)
def decision_by_root_name(inbound: Inbound, state: State) -> Inbound:
    for split in state.splits:
        services = [state.services.get(Name(split.name.namespace, b.service)) for b in split.backends]
        if not any(service and service.selects(inbound.pod) for service in services):
            continue
        host = HeaderFilter(":authority", rf"{split.root.name}(\.{split.root.namespace}(\.svc(\..*)?)?)?{PORT}")
        for account in sorted(state.accounts_of(split.root)):
            for grant in policy.grants_of(state, account):
                rules = policy.http_rules(grant)
                inbound = inbound.with_rules(*(replace(r, request=_and_header(r.request, host)) for r in rules))
    return inbound
