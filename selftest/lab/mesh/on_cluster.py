"""A handful of workloads in namespaces of their own on a real cluster, and ways to send requests between them.

Needs KUBECONFIG, kubectl on PATH, the SMI CRDs, the image smi-reference-mesh:dev, and the mesh installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from selftest.lab.mesh.objects_for_tests import http_rule, tcp_rule
from smi_conformance.lab.mesh import settings
from smi_conformance.lab.mesh.model import Json

NS, OTHER, OUTSIDE = "mesh-a", "mesh-b", "mesh-plain"
SYNC_SECONDS, DRAIN_SECONDS = 30.0, 1.1
SMI = "traffictargets,httproutegroups,tcproutes,trafficsplits"
HERE = Path(__file__).parent
PORTS = {"http-8080": 8080, "http-9090": 9090, "tcp-7000": 7000, "tcp-7001": 7001, "tcp-7002": 7002, "tcp-7100": 7100}


class Cluster:
    """kubectl, and the mesh's own ConfigMaps."""

    def __init__(self) -> None:
        self._kubectl = shutil.which("kubectl") or sys.exit("kubectl is not on PATH")

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Output of kubectl. Raises subprocess.CalledProcessError."""
        done = subprocess.run(
            [self._kubectl, *arguments], input=given, capture_output=True, text=True, timeout=90, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout

    def apply(self, *items: Json) -> None:
        """Create or change objects."""
        self.kubectl("apply", "--validate=false", "-f", "-", given=yaml.safe_dump_all(items))

    def clear(self) -> None:
        """Delete all SMI objects of the namespace."""
        self.kubectl("-n", NS, "delete", SMI, "--all")

    def configure(self, **given: str) -> None:
        """Set the mesh's configuration and wait until all proxies have it."""
        data = {"posture": "deny", "faults": "", "delay": "0", **given}
        patch = json.dumps({"data": data})
        self.kubectl("-n", "smi-reference", "patch", "configmap", "refmesh-config", "--type=merge", "-p", patch)
        self.settle(settings.digest(data))
        # Filters are part of listeners: connections to an old one may carry one more request until it is drained.
        time.sleep(DRAIN_SECONDS)

    def settle(self, digest: str = "") -> None:
        """Wait until all proxies have what they are to have."""
        end = time.monotonic() + SYNC_SECONDS
        time.sleep(0.25)  # the watch, the mesh's debounce and its report
        while time.monotonic() < end:
            status = self.status()
            if status["in-sync"] == "true" and status["config"].startswith(digest):
                return
            time.sleep(0.1)
        raise TimeoutError(f"the mesh is not in sync: {self.status()}")

    def status(self) -> dict[str, str]:
        """What the mesh says of itself."""
        found = self.kubectl("-n", "smi-reference", "get", "configmap", "refmesh-status", "-o", "json")
        data: dict[str, str] = json.loads(found)["data"]
        return data

    def run(self, client: str, *steps: Json, namespace: str = NS) -> list[dict[str, int]]:
        """Send requests from a client; per step how often each outcome was seen."""
        command = ("exec", "-i", f"deploy/{client}", "-c", "app", "--", "python3", "-c", program("client"))
        found: list[dict[str, int]] = json.loads(self.kubectl("-n", namespace, *command, given=json.dumps(list(steps))))
        return found

    @contextmanager
    def kept_connection(self, client: str) -> Iterator[Any]:
        """A client that asks once, waits for a line, then asks 20 times on that connection and 5 times on new ones."""
        command = [self._kubectl, "-n", NS, "exec", "-i", f"deploy/{client}", "-c", "app", "--"]
        command += ["python3", "-c", program("kept")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            running.stdout.readline()
            yield running

    def arrivals(self, server: str) -> int:
        """How many requests and TCP messages have reached a server's application."""
        return self.kubectl("-n", NS, "logs", f"deploy/{server}", "-c", "app").count("ARRIVED")

    def address(self, server: str) -> str:
        """The address of a server's first pod."""
        path = "jsonpath={.items[0].status.podIP}"
        return self.kubectl("-n", NS, "get", "pod", "-l", f"d={server}", "-o", path)

    def build(self) -> None:
        """Create the workloads and wait until they are ready."""
        self.apply(*world())
        for namespace in (NS, OTHER, OUTSIDE):
            self.kubectl("-n", namespace, "wait", "--for=condition=Available", "deploy", "--all", "--timeout=80s")


def program(name: str) -> str:
    """The text of a program that pods run."""
    return (HERE / "programs" / f"{name}.py.txt").read_text()


def get(host: str, path: str = "/", port: int = 8080, **more: Any) -> Json:
    """An HTTP step."""
    return {"host": host, "port": port, "path": path, **more}


def tcp(host: str, port: int, **more: Any) -> Json:
    """A TCP step."""
    return {"tcp": True, "host": host, "port": port, **more}


def smi(kind: str, version: str, name: str, spec: Json) -> Json:
    """An SMI object of the namespace."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NS}, "spec": spec}


def group(name: str, *matches: Json) -> Json:
    return smi("HTTPRouteGroup", "specs.smi-spec.io/v1alpha4", name, {"matches": list(matches)})


def tcp_route(name: str, *ports: int) -> Json:
    return smi("TCPRoute", "specs.smi-spec.io/v1alpha4", name, {"matches": {"ports": list(ports)}})


def grant(name: str, destination: str, sources: str, *rules: str) -> Json:
    """A TrafficTarget. Rules that begin with `tcp` are TCPRoutes; source `m` lives in the other namespace."""
    subjects = [
        {"kind": "ServiceAccount", "name": f"sa-{source}", "namespace": OTHER if source == "m" else NS}
        for source in sources.split()
    ]
    named = [tcp_rule(rule) if rule.startswith("tcp") else http_rule(rule) for rule in rules]
    destined = {"kind": "ServiceAccount", "name": f"sa-{destination}", "namespace": NS}
    spec = {"destination": destined, "sources": subjects, "rules": named}
    return smi("TrafficTarget", "access.smi-spec.io/v1alpha3", name, spec)


def split(weights: Mapping[str, int], *matches: str) -> Json:
    backends = [{"service": service, "weight": weight} for service, weight in weights.items()]
    spec: Json = {"service": "web", "backends": backends}
    if matches:
        spec["matches"] = [{"kind": "HTTPRouteGroup", "name": name} for name in matches]
    return smi("TrafficSplit", "split.smi-spec.io/v1alpha4", "split", spec)


def service(
    name: str, selector: Mapping[str, str], ports: Mapping[str, int], namespace: str = NS, **targets: int
) -> Json:
    listed = [{"name": n, "port": p, "targetPort": targets.get(f"p{p}", p)} for n, p in ports.items()]
    spec = {"selector": dict(selector), "ports": listed}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def remapped(target: int) -> Json:
    """A Service of version 2 whose port 8080 is another one of the container."""
    return service("web-g", {"v": "v2"}, {"http-8080": 8080}, p8080=target)


def world() -> list[Json]:
    """Clients a (two Deployments), aa, z, m; servers s-b and v1 to v3 behind web; one client and server outside."""
    made = [_namespace(NS, "enabled"), _namespace(OTHER, "enabled"), _namespace(OUTSIDE, "disabled")]
    for client, account in {"c-a": "a", "c-a2": "a", "c-aa": "aa", "c-z": "z"}.items():
        made += _workload(client, account, {"app": "client" if client in ("c-a", "c-z") else client})
    made += _workload("c-m", "m", {"app": "client"}, OTHER)
    made += [*_workload("s-b", "b", {"app": "s-b"}), service("s-b", {"app": "s-b"}, PORTS)]
    for number in "123":
        labels = {"app": "web", "v": f"v{number}"}
        made += [*_workload(f"v{number}", number, labels), service(f"web-v{number}", labels, PORTS)]
    made += [service("web", {"app": "web"}, PORTS), remapped(8081)]
    made += _workload("c-u", "u", {"app": "client"}, OUTSIDE)
    return [*made, *_workload("s-u", "u", {"app": "s-u"}, OUTSIDE), service("s-u", {"app": "s-u"}, PORTS, OUTSIDE)]


def _namespace(name: str, inject: str) -> Json:
    labels = {"smi-reference/inject": inject}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _workload(name: str, account: str, labels: Mapping[str, str], namespace: str = NS) -> list[Json]:
    container = {
        "name": "app",
        "image": "python:3-slim",
        "command": ["python3", "-c", program("server")],
        "readinessProbe": {"exec": {"command": ["test", "-f", "/tmp/ready"]}, "periodSeconds": 1},  # noqa: S108
        "securityContext": {"capabilities": {"drop": ["ALL"]}},
    }
    pod = {"serviceAccountName": f"sa-{account}", "terminationGracePeriodSeconds": 1, "containers": [container]}
    selector = {"d": name}
    template = {"metadata": {"labels": {**labels, **selector}}, "spec": pod}
    identity = {"name": f"sa-{account}", "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": identity},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": selector}, "template": template},
        },
    ]
