"""The model as a cluster: objects, pods, traffic, time, faults, and the record of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from smi_conformance.cluster.facts import cluster_facts
from smi_conformance.cluster.journal import Recording, Replay, Unrecorded
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.model.backend import ModelBackend
from smi_conformance.cluster.model.cluster import ModelCluster
from smi_conformance.cluster.port import ClusterError, Pod, Ref
from smi_conformance.judge.observation import Observation, Plan, Step
from smi_conformance.meshes.install import install
from smi_conformance.meshes.profile import load

PROFILE = load("model")
WORKLOAD = [
    "python3",
    "/workload/workload.py",
    "serve",
    "--http",
    "8080",
    "--tcp",
    "7000",
    "--tcp-server-first",
    "7100",
    "--udp",
    "9000",
]
Start = Callable[..., ModelCluster]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A model with these faults, two servers v1 and v2 behind `web`, a client of the mesh and one outside."""
    opened: list[tuple[ModelBackend, Recording]] = []

    def begin(*faults: str, posture: str = "deny") -> ModelCluster:
        backend = ModelBackend(PROFILE.onboarding, posture, faults, seed=1)
        journal = Recording(tmp_path / "observations" / "main.jsonl", "main", backend.clock)
        opened.append((backend, journal))
        cluster = backend.cluster(journal)
        install(cluster, PROFILE, lambda _: None)
        populate(cluster)
        return cluster

    yield begin
    for backend, journal in opened:
        backend.close()
        journal.close()


def populate(cluster: ModelCluster) -> None:
    for name, labels in (("in", PROFILE.onboarding.namespace_labels), ("out", {})):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    for name, namespace in (("v1", "in"), ("v2", "in"), ("client", "in"), ("stranger", "out")):
        meta = {"name": name, "namespace": namespace}
        cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    for name in ("v1", "v2"):
        cluster.apply(deployment(name, "in", WORKLOAD))
        cluster.apply(service(name, {"name": name}))
    cluster.apply(service("web", {"app": "web"}))
    cluster.apply(deployment("client", "in", ["python3"]))
    cluster.apply(deployment("stranger", "out", ["python3"]))


def deployment(name: str, namespace: str, command: list[str]) -> dict[str, Any]:
    labels = {"name": name, "app": "web" if name.startswith("v") else name}
    container = {"name": "workload", "image": "python:3-slim", "command": command}
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": name, "containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"name": name}}, "template": template},
    }


