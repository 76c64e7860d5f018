"""Checks of the options against the register and the profiles, before anything starts.

Each function takes what was typed and what is known; a problem is one line with the nearest name that exists.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from smi_conformance.cli.problems import Problem, near

if TYPE_CHECKING:
    from smi_conformance.plugin.runner import RunOptions


def options(given: RunOptions) -> RunOptions:
    """The same options, checked as a whole. Raises Problem, or an error of the part that is wrong."""
    from smi_conformance.judge.deadlines import Deadlines  # noqa: PLC0415
    from smi_conformance.meshes.install import faults_of  # noqa: PLC0415

    mesh(given.mesh)
    cluster(given)
    requirements(given.requirements, [(one.id, one.feature) for one in given.register.requirements])
    api(given.api)
    one_of("posture", given.posture, ("deny", "permissive", "both"))
    one_of("rigor", given.rigor, ("quick", "standard", "certify"))
    faults(given.faults, faults_of(given.profile), given.mesh)
    for name in given.deadlines:
        one_of("deadline", name, Deadlines.names())
    checked = given.checked()
    writable(given.report)
    return checked


def mesh(name: str) -> None:
    """A built-in profile, or a file."""
    from smi_conformance.meshes.profile import names  # noqa: PLC0415

    if not name.endswith((".yaml", ".yml")) and "/" not in name:
        one_of("mesh", name, names())


def cluster(given: RunOptions) -> None:
    """A backend, and no kubeconfig where none is used."""
    name, colon, folder = given.cluster.partition(":")
    one_of("cluster", name, ("embedded", "kind", "current", "model", "replay"))
    if (name == "replay" or colon) and not (folder and name in ("replay", "kind")):
        takes = "kind takes the name of a cluster, replay takes a report folder, as replay:DIR, and nothing else does"
        raise Problem(f"--cluster {given.cluster}: {takes}")
    if name == "replay" and not (Path(folder) / "events.jsonl").is_file():
        raise Problem(f"--cluster {given.cluster}: {folder} is no report folder (it has no events.jsonl)")
    kubeconfig(name, given.kubeconfig, given.context)


def kubeconfig(name: str, file: Path | None, context: str | None) -> None:
    """A kubeconfig that is there, for the backend that uses one."""
    if name != "current" and (file or context):
        raise Problem(f"--kubeconfig and --context go with --cluster current, not with {name}")
    if file and not file.is_file():
        raise Problem(f"--kubeconfig {file}: there is no such file")


def requirements(patterns: Iterable[str], known: Sequence[tuple[str, str]]) -> None:
    """Each pattern fits the id or the feature of an entry of the register."""
    for pattern in patterns:
        fits = (fnmatchcase(name, pattern.upper()) or fnmatchcase(key, pattern) for name, key in known)
        if not any(fits):
            raise Problem(near("requirement", pattern, [*(name for name, _ in known), *(key for _, key in known)]))


def api(given: Iterable[str]) -> None:
    """Each choice is a word for several versions, or names a group and versions of it."""
    from smi_conformance.model.versions import JUDGED, VERSIONS  # noqa: PLC0415

    for choice in given:
        group, given_one, listed = choice.partition("=")
        if not given_one:
            one_of("choice of API versions", choice, ("stable", "all", *(f"{name}=VERSION" for name in JUDGED)))
            continue
        one_of("API group", group, sorted(JUDGED))
        for version in listed.split(","):
            one_of(f"version of {group}", version.strip(), VERSIONS[group])


def faults(given: Iterable[str], known: Iterable[str], mesh_name: str) -> None:
    """Each fault is a switch of the mesh."""
    switches = list(known)
    for fault in given:
        if not switches:
            raise Problem(f"mesh {mesh_name} has no fault switches: --fault goes with --mesh reference")
        one_of("fault", fault, switches)


def one_of(what: str, given: str, known: Iterable[str]) -> None:
    """The name is known."""
    names = list(known)
    if given not in names:
        raise Problem(near(what, given, names))


def pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE options as a mapping."""
    found: dict[str, str] = {}
    for value in values:
        name, _, text = value.partition("=")
        if not name or not text:
            raise Problem(f"{option} takes NAME=VALUE, not '{value}'")
        found[name.strip()] = text.strip()
    return found


def seconds(values: Mapping[str, str]) -> dict[str, float]:
    """Deadlines as numbers."""
    found = {}
    for name, text in values.items():
        try:
            found[name] = float(text)
        except ValueError as error:
            raise Problem(f"--deadline {name} takes seconds, not '{text}'") from error
    return found


def writable(folder: Path) -> None:
    """The report can be written there. Raises ReportError."""
    from smi_conformance.report import ReportError  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(tempfile.TemporaryFile(dir=folder)) as probe:
            probe.write(b"room for a report\n")
    except OSError as error:
        raise ReportError(f"the report cannot be written to {folder}: {error.strerror}") from error
