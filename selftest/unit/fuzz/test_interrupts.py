"""An interrupt that something swallows ends the run all the same."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fuzz.session import INTERRUPTED, Bounds, Session
from fuzz.trial import Trial
from smi_conformance.plugin.settings import RunOptions

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _handlers_stay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_swallowed_interrupt(number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(_: Trial, *__: object) -> None:
        with suppress(KeyboardInterrupt):  # as a finalizer does
            signal.raise_signal(number)

    monkeypatch.setattr(Trial, "judge", judge)
    options = RunOptions(cluster="model", report=tmp_path, seed=1)
    assert Session(options, Bounds(60.0)).run() == INTERRUPTED
    assert json.loads((tmp_path / "fuzz.json").read_text())["policy_sets"] == 1


def test_the_finalizer_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Finalized:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def __del__(self) -> None:
            raise self.error

    Session(RunOptions(cluster="model", report=tmp_path), Bounds(0.0)).run()
    for error in (KeyboardInterrupt(), ValueError("told")):
        Finalized(error)
    told = capsys.readouterr().err
    assert "told" in told
    assert "KeyboardInterrupt" not in told