def service(name: str, selector: dict[str, str]) -> dict[str, Any]:
    ports = [
        {"name": "http-8080", "port": 8080},
        {"name": "tcp-7000", "port": 7000},
        {"name": "tcp-7100", "port": 7100},
    ]
    ports += [{"name": "udp-9000", "port": 9000, "protocol": "UDP"}]
    meta = {"name": name, "namespace": "in"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": selector, "ports": ports}}


def smi(kind: str, group: str, version: str, name: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "in"}
    return {"apiVersion": f"{group}.smi-spec.io/{version}", "kind": kind, "metadata": meta, "spec": spec}


def grant(cluster: ModelCluster, *servers: str) -> None:
    """Everything over HTTP and TCP, to the client."""
    everything = {"name": "all", "pathRegex": ".*", "methods": ["*"]}
    cluster.apply(smi("HTTPRouteGroup", "specs", "v1alpha4", "all", matches=[everything]))
    cluster.apply(smi("TCPRoute", "specs", "v1alpha4", "all", matches={"ports": []}))
    source = {"kind": "ServiceAccount", "name": "client", "namespace": "in"}
    for server in servers:
        destination = {"kind": "ServiceAccount", "name": server, "namespace": "in"}
        rules = [{"kind": "HTTPRouteGroup", "name": "all"}, {"kind": "TCPRoute", "name": "all"}]
        spec = {"destination": destination, "sources": [source], "rules": rules}
        cluster.apply(smi("TrafficTarget", "access", "v1alpha3", server, **spec))


def split(cluster: ModelCluster, *weights: int) -> None:
    backends = [{"service": f"v{n}", "weight": weight} for n, weight in enumerate(weights, 1)]
    cluster.apply(smi("TrafficSplit", "split", "v1alpha4", "web", service="web", backends=backends))


def pod(cluster: ModelCluster, name: str, namespace: str = "in") -> Pod:
    (found,) = cluster.pods(namespace, {"name": name})
    return found


def send(cluster: ModelCluster, sender: str = "client", namespace: str = "in", **step: Any) -> Observation:
    """One step of 20 requests by default; the servers are v1 and v2."""
    values = {"protocol": "http", "host": "web.in", "port": 8080, "id": "q.0", "count": 20, **step}
    servers = [pod(cluster, "v1"), pod(cluster, "v2")]
    return cluster.observe("q.", pod(cluster, sender, namespace), Plan((Step(**values),)), servers)


def arrivals(seen: Observation) -> dict[str, int]:
    """By the part that the servers belong to."""
    return {name.split("-")[0]: len(log.arrivals) for name, log in seen.servers.items() if log.arrivals}


def test_pods_are_ready_at_once_and_have_the_sidecar(start: Start) -> None:
    cluster = start()
    assert pod(cluster, "v1").containers == ("workload", "model-proxy")
    assert pod(cluster, "stranger", "out").containers == ("workload",)
    assert pod(cluster, "v1").ip != pod(cluster, "v2").ip


def test_deleted_pods_are_replaced(start: Start) -> None:
    cluster = start()
    before = pod(cluster, "v1")
    cluster.delete(Ref("v1", "Pod", before.name, "in"))
    after = pod(cluster, "v1")
    assert after.uid != before.uid
    with pytest.raises(ClusterError, match="exec into pod"):
        cluster.observe("q.", pod(cluster, "client"), Plan(()), [before])


def test_denied_requests_arrive_nowhere(start: Start) -> None:
    seen = send(start())
    assert seen.outcomes() == {"status": 20}
    assert arrivals(seen) == {}


def test_granted_requests_are_answered_by_whom_they_reach(start: Start) -> None:
    cluster = start()
    grant(cluster, "v1")
    seen = send(cluster, host="v1")
    assert seen.outcomes() == {"answer": 20}
    assert arrivals(seen) == {"v1": 20}
    one = next(iter(seen.answered().values()))
    assert (one.server, one.port, one.status) == (pod(cluster, "v1").name, 8080, 200)
    arrival = seen.servers[pod(cluster, "v1").name].arrivals[0]
    assert (arrival.id, arrival.method, arrival.path, arrival.peer) == ("q.0.0", "GET", "/", pod(cluster, "client").ip)


def test_split_is_judged_by_the_pod(start: Start) -> None:
    cluster = start()
    split(cluster, 90, 10)
    grant(cluster, "v1", "v2")
    counted = arrivals(send(cluster, count=2000))
    assert counted["v1"] == pytest.approx(1800, abs=60)
    cluster.delete(Ref("access.smi-spec.io/v1alpha3", "TrafficTarget", "v1", "in"))
    assert set(arrivals(send(cluster, count=100))) == {"v2"}


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        ({"protocol": "tcp", "port": 7000}, "answer"),
        ({"protocol": "tcp", "port": 7100, "greeting": True}, "answer"),
        ({"protocol": "tcp", "port": 7000, "greeting": True, "timeout": 1.0}, "timeout"),
        ({"protocol": "tcp"}, "answer"),  # the HTTP port answers lines that are no HTTP
        ({"port": 7000}, "altered"),
        ({"protocol": "udp", "port": 9000, "timeout": 1.0}, "timeout"),
        ({"protocol": "http2"}, "answer"),
        ({"port": 8081}, "status"),
        ({"host": "nowhere"}, "unresolved"),
        ({"headers": (("x-a", "1"),), "due": (("x-a", "[12]"),)}, "answer"),
        ({"headers": (("x-a", "3"),), "due": (("x-a", "[12]"),)}, "altered"),
    ],
    ids=str,
)
def test_outcomes(start: Start, step: dict[str, Any], outcome: str) -> None:
    cluster = start()
    grant(cluster, "v1", "v2")
    assert send(cluster, **step).outcomes() == {outcome: 20}


def test_outside_the_mesh(start: Start) -> None:
    """A stranger is nobody; it reaches plain pods as plain Kubernetes lets it, and a posture can open the mesh."""
    cluster = start()
    grant(cluster, "v1", "v2")
    assert send(cluster, "stranger", "out").outcomes() == {"reset": 20}
    assert send(start(posture="permissive"), "stranger", "out").outcomes() == {"answer": 20}


