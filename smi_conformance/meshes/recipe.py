"""How a mesh gets onto a cluster, as data: what is fetched, and commands as lists of words.

No shell reads them. A word may hold placeholders in braces: names of sources (the path of what was fetched), of
`values`, and of the values of the posture.
"""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Posture = Literal["deny", "permissive"]
Words = tuple[str, ...]
TOOLS = ("helm", "kubectl")
"""Commands that a step may call by name; any other is a source of its own, for its version matters."""


class Part(BaseModel):
    """A piece of a profile: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """Something that installing needs: a chart, a file, or a command of the mesh on the PATH.

    Nothing is used whose SHA-256 is not known: from here, from `--checksum`, or from a lock file.
    """

    chart: str | None = Field(default=None, description="name of a Helm chart, with `repo` and `version`")
    repo: str | None = None
    version: str | None = Field(default=None, description="of the chart, or of the command")
    url: str | None = Field(default=None, description="of a file")
    command: str | None = Field(default=None, description="name of an executable")
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", description="of the chart, file or executable")
    origin: str | None = Field(default=None, description="where the checksum was found")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.chart, self.url, self.command)) != 1:
            raise ValueError("a source is one of chart, url and command")
        if self.chart and not (self.repo and self.version):
            raise ValueError("a chart needs repo and version")
        return self

    def __str__(self) -> str:
        if self.chart:
            return f"chart {self.chart} {self.version} of {self.repo}"
        return f"file {self.url}" if self.url else f"command {self.command} {self.version or ''}".rstrip()


class Step(Part):
    """One command, or two where the second reads what the first prints."""

    run: Words
    into: Words | None = None

    def commands(self) -> tuple[Words, ...]:
        """The command, and the one behind it."""
        return (self.run, self.into) if self.into else (self.run,)


class Need(Part):
    """An object that has to be there already, and what to do where it is not."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str
    text: str


class Leaves(Part):
    """What is the mesh's alone, and goes with it; with what points there, such as webhooks and role bindings."""

    namespaces: list[str] = []
    api_groups: list[str] = Field(default=[], description="definitions of these groups, and of those below them, go")


def _step(given: Any) -> Any:
    return {"run": given} if isinstance(given, list) else given


Steps = list[Annotated[Step, BeforeValidator(_step)]]


class Installation(Part):
    """The way of a mesh onto a cluster and off it."""

    refused: str | None = Field(default=None, description="why the suite does not install this mesh")
    needs: list[Need] = []
    sources: dict[str, Source] = {}
    values: dict[str, str] = {}
    by_posture: dict[Posture, dict[str, str]] = {}
    steps: Steps = []
    removal: Steps = []
    leaves: Leaves = Leaves()
    not_undone: str | None = Field(default=None, description="what removing leaves, and why")

    @model_validator(mode="after")
    def _placeholders_known(self) -> Self:
        if bool(self.refused) == bool(self.steps):
            raise ValueError("either steps, or refused with the reason")
        self._check_values()
        for command in (command for step in (*self.steps, *self.removal) for command in step.commands()):
            if unknown := sorted(names_in(command) - self.names()):
                raise ValueError(f"unknown placeholder {{{unknown[0]}}}; known: {', '.join(sorted(self.names()))}")
            self._check_tool(command[0])
        return self

    def _check_values(self) -> None:
        values = [value for few in (self.values, *self.by_posture.values()) for value in few.values()]
        if unknown := sorted(names_in(tuple(values)) - set(self.sources)):
            raise ValueError(f"a value may hold names of sources in braces, not {{{unknown[0]}}}")

    def _check_tool(self, word: str) -> None:
        commands = {f"{{{name}}}" for name, source in self.sources.items() if source.command}
        if word not in (*TOOLS, *commands):
            raise ValueError(f"a step begins with {', '.join(TOOLS)} or a source that is a command, not '{word}'")

    def names(self) -> set[str]:
        """The placeholders that a step may use: of the postures only what all of them have."""
        postures = [set(values) for values in self.by_posture.values()]
        return {*self.sources, *self.values, *(set.intersection(*postures) if postures else ())}


def names_in(command: Words) -> set[str]:
    """The placeholders of a command. Raises ValueError for a brace without a partner."""
    return {name for word in command for _, name, _, _ in Formatter().parse(word) if name is not None}
