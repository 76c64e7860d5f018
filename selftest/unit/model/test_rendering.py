"""Objects in every API version, held against the schemas of the CRDs."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selftest.unit.model.drawn import things
from smi_conformance.locations import CRDS
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
from smi_conformance.model.render import Unrenderable, quantity, render
from smi_conformance.model.versions import BASELINE, VERSIONS

ALL_VERSIONS = VERSIONS["access"]
SA = ServiceAccountRef("sa-b", "ns")


@cache
def crd(group: str, version: str, kind: str) -> dict[str, Any]:
    """The CRD of a kind in the file of one group version."""
    documents = yaml.safe_load_all((CRDS / f"{group}-{version}.yaml").read_text())
    return next((one for one in documents if one["spec"]["names"]["kind"] == kind), {})


def strict(schema: Any) -> Any:
    """The schema with every unlisted field forbidden, for the API server would drop it silently."""
    if not isinstance(schema, dict):
        return schema
    changed = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema:
        changed["properties"] = {name: strict(one) for name, one in schema["properties"].items()}
        changed["additionalProperties"] = False
    return changed


def validate(manifest: dict[str, Any]) -> None:
    """The schema of the manifest's own version takes it, and drops nothing of it."""
    group, version = manifest["apiVersion"].replace(".smi-spec.io", "").split("/")
    found = crd(group, version, manifest["kind"])["spec"]["versions"][0]
    assert found["name"] == version
    content = {key: manifest[key] for key in manifest if key not in ("apiVersion", "kind", "metadata")}
    jsonschema.validate(content, strict(found["schema"]["openAPIV3Schema"]) | {"additionalProperties": False})


def written(thing: SmiObject, version: str, **options: Any) -> dict[str, Any]:
    return render(thing, "x", "ns", dict.fromkeys(VERSIONS, version), **options)


@given(things, st.sampled_from(ALL_VERSIONS), st.sampled_from(["list", "map"]))
def test_what_is_rendered_fits_the_schema(thing: SmiObject, version: str, shape: str) -> None:
    """Every object fits the CRD of its version, or the version cannot say it."""
    with contextlib.suppress(Unrenderable):
        validate(written(thing, version, header_shape=shape))


@given(things)
def test_the_baseline_lacks_only_port_and_fractions(thing: SmiObject) -> None:
    """In the stable versions everything can be said but destination.port and fractions of weights."""
    fractional = isinstance(thing, Split) and any(backend.weight in ("500m", "333m") for backend in thing.backends)
    ported = isinstance(thing, TrafficTarget) and thing.port is not None
    if fractional or ported:
        with pytest.raises(Unrenderable):
            render(thing, "x", "ns", BASELINE)
    else:
        validate(render(thing, "x", "ns", BASELINE))


def test_layout_of_a_target() -> None:
    """The fields stand at the top in v1alpha1, under spec later; specs became rules."""
    target = TrafficTarget(SA, (ServiceAccountRef("sa-a", "ns"),), (Rule("HTTPRouteGroup", "g", ("m",)),), 8080)
    early, later = written(target, "v1alpha1"), written(target, "v1alpha2")

    bare = written(TrafficTarget(SA, (SA,), (Rule("TCPRoute", "r"),)), "v1alpha3")
    assert bare["spec"]["rules"] == [{"kind": "TCPRoute", "name": "r"}]
    assert early["specs"] == later["spec"]["rules"] == [{"kind": "HTTPRouteGroup", "name": "g", "matches": ["m"]}]
    assert early["destination"]["port"] == later["spec"]["destination"]["port"] == 8080
    with pytest.raises(Unrenderable, match=r"destination\.port"):
        written(target, "v1alpha3")


def test_layout_of_a_route_group() -> None:
    """Matches move under spec with v1alpha3; at v1alpha1 what is absent is written out."""
    group = RouteGroup((HttpMatch("m"),))

    assert written(group, "v1alpha1")["matches"] == [{"name": "m", "pathRegex": ".*", "methods": ["*"]}]
    assert written(group, "v1alpha2")["matches"] == [{"name": "m"}]
    assert written(group, "v1alpha3")["spec"] == {"matches": [{"name": "m"}]}


def test_headers_in_both_shapes() -> None:
    """A list of maps with one entry each, or one map; none at v1alpha1."""
    group = RouteGroup((HttpMatch("m", headers=(("x-a", "1"), ("x-b", "2"))),))
    twice = RouteGroup((HttpMatch("m", headers=(("x-a", "1"), ("x-a", "2"))),))

    assert written(group, "v1alpha4")["spec"]["matches"][0]["headers"] == [{"x-a": "1"}, {"x-b": "2"}]
    mapped = written(group, "v1alpha4", header_shape="map")
    assert mapped["spec"]["matches"][0]["headers"] == {"x-a": "1", "x-b": "2"}
    assert len(written(twice, "v1alpha4")["spec"]["matches"][0]["headers"]) == 2
    with pytest.raises(Unrenderable, match=r"^specs v1alpha4: a map holds one expression"):
        written(twice, "v1alpha4", header_shape="map")
    with pytest.raises(Unrenderable, match="v1alpha2"):
        written(group, "v1alpha1")


