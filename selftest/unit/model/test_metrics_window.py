"""What is counted, and for how long."""

from __future__ import annotations

import pytest

from smi_conformance.model.metrics import latency
from smi_conformance.model.metrics.traffic import Flow, Member, Ref, Tally, Window, total

POD, NODE = Ref("pods", "shop", "a"), Ref("nodes", "", "n1")
FLOW, OTHER = Flow("server", None, Member(POD)), Flow("client", Member(POD), None)


def one(success: int = 1) -> Tally:
    return Tally(success=success)


def seen(window: Window, moment: float) -> int:
    return sum(tally.success for tally in window.read(moment).values())


def test_a_tally_notes_requests_one_by_one_or_many() -> None:
    """By how they ended, and each by its latency."""
    tally = Tally()
    tally.note(success=True, bucket=7)
    tally.note(success=True, bucket=7, count=3)
    tally.note(success=False, bucket=9, count=2)
    tally.note(success=False, bucket=9)

    assert (tally.success, tally.failure, dict(tally.latencies)) == (4, 3, {7: 4, 9: 3})
    tally.add(tally)
    assert (tally.success, tally.failure, dict(tally.latencies)) == (8, 6, {7: 8, 9: 6})
    assert total([tally, Tally(1)]) == Tally(9, 6, tally.latencies)


def test_a_pod_is_part_of_what_contains_it() -> None:
    """Of each kind in order; for pods it is itself."""
    nodes = (NODE, Ref("nodes", "", "n0"))
    member = Member(POD, frozenset({*nodes, Ref("services", "shop", "web")}))

    assert member.of("nodes") == sorted(nodes)
    assert member.of("pods") == [POD]
    assert member.of("jobs") == []
    assert member.within(POD)
    assert member.within(NODE)
    assert not member.within(Ref("nodes", "", "n2"))


def test_a_window_is_whole_slices_that_are_over() -> None:
    """Thirty of a second each: the slice of the moment itself does not count yet."""
    window = Window()
    for moment in (69.9, 70.0, 99.9, 100.0):
        window.add(moment, FLOW, one())

    assert window.end(100.7) == 100
    assert window.seconds == 30
    assert seen(window, 100.7) == 2
    assert seen(window, 99.9) == 2
    assert seen(window, 101.0) == 2


def test_slices_may_be_shorter() -> None:
    """A quarter of a second: four of them in a window of a second, and its end is known as well."""
    window = Window(1.0, slice_seconds=0.25)
    for quarter in range(12):
        window.add(quarter / 4, FLOW, one(quarter))

    assert window.end(2.3) == 2.25
    assert seen(window, 2.3) == 5 + 6 + 7 + 8


def test_what_is_counted_together_is_kept_apart_by_flow() -> None:
    """In any order of time; sums are fresh ones, so that whoever reads them may change them."""
    window = Window()
    for moment, flow in ((5.5, FLOW), (3.5, FLOW), (4.5, OTHER), (3.6, FLOW), (5.6, OTHER)):
        window.add(moment, flow, one())

    assert window.read(10) == {FLOW: one(3), OTHER: one(2)}
    window.read(10)[FLOW].success = 99
    assert window.read(10)[FLOW].success == 3
    assert window.read(4.0) == {FLOW: one(2)}


@pytest.mark.parametrize(("now", "left"), [(100.0, 4), (100.99, 4), (101.0, 3), (105.0, 2), (1000.0, 0)])
def test_what_no_reading_can_ask_for_is_forgotten(now: float, left: int) -> None:
    """A window and the time that reports may take, to the slice; what is younger stays."""
    window = Window()
    for moment in (10.0, 11.5, 20.0, 15.0):
        window.add(moment, FLOW, one())
    window.forget(now)

    assert seen(window, 31.0) == left


def test_no_more_is_kept_than_is_asked_for() -> None:
    """One slice for each second, however late and mixed up its reports come."""
    window = Window()
    for second in range(500):
        for moment in (second, second - 3, second - 1, second):
            window.add(moment, FLOW, one())
        window.forget(second)

    assert [number for number, _ in window._slices] == list(range(409, 500))
    assert seen(window, 450) == 4 * 30


def test_slices_are_kept_for_the_window_and_the_delay_of_reports() -> None:
    """Rounded up to whole slices."""
    window = Window(1.0, slice_seconds=0.25, late=0.3)
    for quarter in range(9):
        window.add(quarter / 4, FLOW, one())
    window.forget(2.0)

    assert [seen(window, 1.0 + quarter / 4) for quarter in range(4)] == [2, 3, 4, 4]


def test_buckets_are_told_by_their_middle() -> None:
    """All below a microsecond share one; a request takes at least that."""
    assert [latency.bucket(value) for value in (0, 0.5, 1, 1.01, 1.02, 1.03)] == [0, 0, 0, 1, 1, 2]
    assert [latency.microseconds(index) for index in (0, 1, 100, 466)] == [1, 1, 7, 10078]


@pytest.mark.parametrize(("percent", "value"), [(1, 0), (25, 0), (26, 35), (50, 35), (75, 35), (76, 93), (100, 93)])
def test_percentiles_are_nearest_ranks(percent: int, value: int) -> None:
    """One of four requests in the lowest bucket, two in the middle one."""
    assert latency.percentile({93: 1, 0: 1, 35: 2}, percent) == latency.microseconds(value)
    assert latency.percentile({}, percent) == 0


def test_the_largest_of_many_is_the_hundredth_percentile() -> None:
    assert latency.percentile({35: 100, 93: 1}, 100) == latency.microseconds(93)
