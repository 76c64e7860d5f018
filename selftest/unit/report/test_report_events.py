"""Reading the events of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selftest.unit.report import sample
from smi_conformance.report import events
from smi_conformance.report.errors import ReportError


def test_all_events_of_a_run_are_read(tmp_path: Path) -> None:
    """Each known event becomes an object of its kind."""
    data = sample.events()
    found = events.read(sample.write(tmp_path, data))
    assert [event.event for event in found] == [event["event"] for event in data]


def test_a_truncated_last_line_is_passed_over(tmp_path: Path) -> None:
    """A run that was killed while it wrote leaves half a line."""
    path = sample.write(tmp_path, sample.events())
    path.write_bytes(path.read_bytes()[:-40])
    assert len(events.read(path)) == len(sample.events()) - 1


def test_a_line_cut_inside_a_character_is_passed_over(tmp_path: Path) -> None:
    """The cut may fall into a UTF-8 sequence."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(json.dumps(sample.started()).encode() + b'\n{"event":"note","text":"\xc3')
    assert len(events.read(path)) == 1


def test_a_damaged_line_elsewhere_is_refused(tmp_path: Path) -> None:
    """Only the end of a file can be cut off by accident."""
    path = sample.write(tmp_path, sample.events())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1][:30] + b"\n", *lines[2:]]))
    with pytest.raises(ReportError, match=r"events\.jsonl, line 2 is no JSON"):
        events.read(path)


def test_unknown_events_and_fields_are_passed_over() -> None:
    """An older reader can open a newer run."""
    later = [sample.started(shape="round"), {"event": "weather", "rain": True}]
    (found,) = sample.parsed(later)
    assert not hasattr(found, "shape")


def test_a_wrong_field_is_named() -> None:
    """The message says which line and which field."""
    with pytest.raises(ReportError, match="line 1: run-started: posture"):
        sample.parsed([sample.started(posture=7)])


@pytest.mark.parametrize("line", [b"[1]", b"7", b'{"no": "event"}'])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    """A JSON value is not an event yet."""
    with pytest.raises(ReportError, match="is no event"):
        list(events.parse([line, b"{}"], "file"))


def test_lone_surrogates_and_nan_are_made_harmless() -> None:
    """JSON can carry what UTF-8 and strict JSON cannot."""
    note = b'{"event":"note","time":"t","text":"a\\ud800b","x":NaN}'
    (found,) = events.parse([note], "file")
    assert isinstance(found, events.Note)
    assert found.text == "a\ufffdb"


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    """No traceback for a wrong folder."""
    with pytest.raises(ReportError, match="cannot be read: No such file"):
        events.read(tmp_path / "events.jsonl")
