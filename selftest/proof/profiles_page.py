"""docs/proof/profiles.md: what was proven of each profile, from proof.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from smi_conformance.meshes.profile import Profile
from smi_conformance.meshes.proof import digest

HEAD = """# Profiles: what was written with them, and who took it

Made by `python -m selftest.proof.profiles --page`; the record is `smi_conformance/meshes/proof.json`.

- **Rendered**: the whole suite was run on the model, served with the resources of the mesh at its versions, with the
  names, labels, annotations, ports and declared features of the profile. No scenario ended in an error. The model plays
  the part of the mesh, so what passed or failed there says nothing of the mesh.
- **Accepted**: a real API server that serves the resources of the mesh at its versions took every object that such a
  run writes, by a dry run (`dryRun=All`). Objects that differ in nothing but names are counted once. Settings of
  a mesh (`postures`) are not among them, nor is what the mesh's own webhooks would say: they need the mesh.
- **Its own definitions**: the same with the definitions that the mesh itself brings, where they could be had, without
  conversion by webhook.

None of it is a run of the suite on the mesh: such a profile stays `unverified`.
"""


def page(record: Mapping[str, Any], profiles: Sequence[Profile]) -> str:
    """The page."""
    return "\n".join([HEAD, *_table(record, profiles), "", *_details(record, profiles)])


def _table(record: Mapping[str, Any], profiles: Sequence[Profile]) -> Iterator[str]:
    yield "| profile | judged versions | rendered | accepted by | its own definitions |"
    yield "| --- | --- | --- | --- | --- |"
    for profile in profiles:
        one = record.get(profile.name, {})
        if one.get("digest") != digest(profile):
            yield f"| {profile.name} | | not of this edition of the profile | | |"
        else:
            yield f"| {profile.name} | {_versions(one['rendered'])} | {_rendered(one['rendered'])} | {_accepted(one)} |"


def _versions(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{group} {' '.join(few)}" for group, few in told["versions"].items())


def _rendered(told: Mapping[str, Any]) -> str:
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in told["verdicts"].items())
    return f"{told['date']}: {told['objects']} objects; {verdicts}"


def _accepted(one: Mapping[str, Any]) -> str:
    told = one.get("accepted") or one.get("refused")
    if not told:
        return "not tried | "
    word = "accepted" if "accepted" in one else f"refused: {'; '.join(told['reasons'])}"
    own = f"{len(told['own'])}, sha256 {told['own_sha256'][:12]}" if "own" in told else "not to be had"
    own += f": {len(told['own_refused'])} refused, see below" if told.get("own_refused") else ""
    return f"Kubernetes {told['kubernetes']}, {told['date']}: {told['objects']} {word} | {own}"


def _details(record: Mapping[str, Any], profiles: Sequence[Profile]) -> Iterator[str]:
    yield "## What was written"
    yield ""
    for profile in profiles:
        told = record.get(profile.name, {}).get("rendered")
        if told:
            kinds = ", ".join(f"{number} {kind}" for kind, number in told["kinds"].items())
            failed = f" Did not pass on the model: {', '.join(told['failed'])}." if told["failed"] else ""
            yield f"- **{profile.name}**: {kinds}.{failed}"
    yield from _refusals(record, profiles)
    yield ""


def _refusals(record: Mapping[str, Any], profiles: Sequence[Profile]) -> Iterator[str]:
    """What the definitions of a mesh refuse, for each kind of reason the first."""
    yield "\n## What the meshes' own definitions refuse\n"
    yield "Some of it is offered on purpose, and a refusal is an answer; the rest would be an error in a scenario.\n"
    for profile in profiles:
        told = record.get(profile.name, {}).get("accepted", {}).get("own_refused", [])
        reasons = {text.split(" is invalid: ", 1)[-1][:90]: text for text in told}
        yield from (f"- **{profile.name}**: {text.split(': ', 1)[0]}: `{short}`" for short, text in reasons.items())
