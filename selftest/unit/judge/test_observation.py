"""Observations."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftest.unit.judge.observed import answered, log, observed
from smi_conformance.judge.observation import Arrival, Observation, Plan, Reply, ServerLog, Step
from smi_conformance.judge.verdict import EvidenceLost, HarnessError

text = st.text(max_size=6)
numbers = st.integers(0, 9)
steps = st.builds(
    Step,
    protocol=st.sampled_from(["http", "tcp", "udp"]),
    host=text,
    port=numbers,
    id=text,
    count=numbers,
    rate=st.none() | st.floats(1, 9),
    headers=st.lists(st.tuples(text, text), max_size=2).map(tuple),
    host_header=st.none() | text,
    body=numbers,
    chunked=st.booleans(),
    pool=text,
    greeting=st.booleans(),
)
replies = st.builds(
    Reply, text, st.none() | numbers, st.none() | text, st.none() | numbers, st.floats(0, 9), st.floats(0, 9)
)
arrivals = st.builds(Arrival, numbers, text, text, numbers, st.none() | text, st.none() | text, text)
logs = st.builds(ServerLog, st.tuples(text, text), numbers, numbers, st.lists(arrivals, max_size=3).map(tuple))
observations = st.builds(
    Observation,
    text,
    st.builds(Plan, st.lists(steps, max_size=3).map(tuple)),
    st.lists(st.lists(replies, max_size=2).map(tuple), max_size=3).map(tuple),
    st.dictionaries(text, logs, max_size=2),
)


@given(observations)
def test_round_trip(seen: Observation) -> None:
    """What was recorded can be judged again, to the last field."""
    assert Observation.from_json(json.loads(json.dumps(seen.to_json()))) == seen


def test_steps_are_written_short() -> None:
    """The agent gets what differs from the default only."""
    assert Step("tcp", "web", 7000, "q", headers=(("a", "b"),), due=(("c", ".*"),)).to_json() == {
        "protocol": "tcp",
        "host": "web",
        "port": 7000,
        "id": "q",
        "headers": [["a", "b"]],
        "due": [["c", ".*"]],
    }


def test_answers_and_arrivals_are_told_apart() -> None:
    """A request may be answered, unanswered, and delivered or not."""
    seen = observed(["answer", "reset", "answer"], {"one": [0, 1], "two": [2]})

    assert set(seen.answered()) == {"q.0", "q.2"}
    assert set(seen.unanswered()) == {"q.1"}
    assert seen.delivered() == {"q.0": ["one"], "q.1": ["one"], "q.2": ["two"]}
    assert seen.delivered(["q.2"]) == {"q.2": ["two"]}
    assert {server: [one.id for one in seen_there] for server, seen_there in seen.arrivals_by_server().items()} == {
        "one": ["q.0", "q.1"],
        "two": ["q.2"],
    }


def test_answers_are_counted_by_server_or_by_group() -> None:
    """Every answer counts once; what did not come back does not."""
    seen = observed(["answer"] * 6 + ["reset"], {"one": [0, 3, 6], "two": [1, 2, 4], "three": [5]})

    assert seen.counts() == {"one": 2, "two": 3, "three": 1}
    assert seen.counts({"one": "v1", "two": "v1"}) == {"v1": 5, "?": 1}
    assert seen.outcomes() == {"answer": 6, "reset": 1}


def test_a_retry_of_the_mesh_stays_visible() -> None:
    """A request that arrives twice is no fault of the record."""
    seen = observed(["answer"], {"one": [0], "two": [0]}).check()

    assert seen.delivered() == {"q.0": ["one", "two"]}


def test_an_answer_without_an_arrival_is_lost_evidence() -> None:
    """The server that answered must have seen the request."""
    seen = replace(answered(2), servers={"web": log(["q.0"])})

    with pytest.raises(EvidenceLost, match=r"q\.1"):
        seen.counts()


@pytest.mark.parametrize(
    "broken",
    [
        log(["q.0"], boots=("b", "c")),
        replace(log(["q.0"]), since=11),
        replace(log(["q.0"]), until=10),
        ServerLog(("b", "b"), 5, 4),
        ServerLog(("b", "b"), 0, 9, (Arrival(2, "q.0", "http", 1), Arrival(2, "q.1", "http", 1))),
    ],
)
def test_a_broken_log_is_lost_evidence(broken: ServerLog) -> None:
    """A restart, or numbers that do not fit, mean that nobody knows what the server saw."""
    with pytest.raises(EvidenceLost, match=r"^web started anew|at web do not fit \d+\.\.\d+"):
        replace(answered(1), servers={"web": broken}).check()


def test_misuse_is_a_harness_error() -> None:
    """Ids used twice, replies that do not fit the plan, and nothing sent."""
    seen = answered(2)
    twice = replace(seen, plan=Plan((*seen.plan.steps, *seen.plan.steps)), replies=(*seen.replies, *seen.replies))

    for broken, complaint in (
        (twice, "^request ids were used twice"),
        (replace(seen, replies=()), "^1 steps were planned, 0 answered"),
        (replace(seen, replies=(seen.replies[0] * 2,)), "^4 replies to 2 requests of q"),
    ):
        with pytest.raises(HarnessError, match=complaint):
            broken.check()
    with pytest.raises(ValueError, match="shorter"):
        list(replace(seen, replies=()).requests())
    with pytest.raises(HarnessError, match="nothing"):
        replace(seen, replies=((),)).span()


def test_a_stopped_stream_has_sent_less_than_planned() -> None:
    """Replies that are missing at the end are none."""
    seen = answered(3)
    stopped = replace(seen, replies=(seen.replies[0][:2],)).check()

    assert list(stopped.answered()) == ["q.0", "q.1"]