def test_routes_of_the_transport_layer() -> None:
    """TCPRoute has no field, then an empty spec, then ports; UDPRoute comes with them."""
    assert set(written(TcpRoute(), "v1alpha2")) == {"apiVersion", "kind", "metadata"}
    assert written(TcpRoute(), "v1alpha3")["spec"] == {}
    assert written(TcpRoute((7000,)), "v1alpha4")["spec"] == {"matches": {"ports": [7000]}}
    for thing in (TcpRoute((7000,)), UdpRoute()):
        with pytest.raises(Unrenderable, match="from v1alpha4 on"):
            written(thing, "v1alpha3")


def test_weights_and_matches_of_a_split() -> None:
    """Quantities are kept at v1alpha1 and become whole numbers later; matches come with v1alpha3."""
    split = Split("web", (Backend("one", "2k"), Backend("two", "500m")))

    assert [one["weight"] for one in written(split, "v1alpha1")["spec"]["backends"]] == ["2k", "500m"]
    assert written(Split("web", split.backends[:1]), "v1alpha2")["spec"]["backends"][0]["weight"] == 2000
    with pytest.raises(Unrenderable, match="whole numbers"):
        written(split, "v1alpha4")
    with pytest.raises(Unrenderable, match="v1alpha3"):
        written(Split("web", (), ("g",)), "v1alpha2")
    assert written(Split("web", (), ("g",)), "v1alpha3")["spec"]["matches"] == [{"kind": "HTTPRouteGroup", "name": "g"}]


TCP, BOUND = (Rule("TCPRoute", "r"),), ServiceAccountRef("b", "ns", "IdentityBinding")


@pytest.mark.parametrize(
    ("thing", "version", "said"),
    [
        (
            TrafficTarget(SA, (SA,), TCP, 80),
            "v1alpha3",
            "access v1alpha3: destination.port ended with v1alpha2; use ports",
        ),
        (TrafficTarget(SA, (BOUND,), TCP), "v1alpha3", "access v1alpha3: IdentityBinding exists from v1alpha4 on"),
        (
            TrafficTarget(SA, (SA,), (Rule("UDPRoute", "r"),)),
            "v1alpha2",
            "access v1alpha2: rules of kind UDPRoute exist",
        ),
        (
            RouteGroup((HttpMatch("m", headers=(("a", "1"),)),)),
            "v1alpha1",
            "specs v1alpha1: headers exist from v1alpha2",
        ),
        (TcpRoute((7000,)), "v1alpha3", "specs v1alpha3: a TCPRoute has ports from v1alpha4 on"),
        (UdpRoute(), "v1alpha3", "specs v1alpha3: UDPRoute exists from v1alpha4 on"),
        (Split("web", (), ("g",)), "v1alpha2", "split v1alpha2: matches exist from v1alpha3 on"),
        (
            Split("web", (Backend("v1", "1m"),)),
            "v1alpha2",
            "split v1alpha2: weights are whole numbers from v1alpha2 on",
        ),
    ],
)
def test_what_a_version_lacks_is_told_with_its_name(thing: SmiObject, version: str, said: str) -> None:
    """And with what there is instead, or since when it is there."""
    with pytest.raises(Unrenderable) as caught:
        written(thing, version)
    assert str(caught.value).startswith(said)
    assert f"{caught.value.group} {caught.value.version}: {caught.value.reason}" == str(caught.value)


def test_identity_bindings_and_unknown_kinds() -> None:
    """IdentityBinding needs v1alpha4 and carries its group; a kind no version knows is written as it is."""
    rules = (Rule("TCPRoute", "r"),)
    bound = TrafficTarget(SA, (ServiceAccountRef("b", "ns", "IdentityBinding"),), rules)
    odd = TrafficTarget(SA, (ServiceAccountRef("g", "ns", "Group"),), rules)

    with pytest.raises(Unrenderable, match=r"^access v1alpha3: IdentityBinding exists from v1alpha4 on$") as caught:
        written(IdentityBinding(service_account="a"), "v1alpha3")
    assert (caught.value.group, caught.value.version) == ("access", "v1alpha3")
    assert written(bound, "v1alpha4")["spec"]["sources"][0]["group"] == "access.smi-spec.io"
    assert written(odd, "v1alpha3")["spec"]["sources"][0]["kind"] == "Group"
    with pytest.raises(Unrenderable, match="IdentityBinding"):
        written(bound, "v1alpha3")


@pytest.mark.parametrize(
    ("text", "value"), [("1", "1"), ("500m", "0.5"), ("1500m", "1.5"), ("2k", "2000"), ("0.25", "0.25")]
)
def test_quantities(text: str, value: str) -> None:
    """Decimal suffixes scale."""
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "1x", "m"])
def test_no_quantities(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


def test_stable_is_the_baseline_of_the_single_files() -> None:
    """The file of the stable versions repeats those of its group versions, one served layout per kind."""
    stable = list(yaml.safe_load_all((CRDS / "stable.yaml").read_text()))
    parts = [
        one
        for group in ("access", "specs", "split")
        for one in yaml.safe_load_all((CRDS / f"{group}-{BASELINE[group]}.yaml").read_text())
    ]

    assert stable == parts
    assert len({one["metadata"]["name"] for one in stable}) == len(stable) == 5
