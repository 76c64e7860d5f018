"""`list --check-spec`: the register's quotations in a copy of the specification."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from selftest.unit.cli.conftest import Command
from smi_conformance.cli.problems import Problem
from smi_conformance.cli.specification import Drift, drifts
from smi_conformance.locations import REGISTER
from smi_conformance.model.register import Requirement, load_register

QUOTE = "A split has backends.\n  Their weights\nare relative."
PAGE = f"""# Split

```yaml
# Specification
```

## Specification

Something else. {QUOTE} What follows.

### Details

Below a subheading: the last words.

## Another

Out of reach.
"""


def entry(quote: str = QUOTE, at: str = "A split has backends. Their", heading: str = "specification") -> Requirement:
    """An entry of the register that rests on a quotation."""
    digest = hashlib.sha256(quote.replace("\n", " ").encode()).hexdigest()
    some = load_register(REGISTER).get("SP-010")
    return replace(some, clause=f"split.md#{heading}", quote_at=at, quote_sha256=digest)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a specification."""
    (tmp_path / "split.md").write_text(PAGE)
    return tmp_path


def test_what_stands_is_no_drift(folder: Path) -> None:
    """Line breaks and white space of the first words do not matter; subheadings belong to their heading."""
    assert (
        drifts([entry(), entry("the last words.", "the last words."), replace(entry(), quote_sha256=None)], folder)
        == []
    )


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (entry(QUOTE.replace("relative", "absolute")), "what starts with 'A split has backends. Their' has changed"),
        (entry(at="A split has no backends"), "nothing under the heading starts with 'A split has no backends'"),
        (entry("Out of reach.", "Out of reach."), "nothing under the heading starts with 'Out of reach.'"),
        (entry(heading="speculation"), "there is no such heading"),
        (replace(entry(), clause="gone.md#specification"), "there is no such file"),
    ],
)
def test_drift_is_named(folder: Path, one: Requirement, what: str) -> None:
    """What is not where the register says."""
    assert drifts([entry(), one], folder) == [Drift("SP-010", one.clause, what)]


def test_headings_of_the_same_text_are_told_apart(tmp_path: Path) -> None:
    """As in their anchors on the web."""
    (tmp_path / "split.md").write_text("# Tradeoffs\nOne.\n# `Trade`offs\nTwo.\n")
    second = entry("Two.", "Two.", "tradeoffs-1")
    assert drifts([second], tmp_path) == []
    assert drifts([replace(second, clause="split.md#tradeoffs")], tmp_path)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    """It would be all drift."""
    with pytest.raises(Problem, match="no copy of the specification"):
        drifts([entry()], tmp_path)


def test_the_command_ends_with_1_when_something_drifted(command: Command, folder: Path, tmp_path: Path) -> None:
    """And with 2 for a folder that is no copy."""
    code, _, err = command("list", "--check-spec", str(folder))
    assert (code, err.startswith("smi-conformance:")) == (2, True)
    quoted = [one for one in load_register(REGISTER).requirements if one.quote_sha256]
    page = tmp_path / quoted[0].clause.partition("#")[0]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("# Nothing\n")
    code, out, _ = command("list", "--check-spec", str(tmp_path))
    assert code == 1
    assert out.endswith(f"{len(quoted)} of {len(quoted)} quotations have drifted\n")
    assert f"{quoted[0].id} {quoted[0].clause}: there is no such heading" in out
