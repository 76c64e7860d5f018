"""The cells of a matrix, from a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SLUG = re.compile(r"[^a-z0-9.]+")


class MatrixError(Exception):
    """The file cannot be used; one line says why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mesh(_Part):
    """One version of one mesh: a profile, and the options of its runs."""

    profile: str = Field(description="built-in name, or path of a profile, from the matrix file")
    version: str | None = Field(default=None, description="shown in the table; by default the profile's")
    options: tuple[str, ...] = Field(default=(), description="options of `smi-conformance run` for this mesh")


class Exclusion(_Part):
    """A combination that is left out, and why."""

    profile: str
    kubernetes: str
    reason: str = Field(min_length=1)


class Matrix(_Part):
    """What is run: every mesh on every Kubernetes but for the exclusions."""

    meshes: tuple[Mesh, ...] = Field(min_length=1)
    kubernetes: tuple[str, ...] = Field(min_length=1, description="node images of kind; or a backend, such as embedded")
    options: tuple[str, ...] = Field(default=(), description="options of `smi-conformance run` for all cells")
    exclude: tuple[Exclusion, ...] = ()


class Cell(_Part):
    """One run: its name, which is its folder, and its options."""

    name: str
    mesh: str
    version: str
    kubernetes: str
    options: tuple[str, ...]

    @property
    def title(self) -> str:
        """The head of its column."""
        return f"{self.mesh} {self.version} on {self.kubernetes}"


def read(path: Path) -> list[Cell]:
    """The cells of a matrix file, in its order. Raises MatrixError, ProfileError."""
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        matrix = Matrix.model_validate(told)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:200]
        raise MatrixError(f"matrix {path} cannot be read: {why}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise MatrixError(f"matrix {path}: {place}: {first['msg']}") from error
    cells = [_cell(path, matrix, mesh, where) for mesh in matrix.meshes for where in matrix.kubernetes]
    left_out = {(one.profile, one.kubernetes) for one in matrix.exclude}
    pairs = [(mesh.profile, where) for mesh in matrix.meshes for where in matrix.kubernetes]
    for unknown in left_out - set(pairs):
        raise MatrixError(f"matrix {path}: exclude names {' on '.join(unknown)}, which is not in the matrix")
    return _distinct(path, [cell for cell, pair in zip(cells, pairs, strict=True) if pair not in left_out])


def _distinct(path: Path, cells: list[Cell]) -> list[Cell]:
    names = [cell.name for cell in cells]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MatrixError(f"matrix {path}: two cells are called {twice[0]}: give the meshes different versions")
    return cells


def _cell(path: Path, matrix: Matrix, mesh: Mesh, where: str) -> Cell:
    from smi_conformance.meshes.profile import load  # noqa: PLC0415  # which reads all built-in ones

    is_file = "/" in mesh.profile or mesh.profile.endswith((".yaml", ".yml"))
    named = str(path.parent / mesh.profile) if is_file else mesh.profile
    profile = load(named)
    version = mesh.version or profile.version
    backend: list[str] = ["--cluster", where] if where in ("embedded", "model") else _kind(where)
    name = "-".join(SLUG.sub("-", part.lower()).strip("-") for part in (profile.name, version, _short(where)))
    options = ("--mesh", named, *backend, *matrix.options, *mesh.options)
    return Cell(name=name, mesh=profile.name, version=version, kubernetes=_short(where), options=options)


def _kind(image: str) -> list[str]:
    return ["--cluster", "kind", "--kind-image", image]


def _short(where: str) -> str:
    """Kubernetes as the table names it: v1.33.1 of kindest/node:v1.33.1@sha256:..."""
    return where.rpartition("/")[2].partition("@")[0].removeprefix("node:")


def as_github(cells: list[Cell]) -> dict[str, Any]:
    """What `strategy.matrix` takes with fromJSON."""
    return {"include": [{"name": cell.name, "title": cell.title} for cell in cells]}
