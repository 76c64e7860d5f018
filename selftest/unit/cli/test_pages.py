"""The pages of docs/: every command in them can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from smi_conformance.cli.app import app
from smi_conformance.cli.running import spelled_out
from smi_conformance.locations import SUITE
from smi_conformance.matrix import plan
from smi_conformance.meshes.profile import Profile

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


def test_the_profile_of_the_page_can_be_used() -> None:
    """As it stands there."""
    text = page("certify-your-mesh").partition("```yaml\n")[2].partition("```")[0]
    profile = Profile.model_validate(yaml.safe_load(text))
    assert (profile.name, profile.onboarding.sidecar) == ("my-mesh", "my-proxy")


def test_the_matrix_of_the_page_can_be_used(tmp_path: Path) -> None:
    """With the profile of the other page beside it."""
    (tmp_path / "my-mesh.yaml").write_text(page("certify-your-mesh").partition("```yaml\n")[2].partition("```")[0])
    (tmp_path / "m.yaml").write_text("meshes:" + page("ci").partition("```yaml\nmeshes:")[2].partition("```")[0])
    assert [cell.name for cell in plan.read(tmp_path / "m.yaml")] == ["my-mesh-2.14-v1.33.1"]
