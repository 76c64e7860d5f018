"""Conversion between API versions loses nothing, and grants nothing on the way."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from selftest.lab.mesh.versioned_objects import (
    BOUND,
    EXAMPLES,
    FULL,
    GROUP,
    HEADERS,
    TCP,
    UDP,
    VERSIONS,
    A,
    B,
    group,
    split,
    target,
    tcp_route,
    versioned,
)
from smi_conformance.lab.mesh import quantities
from smi_conformance.lab.mesh.conversion import ConversionError, convert, review
from smi_conformance.lab.mesh.model import Json
from smi_conformance.lab.mesh.versions import KEPT


def at(item: Json, version: str) -> Json:
    return convert(item, f"{item['apiVersion'].partition('/')[0]}/{version}")


@pytest.mark.parametrize("other", VERSIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_round_trip_is_exact(name: str, other: str) -> None:
    item = EXAMPLES[name]
    before = copy.deepcopy(item)
    there = at(item, other)
    assert convert(there, item["apiVersion"]) == before
    assert {key: there["metadata"][key] for key in ("name", "namespace", "labels")} == {
        key: item["metadata"][key] for key in ("name", "namespace", "labels")
    }
    assert there["metadata"]["annotations"]["note"] == "mine"


@pytest.mark.parametrize("second", VERSIONS)
@pytest.mark.parametrize("first", VERSIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_detour_makes_no_difference(name: str, first: str, second: str) -> None:
    item = EXAMPLES[name]
    assert at(at(item, first), second) == at(item, second)


@pytest.mark.parametrize("version", VERSIONS)
def test_layouts_of_targets_and_groups(version: str) -> None:
    assert at(target("v1alpha3"), version) == target(version)
    assert at(group("v1alpha4", FULL), version) == group(version, FULL)
    assert at(tcp_route("v1alpha4"), version) == tcp_route(version)
    assert at(split("v1alpha4", 90, 10), version) == split(version, 90, 10)


def test_port_of_the_destination_moves_into_the_annotation() -> None:
    there = at(target("v1alpha1", B | {"port": 8080}), "v1alpha3")
    assert there["spec"]["destination"] == B
    assert there["metadata"]["annotations"][KEPT] == '{"port":8080}'
    assert at(there, "v1alpha2")["spec"]["destination"] == B | {"port": 8080}


def test_what_a_version_can_say_itself_wins_over_what_was_kept() -> None:
    stored = at(target("v1alpha2", B | {"port": 8080}), "v1alpha3")
    without = at(stored, "v1alpha2")
    without["spec"]["destination"] = B
    assert KEPT not in at(without, "v1alpha3")["metadata"]["annotations"]


def test_kinds_of_later_versions_come_back_as_what_they_were() -> None:
    item = target("v1alpha4", BOUND, (BOUND, A), (GROUP, UDP))
    edited = at(item, "v1alpha2")
    edited["spec"]["sources"].insert(0, B)
    assert at(edited, "v1alpha4")["spec"] == item["spec"] | {"sources": [B, BOUND, A]}


def test_kinds_that_a_version_does_not_define_stay_without_meaning() -> None:
    item = target("v1alpha2", sources=(A, {"kind": "IdentityBinding", "name": "a"}), rules=(TCP, UDP))
    assert '"void":{"rules":[{"kind":"UDPRoute","name":"u"}]}' in at(item, "v1alpha3")["metadata"]["annotations"][KEPT]
    assert at(item, "v1alpha4")["metadata"]["annotations"][KEPT].count('"kind"') == 2


def test_matches_with_headers_are_not_shown_where_they_would_match_more() -> None:
    old = at(group("v1alpha4", HEADERS, FULL, {"name": "any"}), "v1alpha1")
    assert old["matches"] == [FULL, {"name": "any", "pathRegex": ".*", "methods": ["*"]}]
    old["matches"][0] = FULL | {"pathRegex": "/b"}
    assert at(old, "v1alpha4")["spec"]["matches"] == [HEADERS, FULL | {"pathRegex": "/b"}, {"name": "any"}]


def test_a_hidden_match_gives_way_to_one_of_its_name() -> None:
    old = at(group("v1alpha4", HEADERS), "v1alpha1")
    old["matches"] = [FULL | {"name": "h"}]
    assert at(old, "v1alpha4")["spec"]["matches"] == [FULL | {"name": "h"}]


@pytest.mark.parametrize("headers", [{"x-a": "1", "x-b": "2"}, [{"x-a": "1"}, {"x-b": "2"}]])
@pytest.mark.parametrize("version", VERSIONS[1:])
def test_both_shapes_of_headers_stay_as_they_are(version: str, headers: Any) -> None:
    assert at(group("v1alpha4", FULL | {"headers": headers}), version) == group(version, FULL | {"headers": headers})


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        (["1", "500m"], [2, 1]),
        (["10m", "100m", "1500m"], [1, 10, 150]),
        ([1, "1000m"], [1, 1]),
        (["0m", "1500m", 1.5], [0, 3, 3]),
        ([1000, 500], [1000, 500]),
        (["1k", "1Ki", "2e2", "1E-1"], [10000, 10240, 2000, 1]),
        (["1n", "1G"], [1, 2**32 - 4]),
        (["4G", "1G"], [3435973834, 858993458]),
        ([], []),
    ],
)
def test_quantities_keep_their_proportions(written: list[object], whole: list[int]) -> None:
    assert quantities.whole(written) == whole
    assert sum(whole) <= quantities.MAX_WEIGHTS


@pytest.mark.parametrize("written", ["abc", "", "-1", -1, True, None, "1 m", "1mm", "9" * 5000])
def test_what_is_no_quantity(written: object) -> None:
    with pytest.raises(ValueError, match=r"quantity|digits"):
        quantities.value(written)


def test_weights_that_were_changed_meanwhile_are_shown_as_they_are() -> None:
    new = at(split("v1alpha1", "1", "500m"), "v1alpha4")
    new["spec"]["backends"][1]["weight"] = 6
    assert [b["weight"] for b in at(new, "v1alpha1")["spec"]["backends"]] == [2, 6]


def reviewed(*items: Json, version: str) -> Json:
    request = {"uid": "u-1", "desiredAPIVersion": version, "objects": list(items)}
    asked = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    answer = review(asked)
    assert (answer["apiVersion"], answer["kind"]) == (asked["apiVersion"], asked["kind"])
    assert answer["response"]["uid"] == "u-1"
    response: Json = answer["response"]
    return response


def test_review_converts_all_objects() -> None:
    response = reviewed(target("v1alpha1"), target("v1alpha2"), version="access.smi-spec.io/v1alpha3")
    assert response["result"] == {"status": "Success"}
    assert response["convertedObjects"] == [target("v1alpha3")] * 2


@pytest.mark.parametrize(
    ("item", "version", "word"),
    [
        (target("v1alpha3"), "access.smi-spec.io/v1", "v1"),
        (target("v1alpha3"), "split.smi-spec.io/v1alpha4", "split"),
        (target("v1beta1"), "access.smi-spec.io/v1alpha3", "v1beta1"),
        (versioned("UDPRoute", "specs.smi-spec.io", "v1alpha4"), "specs.smi-spec.io/v1alpha3", "v1alpha3"),
        (split("v1alpha1", "abc"), "split.smi-spec.io/v1alpha4", "abc"),
        (split("v1alpha1", None), "split.smi-spec.io/v1alpha4", "None"),
        ({"metadata": {}}, "split.smi-spec.io/v1alpha4", "None"),
    ],
)
def test_review_tells_what_cannot_be_converted(item: Json, version: str, word: str) -> None:
    response = reviewed(target("v1alpha2") if "access" in version else split("v1alpha2", 1), item, version=version)
    assert (response["result"]["status"], response["convertedObjects"]) == ("Failed", [])
    assert word in response["result"]["message"]


@pytest.mark.parametrize(
    "kept",
    ["{", "[]", "5", '{"later":5}', '{"later":{"rules":[5]}}', '{"void":7}', '{"matches":[1]}', '{"quantities":[[1]]}'],
)
@pytest.mark.parametrize("name", ["target-3", "group-1", "split-2", "tcp-3"])
def test_a_spoilt_annotation_keeps_nobody_from_listing(name: str, kept: str) -> None:
    spoilt = EXAMPLES[name] | {"metadata": {"name": "one", "annotations": {KEPT: kept}}}
    sound = EXAMPLES[name] | {"metadata": {"name": "one"}}
    for version in VERSIONS:
        assert at(spoilt, version) == at(sound, version)


def test_no_annotations_are_left_where_there_were_none() -> None:
    bare = target("v1alpha2", B | {"port": 1}) | {"metadata": {"name": "one"}}
    assert at(at(bare, "v1alpha3"), "v1alpha2") == bare


def test_errors_name_the_object() -> None:
    with pytest.raises(ConversionError, match=r"TrafficSplit one of split.smi-spec.io/v1alpha1 cannot be read"):
        at(split("v1alpha1", "many"), "v1alpha4")
