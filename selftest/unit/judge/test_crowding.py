"""A crowded machine: what is lost there is no evidence, and what is not lost stays what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selftest.unit.judge.observed import NOW, answered, log, observed
from smi_conformance.judge.crowding import MEMORY, Crowd, lost, require_heard, worth
from smi_conformance.judge.observation import Observation, Span
from smi_conformance.judge.rules import allowed, denied
from smi_conformance.judge.verdict import HarnessError, Nonconformance, Starved

WITNESS = answered(3, prefix="w")
CALM, BUSY, CROWDED = 1.0, 5.0, 30.0


def waited(outcome: str, seconds: float, *, status: int | None = None) -> Observation:
    """One request that was not answered, and how long it took."""
    seen = observed([outcome])
    reply = seen.replies[0][0]._replace(milliseconds=1000 * seconds, status=status)
    return replace(seen, replies=((reply,),))


def on(seen: Observation, slowdown: float, *, at: float = NOW, seconds: float = 5.0, pod: str = "c-a") -> Observation:
    """The same, where the CPU was as slow as that."""
    return replace(seen, cpu={**seen.cpu, pod: (Span(at, seconds, slowdown),)})


def test_what_a_wait_is_worth() -> None:
    """Seconds in which the CPU was ten times slower are worth a tenth; what nobody told of is worth all."""
    spans = [Span(0, 4, 10.0), Span(6, 10, 2.0)]

    assert worth(spans, 0, 4) == pytest.approx(0.4)
    assert worth(spans, 2, 5) == pytest.approx(0.2 + 2 + 0.5)
    assert worth(spans, 100, 5) == 5
    assert worth([], 0, 5) == 5


@pytest.mark.parametrize("slowdown", [None, CALM, BUSY])
def test_a_timeout_on_a_calm_machine_is_the_meshs(slowdown: float | None) -> None:
    """A mesh that loses packets fails, also where the machine has much to do."""
    seen = waited("timeout", 5)
    seen = seen if slowdown is None else on(seen, slowdown)

    assert not lost(seen)
    with pytest.raises(Nonconformance, match=r"1 \(q\.0 timeout\) of 1"):
        allowed("t", seen)


@pytest.mark.parametrize(
    "late",
    [waited("timeout", 5), waited("greeted", 5), waited("status", 5, status=504), waited("status", 2, status=503)],
)
def test_what_waited_in_vain_on_a_crowded_machine_is_lost(late: Observation) -> None:
    """Neither admitted nor denied: the message says what was got, wanted, and what to do."""
    told = r"c-a: got 1 \w+; want every request heard of, and 1 are lost: at c-a .* s were worth 0\.\d+ s, .*quieter"
    for judge in (lambda seen: allowed("t", seen), lambda seen: denied("t", seen, [WITNESS]), require_heard):
        with pytest.raises(Starved, match=told):
            judge(on(late, CROWDED))
    assert issubclass(Starved, HarnessError)


def test_the_machine_of_the_server_counts_as_well() -> None:
    """It may be another node than the client's."""
    seen = on(on(waited("timeout", 5), CALM), CROWDED, pod="web")

    with pytest.raises(Starved, match="at web"):
        require_heard(seen)


def test_only_the_time_of_the_request_counts() -> None:
    """What was before it or after it, or took a part of it alone, is no excuse."""
    seen = waited("timeout", 5)

    assert not lost(on(seen, CROWDED, at=NOW - 60, seconds=60))
    assert not lost(on(seen, CROWDED, at=NOW + 5, seconds=60))
    assert not lost(on(seen, CROWDED, seconds=4))
    assert lost(on(seen, CROWDED, seconds=4.9))


def test_ten_times_slower_is_crowded_and_a_second_is_a_wait() -> None:
    """The bounds themselves."""
    (cause,) = lost(on(waited("timeout", 5), 10.0)).values()
    assert cause == "at c-a 5 s were worth 0.5 s, so crowded was the CPU"
    assert not lost(on(waited("timeout", 5), 9.9))
    assert lost(on(waited("status", 1, status=503), CROWDED))
    assert not lost(on(waited("status", 0.99, status=503), CROWDED))


def test_all_outcomes_are_told_beside_what_is_lost() -> None:
    """The most frequent first."""
    seen = observed(["answer", "timeout", "timeout"], {"web": [0]})
    late = tuple(reply._replace(milliseconds=5000.0) for reply in seen.replies[0])
    with pytest.raises(Starved, match="c-a: got 2 timeout, 1 answer; want every request heard of, and 2 are lost"):
        require_heard(on(replace(seen, replies=(late,)), CROWDED))


