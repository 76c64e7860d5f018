"""Every API version through an API server, and what the mesh makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from selftest.lab.mesh.objects_for_tests import NS, account, cluster, http_rule, tcp_rule
from selftest.lab.mesh.objects_for_tests import target as stored_target
from selftest.lab.mesh.versioned_objects import (
    ACCESS,
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
from smi_conformance.lab.api.crds import CRDS
from smi_conformance.lab.api.errors import ApiError
from smi_conformance.lab.api.registry import Registry
from smi_conformance.lab.api.registry import Target as Place
from smi_conformance.lab.api.resources import Resource
from smi_conformance.lab.api.store import Store
from smi_conformance.lab.mesh import conversion, objects, policy
from smi_conformance.lab.mesh.faults import Switches
from smi_conformance.lab.mesh.hooks import conversion as conversion_config
from smi_conformance.lab.mesh.model import Json, State
from smi_conformance.lab.mesh.policy import Inbound
from smi_conformance.lab.mesh.versions import KEPT, KINDS
from smi_conformance.meshes.crds import BY_REFERENCE_MESH, every_version, stable, without_conversion

PLURALS = {"TrafficTarget": "traffictargets", "HTTPRouteGroup": "httproutegroups", "TrafficSplit": "trafficsplits"}

DEFINITIONS = every_version(BY_REFERENCE_MESH)


class Api:
    """An API server that serves all versions, and the mesh's webhook behind it."""

    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        self.store = Store()
        self.registry = Registry(self.store)
        self.switches = Switches(faults)
        self.asked = 0
        self.store.create("namespaces", {"metadata": {"name": NS}})
        for definition in DEFINITIONS:
            self.store.create(CRDS, definition)

    async def post(self, config: Json, review: Json, _timeout: float) -> Json:
        """What the webhook answers."""
        assert config["service"]["path"] == "/convert"
        self.asked += 1
        answer: Json = conversion.review(review, self.switches.converted)["response"]
        return answer

    def row(self, item: Json, version: str = "") -> Resource:
        """The resource of an object, at its own version or another."""
        api_group, _, own = item["apiVersion"].partition("/")
        plural = PLURALS.get(item["kind"]) or f"{item['kind'].lower()}s"
        found = self.store.resources.find(api_group, version or own, plural)
        assert found is not None
        return found

    def create(self, item: Json) -> Json:
        return asyncio.run(self.registry.create(self.row(item), item, NS))

    def read(self, item: Json, version: str) -> Json:
        return asyncio.run(self.registry.read(self.row(item, version), item["metadata"]["name"], NS))

    def rewrite(self, item: Json, version: str, change: Callable[[Json], Json] = lambda item: item) -> Json:
        place = Place(self.row(item, version), item["metadata"]["name"], NS)
        return asyncio.run(self.registry.update(place, change))

    def stored(self, item: Json) -> Json:
        return self.store.get(self.row(item).name, item["metadata"]["name"], NS)

    def state(self) -> State:
        """What the mesh knows, which watches the stored versions."""
        known = cluster(httproutegroups=(), tcproutes=())
        return objects.read(
            {**known, **{name: self.store.list(name) for name in self.store.all_resources() if "smi" in name}}
        )


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return served(monkeypatch)


def served(monkeypatch: pytest.MonkeyPatch, *faults: str) -> Api:
    made = Api(faults)
    monkeypatch.setattr(made.registry.webhooks, "post", made.post)
    return made


def said(item: Json) -> Json:
    """All of an object but what the API server adds to its metadata."""
    shown = ("name", "namespace", "labels", "annotations")
    return item | {"metadata": {key: value for key, value in item["metadata"].items() if key in shown}}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_read_and_rewritten_at_another_version(api: Api, name: str, version: str) -> None:
    item = EXAMPLES[name]
    own = item["apiVersion"].partition("/")[2]
    assert said(api.create(item)) == item
    stored = api.stored(item)
    assert stored["apiVersion"].partition("/")[2] == KINDS[item["kind"]].stored

    assert api.read(item, version)["apiVersion"].partition("/")[2] == version
    api.rewrite(item, version)
    assert said(api.stored(item)) == said(stored)
    assert said(api.read(item, own)) == item


def test_the_stored_version_needs_no_webhook(api: Api) -> None:
    item = api.create(EXAMPLES["target-3"])
    api.rewrite(item, "v1alpha3")
    assert api.asked == 0


def test_every_version_is_served_and_one_stored() -> None:
    made = {item["metadata"]["name"].partition(".")[0]: item["spec"] for item in DEFINITIONS}
    shown = {name: [v["name"][-1] for v in spec["versions"] if v["served"]] for name, spec in made.items()}
    stored = {name: [v["name"] for v in spec["versions"] if v["storage"]] for name, spec in made.items()}
    both = ["identitybindings", "udproutes"]
    assert shown == {name: ["4"] if name in both else ["1", "2", "3", "4"] for name in made}
    assert stored == {name: ["v1alpha3" if name == "traffictargets" else "v1alpha4"] for name in made}
    assert sorted(name for name, spec in made.items() if spec["conversion"]["strategy"] == "None") == both


