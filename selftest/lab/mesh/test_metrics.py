"""From a line of a proxy's log to what the metrics API answers, and the defects on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from selftest.lab.mesh.objects_for_tests import pod, service, split, state, target
from smi_conformance.lab.mesh import settings
from smi_conformance.lab.mesh.access_log import Counts, Seen, read_line
from smi_conformance.lab.mesh.census import Census
from smi_conformance.lab.mesh.collector import Collector
from smi_conformance.lab.mesh.faults import FAULTS, Switches
from smi_conformance.lab.mesh.model import Name, State, pod_identity
from smi_conformance.model.metrics.answers import NotServed, parse_path

BASE = "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop"
LINE = "{}\t{}\t{}\t{}\t{}\tHTTP/1.1\t{}\t1500\t1\n"
NOW = 1_000_000.0


def owned(item: Any, kind: str, name: str) -> Any:
    owner = {"kind": kind, "name": name, "uid": f"{kind}-{name}", "controller": True}
    item["metadata"]["ownerReferences"] = [owner]
    item["spec"]["nodeName"] = "n1"
    return item


def replica_set(name: str, deployment: str) -> Any:
    owner = {"kind": "Deployment", "name": deployment, "controller": True}
    meta = {"name": name, "namespace": "shop", "uid": f"ReplicaSet-{name}", "ownerReferences": [owner]}
    return {"metadata": meta}


def cluster() -> dict[str, list[Any]]:
    """Two pods of a Deployment behind a split, their caller, and one that nobody calls."""
    return {
        "pods": [
            owned(pod("web-1-a", "web", "10.0.0.1", {"app": "web"}), "ReplicaSet", "web-1"),
            owned(pod("web-1-b", "web", "10.0.0.2", {"app": "web", "odd": "yes"}), "ReplicaSet", "web-1"),
            pod("shop-a", "shop", "10.0.0.3", {"app": "shop"}),
            pod("idle", "web", "10.0.0.4", {"app": "idle"}),
            owned(pod("web-x-1-a", "web", "10.0.0.5", {"app": "x"}), "ReplicaSet", "web-x-1"),
            pod("shop-a", "shop", "10.0.0.6", {"app": "shop"}, namespace="other"),
        ],
        "services": [service(f"web{v}", f"10.1.0.{n}", {"app": "web"}) for n, v in enumerate(("", "-v1", "-v2"))],
        "trafficsplits": [split("s", "web", {"web-v1": 90, "web-v2": 10})],
        "traffictargets": [target("t", "web", ["shop"])],
        "replicasets": [replica_set("web-1", "web"), replica_set("web-x-1", "web-x")],
        "deployments": [
            {"metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"team": "x"}}}
            for name in ("web", "web-x")
        ],
        "namespaces": [{"metadata": {"name": "shop", "uid": "n"}}],
        "nodes": [{"metadata": {"name": "n1", "uid": "n1"}}],
    }


def read(found: dict[str, list[Any]]) -> State:
    return state(
        pods=found["pods"], services=found["services"], trafficsplits=found["trafficsplits"],
        traffictargets=found["traffictargets"],
    )  # fmt: skip


class Plane:
    """A collector with a clock of its own."""

    def __init__(self, *faults: str) -> None:
        self.now, self.switches, found = NOW, Switches(faults), cluster()
        known = read(found)
        self.switches.state(known)
        census = Census(lambda: self.now)
        census.take(found, known)
        self.collector = Collector(census, lambda: self.now)
        self._sent = 0

    def report(self, pod: str, *lines: str, sequence: int = 0) -> None:
        counts = Counts()
        for line in lines:
            counts.note(line, self.now)
        self._sent += 1
        told = json.loads(json.dumps(counts.report(self.now)))
        told |= {"boot": "b", "sequence": sequence or self._sent}
        self.collector.take(Name("shop", pod), told, self.switches)

    def ask(self, path: str, selector: str = "") -> tuple[int, Any]:
        try:
            ask = parse_path(path if path.startswith("/") else f"{BASE}/{path}", selector)
            return self.collector.answer(ask, self.switches)
        except NotServed as error:
            return error.code, error.status


def server(source: str, status: int = 200) -> str:
    return LINE.format("server", pod_identity(Name("shop", source)), "-", "-", "-", status)


def client(ip: str, backend: str, status: int = 200, route: str = "shop/s", vip: str = "10.1.0.0") -> str:
    return LINE.format("client", f"{ip}:8080", f"{vip}:8080", route, f"shop/{backend}:8080", status)


def busy(*faults: str) -> Plane:
    """Forty requests, some of them failed, some straight to a backend."""
    plane = Plane(*faults)
    plane.report("web-1-a", *[server("shop-a")] * 20, *[server("shop-a", 503)] * 5)
    plane.report("web-1-b", *[server("shop-a")] * 10, *[server("web-1-a")] * 5)
    plane.report("shop-a", *[client("10.0.0.1", "web-v1")] * 20, *[client("10.0.0.1", "web-v1", 503)] * 5)
    plane.report("shop-a", *[client("10.0.0.2", "web-v2")] * 6, client("10.0.0.2", "web-v2", 503))
    plane.report("shop-a", *[client("10.0.0.2", "web-v2", 200, "-", "10.1.0.2")] * 4)
    plane.report("web-1-a", *[client("10.0.0.2", "web-v2", 200, "-", "10.1.0.2")] * 5)
    plane.now += 3
    return plane


def counts(body: Any) -> tuple[int, int]:
    values = {metric["name"]: int(metric["value"]) for metric in body["metrics"][3:]}
    return values["success_count"], values["failure_count"]


def test_a_line_is_read() -> None:
    seen = Seen("server", pod_identity(Name("shop", "a")), "-", "-", "-", "HTTP/1.1")
    assert read_line(server("a", 503)) == (seen, 503, 370)
    assert read_line("anything else\n") is None


def test_a_request_without_an_answer_is_a_failure() -> None:
    plane = Plane()
    plane.report("web-1-a", "server\t-\t-\t-\t-\tHTTP/1.1\t0\t-\t1200\n")
    plane.now += 3
    assert counts(plane.ask("pods/web-1-a")[1]) == (0, 1)


def test_a_report_counts_once() -> None:
    plane = Plane()
    for _ in range(3):
        plane.report("web-1-a", server("shop-a"), sequence=7)
    plane.now += 3
    assert counts(plane.ask("pods/web-1-a")[1]) == (1, 0)


def test_what_is_not_acknowledged_is_told_again() -> None:
    told = Counts()
    told.note(server("a"), 1.0)
    first = told.report(2.0)
    told.note(server("a"), 2.0)
    assert told.report(2.0) == first
    told.acknowledged()
    second = told.report(2.0)
    assert (second["sequence"], len(second["flows"])) == (2, 1)
    told.acknowledged()
    assert told.report(3.0) is None


def test_objects_that_contain_pods_have_the_sum() -> None:
    plane = busy()
    for path in ("deployments/web", "replicasets/web-1", "services/web"):
        assert counts(plane.ask(path)[1]) == (35, 5)
    assert counts(plane.ask("services/web-v1")[1]) == (35, 5)
    assert counts(plane.ask("/apis/metrics.smi-spec.io/v1alpha1/nodes/n1")[1]) == (35, 5)


def test_a_split_counts_what_came_through_its_root() -> None:
    items = busy().ask("trafficsplits")[1]["items"]
    assert [(item["backend"]["name"], counts(item)) for item in items] == [("web-v1", (20, 5)), ("web-v2", (6, 1))]


def test_the_window_ends() -> None:
    plane = busy()
    plane.now += 26
    assert counts(plane.ask("deployments/web")[1]) == (35, 5)
    plane.now += 4
    assert counts(plane.ask("deployments/web")[1]) == (0, 0)


@pytest.mark.parametrize("interval", [1.0, 10.0])
def test_a_reading_waits_for_all_reports(interval: float) -> None:
    plane = Plane()
    plane.collector.resize(30.0, interval)
    plane.report("web-1-a", server("shop-a"))
    plane.now += interval
    assert counts(plane.ask("pods/web-1-a")[1]) == (0, 0)
    plane.now += 2
    assert counts(plane.ask("pods/web-1-a")[1]) == (1, 0)


def test_a_pod_that_is_gone_still_counts_for_its_deployment() -> None:
    plane, found = busy(), cluster()
    found["pods"] = found["pods"][1:]
    plane.collector._census.take(found, read(found))
    assert counts(plane.ask("deployments/web")[1]) == (35, 5)
    assert plane.ask("pods/web-1-a")[0] == 404


def test_settings_of_metrics() -> None:
    read = settings.read({"metrics-window": "60", "metrics-interval": "10"}, {})
    assert (read.window, read.interval, read.problems) == (60.0, 10.0, ())
    bad = settings.read({"metrics-window": "0", "metrics-interval": "soon"}, {})
    assert (bad.window, bad.interval, len(bad.problems)) == (30.0, 1.0, 2)


def everything(plane: Plane) -> list[Any]:
    """What is answered to all kinds of requests, again after a change of the cluster and of time."""
    paths = [
        *("pods", "pods/web-1-a", "pods/idle", "pods/none", "deployments/web", "deployments", "services/web-v2"),
        *("pods/web-1-a/edges", "pods/web-1-b/edges", "pods/shop-a/edges", "deployments/web/edges", "pods/idle/edges"),
        *("trafficsplits", "replicasets", "services", "foos", "/apis/metrics.smi-spec.io/v1alpha1/pods"),
        *("/apis/metrics.smi-spec.io/v1alpha1", "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop"),
        "/apis/metrics.smi-spec.io/v1alpha1/namespaces",
    ]
    selectors = ("team=x", "app=web", "app=web,odd=yes", "app in (web)", "odd")
    asked = [plane.ask(path) for path in paths]
    asked += [plane.ask(kind, one) for kind in ("pods", "deployments") for one in selectors]
    return json.loads(json.dumps(asked))  # type: ignore[no-any-return]


def story(*faults: str) -> list[Any]:
    plane = busy(*faults)
    other = LINE.format("server", pod_identity(Name("other", "shop-a")), "-", "-", "-", 200)
    plane.report("web-1-b", other, SLOW, SLOW.replace("HTTP/1.1", "HTTP/2"))
    plane.report("web-x-1-a", server("shop-a"))
    plane.now += 3
    told: list[Any] = [everything(plane)]
    found = cluster()
    found["pods"].append(pod("late", "shop", "10.0.0.9", {"app": "shop"}))
    found["pods"] = found["pods"][1:]
    found["trafficsplits"][0]["spec"]["backends"] = [{"service": "web-v2", "weight": 50}]
    known = read(found)
    plane.switches.state(known)
    plane.collector._census.take(found, known)
    told.append(everything(plane))
    plane.report("web-1-b", server("late"))
    plane.now += 3
    told.append(everything(plane))
    plane.now += 35
    told += [everything(plane), plane.switches.guarded(False, {"X-Remote-User": "a"})]
    return told


SLOW = server("shop-a").replace("\t1500\t", "\t900000\t")
METRIC_FAULTS = sorted(name for name in FAULTS if name.startswith("TM-"))


@pytest.mark.parametrize("name", METRIC_FAULTS)
def test_a_defect_shows_in_some_answer(name: str) -> None:
    assert story(name) != story()


def test_without_a_defect_nothing_changes() -> None:
    assert story() == story()