def test_time_passes_at_once(start: Start) -> None:
    cluster = start()
    before = cluster.clock.now()
    cluster.clock.sleep(3600)
    send(cluster, protocol="udp", port=9000, count=2, concurrency=2, timeout=5.0)
    assert cluster.clock.now() - before == pytest.approx(3605, abs=0.2)


def test_streams_follow_changes(start: Start) -> None:
    cluster = start()
    grant(cluster, "v1", "v2")
    split(cluster, 1, 0)
    servers, plan = (
        [pod(cluster, "v1"), pod(cluster, "v2")],
        Plan((Step("http", "web", 8080, "s.0", 10_000, rate=100.0),)),
    )
    sender = pod(cluster, "client")
    cluster.start_stream("s", sender, plan)
    cluster.clock.sleep(1)
    first = cluster.window("s.", sender, servers)
    split(cluster, 0, 1)
    cluster.clock.sleep(1)
    second = cluster.window("s.", sender, servers)
    assert set(arrivals(first)) == {"v1"}
    assert arrivals(second)["v2"] == pytest.approx(100, abs=10)
    assert sum(cluster.stop_stream("s", sender, plan).outcomes().values()) == pytest.approx(200, abs=20)
    with pytest.raises(ClusterError):
        cluster.stop_stream("s", sender, plan)


def test_kept_tcp_connections_stay_on_one_pod(start: Start) -> None:
    cluster = start()
    grant(cluster, "v1", "v2")
    seen = send(cluster, protocol="tcp", port=7000, connection="kept", concurrency=1)
    assert len(arrivals(seen)) == 1
    assert {reply.connection for reply in seen.answered().values()} == {1}


def test_faults_are_switches(start: Start) -> None:
    cluster = start("TA-010/deny-by-default-missing")
    assert send(cluster).outcomes() == {"answer": 20}


def test_what_is_wrong_is_told(start: Start) -> None:
    cluster = start()
    split(cluster, 50, 50, 50)
    events = cluster.api("GET", "/api/v1/namespaces/in/events").body
    assert isinstance(events, dict)
    (event,) = [one for one in events["items"] if one["type"] == "Warning"]
    assert (event["involvedObject"]["kind"], event["reason"]) == ("TrafficSplit", "BackendNotFound")
    assert "v3" in event["message"]


def test_every_version_is_served_and_converted(start: Start) -> None:
    cluster = start()
    split(cluster, 2, 1)
    answer = cluster.api("GET", "/apis/split.smi-spec.io/v1alpha1/namespaces/in/trafficsplits/web")
    assert isinstance(answer.body, dict)
    assert answer.body["apiVersion"] == "split.smi-spec.io/v1alpha1"
    assert [backend["weight"] for backend in answer.body["spec"]["backends"]] == [2, 1]
    assert cluster.api("GET", "/apis/split.smi-spec.io/v9/namespaces/in/trafficsplits/web").status == 404


def test_an_ordinary_client_works(start: Start) -> None:
    backend = ModelBackend(PROFILE.onboarding, "deny")
    try:
        install(backend.cluster(Unrecorded()), PROFILE, lambda _: None)
        api = backend.api()
        assert [n.metadata.name for n in client.CoreV1Api(api).list_namespace(limit=1).items] == ["default"]
        facts = cluster_facts(api, "model")
        assert "trafficsplits.split.smi-spec.io" in {crd["name"] for crd in facts["crds"]}
        assert (facts["nodes"], facts["node"]) == (2, {"os": "model", "arch": "model", "kernel": "model"})
    finally:
        backend.close()


def test_a_run_can_be_replayed(start: Start, tmp_path: Path) -> None:
    cluster = start()
    grant(cluster, "v1")
    live = [pod(cluster, "client"), pod(cluster, "v1"), pod(cluster, "v2")]
    with cluster.clock.scope("again"):
        seen = cluster.observe("q.", live[0], Plan((Step("http", "v1", 8080, "q.0", 5),)), live[1:])
    replayed = KubeCluster(None, Replay(tmp_path))
    with replayed.clock.scope("again"):
        assert replayed.observe("q.", live[0], seen.plan, live[1:]) == seen
