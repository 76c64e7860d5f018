"""The order of a run, and what of it is run alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from smi_conformance.plugin import selection
from smi_conformance.plugin.durations import Durations
from smi_conformance.plugin.running import TimeLimit
from smi_conformance.plugin.scenario import SCHEDULES, Scenario, requirement, scenario_of
from smi_conformance.plugin.selection import Stage, late, posture_of
from smi_conformance.plugin.settings import RunOptions, UsageError
from smi_conformance.plugin.sharing import Together

BOTH = RunOptions(posture="both")
DENY, PERMISSIVE, ANY = "TA-010", "SP-024", "SP-010"


class Item(SimpleNamespace):
    """A namespace that can be put into a set."""

    def __hash__(self) -> int:  # type: ignore[override]  # a namespace has none
        return id(self)


def item(name: str, *ids: str, version: str = "v1alpha4", **marker: Any) -> pytest.Item:
    """A test item as pytest would collect it."""

    @requirement(*ids, **marker)
    def function() -> None:
        """Something holds."""

    marks = vars(function)["pytestmark"]
    made = Item(
        nodeid=f"{name}[{version}]",
        obj=function,
        callspec=SimpleNamespace(params={"scene": version}),
        config=SimpleNamespace(args=["test_x.py"]),
        get_closest_marker=lambda _: marks[0],
    )
    return cast("pytest.Item", made)


ITEMS = [
    item("poison", ANY, schedule="poison"),
    item("permissive", PERMISSIVE),
    item("fresh", ANY, schedule="fresh"),
    item("plain", ANY),
    item("deny", DENY, version="v1alpha3"),
]


def chosen(options: RunOptions, stage: Stage = Stage.ALL) -> list[str]:
    """The names of what a run holds, in its order."""
    return [one.nodeid.partition("[")[0] for one in selection.select(ITEMS, options, stage)[0]]


def test_what_may_harm_the_mesh_comes_last() -> None:
    """Then the other posture, then scenarios with pods of their own; the others keep their order."""
    assert chosen(RunOptions()) == ["plain", "deny", "fresh", "poison"]
    assert chosen(BOTH) == ["plain", "deny", "fresh", "permissive", "poison"]
    assert chosen(RunOptions(posture="permissive")) == ["permissive", "plain", "fresh", "poison"]


def test_workers_leave_to_one_process_what_may_disturb_others() -> None:
    """The parts make up the whole."""
    assert chosen(BOTH, Stage.EARLY) == ["plain", "deny", "fresh"]
    assert chosen(BOTH, Stage.LATE) == ["permissive", "poison"]


def test_a_run_can_be_limited_to_scenarios_and_versions() -> None:
    """By node id, and by the versions that are selected."""
    assert chosen(RunOptions(scenarios=("plain[v1alpha4]", "deny[v1alpha2]"))) == ["plain"]
    assert chosen(RunOptions(api=("access=v1alpha2",))) == ["plain", "fresh", "poison"]


def test_both_postures_judge_what_needs_none_in_the_first() -> None:
    """And nothing twice."""
    scenarios = {name: Scenario(name, "t", ids) for name, ids in {"a": (ANY,), "p": (PERMISSIVE, ANY)}.items()}
    assert {name: posture_of(one, BOTH) for name, one in scenarios.items()} == {"a": "deny", "p": "permissive"}
    assert {name: late(one, BOTH) for name, one in scenarios.items()} == {"a": False, "p": True}
    with pytest.raises(pytest.UsageError, match="both postures"):
        posture_of(Scenario("x", "t", (DENY, PERMISSIVE)), BOTH)


def test_both_postures_need_a_mesh_that_can_be_turned(tmp_path: Path) -> None:
    """The profile tells how."""
    profile = tmp_path / "mine.yaml"
    profile.write_text("name: mine\ntitle: Mine\nversion: '1'\nclaims: {access: [v1alpha2, v1alpha3]}\n")
    with pytest.raises(UsageError, match="does not tell how to change the posture"):
        RunOptions(mesh=str(profile), posture="both").checked()
    assert RunOptions(posture="both").checked().postures == ("deny", "permissive")


def test_the_options_of_a_part_have_its_posture() -> None:
    """The same object for every scenario of the part."""
    assert BOTH.at("permissive").posture == "permissive"
    assert BOTH.at("permissive") is BOTH.at("permissive")
    assert RunOptions().at("deny") == RunOptions()


def test_an_unknown_schedule_is_refused() -> None:
    """With the words that are known."""
    with pytest.raises(pytest.UsageError, match=", ".join(SCHEDULES)):
        scenario_of(item("x", ANY, schedule="later"))


def test_no_scenario_begins_when_the_time_is_over() -> None:
    """The hook says that the item is done with; before that it leaves the item to pytest."""
    assert TimeLimit(0).pytest_runtest_protocol() is True
    assert TimeLimit(4e9).pytest_runtest_protocol() is None


def test_an_estimate_is_made_from_the_last_run_on_the_same_backend(tmp_path: Path) -> None:
    """What is not known of takes the usual time."""
    events = [
        {"event": "run-started", "cluster": {"backend": "current"}},
        {"event": "scenario-finished", "nodeid": "a", "seconds": 7.5},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    known = Durations.of(tmp_path)
    assert known.estimate(["a", "b"], "current") == 8.5
    assert known.estimate(["a", "b"], "embedded") == 2.0
    assert known.estimate(["a", "b"], "model") == pytest.approx(0.1)


@pytest.mark.parametrize("content", [None, "", "{", '{"event": "run-started"}\n'])
def test_an_estimate_needs_no_earlier_report(tmp_path: Path, content: str | None) -> None:
    """Nor one that can be read."""
    if content is not None:
        (tmp_path / "events.jsonl").write_text(content)
    assert Durations.of(tmp_path).estimate(["a"], "embedded") == 1.0


def test_scenarios_that_share_a_burst_go_to_one_worker() -> None:
    """The others go one by one to the worker that is free."""
    metrics = ["conformance/metrics/test_edges.py::test_a[v1alpha1]", "conformance/metrics/test_values.py::test_b"]
    alone = ["conformance/split/test_weights.py::test_c[v1]", "conformance/split/test_weights.py::test_c[v2]"]

    units = [Together._split_scope(cast("Together", None), nodeid) for nodeid in (*metrics, *alone)]

    assert len(set(units[:2])) == 1
    assert units[2:] == alone
