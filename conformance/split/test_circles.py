"""TrafficSplit: splits that refer to themselves, to each other, or to one root."""

from __future__ import annotations

from fixtures.cast import Actors
from fixtures.policy import header
from fixtures.readings import Readings
from fixtures.split import Splitter
from smi_conformance.plugin import requirement

FIREFOX, CANARY = header("user-agent", ".*Firefox.*"), header("x-canary", "on.*")


@requirement("SP-085", schedule="poison")
def test_root_as_its_own_backend(split: Splitter, clients: Actors, readings: Readings) -> None:
    """A split that lists its own root as a backend may be refused, ignored or applied."""
    web = split.service("odd")
    root = split.offer(web, own=(web, 900), v2=100)

    found = (root.stands, clients.a.places(root))
    named = {
        (False, frozenset({"own"})): "refused",
        (True, frozenset({"own"})): "ignored",
        (True, frozenset({"own", "v2"})): "applied",
    }
    readings.report(named.get(found, "other"), clients.a.census(root))


@requirement("SP-086")
def test_splits_are_not_chained(split: Splitter, clients: Actors) -> None:
    """A backend that is the root of another split gets its share by its own selection."""
    mid, leaf = split.service("v2"), split.service("v3")
    inner, outer = split.onto(mid, leaf=(leaf, 100)), split.onto(mid=(mid, 100))
    clients.a.follows(inner)

    clients.a.follows(outer)
    clients.a.follows(inner)


@requirement("SP-087")
def test_two_splits_on_one_root(split: Splitter, clients: Actors, readings: Readings) -> None:
    """Two splits on one root may be refused, merged, or resolved to one of them."""
    first = split.onto(v1=100)
    clients.a.follows(first)
    clients.b.converges_on(first)
    second = split.offer(first.service, name=f"{first.name}-2", v2=100)

    seen = {clients.a.places(first), clients.b.places(first)}
    first = first.restored()
    seen |= {clients.a.places(first), clients.b.places(first)}
    first.deleted()
    detail = f"without the first: {', '.join(sorted(clients.a.places(second)))}"
    readings.report(_reading(second.stands, seen), detail)


@requirement("SP-087", versions=("v1alpha3", "v1alpha4"))
def test_two_splits_with_disjoint_matches(split: Splitter, clients: Actors, readings: Readings) -> None:
    """Two splits on one root with disjoint matches may be refused, merged, or resolved to one of them."""
    first = split.onto(v1=100, matches=[split.group(FIREFOX)])
    firefox, canary = first.asked(headers=[("user-agent", "Firefox")]), first.asked(headers=[("x-canary", "on")])
    clients.a.follows(firefox)
    clients.b.converges_on(firefox)
    second = split.offer(first.service, name=f"{first.name}-2", matches=[split.group(CANARY)], v2=100)

    places = clients.a.places(firefox), clients.a.places(canary)
    again = clients.b.places(firefox), clients.b.places(canary)
    told = " and ".join(", ".join(sorted(one)) for one in places)
    readings.report(_reading_of_segments(second.stands, places, again), f"Firefox and canary: {told}")


@requirement("SP-088", schedule="poison")
def test_own_root_as_backend_makes_no_loop(split: Splitter, clients: Actors) -> None:
    """A split that lists its own root as a backend makes no request loop or fail."""
    web, other = split.service("web"), split.across((80, 20))
    root = split.offer(web, own=(web, 90), v2=10)

    clients.a.can(root.call, root.call.kept())
    clients.a.follows(other, within=0.1)


@requirement("SP-090", schedule="poison")
def test_mutual_splits_make_no_loop(split: Splitter, clients: Actors) -> None:
    """Two splits that point at each other make no request loop or fail."""
    odd, even = split.service("odd"), split.service("even")
    there, back = split.offer(odd, even=(even, 100)), split.offer(even, odd=(odd, 100))
    clients.a.follows(split.across((80, 20)), rough=True)

    clients.a.can(there.call, there.call.kept())
    clients.a.can(back.call, back.call.kept())


def _reading(stands: bool, seen: set[frozenset[str]]) -> str:
    """Which reading of two splits it is, by the places where requests were seen at several times."""
    if not stands:
        return "second-refused"
    if len(seen) > 1:
        return "unstable"
    return "merged" if len(next(iter(seen))) > 1 else "one-wins"


def _reading_of_segments(stands: bool, places: tuple[frozenset[str], ...], again: tuple[frozenset[str], ...]) -> str:
    """The same, where each split steers a segment of its own."""
    if not stands:
        return "second-refused"
    if places != again:
        return "unstable"
    return "merged" if places == (frozenset({"v1"}), frozenset({"v2"})) else "one-wins"