AT_ONCE = waited("status", 0.02, status=503)  # a proxy that knows of no server waits for none


@pytest.mark.parametrize(
    "refused",
    [waited("status", 5, status=403), waited("reset", 5), waited("refused", 5), waited("altered", 5), AT_ONCE],
)
def test_an_answer_is_an_answer_however_crowded_it_is(refused: Observation) -> None:
    """A denial that was told is seen to be one; a wrong answer is a wrong one."""
    seen = on(refused, CROWDED)

    assert denied("t", seen, [WITNESS]).passed
    with pytest.raises(Nonconformance):
        allowed("t", seen)


def test_an_answer_or_an_arrival_is_evidence_on_any_machine() -> None:
    """What came is not lost, however long it took."""
    seen = on(answered(3), CROWDED)

    assert allowed("t", seen).passed
    with pytest.raises(Nonconformance, match="arrived at web"):
        denied("t", on(replace(observed(["reset"]), servers={"web": log(["q.0"])}), CROWDED), [WITNESS])


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [Span(NOW, 60, BUSY)],
        [Span(NOW, 0.9, CROWDED)],
        [Span(NOW, 2, CROWDED), Span(NOW + 2, 28, BUSY)],  # a burst, in a wait that had time enough
        [Span(NOW, 10, CROWDED), Span(NOW + 10, 31, CALM)],
    ],
)
def test_a_failure_stands_where_it_was_quiet(spans: list[Span]) -> None:
    """Also where a little of the time was crowded, or what is long past."""
    crowd = Crowd()
    crowd.note(replace(answered(1), cpu={"c-a": tuple(spans)}))
    crowd.require_quiet(Nonconformance("t", got="3", want="4"))


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ([Span(NOW, 2, CROWDED)], r"for 2\.0 of 2\.0 s that were seen of the last 30 "),
        ([Span(NOW, 16, 10.0), Span(NOW + 16, 14, CALM)], r"for 16\.0 of 30\.0 s that were seen of the last 30 "),
        ([Span(NOW, 27, CALM), Span(NOW + 27, 3, CROWDED)], r"for 3\.0 of 5\.0 s that were seen of the last 5 "),
    ],
)
def test_a_failure_on_a_crowded_machine_is_none(spans: list[Span], told: str) -> None:
    """Half of the time is too much: of the longest wait that a verdict rests on, or of the shortest."""
    crowd = Crowd()
    for one in spans:
        crowd.note(replace(answered(1), cpu={"c-a": (one,)}))
    with pytest.raises(Starved, match=r"t: got 3; want 4\. - but the machine was crowded: " + told):
        crowd.require_quiet(Nonconformance("t", got="3", want="4"))
    crowd.note(on(answered(1), CALM, at=NOW + 30 + MEMORY, seconds=1, pod="c-b"))
    crowd.require_quiet("t")


def test_one_pod_that_had_no_time_is_enough() -> None:
    """Another one may have been seen for longer."""
    crowd = Crowd()
    crowd.note(replace(answered(1), cpu={"c-a": (Span(NOW, 2, CROWDED), Span(NOW + 2, 28, CALM))}))
    crowd.require_quiet("t")
    crowd.note(on(answered(1), CROWDED, at=NOW + 20, seconds=1.5, pod="web"))
    with pytest.raises(Starved, match=r"for 1\.5 of 1\.5 s"):
        crowd.require_quiet("t")


def test_seconds_of_several_pods_are_the_same_seconds() -> None:
    """They share the machine: half a second at each of ten is half a second. A new scenario begins anew."""
    crowd = Crowd()
    for number in range(10):
        crowd.note(on(answered(1), CROWDED, seconds=0.5, pod=f"c-{number}"))
    crowd.require_quiet("t")

    crowd.note(on(answered(1), CROWDED, at=NOW + 1, seconds=0.5, pod="c-0"))
    with pytest.raises(Starved):
        crowd.require_quiet("t")
    crowd.forget()
    crowd.require_quiet("t")


def test_what_was_told_of_the_machine_is_recorded() -> None:
    """In replay the same is lost."""
    seen = on(waited("timeout", 5), CROWDED)

    assert Observation.from_json(seen.to_json()) == seen
    assert "cpu" not in waited("timeout", 5).to_json()
