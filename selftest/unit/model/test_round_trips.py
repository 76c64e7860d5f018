"""Versions: what any of them can say is read as it was written, and nothing is lost on the way through others."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selftest.unit.model.drawn import everything, splits
from smi_conformance.model.convert import KEPT, convert, meaning, sayable, whole
from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    SmiObject,
    Split,
    TcpRoute,
    TrafficTarget,
)
from smi_conformance.model.oracle import weight_of
from smi_conformance.model.read import group_version, read
from smi_conformance.model.render import Manifest, Unrenderable, kind_of, render
from smi_conformance.model.versions import VERSIONS

versions = st.sampled_from(VERSIONS["access"])  # every group has as many
GROUPS = {
    "TrafficTarget": "access",
    "IdentityBinding": "access",
    "HTTPRouteGroup": "specs",
    "TCPRoute": "specs",
    "UDPRoute": "specs",
    "TrafficSplit": "split",
}


def written(thing: SmiObject, version: str) -> tuple[SmiObject, Manifest]:
    """As much of an object as a version can say, and its manifest; another is drawn where it can say nothing."""
    group = GROUPS[kind_of(thing)]
    try:
        said = sayable(thing, group, version)
        return said, render(said, "one", "ns", {group: version})
    except Unrenderable:
        assume(False)
        raise


@given(everything, versions)
def test_what_is_written_is_read(thing: SmiObject, version: str) -> None:
    """By the version that it was written in."""
    said, manifest = written(thing, version)
    assert group_version(manifest["apiVersion"]) == (GROUPS[manifest["kind"]], version)
    assert manifest["metadata"] == {"name": "one", "namespace": "ns"}
    assert read(manifest) == said == sayable(said, GROUPS[manifest["kind"]], version)


@given(everything, versions)
def test_a_version_can_say_all_that_it_writes(thing: SmiObject, version: str) -> None:
    """Nothing is left out of what can be written as it is."""
    group = GROUPS[kind_of(thing)]
    try:
        manifest = render(thing, "one", "ns", {group: version})
    except Unrenderable:
        assume(False)
    assert sayable(thing, group, version) == read(manifest)


@given(everything, versions, st.lists(versions, min_size=1, max_size=3))
def test_nothing_is_lost_on_the_way_through_other_versions(thing: SmiObject, first: str, others: list[str]) -> None:
    """However many there are; what is converted is left as it was, and in the end no note is left over."""
    _, manifest = written(thing, first)
    before, found = copy.deepcopy(manifest), manifest
    for version in (*others, first):
        try:
            found = convert(found, version)
        except Unrenderable:
            assume(False)
        assert meaning(found) == meaning(manifest)
    assert manifest == before
    assert found == manifest


@given(everything, versions, versions)
def test_a_note_holds_what_the_version_cannot_say(thing: SmiObject, first: str, second: str) -> None:
    """There is none where it can say everything; names, labels and other notes stay."""
    _, manifest = written(thing, first)
    manifest["metadata"] |= {"labels": {"a": "b"}, "annotations": {"theirs": "1"}}
    try:
        found = convert(manifest, second)
    except Unrenderable:
        assume(False)
    kept = found["metadata"]["annotations"].pop(KEPT, None)
    assert (kept is None) == (read(found) == meaning(manifest))
    assert found["metadata"] == manifest["metadata"]


TARGET = TrafficTarget(
    ServiceAccountRef("b", "ns"),
    (ServiceAccountRef("a", "ns"), ServiceAccountRef("x", "ns", "IdentityBinding")),
    (Rule("TCPRoute", "tcp"), Rule("UDPRoute", "udp")),
    port=8080,
)
MATCH = HttpMatch("m", "/a", ("GET",), (("x-a", "1"),))
SPLIT = Split("web", (Backend("v1", "1"), Backend("v2", "250m")), ("m",))


@pytest.mark.parametrize(
    ("thing", "group", "version", "said"),
    [
        (TARGET, "access", "v1alpha2", replace(TARGET, sources=TARGET.sources[:1], rules=TARGET.rules[:1])),
        (TARGET, "access", "v1alpha3", replace(TARGET, sources=TARGET.sources[:1], port=None)),
        (TARGET, "access", "v1alpha4", replace(TARGET, port=None)),
        (RouteGroup((HttpMatch("m"),)), "specs", "v1alpha1", RouteGroup((HttpMatch("m", ".*", ("*",)),))),
        (RouteGroup((MATCH,)), "specs", "v1alpha1", RouteGroup((replace(MATCH, headers=()),))),
        (RouteGroup((MATCH,)), "specs", "v1alpha2", RouteGroup((MATCH,))),
        (TcpRoute((7000,)), "specs", "v1alpha3", TcpRoute()),
        (TcpRoute((7000,)), "specs", "v1alpha4", TcpRoute((7000,))),
        (SPLIT, "split", "v1alpha1", replace(SPLIT, matches=())),
        (SPLIT, "split", "v1alpha2", Split("web", (Backend("v1", 100), Backend("v2", 25)))),
        (SPLIT, "split", "v1alpha3", Split("web", (Backend("v1", 100), Backend("v2", 25)), ("m",))),
    ],
)
def test_only_what_a_version_lacks_is_left_out(thing: SmiObject, group: str, version: str, said: SmiObject) -> None:
    """The rest stays as it is."""
    assert sayable(thing, group, version) == said


def test_a_bound_destination_has_no_older_form() -> None:
    """Without its destination a TrafficTarget means nothing."""
    bound = replace(TARGET, destination=ServiceAccountRef("x", "ns", "IdentityBinding"), port=None)
    with pytest.raises(Unrenderable, match="access v1alpha3: IdentityBinding exists from v1alpha4 on"):
        convert(render(bound, "one", "ns", {"access": "v1alpha4"}), "v1alpha3")


def test_whole_weights_are_no_larger_than_they_have_to_be() -> None:
    """Texts of whole numbers become those numbers."""
    weights = [one.weight for one in whole((Backend("v1", "1"), Backend("v2", 2), Backend("v3", "2k")))]
    assert weights == [1, 2, 2000]


@given(splits)
def test_whole_weights_keep_their_proportions(split: Split) -> None:
    """One factor for all of a split, and 1 where they are whole numbers."""
    before, after = ([weight_of(one) for one in backends] for backends in (split.backends, whole(split.backends)))
    factors = {new / old for old, new in zip(before, after, strict=True) if old}
    assert all(isinstance(one.weight, int) for one in whole(split.backends))
    assert len(factors) <= 1
    if all(isinstance(one.weight, int) for one in split.backends):
        assert whole(split.backends) == split.backends
