"""The journal: what was recorded is handed out again, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from smi_conformance.cluster.journal import Recording, Replay
from smi_conformance.cluster.port import ClusterError


def record(folder: Path) -> None:
    journal = Recording(folder / "observations" / "main.jsonl", "main")
    with journal.scope("one"):
        journal.call("get", "Pod a/b", lambda: {"n": 1})
        with pytest.raises(ClusterError):
            journal.call("apply", "Pod a/c", broken)
    with journal.scope("two"):
        journal.call("get", "Pod a/b", lambda: {"n": 2})
    journal.close()


def broken() -> None:
    raise ClusterError("the API server is gone")


def unused() -> None:
    raise AssertionError("replay must not call")


def test_replay_gives_the_recorded_outcomes(tmp_path: Path) -> None:
    """Results, errors and times come back, scope by scope, in any order of the scopes."""
    record(tmp_path)
    replay = Replay(tmp_path)
    with replay.scope("two"):
        assert replay.call("get", "Pod a/b", unused) == {"n": 2}
    with replay.scope("one"):
        assert replay.call("get", "Pod a/b", unused) == {"n": 1}
        with pytest.raises(ClusterError, match="the API server is gone"):
            replay.call("apply", "Pod a/c", unused)
    assert replay.order == ["one", "two"]


def test_replay_refuses_another_question(tmp_path: Path) -> None:
    """A scenario that asks something else than was recorded is an error, never a guess."""
    record(tmp_path)
    replay = Replay(tmp_path)
    with replay.scope("one"), pytest.raises(ClusterError, match="wanted get Pod a/x"):
        replay.call("get", "Pod a/x", unused)


def test_replay_ends_where_the_record_ends(tmp_path: Path) -> None:
    """One call more than was recorded is an error."""
    record(tmp_path)
    replay = Replay(tmp_path)
    with replay.scope("two"):
        replay.call("get", "Pod a/b", unused)
        with pytest.raises(ClusterError, match="nothing more was recorded"):
            replay.call("get", "Pod a/b", unused)


def test_time_is_part_of_the_record(tmp_path: Path) -> None:
    """The clock of a replay shows what the clock of the recording showed after the same call."""
    journal = Recording(tmp_path / "observations" / "main.jsonl", "main")
    journal.call("get", "x", lambda: None)
    seen = journal.now()
    journal.close()
    replay = Replay(tmp_path)
    replay.call("get", "x", unused)
    assert replay.now() == seen


def test_damaged_record_is_named(tmp_path: Path) -> None:
    """A line that is no JSON: file and line number."""
    record(tmp_path)
    with (tmp_path / "observations" / "main.jsonl").open("a") as file:
        file.write("{half a li")
    with pytest.raises(ClusterError, match=r"main\.jsonl line 4 is damaged"):
        Replay(tmp_path)


def test_folder_without_observations(tmp_path: Path) -> None:
    """Something else than a report folder."""
    with pytest.raises(ClusterError, match="holds no observations"):
        Replay(tmp_path)
