"""A Prometheus of one's own for each test, behind the API server of the model as behind a real one."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from selftest.conftest import skip_below
from selftest.prometheus.exporter import Exporter
from smi_conformance.cluster.journal import Unrecorded
from smi_conformance.cluster.metrics_adapter import MetricsAdapter
from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.backend import ModelBackend
from smi_conformance.judge import metrics
from smi_conformance.judge.convergence import SystemClock, until
from smi_conformance.judge.metrics import Item
from smi_conformance.meshes.numbers import Prometheus
from smi_conformance.meshes.profile import Onboarding, load

BINARY = "SMI_PROMETHEUS"
WINDOW, SCRAPE = 10, "1s"  # seconds of the numbers; and how often counters are read
DEADLINE = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get(BINARY):
        reason = f"{BINARY} names no prometheus: docs/metrics.md says where one comes from"
        skip_below(Path(__file__).parent, items, reason)


@dataclass(frozen=True)
class Reader:
    """The adapter with the queries of Open Service Mesh, and a shorter window."""

    adapter: MetricsAdapter

    def items(self, path: str) -> list[Item]:
        """The items of a list."""
        answer = self.adapter.get(f"/apis/metrics.smi-spec.io/v1alpha1/{path}")
        return metrics.items(answer.status, answer.body)

    def counts(self, path: str) -> dict[tuple[str, str], tuple[int, ...]]:
        """Successes and failures by direction, and the name of the peer, or else of the object."""
        found = self.items(path)
        return {(one.direction, (one.peer or one.resource).name): tuple(map(int, one.counts)) for one in found}

    def becomes(self, path: str, wanted: dict[tuple[str, str], tuple[int, ...]]) -> None:
        """Wait until a list counts this, and no list before counted more than that."""
        seen = until(
            lambda: self.counts(path), holds=lambda got: got == wanted, deadline=DEADLINE, what=f"{wanted} of {path}",
            clock=SystemClock(),
        )  # fmt: skip
        assert seen.value == wanted


@pytest.fixture
def exporter() -> Exporter:
    """The counters of the mesh."""
    return Exporter()


@pytest.fixture
def address(exporter: Exporter, tmp_path: Path) -> Iterator[str]:
    """Where a Prometheus answers that scrapes the exporter."""
    with exporter.serving() as scraped, _prometheus(tmp_path, scraped) as url:
        yield url


@pytest.fixture
def reader(address: str) -> Iterator[Reader]:
    """The adapter, by way of an API server."""
    osm = load("osm").prometheus
    assert osm
    with behind(osm.model_copy(update={"window": WINDOW}), address) as found:
        yield found


@contextmanager
def behind(source: Prometheus, address: str) -> Iterator[Reader]:
    """The API server passes on what is asked of the Service."""

    def passed_on(call: ApiCall) -> Answer:
        reply = requests.get(address + call.path.removeprefix(source.service.path), dict(call.query), timeout=10)
        plain = "json" not in reply.headers.get("Content-Type", "")
        return reply.status_code, reply.text if plain else reply.json()

    backend = ModelBackend(Onboarding(), "deny")
    backend.server.pass_on(source.service.path, passed_on)
    cluster = backend.cluster(Unrecorded())
    for space in ("shop", "other-shop"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        for name in ("front-1", "back-1", "back-2"):
            spec = {"containers": [{"name": "c", "image": "none"}]}
            meta = {"name": name, "namespace": space}
            cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    try:
        yield Reader(MetricsAdapter(cluster, source))
    finally:
        backend.close()


@contextmanager
def _prometheus(folder: Path, scraped: int) -> Iterator[str]:
    config, port = folder / "prometheus.yml", _free_port()
    job = {"job_name": "mesh", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}
    told = {"global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE}, "scrape_configs": [job]}
    config.write_text(yaml.safe_dump(told))
    argv = [
        *("setpriv", "--pdeathsig", "KILL", os.environ[BINARY], f"--config.file={config}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as process:
        try:
            until(lambda: _ready(process, port, log), deadline=DEADLINE, what="a Prometheus", clock=SystemClock())
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-600:]
    try:
        return requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok
    except requests.ConnectionError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
