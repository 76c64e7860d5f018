"""The commands of an installation: written out for one posture, shown, and run without a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from smi_conformance.cluster.port import ClusterError
from smi_conformance.meshes.fetching import InstallError, tool
from smi_conformance.meshes.recipe import Installation, Posture, Step, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 900  # seconds for one command; those that wait have shorter times of their own


@dataclass(frozen=True)
class Cluster:
    """Where commands find their cluster: the variables of their environment."""

    variables: Mapping[str, str]


@contextmanager
def cluster_of(kubeconfig: Path | None, context: str | None) -> Iterator[Cluster]:
    """The environment of commands for a kubeconfig and a context, which not every tool takes as an option.

    Raises InstallError, and ClusterError for a context that is not there.
    """
    own = {"KUBECONFIG": str(kubeconfig.absolute())} if kubeconfig else {}
    if context is None:
        yield Cluster(own)
        return
    with TemporaryDirectory(prefix="smi-mesh-") as folder:  # of mode 0700: there are credentials in it
        argv = [tool("kubectl"), "config", "view", "--raw", "--minify", "--flatten", "--context", context]
        path = Path(folder) / "kubeconfig"
        path.write_bytes(_run(argv, Cluster(own), b""))
        yield Cluster({"KUBECONFIG": str(path)})


def written_out(
    steps: Iterable[Step], installation: Installation, posture: str, paths: Mapping[str, str]
) -> list[Step]:
    """The steps with every placeholder filled in; `paths` is where each source is. Raises InstallError."""
    values = {**paths, **{name: value.format(**paths) for name, value in _values(installation, posture).items()}}
    made = []
    for step in steps:
        filled = [tuple(word.format(**values) for word in command) for command in step.commands()]
        made.append(Step(run=filled[0], into=filled[1] if step.into else None))
    return made


def _values(installation: Installation, posture: str) -> dict[str, str]:
    known = installation.by_posture
    if known and posture not in known:
        raise InstallError(f"the profile does not tell how to install it at posture {posture}, only {', '.join(known)}")
    return {**installation.values, **(known[_posture(posture)] if known else {})}


def _posture(word: str) -> Posture:
    return "deny" if word == "deny" else "permissive"


def uses_placeholders(steps: Iterable[Step]) -> bool:
    """Whether anything has to be fetched before some steps can be run."""
    return any(names_in(command) for step in steps for command in step.commands())


def shown(step: Step) -> str:
    """As a person would type it."""
    return " | ".join(shlex.join(command) for command in step.commands())


def run(step: Step, cluster: Cluster) -> None:
    """Run the command, or both. Raises InstallError for one that is not there, ClusterError for one that fails."""
    printed = _run(step.run, cluster, b"")
    if step.into:
        _run(step.into, cluster, printed)


def _run(command: Sequence[str], cluster: Cluster, given: bytes) -> bytes:
    argv = [command[0] if "/" in command[0] else tool(command[0]), *command[1:]]
    own = {**os.environ, **cluster.variables}
    try:
        done = subprocess.run(argv, input=given, capture_output=True, timeout=TIMEOUT, check=False, env=own)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{shlex.join(command)} did not end within {TIMEOUT} s") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason told"]
        raise ClusterError(f"{shlex.join(command)} failed ({done.returncode}): {' '.join(told[-3:])[:600]}")
    return done.stdout