def test_stored_versions_are_those_that_are_served_alone_elsewhere() -> None:
    stored = {d["metadata"]["name"]: [v for v in d["spec"]["versions"] if v["storage"]] for d in DEFINITIONS}
    assert all(stored[d["metadata"]["name"]] == d["spec"]["versions"] for d in stable())


def test_only_definitions_that_name_the_control_plane_get_its_certificate() -> None:
    made = {item["metadata"]["name"].partition(".")[0]: item for item in DEFINITIONS}
    ((place, config),) = conversion_config(made["traffictargets"])
    assert (place, config["service"]["path"]) == ("/spec/conversion/webhook/clientConfig", "/convert")
    assert conversion_config(made["udproutes"]) == []
    assert conversion_config(without_conversion(stable()[0])) == []


@pytest.mark.parametrize(
    "item",
    [
        target("v1alpha3", sources=()),
        target("v1alpha4") | {"spec": {"destination": B, "rules": [], "sources": [A]}},
        target("v1alpha3") | {"spec": {"rules": [GROUP], "sources": [A]}},
        target("v1alpha1", B | {"port": 0}),
        target("v1alpha2", B | {"port": "8080"}),
        tcp_route("v1alpha4", 65536),
        group("v1alpha3", {"pathRegex": "/"}),
        group("v1alpha1", FULL, FULL),
        split("v1alpha1", "abc"),
        split("v1alpha1", -1),
        split("v1alpha2", "50"),
        split("v1alpha3", 0.5),
        split("v1alpha4", None),
    ],
    ids=str,
)
def test_refused(api: Api, item: Json) -> None:
    with pytest.raises(ApiError) as error:
        api.create(item)
    assert error.value.code == 422


@pytest.mark.parametrize("weight", [1, "1", "500m", "0m", "1500m"])
def test_quantities_are_taken_and_shown(api: Api, weight: object) -> None:
    item = split("v1alpha1", weight, "1")
    assert said(api.create(item)) == item


def server(state: State, name: str = "s-b-1") -> Inbound:
    return policy.inbound(state, next(pod for pod in state.pods if pod.name.name == name))


def opened(inbound: Inbound) -> dict[str, list[int] | None]:
    """The HTTP ports that each source may use."""
    ports = {source: rule.ports for rule in inbound.rules for source in rule.sources}
    return {source: sorted(some) if some is not None else None for source, some in ports.items()}


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_port_of_the_destination_limits_everything(api: Api, version: str) -> None:
    api.create(group("v1alpha4", FULL) | {"metadata": {"name": "g"}})
    api.create(tcp_route(version) | {"metadata": {"name": "t"}})
    item = api.create(target(version, B | {"port": 8080}, rules=(GROUP,)))
    assert opened(server(api.state())) == {account("a").spiffe: [8080]}

    api.rewrite(
        item, version, lambda i: i | target(version, B | {"port": 7001}, rules=(TCP,)) | {"metadata": i["metadata"]}
    )
    tcp = server(api.state()).tcp
    assert [number for number, port in tcp.items() if port.sources] == [7001]


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_kinds_of_later_versions_grant_nothing(api: Api, version: str) -> None:
    api.create(versioned("UDPRoute", "specs.smi-spec.io", "v1alpha4", spec={}) | {"metadata": {"name": "u"}})
    sources = (A, {"kind": "IdentityBinding", "name": "a", "namespace": NS})
    api.create(target(version, sources=sources, rules=(UDP,)))
    state = api.state()
    (seen,) = state.targets
    assert (seen.bound_sources, policy.grant_of(state, seen).udp) == ((), frozenset())
    assert [m.reason for m in policy.mistakes(state)] == ["UnknownKind", "UnknownKind"]


def binding(name: str, **schemes: object) -> Json:
    spec = {"schemes": schemes}
    return versioned("IdentityBinding", ACCESS, "v1alpha4", spec=spec) | {"metadata": {"name": name, "namespace": NS}}


ID_OF_Z = f"cluster.local/ns/{NS}/sa/z"


@pytest.mark.parametrize(
    ("schemes", "sources"),
    [
        ({"serviceAccount": "a"}, ["a"]),
        ({"serviceAccount": "a", "spiffeIdentities": [ID_OF_Z]}, ["a", "z"]),
        ({"spiffeIdentities": [f"spiffe://{ID_OF_Z}", f"{ID_OF_Z}-2"]}, ["z", "z-2"]),
        ({"spiffeIdentities": ["cluster.local/ns/outside/sa/plain", "other/ns/shop/sa/a"]}, []),
        ({}, []),
        ({"podLabelSelector": {"matchLabels": {}}}, []),
    ],
)
def test_bindings_as_sources(api: Api, schemes: Json, sources: list[str]) -> None:
    api.create(tcp_route("v1alpha4") | {"metadata": {"name": "t"}})
    api.create(binding("a", **schemes))
    api.create(target("v1alpha4", sources=(BOUND,), rules=(TCP,)))
    assert opened(server(api.state())) == {account(name).spiffe: None for name in sources}


