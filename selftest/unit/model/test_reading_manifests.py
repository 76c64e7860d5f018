"""What is rendered is read back, at every version, and is kept through conversions."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest

from smi_conformance.model.convert import KEPT, convert, meaning
from smi_conformance.model.objects import (
    Backend,
    HttpMatch,
    IdentityBinding,
    RouteGroup,
    Rule,
    ServiceAccountRef,
    SmiObject,
    Split,
    TcpRoute,
    TrafficTarget,
    UdpRoute,
)
from smi_conformance.model.read import Unreadable, group_version, read
from smi_conformance.model.render import Unrenderable, render
from smi_conformance.model.versions import VERSIONS

SERVER, CLIENT = ServiceAccountRef("sa-b", "ns"), ServiceAccountRef("sa-a", "elsewhere")
RULE = Rule("HTTPRouteGroup", "routes", ("one", "two"))
OBJECTS: dict[str, tuple[str, SmiObject]] = {
    "target": ("access", TrafficTarget(SERVER, (CLIENT, ServiceAccountRef("sa-c")), (RULE, Rule("TCPRoute", "tcp")))),
    "limited target": ("access", TrafficTarget(SERVER, (CLIENT,), (RULE,), port=8080)),
    "bound target": ("access", TrafficTarget(SERVER, (ServiceAccountRef("b", "ns", "IdentityBinding"),), (RULE,))),
    "binding": ("access", IdentityBinding((("app", "x"),), ("cluster.local/ns/a/sa/b",), "sa-a")),
    "group": ("specs", RouteGroup((HttpMatch("one", "/a", ("GET", "PUT")), HttpMatch("two", "/b", ("*",))))),
    "headers": ("specs", RouteGroup((HttpMatch("one", "/a", ("GET",), (("x-a", "1"), ("x-a", "2"))),))),
    "tcp": ("specs", TcpRoute()),
    "tcp ports": ("specs", TcpRoute((7000, 7001))),
    "udp": ("specs", UdpRoute((9000,))),
    "split": ("split", Split("web", (Backend("v1", 90), Backend("v2", 10)))),
    "quantities": ("split", Split("web", (Backend("v1", "1"), Backend("v2", "500m")))),
    "matched split": ("split", Split("web", (Backend("v1", 1),), ("canary", "beta"))),
}


def written(name: str, version: str) -> dict[str, Any]:
    """The object of this name in a version. Raises Unrenderable."""
    group, thing = OBJECTS[name]
    return render(thing, "one", "ns", {group: version})


def can_be(name: str, version: str) -> bool:
    """Whether a version can say all of an object."""
    with contextlib.suppress(Unrenderable):
        return bool(written(name, version))
    return False


VERSION = VERSIONS["access"]  # every group has as many
FORMS = [(name, version) for name in OBJECTS for version in VERSION if can_be(name, version)]
# A UDPRoute and an IdentityBinding exist in one version only.
WAYS = [(name, a, b) for name, a in FORMS for b in VERSION if a != b and name not in ("udp", "binding")]


@pytest.mark.parametrize(("name", "version"), FORMS)
def test_reading_is_the_inverse_of_rendering(name: str, version: str) -> None:
    manifest = written(name, version)
    again = render(read(manifest), "one", "ns", {OBJECTS[name][0]: version})
    assert again == manifest


@pytest.mark.parametrize(("name", "version", "other"), WAYS)
def test_nothing_is_lost_on_the_way_there_and_back(name: str, version: str, other: str) -> None:
    manifest = written(name, version)
    there = convert(manifest, other)
    assert group_version(there["apiVersion"])[1] == other
    assert meaning(there) == meaning(manifest)
    assert meaning(convert(there, version)) == meaning(manifest)


def test_what_has_no_form_in_a_version() -> None:
    for name in ("udp", "binding"):
        with pytest.raises(Unrenderable):
            convert(written(name, "v1alpha4"), "v1alpha3")


def test_map_and_list_of_headers_mean_the_same() -> None:
    matches = [{"name": "m", "headers": shape} for shape in ([{"x-a": "1"}, {"x-b": "2"}], {"x-a": "1", "x-b": "2"})]
    manifests = [
        {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "HTTPRouteGroup", "spec": {"matches": [m]}}
        for m in matches
    ]
    one, other = map(read, manifests)
    assert one == other


def test_port_travels_in_an_annotation() -> None:
    later = convert(written("limited target", "v1alpha2"), "v1alpha3")
    assert "port" not in later["spec"]["destination"]
    assert later["metadata"]["annotations"] == {KEPT: '{"port": 8080}'}


def test_what_somebody_changes_is_not_put_back() -> None:
    later = convert(written("matched split", "v1alpha4"), "v1alpha2")
    later["spec"]["backends"] = [{"service": "v9", "weight": 3}]
    assert meaning(later) == Split("web", (Backend("v9", 3),), ("canary", "beta"))
    earlier = convert(written("tcp ports", "v1alpha4"), "v1alpha3")
    again = convert(earlier, "v1alpha4")
    again["spec"]["matches"]["ports"] = [7003]
    assert meaning(again) == TcpRoute((7003,))


def test_weights_keep_their_proportion() -> None:
    later = convert(written("quantities", "v1alpha1"), "v1alpha4")
    assert [backend["weight"] for backend in later["spec"]["backends"]] == [10, 5]


@pytest.mark.parametrize(
    "manifest",
    [
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": "split.smi-spec.io/v1alpha9", "kind": "TrafficSplit"},
        {"apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficTarget"},
        {"apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit", "spec": {"backends": [{}]}},
        {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "TCPRoute", "spec": {"matches": {"ports": ["x"]}}},
    ],
    ids=["no SMI", "no version", "another group", "no service", "no number"],
)
def test_nonsense_is_unreadable(manifest: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(manifest)


def test_what_is_left_out_of_a_split() -> None:
    """A weight that is absent is 0, a match of no kind is a route group, and one of another kind is none."""
    manifest = written("matched split", "v1alpha4")
    del manifest["spec"]["backends"][0]["weight"]
    manifest["spec"]["matches"] = [{"name": "one"}, {"kind": "TCPRoute", "name": "two"}]
    assert read(manifest) == Split("web", (Backend("v1", 0),), ("one",))
    assert read({**manifest, "apiVersion": "split.smi-spec.io/v1alpha2"}) == Split("web", (Backend("v1", 0),))
    assert read({**manifest, "spec": {"service": "web"}}) == Split("web", ())


def test_what_is_left_out_of_a_target() -> None:
    """Nothing is granted then; a port counts only where the version has it."""
    for version in VERSION:
        fields = {"destination": {"port": "8080"}}
        manifest = {"apiVersion": f"access.smi-spec.io/{version}", "kind": "TrafficTarget", "spec": fields, **fields}
        port = 8080 if version in ("v1alpha1", "v1alpha2") else None
        assert read(manifest) == TrafficTarget(ServiceAccountRef("", None, ""), (), (), port)
    bare = {"apiVersion": "access.smi-spec.io/v1alpha3", "kind": "TrafficTarget"}
    assert read(bare) == TrafficTarget(ServiceAccountRef("", None, ""), (), ())
    odd = read({**bare, "spec": {"rules": [{}], "sources": [{}]}})
    assert odd == TrafficTarget(ServiceAccountRef("", None, ""), (ServiceAccountRef("", None, ""),), (Rule("", ""),))


def test_what_is_left_out_of_routes() -> None:
    """Names are empty then, and what is no text becomes one."""
    group = {"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "HTTPRouteGroup"}
    assert read(group) == RouteGroup(())
    listed = [{}, {"name": 1, "pathRegex": 2, "methods": [3], "headers": {"x-a": 4}}]
    assert read({**group, "spec": {"matches": listed}}) == RouteGroup(
        (HttpMatch(""), HttpMatch("1", "2", ("3",), (("x-a", "4"),)))
    )
    early = {"apiVersion": "specs.smi-spec.io/v1alpha1", "kind": "HTTPRouteGroup", "matches": [{"headers": {"x": "1"}}]}
    assert read(early) == RouteGroup((HttpMatch(""),))
    ports = {"matches": {"ports": ["7000", 7001]}}
    for version, found in (("v1alpha4", (7000, 7001)), ("v1alpha3", ())):
        api = {"apiVersion": f"specs.smi-spec.io/{version}", "spec": ports}
        assert read({**api, "kind": "TCPRoute"}) == TcpRoute(found)
        assert read({**api, "kind": "UDPRoute"}) == UdpRoute(found)
        assert read({**api, "kind": "TCPRoute", "spec": {}}) == TcpRoute()


def test_what_is_left_out_of_a_binding() -> None:
    binding = {"apiVersion": "access.smi-spec.io/v1alpha4", "kind": "IdentityBinding"}
    for fields in ({}, {"schemes": None}, {"schemes": {"podLabelSelector": None, "spiffeIdentities": None}}):
        assert read({**binding, "spec": fields}) == IdentityBinding()


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, "'v1' is no version of SMI"),
        ({"kind": "Pod"}, "'' is no version of SMI"),
        ({"apiVersion": "split/v1alpha4"}, "'split/v1alpha4' is no version of SMI"),
        ({"apiVersion": "split.smi-spec.io/v1alpha9"}, "'split.smi-spec.io/v1alpha9' is no version of SMI"),
        ({"apiVersion": "mesh.smi-spec.io/v1alpha1"}, "'mesh.smi-spec.io/v1alpha1' is no version of SMI"),
        ({"apiVersion": "split.smi-spec.io/v1alpha4"}, "split.smi-spec.io/v1alpha4 has no kind None"),
        ({"apiVersion": "specs.smi-spec.io/v1alpha4", "kind": "Pod"}, "specs.smi-spec.io/v1alpha4 has no kind Pod"),
        (
            {"apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit"},
            "TrafficSplit v1alpha4 cannot be read: KeyError('service')",
        ),
    ],
)
def test_what_cannot_be_read_is_told(manifest: dict[str, Any], said: str) -> None:
    """What it says that it is, and what is missing."""
    with pytest.raises(Unreadable) as caught:
        read(manifest)
    assert str(caught.value) == said


@pytest.mark.parametrize("weight", [True, [1], None, {}])
def test_a_weight_is_a_number_or_a_text(weight: Any) -> None:
    """Anything else is told as it stands there."""
    manifest = written("split", "v1alpha4")
    manifest["spec"]["backends"][0]["weight"] = weight
    with pytest.raises(Unreadable, match=re.escape(f"weight {weight!r} is no number")):
        read(manifest)


def test_a_weight_with_a_fraction_is_read_as_a_quantity() -> None:
    manifest = written("split", "v1alpha1")
    manifest["spec"]["backends"][0]["weight"] = 0.5
    assert read(manifest) == Split("web", (Backend("v1", "0.5"), Backend("v2", 10)))


@pytest.mark.parametrize(
    "note",
    [
        "no JSON",
        "[8080]",
        '{"colour": "red"}',
        '{"port": {}, "rules": [1]}',
        '{"rules": [{"kin": "X"}]}',
        '{"sources": 5}',
    ],
)
def test_a_spoilt_note_says_nothing(note: str) -> None:
    """Anybody may edit what another version keeps in an annotation: then the object means what it says."""
    manifest = convert(written("limited target", "v1alpha2"), "v1alpha3")
    del manifest["metadata"]["annotations"]
    plain = meaning(manifest)
    manifest["metadata"]["annotations"] = {KEPT: note}
    assert meaning(manifest) == plain


@pytest.mark.parametrize("spoilt", ['"colour": "red"', '"rules": 5', '"sources": [7]'])
def test_what_is_sound_in_a_spoilt_note_holds(spoilt: str) -> None:
    """Each field is judged by itself."""
    manifest = convert(written("limited target", "v1alpha2"), "v1alpha3")
    manifest["metadata"]["annotations"] = {KEPT: f'{{{spoilt}, "port": 8080}}'}
    assert meaning(manifest) == meaning(written("limited target", "v1alpha2"))


def test_a_note_cannot_overrule_what_the_version_says() -> None:
    """The rules of an object can be edited at its version, so those of the note are of yesterday."""
    manifest = convert(written("limited target", "v1alpha2"), "v1alpha3")
    del manifest["metadata"]["annotations"]
    plain = meaning(manifest)
    manifest["metadata"]["annotations"] = {KEPT: '{"rules": [{"kind": "TCPRoute", "name": "other", "matches": []}]}'}
    assert meaning(manifest) == plain


def test_what_makes_no_sense_is_not_converted() -> None:
    """A weight that is no quantity has no whole number."""
    manifest = written("quantities", "v1alpha1")
    manifest["spec"]["backends"][0]["weight"] = "much"
    with pytest.raises(Unreadable, match="TrafficSplit makes no sense"):
        convert(manifest, "v1alpha4")
