"""What the metrics of a busy mesh cost the control plane: memory and time, measured at the collector's input.

`python -m selftest.bench.metrics_memory [--rate 10000] [--pods 30] [--seconds 120]`. Requests are made up: every pod
calls every other, latencies are spread over three decades, and each proxy reports once a second.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import tracemalloc
from typing import Any

from smi_conformance.lab.mesh import objects
from smi_conformance.lab.mesh.access_log import Counts
from smi_conformance.lab.mesh.census import Census
from smi_conformance.lab.mesh.collector import Collector
from smi_conformance.lab.mesh.faults import Switches
from smi_conformance.lab.mesh.model import Name, pod_identity
from smi_conformance.model.metrics.answers import parse_path

BASE = "/apis/metrics.smi-spec.io/v1alpha1"
PATHS = ("pods", "deployments", "namespaces", "namespaces/load/pods/p-0/edges")


def cluster(pods: int) -> dict[str, list[Any]]:
    """Pods of one namespace, three to a Deployment."""
    found = []
    for number in range(pods):
        owner = {"kind": "ReplicaSet", "name": f"d{number // 3}-1", "uid": str(number // 3), "controller": True}
        labels = {"app": f"d{number // 3}", "pod-template-hash": "1"}
        meta = {"name": f"p-{number}", "namespace": "load", "labels": labels, "ownerReferences": [owner]}
        spec = {"containers": [{"name": objects.SIDECAR}], "nodeName": "n"}
        found.append({"metadata": meta, "spec": spec, "status": {"podIP": f"10.0.0.{number + 1}"}})
    deployments = [{"metadata": {"name": f"d{n}", "namespace": "load"}} for n in range((pods + 2) // 3)]
    return {"pods": found, "deployments": deployments, "namespaces": [{"metadata": {"name": "load"}}]}


def line(side: str, source: int, server: int, microseconds: int) -> str:
    """A line of a proxy's log."""
    status = "500" if random.random() < 0.05 else "200"  # noqa: S311
    tail = f"HTTP/1.1\t{status}\t{microseconds}\t{microseconds // 1000}"
    if side == "server":
        return f"server\t{pod_identity(Name('load', f'p-{source}'))}\t-\t-\t-\t{tail}"
    return f"client\t10.0.0.{server + 1}:8080\t10.1.0.1:80\t-\tload/s:80\t{tail}"


def one_second(counts: list[Counts], requests: int, now: float) -> None:
    """Each request is seen by both proxies."""
    for _ in range(requests):
        source, server = random.sample(range(len(counts)), 2)
        latency = int(10 ** random.uniform(3, 6))  # noqa: S311
        counts[source].note(line("client", source, server, latency), now)
        counts[server].note(line("server", source, server, latency), now)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> None:
    """Print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rate", 10_000), ("pods", 30), ("seconds", 120)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    now, found, switches = 1_000_000.0, cluster(given.pods), Switches()
    census = Census(lambda: now)
    census.take(found, objects.read(found))
    collector, counts = Collector(census, lambda: now), [Counts() for _ in range(given.pods)]
    tracemalloc.start()
    before, taking, largest = tracemalloc.get_traced_memory()[0], 0.0, 0
    for second in range(given.seconds):
        one_second(counts, given.rate // 60, now)
        now += 1
        begun = time.process_time()
        for number, counted in enumerate(counts):
            if report := counted.report(now):
                collector.take(Name("load", f"p-{number}"), {"boot": "b", **report}, switches)
                counted.acknowledged()
        taking += time.process_time() - begun
        if second % 10 == 0:
            collector.forget({Name("load", f"p-{number}") for number in range(given.pods)})
        largest = max(largest, tracemalloc.get_traced_memory()[0] - before)
    tracemalloc.stop()
    _tell(
        f"{given.rate} requests a minute, {given.pods} pods, {given.seconds} s: at most {largest / 2**20:.1f} MiB held"
    )
    _tell(f"taking reports: {1000 * taking / given.seconds:.1f} ms of CPU a second (traced)")
    for path in PATHS:
        begun = time.process_time()
        collector.answer(parse_path(f"{BASE}/{path}"), switches)
        _tell(f"GET {path}: {1000 * (time.process_time() - begun):.0f} ms of CPU")
    _tell(f"process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most")


if __name__ == "__main__":
    main()
