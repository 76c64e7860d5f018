"""`list --coverage` and `list --contradictions`, and the pages that are made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.unit.cli.conftest import Command
from smi_conformance.cli import contradictions
from smi_conformance.cli.coverage import Coverage, markdown, table
from smi_conformance.locations import REGISTER, SUITE
from smi_conformance.model.register import load_register
from smi_conformance.plugin import catalogue
from smi_conformance.plugin.scenario import Scenario

REGISTERED = load_register(REGISTER)
DOCS = SUITE / "docs"


def scenario(name: str, version: str, *ids: str) -> Scenario:
    """One of the catalogue."""
    return Scenario(f"conformance/split/test_a.py::{name}[{version}]", "Title.", ids, version=version)


KNOWN = [scenario("b", version, "SP-010", "SP-011") for version in ("v1alpha3", "v1alpha4")]
SMALL = Coverage(REGISTERED, KNOWN, {"SP-012": "a reason"})


def test_what_is_judged_is_counted_by_version() -> None:
    """Of the entries that hold at it; the last column counts entries at any version."""
    rows = {row[:3]: row[3:] for row in SMALL.table()}
    texts = [one for one in REGISTERED.requirements if (one.area, one.level, one.ground) == ("split", "must", "text")]
    assert all(one.id != "SP-010" or one.meaning == "same" for one in texts)
    assert rows["split", "must", "text"][0].startswith("0 of ")
    assert rows["split", "must", "text"][3].startswith("1 of ")
    assert rows["split", "must", "text"][4] == f"1 of {len(texts)}"
    assert rows["metrics", "must", "text"][1:4] == ("-", "-", "-")
    assert rows["all", "", ""][4] == f"2 of {len(REGISTERED.requirements)}"


def test_scenarios_are_named_without_their_version() -> None:
    """The same name at every version."""
    assert SMALL.scenarios_of("SP-010") == ["conformance/split/test_a.py::b"]
    assert SMALL.scenarios_of("SP-012") == []


def test_the_page_lists_what_is_left() -> None:
    """By reason, and by version."""
    page = markdown(SMALL)
    assert "- a reason: SP-012 (must)" in page
    assert "- SP-010: v1alpha1, v1alpha2" in page
    assert "- no reason is recorded:" in page


def test_cells_of_a_table_keep_to_their_column() -> None:
    """A bar inside one is escaped."""
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"


def test_contradictions_tell_clause_readers_readings_and_tests() -> None:
    """Of every entry outside the score."""
    page = contradictions.markdown(REGISTERED, {"SP-028": ["conformance/x.py::test_y"]})
    entry = REGISTERED.get("SP-028")
    part = page[page.index("### SP-028") :].split("###")[1]
    for words in (entry.clause, entry.notes, entry.observe, "`refused`", "`conformance/x.py::test_y`", "linkerd-smi"):
        assert words in part
    outside = [one.id for one in REGISTERED.requirements if one.state != "settled"]
    assert [one.id for one in contradictions.entries(REGISTERED)] != []
    assert all(f"### {name}\n" in page for name in outside)


@pytest.mark.usefixtures("known")
def test_lists_and_pages(command: Command) -> None:
    """Tables, or Markdown for the docs; only these two are pages."""
    assert "split" in command("list", "--coverage")[1]
    assert command("list", "--coverage", "--markdown")[1].startswith("# Coverage\n")
    assert command("list", "--contradictions", "--markdown")[1].startswith("# Contradictions and open readings\n")
    assert "SP-028" in command("list", "--contradictions")[1]
    assert command("list", "--markdown")[0] == 2


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small catalogue."""
    monkeypatch.setattr(catalogue, "scenarios", lambda: KNOWN)


@pytest.mark.parametrize("page", ["coverage", "contradictions"])
def test_the_pages_are_up_to_date(command: Command, page: str) -> None:
    """After a change of scenarios: smi-conformance list --PAGE --markdown > docs/PAGE.md."""
    code, made, err = command("list", f"--{page}", "--markdown")
    assert code == 0, err
    assert Path(DOCS / f"{page}.md").read_text() == made, f"smi-conformance list --{page} --markdown > docs/{page}.md"
