"""API groups and versions of SMI."""

from __future__ import annotations

from collections.abc import Mapping

VERSIONS: Mapping[str, tuple[str, ...]] = {
    "access": ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"),
    "specs": ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"),
    "split": ("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"),
    "metrics": ("v1alpha1",),
}
"""All versions of each group, the oldest first."""

BASELINE: Mapping[str, str] = {
    "access": "v1alpha3",
    "specs": "v1alpha4",
    "split": "v1alpha4",
    "metrics": "v1alpha1",
}
"""The stable versions: those of release v0.6.0."""

UNRELEASED = frozenset({("access", "v1alpha4")})
"""On the main branch of the specification only; what is judged there is tentative."""

COMPATIBLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("access", "v1alpha1"): ("v1alpha1", "v1alpha2"),
    ("access", "v1alpha2"): ("v1alpha3",),
    ("access", "v1alpha3"): ("v1alpha4",),
    ("access", "v1alpha4"): ("v1alpha4",),
    ("split", "v1alpha3"): ("v1alpha3",),
    ("split", "v1alpha4"): ("v1alpha4",),
}
"""The specs versions that a version is declared to work with; splits before v1alpha3 refer to no specs."""


def rank(group: str, version: str) -> int:
    """The place of a version in its group, from 0. Raises ValueError for an unknown one."""
    known = VERSIONS.get(group, ())
    if version not in known:
        where = f"{group} has {', '.join(known)}" if known else f"groups are {', '.join(VERSIONS)}"
        raise ValueError(f"no version {group} {version}: {where}")
    return known.index(version)


def at_least(group: str, version: str, least: str) -> bool:
    """Whether a version is `least` or a later one. Raises ValueError for an unknown one."""
    return rank(group, version) >= rank(group, least)


def api_version(group: str, version: str) -> str:
    """As in a manifest, such as access.smi-spec.io/v1alpha3. Raises ValueError for an unknown one."""
    rank(group, version)
    return f"{group}.smi-spec.io/{version}"
