"""`top` and `topology` on answers of an API server that is none."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from selftest.unit.cli.conftest import Command
from smi_conformance.cli import traffic_view
from smi_conformance.cluster.port import Answer, ClusterError
from smi_conformance.cluster.traffic_metrics import BASE, MetricsReader

EVIL = 'x"]<b>\x1b[31m\\'


def item(name: str, peer: str = "", *, direction: str = "from", side: str = "server", success: str = "90") -> Any:
    other = {"kind": "Deployment", "namespace": "shop", "name": peer} if peer else None
    rows: list[Any] = [{"name": f"p{p}_response_latency", "unit": "ms", "value": str(p)} for p in (50, 90, 99)]
    rows += [{"name": "success_count", "value": success}, {"name": "failure_count", "value": "3"}]
    return {
        "kind": "TrafficMetrics", "resource": {"kind": "Deployment", "namespace": "shop", "name": name},
        "edge": {"direction": direction, "side": side, "resource": other},
        "timestamp": "2019-04-08T22:25:55Z", "window": "30s", "metrics": rows,
    }  # fmt: skip


def listed(*items: Any) -> Answer:
    return Answer(200, {"kind": "TrafficMetricsList", "items": list(items)})


ANSWERS = {
    f"{BASE}/deployments": listed(item("web", success="30"), item("db"), item(EVIL)),
    f"{BASE}/deployments?labelSelector=team%3Dx": listed(item("web")),
    f"{BASE}/namespaces/shop/deployments": listed(item("web")),
    f"{BASE}/namespaces/shop/deployments/web/edges": listed(
        item("web", "db", direction="to", side="client", success="60"), item("web", EVIL)
    ),
    f"{BASE}/namespaces/shop/deployments/db/edges": listed(item("db", "web", success="59")),
}


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """The answers by path; whatever else is asked for is not found."""
    known = dict(ANSWERS)
    missing = Answer(404, {"kind": "Status", "message": "not found"})
    empty = listed()
    made = MetricsReader(lambda path: known.get(path, empty if path.endswith("/edges") else missing))
    monkeypatch.setattr(MetricsReader, "of", lambda *_: made)
    return known


def test_top_shows_the_busiest_first(command: Command) -> None:
    code, out, _ = command("top", "deployments")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[1] for line in lines if "shop" in line][-1] == "web"
    assert "3.1" in out
    assert "99 ms" in out
    assert "\x1b" not in out


def test_top_as_json(command: Command) -> None:
    code, out, _ = command("top", "deployments", "-l", "team=x", "--output", "json")
    (row,) = json.loads(out)
    assert code == 0
    assert (row["name"], row["success"], row["failure"], row["rate"], row["p99"]) == ("web", 90, 3, 3.1, 0.099)


def test_topology_names_each_pair_once_as_the_client_tells_it(command: Command) -> None:
    code, out, _ = command("topology")
    assert code == 0
    assert out.count("shop/db") == 1
    assert "> shop/db  2.1/s, 3 failed, p99 99 ms" in out
    assert "\x1b" not in out


def test_topology_as_dot_escapes_what_it_is_given(command: Command) -> None:
    code, out, _ = command("topology", "--output", "dot")
    assert code == 0
    assert '"shop/x\\"]<b>\N{REPLACEMENT CHARACTER}[31m\\\\" -> "shop/web"' in out
    assert out.count("{") == out.count("}") == 1


def test_topology_as_svg_is_a_picture(command: Command) -> None:
    code, out, _ = command("topology", "--output", "svg")
    root = ElementTree.fromstring(out)  # noqa: S314 (our own text)
    texts = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert code == 0
    assert "shop/db" in texts
    assert any(text.startswith('shop/x"]<b>') for text in texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}line"))) == 2


def test_nothing_is_told_of_no_traffic(command: Command, cluster: dict[str, Answer]) -> None:
    cluster[f"{BASE}/deployments"] = listed()
    for words in (("top", "deployments"), ("topology",)):
        assert command(*words)[:2] == (0, f"{traffic_view.NOBODY}\n")
    assert "no traffic" in command("topology", "--output", "svg")[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("top", "deployment"), "did you mean deployments"),
        (("topology", "trafficsplits"), "unknown kind"),
        (("top", "--output", "xml"), "--output takes table, json"),
        (("topology", "--output", "png"), "--output takes terminal, dot, svg"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(command: Command, words: tuple[str, ...], told: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, "404 page not found"), Answer(403, {"kind": "Status", "message": "forbidden"}), Answer(500, "oops"),
        Answer(200, "<html>"), listed({}), listed(item("web", success="NaN")), listed(item("web", success="-1")),
    ],
)  # fmt: skip
def test_an_api_that_cannot_be_read_is_told_in_one_line(
    command: Command, cluster: dict[str, Answer], answer: Answer
) -> None:
    cluster[f"{BASE}/deployments"] = answer
    for words in (("top", "deployments"), ("topology",)):
        code, out, err = command(*words)
        assert (code, out) == (3, "")
        assert err.count("\n") == 1


def test_a_cluster_that_does_not_answer(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> Answer:
        raise ClusterError(f"GET {path}: the API server cannot be reached")

    monkeypatch.setattr(MetricsReader, "of", lambda *_: MetricsReader(refuse))
    assert command("top")[0] == 3
