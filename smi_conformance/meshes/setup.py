"""A mesh onto a cluster and off it, by its profile: the reference mesh by its manifests, any other by its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from smi_conformance.cluster.port import Cluster, Ref
from smi_conformance.meshes import fetching, removal, steps
from smi_conformance.meshes import install as own
from smi_conformance.meshes.fetching import InstallError
from smi_conformance.meshes.profile import Profile
from smi_conformance.meshes.recipe import Installation

Where = tuple[Path | None, str | None]
"""Kubeconfig and context."""
Progress = Callable[[str], None]


def require_installable(profile: Profile) -> Installation | None:
    """The way onto a cluster; None for the reference mesh, which has its own. Raises InstallError."""
    if profile.installer == "reference":
        return None
    if profile.installation is None:
        raise InstallError(f"mesh {profile.name} is not installed by the suite: its profile has no `installation`")
    if profile.installation.refused:
        raise InstallError(f"mesh {profile.name} is not installed by the suite: {profile.installation.refused}")
    return profile.installation


def known_checksums(profile: Profile, words: Iterable[str], lock: Path | None) -> dict[str, str]:
    """The checksum of every source, from the profile, a lock file and the command line. Raises InstallError."""
    if require_installable(profile) is None:
        return {}
    given = fetching.read_lock(profile, lock) if lock else {}
    return fetching.checksums(profile, {**given, **fetching.given_checksums(profile, words)})


def commands(profile: Profile, posture: str) -> list[str]:
    """What installing does, line by line; where a source will be is said as `<NAME>`. Raises InstallError."""
    way = require_installable(profile)
    if way is None:
        return [f"apply {Ref.of(manifest)}" for manifest in own.manifests(profile)]
    paths = {name: f"<{name}>" for name in way.sources}
    fetched = [f"# <{name}> is {source}" for name, source in way.sources.items()]
    needs = [f"# before: {need.kind} {need.name}: {need.text}" for need in way.needs]
    return [*needs, *fetched, *map(steps.shown, steps.written_out(way.steps, way, posture, paths))]


def install(
    cluster: Cluster, profile: Profile, posture: str, wanted: Mapping[str, str], where: Where, progress: Progress
) -> None:
    """Install a mesh and wait until its deployments are available. Raises InstallError, ClusterError."""
    way = require_installable(profile)
    if way is None:
        own.install(cluster, profile, progress)
        return
    _require(cluster, profile, way)
    with TemporaryDirectory(prefix="smi-mesh-") as folder, steps.cluster_of(*where) as there:
        progress("fetching what is installed")
        paths = {name: str(path) for name, (path, _) in fetching.fetch(profile, Path(folder), wanted).items()}
        for step in steps.written_out(way.steps, way, posture, paths):
            progress(steps.shown(step))
            steps.run(step, there)
    own.wait_ready(cluster, profile)


def _require(cluster: Cluster, profile: Profile, way: Installation) -> None:
    for need in way.needs:
        ref = Ref(need.api_version, need.kind, need.name, need.namespace)
        if cluster.get(ref) is None:
            raise InstallError(f"mesh {profile.name} is not installed: there is no {ref}: {need.text}")


def uninstall(
    cluster: Cluster,
    profile: Profile,
    where: Where,
    found: Iterable[Ref],
    progress: Progress,
    *,
    definitions: bool = True,
) -> None:
    """Take a mesh off: its own way of removing first, then what was `found` beforehand and what is left.

    Raises InstallError, ClusterError.
    """
    way = require_installable(profile)
    if way is None:
        own.uninstall(cluster, profile)
    else:
        _run_removal(profile, way, where, progress)
    there = [ref for ref in found if cluster.get(ref) is not None]
    left = [ref for ref in removal.leftovers(cluster, profile, definitions=definitions) if ref not in there]
    removal.remove(cluster, [*there, *left])
    if way and way.not_undone:
        progress(f"left: {way.not_undone}")


def _run_removal(profile: Profile, way: Installation, where: Where, progress: Progress) -> None:
    posture = next(iter(way.by_posture), "deny")
    with TemporaryDirectory(prefix="smi-mesh-") as folder, steps.cluster_of(*where) as there:
        paths = {name: f"<{name}>" for name in way.sources}
        if steps.uses_placeholders(way.removal):
            found = fetching.fetch(profile, Path(folder), fetching.checksums(profile, {}))
            paths = {name: str(path) for name, (path, _) in found.items()}
        for step in steps.written_out(way.removal, way, posture, paths):
            progress(steps.shown(step))
            steps.run(step, there)


def lock(profile: Profile, path: Path) -> Iterator[str]:
    """Fetch all sources and write their checksums to a file; one line for each. Raises InstallError, ClusterError."""
    if require_installable(profile) is None or not fetching.sources_of(profile):
        raise InstallError(f"mesh {profile.name} is installed from nothing that would have to be fetched")
    with TemporaryDirectory(prefix="smi-mesh-") as folder:
        found = fetching.fetch(profile, Path(folder), None)
    made = {name: f"sha256:{checksum}" for name, (_, checksum) in found.items()}
    try:
        path.write_text(
            yaml.safe_dump({"mesh": profile.name, "version": profile.version, "sources": made}, sort_keys=False)
        )
    except OSError as error:
        raise InstallError(f"{path} cannot be written: {error.strerror}") from error
    yield from (f"{name}: {checksum}" for name, checksum in made.items())
