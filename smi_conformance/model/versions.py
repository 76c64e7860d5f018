"""API groups and versions of SMI."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

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


JUDGED = ("specs", "access", "split")
"""The groups that `--api` chooses versions of; access and split each depend on specs alone."""


def selected(words: Iterable[str], claims: Mapping[str, Collection[str]] | None = None) -> dict[str, tuple[str, ...]]:
    """The versions that `--api` asks for, by group: words are `stable`, `all` and `GROUP=VERSION[,VERSION]`.

    `all` stands for every version of every group; what names a group overrides it for that group. A group that no
    word says anything of is judged at the stable version, or, where a mesh claims only others, at those. Raises
    ValueError, with a text that says what can be written instead.
    """
    given = list(words)
    usual = {group: (BASELINE[group],) if "stable" in given else _usual(group, claims or {}) for group in JUDGED}
    chosen = {group: VERSIONS[group] if "all" in given else usual[group] for group in sorted(JUDGED)}
    named: dict[str, set[str]] = {}
    for word in given:
        if word not in ("stable", "all"):
            group, listed = _named(word)
            named.setdefault(group, set()).update(listed)
    return chosen | {group: tuple(v for v in VERSIONS[group] if v in few) for group, few in named.items()}


def _usual(group: str, claims: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    claimed = tuple(version for version in VERSIONS[group] if version in claims.get(group, ()))
    return claimed if claimed and BASELINE[group] not in claimed else (BASELINE[group],)


def words(versions: Mapping[str, str | Collection[str]]) -> tuple[str, ...]:
    """The words of `--api` that select exactly these versions."""
    listed = {group: [few] if isinstance(few, str) else few for group, few in versions.items()}
    return tuple(f"{group}={','.join(few)}" for group, few in listed.items())


def _named(word: str) -> tuple[str, list[str]]:
    group, _, text = word.partition("=")
    listed = [version.strip() for version in text.split(",")]
    if group not in JUDGED or not all(listed):
        raise ValueError(f"--api takes stable, all or GROUP=VERSION[,VERSION], not '{word}'; groups: {_listed()}")
    for version in listed:
        rank(group, version)
    return group, listed


def _listed() -> str:
    return ", ".join(sorted(JUDGED))


def best(group: str, versions: Collection[str]) -> str:
    """Of several versions the stable one, else the newest released, else the newest. Raises ValueError for none."""
    return max(versions, key=lambda v: (v == BASELINE[group], (group, v) not in UNRELEASED, rank(group, v)))


def companions(group: str, version: str, served: Mapping[str, Collection[str]] | None = None) -> dict[str, str]:
    """The versions that objects are written at where `version` of `group` is judged: of the other groups compatible
    ones, the stable one first.

    `served` limits the others to what a cluster serves: by what is compatible where it serves that, else to any.
    """
    chosen = {group: version}
    for other in JUDGED:
        if other != group:
            fitting = [v for v in VERSIONS[other] if all(_fit((other, v), one) for one in chosen.items())]
            here = [v for v in VERSIONS[other] if v in (served or {}).get(other, ())]
            chosen[other] = best(other, [v for v in fitting if v in here] or here or fitting)
    return chosen


PRINCIPAL: Mapping[str, str] = {
    "traffictargets.access.smi-spec.io": "access",
    "httproutegroups.specs.smi-spec.io": "specs",
    "trafficsplits.split.smi-spec.io": "split",
}
"""The resource of each group by which a version of it is known to be served."""


def served(resources: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    """The served versions of each group, from names of resources with their versions; empty when there are none."""
    there = {PRINCIPAL[name]: tuple(versions) for name, versions in resources if name in PRINCIPAL}
    return {group: there.get(group, ()) for group in JUDGED} if there else {}


def _fit(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two versions work together; what is not declared does."""
    pairs = ((one, other), (other, one))
    return all(b[1] in COMPATIBLE[a] for a, b in pairs if b[0] == "specs" and a in COMPATIBLE)


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
