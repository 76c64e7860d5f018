"""The pages of docs/: every command in them can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from smi_conformance.cli.app import app
from smi_conformance.cli.running import spelled_out
from smi_conformance.locations import SUITE

PAGES = ("certify-your-mesh", "read-a-failure", "dispute-a-requirement", "ci", "air-gap", "doctor")
LINE = re.compile(r"^(?:    |\s+)smi-conformance (.*?)(?:\s{3,}.*)?$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


def page(name: str) -> str:
    return (SUITE / "docs" / f"{name}.md").read_text()


def commands() -> Iterator[str]:
    """Each command line of the pages, without the remark after it."""
    for name in PAGES:
        yield from dict.fromkeys(found[1] for found in LINE.finditer(page(name)))


@pytest.mark.parametrize("line", dict.fromkeys(commands()))
def test_commands_and_their_options_exist(line: str) -> None:
    """Parsed as they would be, and not run."""
    words = spelled_out(shlex.split(line, comments=True))
    found: Any = typer.main.get_command(app)
    context: Any = found.context_class(found)
    while hasattr(found, "get_command"):
        name = words.pop(0)
        inner = found.get_command(context, name)
        assert inner, f"no command {name} in: {line}"
        found = inner
        context = found.context_class(found, parent=context, info_name=name)
    found.parse_args(context, words)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """To files of this project."""
    for target in LINK.findall(page(name)):
        assert target.startswith("http") or (SUITE / "docs" / target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_linked(name: str) -> None:
    """From the README."""
    assert f"docs/{name}.md" in (Path(SUITE) / "README.md").read_text()
