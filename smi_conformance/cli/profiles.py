"""The profiles of meshes, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from smi_conformance.cli.listing import tabulate

if TYPE_CHECKING:
    from smi_conformance.meshes.profile import Combination, Profile

HEAD = ("name", "title", "version", "role", "claims", "state")


def rows() -> Iterator[Sequence[str]]:
    """The built-in profiles."""
    from smi_conformance.meshes.profile import available  # noqa: PLC0415
    from smi_conformance.meshes.proof import told  # noqa: PLC0415

    for one in available():
        yield one.name, one.title, one.version, one.role, claims(one), told(one)


def table() -> None:
    """The built-in profiles, with how far each was tried."""
    tabulate(HEAD, rows())


def markdown() -> str:
    """The built-in profiles as a table of the docs: a row for each version of a mesh on some versions of Kubernetes."""
    from smi_conformance.meshes.profile import available  # noqa: PLC0415

    lines = ["| profile | mesh | Kubernetes | claims | state |", "| --- | --- | --- | --- | --- |"]
    for profile in available():
        for one in profile.combinations:
            cells = (
                profile.name,
                f"{profile.title}, {one.mesh}",
                one.kubernetes,
                claims(profile),
                _state(profile, one),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _state(profile: Profile, one: Combination) -> str:
    """What is known of a row, the strongest first; what was proven of a profile holds for each of its rows."""
    from smi_conformance.meshes.proof import RECORD, record  # noqa: PLC0415

    if one.run:
        return f"**run** {one.run.date} ({one.run.record})"
    proven = record(profile)
    told = [f"historical: {one.historical}"] if one.historical else ["unverified"]
    if "accepted" in proven:
        told.append(f"accepted {proven['accepted']['date']} by Kubernetes {proven['accepted']['kubernetes']}")
    if "rendered" in proven:
        told.append(f"rendered {proven['rendered']['date']} ({RECORD})")
    return "; ".join(told)


def claims(profile: Profile) -> str:
    """The versions that a mesh claims, by group."""
    return "; ".join(f"{group} {', '.join(few)}" for group, few in profile.claims.items()) or "none"


def show(profile: Profile) -> None:
    """All that a profile says that a person would ask for."""
    for heading, lines in _sections(profile):
        listed = list(lines)
        if listed:
            print(f"{heading}\n" + "\n".join(f"  {line}" for line in listed))


def _sections(profile: Profile) -> Iterator[tuple[str, Iterable[str]]]:
    from smi_conformance.meshes.profile import ROLES  # noqa: PLC0415
    from smi_conformance.meshes.proof import told  # noqa: PLC0415

    yield f"{profile.name}: {profile.title}, {profile.version}", [ROLES[profile.role], profile.about or "-"]
    yield "state", [told(profile), *([f"cannot be run: {profile.cannot_run}"] if profile.cannot_run else [])]
    yield "mesh and Kubernetes", (_combination(one) for one in profile.combinations)
    yield "claims", [claims(profile)]
    yield "SMI resources it brings", (f"{name}: {', '.join(few)}" for name, few in profile.crds.items())
    yield "features", (f"{key}: {one.claim}{_because(one.reason)}" for key, one in profile.features.items())
    yield "postures", _postures(profile)
    yield (
        "onboarding",
        (f"{key}: {value}" for key, value in profile.onboarding.model_dump(exclude_defaults=True).items()),
    )
    yield "names of Services", [f"{profile.address} in the same namespace, {profile.address_elsewhere} in another"]
    yield (
        "ports of Services",
        (f"{key}: {value}" for key, value in profile.ports.model_dump(exclude_defaults=True).items()),
    )
    yield "metrics", _metrics(profile)
    yield "has to be ready", [*profile.deployments, *profile.daemonsets, *profile.statefulsets, *profile.apiservices]
    yield "images", profile.images
    yield "known deviations", (f"{one.requirement}: {one.text} ({one.link or 'no link'})" for one in profile.deviations)
    yield "to look inside", (" ".join(command) for command in profile.dumps)
    yield "installation", _installation(profile)
    yield "sources", profile.sources


def _combination(one: Combination) -> str:
    seen = f"run {one.run.date}: {one.run.where} ({one.run.record})" if one.run else "never run"
    return f"{one.mesh} on Kubernetes {one.kubernetes}: " + (
        f"historical: {one.historical}" if one.historical else seen
    )


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _metrics(profile: Profile) -> Iterator[str]:
    if profile.metrics:
        yield profile.metrics.mark
        told = profile.metrics.model_dump(exclude_defaults=True, exclude={"source", "labels", "queries"})
        yield from (f"{key}: {value}" for key, value in told.items())
    if profile.prometheus:
        yield from (f"{name}: {' '.join(text.split())}" for name, text in profile.prometheus.queries.items())


def _postures(profile: Profile) -> Iterator[str]:
    for posture, settings in profile.postures.items():
        yield f"{posture}: by {', '.join(f'{one.kind} {one.name}' for one in settings)}"
    if profile.installation:
        yield from (f"{posture}: when installed" for posture in profile.installation.by_posture if not profile.postures)


def _installation(profile: Profile) -> Iterator[str]:
    from smi_conformance.meshes import setup  # noqa: PLC0415

    way = profile.installation
    if way and way.refused:
        yield way.refused
        return
    yield from setup.commands(profile, "deny") if way or profile.installer == "reference" else ()
    for name, source in (way.sources if way else {}).items():
        yield f"{name}: {source}, " + (f"sha256:{source.sha256}" if source.sha256 else "checksum not known")
    if way and way.not_undone:
        yield f"not undone: {way.not_undone}"