def test_labels_bind_pods_of_the_own_namespace_by_their_own_identity(api: Api) -> None:
    api.create(tcp_route("v1alpha4") | {"metadata": {"name": "t"}})
    api.create(binding("a", podLabelSelector={"matchLabels": {"app": "client"}}))
    api.create(target("v1alpha4", sources=(BOUND,), rules=(TCP,)))
    assert opened(server(api.state())) == {f"{name}.{NS}.pod.smi-reference": None for name in ("c-a", "c-z")}


def test_bindings_as_destinations(api: Api) -> None:
    api.create(tcp_route("v1alpha4") | {"metadata": {"name": "t"}})
    api.create(binding("web", podLabelSelector={"matchLabels": {"app": "web", "v": "v1"}}))
    api.create(target("v1alpha4", BOUND | {"name": "web"}, rules=(TCP,)))
    state = api.state()
    found = {name: opened(server(state, name)) for name in ("v1", "v2", "s-b-1")}
    assert found == {"v1": {account("a").spiffe: None}, "v2": {}, "s-b-1": {}}
    assert server(state, "v1").governed


def test_a_binding_that_is_not_there_stands_for_nobody_and_is_told(api: Api) -> None:
    api.create(tcp_route("v1alpha4") | {"metadata": {"name": "t"}})
    api.create(target("v1alpha4", sources=(A, BOUND), rules=(TCP,)))
    api.create(binding("odd", serviceAccount="a", podLabelSelector={"matchLabels": {"app": "client"}}))
    state = api.state()
    assert opened(server(state)) == {account("a").spiffe: None}
    assert [(m.reason, m.object["kind"]) for m in policy.mistakes(state)] == [
        ("BindingNotFound", "TrafficTarget"),
        ("ExclusiveSchemes", "IdentityBinding"),
    ]


def test_kinds_of_other_groups_stand_for_nobody(api: Api) -> None:
    api.create(target("v1alpha4", B | {"group": "example.com"}, (A | {"group": "example.com"}, B | {"group": ACCESS})))
    (seen,) = api.state().targets
    assert (seen.destination, seen.sources) == (None, (account("b"),))


@pytest.mark.parametrize("spoilt", ["{", '{"port":"many"}', '{"later":5}'])
def test_targets_with_a_spoilt_annotation_are_left_out(spoilt: str) -> None:
    item = stored_target("t", "b", ["a"], http_rule("g"), tcp_rule("t"), annotations={KEPT: spoilt})
    state = objects.read(cluster(traffictargets=[item]))
    assert state.targets == ()
    assert [mistake.reason for mistake in state.mistakes] == ["Invalid"]


def weights(api: Api) -> list[int]:
    (seen,) = api.state().splits
    return [backend.weight for backend in seen.backends]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("SP-012/unit-ignored", [1, 500]),
        ("SP-012/fractions-rounded", [1, 0]),
        ("API-052/weights-reordered", [1, 2]),
        ("API-053/matches-dropped", [2, 1]),
    ],
)
def test_faults_in_the_reader_of_splits(monkeypatch: pytest.MonkeyPatch, fault: str, expected: list[int]) -> None:
    api = served(monkeypatch, fault)
    api.create(split("v1alpha1", "1", "500m"))
    assert weights(api) == expected


def test_a_fault_of_one_version_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    api = served(monkeypatch, "SP-012/unit-ignored", "API-061/v1alpha1-layout-ignored")
    api.create(split("v1alpha2", 3, 1))
    api.create(target("v1alpha2"))
    (seen,) = api.state().targets
    assert (weights(api), seen.destination) == ([3, 1], account("b"))


def test_a_reader_may_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApiError, match="500m is no number"):
        served(monkeypatch, "SP-012/milli-refused").create(split("v1alpha1", "500m"))


@pytest.mark.parametrize(
    "fault",
    [
        "API-050/fields-lost-in-conversion",
        "API-050/namespace-lost-in-conversion",
        "API-050/non-storage-version-unenforced",
        "API-051/matches-dropped",
        "API-061/rules-not-read",
    ],
)
def test_faults_that_take_grants_away(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    api = served(monkeypatch, fault)
    api.create(group("v1alpha1", FULL) | {"metadata": {"name": "g"}})
    api.create(target("v1alpha1", rules=(GROUP,)))
    assert opened(server(api.switches.state(api.state()))) == {}


def test_faults_that_widen(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = ("API-050/port-lost-in-conversion", "API-051/header-filters-lost", "API-051/ports-emptied")
    api = served(monkeypatch, *lost)
    api.create(group("v1alpha2", HEADERS) | {"metadata": {"name": "g"}})
    route = api.create(tcp_route("v1alpha4", 7000) | {"metadata": {"name": "t"}})
    api.rewrite(route, "v1alpha3")
    api.create(target("v1alpha2", B | {"port": 8080}))
    state = api.state()
    (matches,), (ports,) = state.groups.values(), state.tcp_routes.values()
    assert (state.targets[0].port, matches[0].headers, ports) == (None, (), None)
