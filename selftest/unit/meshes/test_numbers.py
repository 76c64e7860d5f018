"""What a profile says of numbers that are elsewhere: how queries are made of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from smi_conformance.meshes.numbers import BOTH, DESTINATION, SOURCE, Prometheus
from smi_conformance.meshes.profile import ProfileError, load

END = {"namespace": "{}_ns", "pods": "{}_pod", "deployments": "{}_app", "nodes": "{}_node"}
NUMBERS: dict[str, Any] = {
    "source": "prometheus",
    "service": {"namespace": "mon", "name": "prom", "port": 9090},
    "window": 15,
    "labels": {end: {key: text.format(end[:3]) for key, text in END.items()} for end in ("destination", "source")},
    "rewritten": {"-": "_"},
    "queries": {
        "success_count": 'sum by ($by) (increase(ok{code=~"2..$$"}[$window]))',
        "failure_count": "sum by ($by) (increase(bad[$window]))",
        "p50_response_latency": "histogram_quantile(0.5, sum by ($by, le) (rate(took_bucket[$window])))",
    },
}
SMI_METRICS = {
    "source": "smi-metrics",
    "version": "v0",
    "adapter": "linkerd",
    **dict.fromkeys(("chart", "image", "prometheus", "known"), "x"),
}
MESH = {"name": "mine", "title": "mine", "version": "1", "claims": {}}


def write(folder: Path, metrics: Mapping[str, Any], **more: Any) -> str:
    """A profile with this section."""
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**MESH, "metrics": dict(metrics), **more}, sort_keys=False))
    return str(path)


@pytest.fixture
def source(tmp_path: Path) -> Prometheus:
    """The section as it is read."""
    found = load(write(tmp_path, NUMBERS)).prometheus
    assert found
    return found


def test_queries_aggregate_by_the_labels_of_the_ends(source: Prometheus) -> None:
    """With the namespace where the kind has one; a double dollar is the character."""
    assert source.kinds == ("pods", "deployments", "nodes", "namespaces")
    assert source.query("success_count", source.by("pods", DESTINATION)) == (
        'sum by (des_ns, des_pod) (increase(ok{code=~"2..$"}[15s]))'
    )
    assert source.by("deployments", BOTH) == ("des_ns", "des_app", "sou_ns", "sou_app")
    assert source.by("namespaces", SOURCE) == ("sou_ns",)
    assert source.by("nodes", BOTH) == ("des_node", "sou_node")


def test_the_way_to_the_prometheus_is_the_api_servers_proxy(source: Prometheus) -> None:
    """PromQL is escaped: its braces, quotes and plus signs are no part of the path."""
    assert source.path('a{b="c"}+d') == (
        "/api/v1/namespaces/mon/services/prom:9090/proxy/api/v1/query?query=a%7Bb%3D%22c%22%7D%2Bd"
    )
    assert source.mark == "metrics API absent; numbers read from Prometheus mon/prom:9090"
    assert source.written("a-b") == "a_b"


def changed(**queries: str | None) -> Callable[[dict[str, Any]], None]:
    def change(numbers: dict[str, Any]) -> None:
        numbers["queries"].update(queries)
        for name in [name for name, text in queries.items() if text is None]:
            del numbers["queries"][name]

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed(success_count="sum by ($by) (x[$windw])"), r"success_count: unknown placeholder \$windw; known: \$by"),
        (changed(success_count="sum by ($by) (x)"), r"success_count: \$window is missing"),
        (changed(success_count="sum(x[$window])"), r"success_count: \$by is missing"),
        (changed(success_count='sum by ($by) (x{a=~"b$"}[$window])'), r"a \$ stands alone; write \$\$"),
        (changed(successes="x"), "unknown metric successes; known: success_count"),
        (changed(failure_count=None), "no query for failure_count"),
        (lambda n: n["labels"]["source"].pop("nodes"), "have to name the same kinds"),
        (lambda n: [end.pop("pods") for end in n["labels"].values()], "no label for pods; needed"),
        (lambda n: [end.update(trafficsplits="x") for end in n["labels"].values()], "unknown kind trafficsplits"),
        (lambda n: n["labels"]["source"].update(pods="a,b"), "metrics.prometheus.labels.source.pods"),
        (lambda n: n.update(window=0), "metrics.prometheus.window"),
        (lambda n: n.update(rewritten={"--": "_"}), "rewritten"),
        (lambda n: n.update(source="graphite"), "metrics.*graphite"),
        (lambda n: n.update(url="http://127.0.0.1"), "metrics.prometheus.url"),
    ],
)
def test_a_bad_section_is_one_line(tmp_path: Path, change: Callable[[dict[str, Any]], Any], told: str) -> None:
    """It names the place and what is wrong there."""
    numbers = deepcopy(NUMBERS)
    change(numbers)
    with pytest.raises(ProfileError, match=told) as raised:
        load(write(tmp_path, numbers))
    assert "\n" not in str(raised.value)


def test_the_section_fits_the_claims(tmp_path: Path) -> None:
    """A Prometheus is for a mesh without the API; smi-metrics serves it."""
    claims = {"metrics": "v1alpha1"}
    with pytest.raises(ProfileError, match="prometheus is for a mesh that claims no metrics"):
        load(write(tmp_path, NUMBERS, claims=claims))
    with pytest.raises(ProfileError, match="smi-metrics serves the API: claim metrics v1alpha1"):
        load(write(tmp_path, SMI_METRICS))
    profile = load(write(tmp_path, SMI_METRICS, claims=claims))
    assert profile.metrics
    assert (profile.prometheus, profile.metrics.mark) == (
        None,
        "metrics API of the mesh absent; answered by smi-metrics v0",
    )
