"""A run as events: passes, failures, all the other verdicts, and text that tries to break the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smi_conformance.locations import REGISTER
from smi_conformance.model.register import Register, load_register
from smi_conformance.report.document import Report
from smi_conformance.report.events import Event, parse

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
"""What a pod or a mesh could be called."""

EventData = dict[str, Any]


def register(only: Sequence[str] = (), profiles: dict[str, frozenset[str]] | None = None) -> Register:
    """The register of the suite, or some entries of it, with a few small profiles."""
    whole = load_register(REGISTER)
    chosen = tuple(entry for entry in whole.requirements if not only or entry.id in only)
    return replace(whole, requirements=chosen, profiles=PROFILES if profiles is None else profiles)


PROFILES = {
    "SPLIT-HTTP": frozenset({"split.api", "split.http", "split.update", "split.ports"}),
    "SPLIT-TCP": frozenset({"split.api", "split.tcp"}),
    "ACCESS-HTTP": frozenset({"access.api", "access.http", "specs.api", "specs.http.path", "specs.http.method"}),
    "ACCESS-UDP": frozenset({"access.udp"}),
    "METRICS": frozenset({"metrics.api", "metrics.list", "metrics.values"}),
}


def started(**changes: Any) -> EventData:
    """The run-started event of the sample."""
    event: EventData = {
        "event": "run-started",
        "time": "2025-11-20T09:14:02+00:00",
        "run": "k3v9x",
        "suite": {"version": "0.1.0", "commit": "3f9c1d2a7b60e84c5d9f0a1b2c3d4e5f60718293"},
        "register": {
            "sha256": "9f2d5b7c1e3a48f60b9d8c7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a",
            "spec_commit": "cc4babdc44570894e23ab6727910d965cb38fadc",
        },
        "mesh": {
            "name": "example",
            "title": "Example Mesh",
            "version": "2.3.1",
            "verified": "kind v0.29, Kubernetes 1.33",
            "claims": {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha4"},
            "features": {
                "access.http": {"claim": "full", "reason": None},
                "split.http": {"claim": "full", "reason": None},
                "split.matches": {"claim": "partial", "reason": "header matches only"},
                "access.udp": {"claim": "none", "reason": "UDP passes through unchanged"},
            },
            "deviations": [
                {
                    "requirement": "SP-013",
                    "text": "Backends of weight 0 keep one request in a thousand while the proxy warms up.",
                    "link": "https://github.com/example/mesh/issues/812",
                },
                {"requirement": "TA-021", "text": "See our notes.", "link": "javascript:alert(1)"},
            ],
        },
        "cluster": {
            "backend": "current",
            "kubernetes": "v1.33.4",
            "nodes": 3,
            "node": {"os": "Debian GNU/Linux 12 (bookworm)", "arch": "amd64", "kernel": "6.1.0-31-amd64"},
            "crds": [
                {"name": f"{name}.smi-spec.io", "versions": [version], "sha256": digest * 8}
                for name, version, digest in (
                    ("traffictargets.access", "v1alpha3", "4be1c02d"),
                    ("httproutegroups.specs", "v1alpha4", "a90f317e"),
                    ("trafficsplits.split", "v1alpha4", "77c3d5b1"),
                )
            ],
            "images": {
                "python:3-slim": "sha256:" + "5c1d9a3f" * 8,
                "registry.corp.example:5000/mesh/proxy:2.3.1": "sha256:" + "e08b7f64" * 8,
            },
        },
        "posture": "deny",
        "rigor": "standard",
        "seed": 20251120,
        "workers": 2,
        "api": {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha4"},
        "faults": [],
        "filter": [],
        "deadlines": {"ready": 120.0, "policy": 90.0, "split": 30.0, "delete": 60.0},
        "raised": ["policy"],
        "command": "smi-conformance run --mesh example --cluster current --context prod-eu-1 "
        "--kubeconfig /home/jdoe/.kube/prod --deadline policy=90 --seed 20251120",
        "who": "Example Mesh release engineering",
        "invented-later": {"kept": False},
    }
    return event | changes


def share(expected: dict[str, float], looks: list[dict[str, int]], *, passed: bool, title: str) -> EventData:
    """Evidence of a sequential sample."""
    last = looks[-1]
    tested = dict(list(expected.items())[:1]) if len(expected) == 2 else expected
    return {
        "kind": "share",
        "title": title,
        "passed": passed,
        "text": f"{sum(last.values())} requests, each on a new connection; decided by the sequential test.",
        "numbers": {
            "shares": expected,
            "n": sum(last.values()),
            "cap": 6500,
            "detects": {name: [p - 0.05, p + 0.05] for name, p in tested.items()},
        },
        "looks": [{"n": sum(counts.values()), "counts": counts} for counts in looks],
        "false_failure": 1e-6,
    }


def denied(title: str, *, attempts: int, arrived: int, client: str) -> EventData:
    """Evidence of a denial beside a witness."""
    evidence: EventData = {
        "kind": "denied",
        "title": title,
        "passed": not arrived,
        "text": f"{client} sent {attempts} requests; the server recorded {arrived} of them. "
        f"The witness sent {attempts} in the same window and all arrived.",
        "numbers": {
            "attempts": attempts,
            "arrived": arrived,
            "witness_sent": attempts,
            "witness_arrived": attempts,
        },
        "false_failure": 0.0,
    }
    if not arrived:
        evidence["bound"] = {"confidence": 0.95, "value": 0.05}
    return evidence


def finished(nodeid: str, title: str, verdicts: dict[str, str], **more: Any) -> EventData:
    """A scenario-finished event; `verdicts` maps requirement ids to verdicts."""
    versions = {"access": "v1alpha3", "specs": "v1alpha4", "split": "v1alpha4"}
    groups = {"TA": "access", "TS": "specs", "SP": "split"}
    api = {
        "API-010": "access",
        "API-012": "access",
        "API-020": "specs",
        "API-030": "split",
        "API-060": "access",
        "API-075": "specs",
    }
    rows = [
        {
            "id": name,
            "version": versions[api.get(name) or groups[name.split("-")[0]]],
            "verdict": verdict,
            "reason": more.get("reason") or more.get("message"),
        }
        for name, verdict in verdicts.items()
    ]
    own = {"tentative-pass": "pass", "tentative-fail": "fail"}
    worst = next(iter(verdicts.values()))
    event: EventData = {
        "event": "scenario-finished",
        "time": "2025-11-20T09:16:40+00:00",
        "nodeid": f"conformance/{nodeid}",
        "worker": "gw0",
        "title": title,
        "requirements": rows,
        "verdict": own.get(worst, worst),
        "message": None,
        "details": None,
        "seconds": 3.2,
        "omits": [],
        "evidence": [],
        "propagation": [],
    }
    return event | {key: value for key, value in more.items() if key != "reason"}


def _looks(weights: dict[str, float], steps: Sequence[int], drift: float = 0.0) -> list[dict[str, int]]:
    """Counts that wander about the weights and settle, the same each time."""
    names = list(weights)
    found = []
    for place, n in enumerate(steps):
        swing = (0.06, -0.035, 0.02, -0.012, 0.008, -0.005)[place % 6] + drift
        first = round(n * (weights[names[0]] + swing))
        rest = n - first
        others = {name: weights[name] for name in names[1:]}
        total = sum(others.values())
        counts = {name: round(rest * share / total) for name, share in others.items()}
        counts[names[-1]] += rest - sum(counts.values())
        found.append({names[0]: first, **counts})
    return found


STEPS = (100, 250, 500, 800, 1150)
SPLIT = "split/test_shares.py::test_requests_follow_weights"
POLICY = [{"change": "TrafficTarget created", "first_effect": 1.42, "stable": 2.05}]
WEIGHTS = [{"change": "TrafficSplit created", "first_effect": 0.84, "stable": 1.31}]


def scenarios() -> list[EventData]:
    """The finished scenarios of the sample, over 18 requirements."""
    three = {"v1": 0.1, "v2": 0.2, "v3": 0.7}
    return [
        finished(
            "api/test_discovery.py::test_traffic_target_is_served",
            "The cluster serves TrafficTarget at the claimed version.",
            {"API-010": "pass"},
            seconds=0.4,
        ),
        finished(
            "api/test_discovery.py::test_short_names",
            "The short names of the kinds are reported.",
            {"API-012": "pass"},
            reason="library-names: names as in the library",
            seconds=0.2,
        ),
        finished(
            "api/test_discovery.py::test_routes_are_served",
            "The cluster serves HTTPRouteGroup and TCPRoute.",
            {"API-020": "pass"},
            seconds=0.5,
        ),
        finished(
            "api/test_discovery.py::test_traffic_split_is_served",
            "The cluster serves TrafficSplit at the claimed version.",
            {"API-030": "pass"},
            seconds=0.4,
        ),
        finished(
            "api/test_shapes.py::test_incomplete_target_is_refused[no-destination]",
            "A TrafficTarget that lacks a destination is refused.",
            {"API-060": "fail"},
            message="got: the API server created the object (201)\n"
            "want: an answer of 422 or 400 that names spec.destination\n"
            "next: make spec.destination required in the CRD's schema",
            seconds=0.3,
        ),
        finished(
            "access/test_default.py::test_http_is_denied_by_default",
            "Requests to a workload in the mesh are denied without a TrafficTarget.",
            {"TA-010": "pass"},
            evidence=[denied("nobody is granted", attempts=59, arrived=0, client="c-alice")],
            seconds=4.1,
        ),
        finished(
            "access/test_default.py::test_tcp_is_denied_by_default",
            "Raw TCP connections carry no data without a TrafficTarget.",
            {"TA-011": "error"},
            message="The agent of pod c-alice-7d9f ended while it sent: exit code 137. "
            "Nothing is said of the mesh. Next: look at dumps/test-tcp-is-denied.json, then run it again.",
            details='Traceback (most recent call last):\n  File "/home/jdoe/suite/session.py", line 88\n'
            "ClusterError: the stream of exec ended\nlast line of the pod's log: \x1b[31mKilled\x1b[0m \x00",
            seconds=12.9,
        ),
        finished(
            "access/test_udp.py::test_udp_needs_a_grant",
            "UDP datagrams reach only what a UDPRoute opens.",
            {"TA-012": "unsupported"},
            reason="the profile declares access.udp: none (UDP passes through unchanged)",
            seconds=0.0,
        ),
        finished(
            "access/test_sources.py::test_listed_source_is_admitted",
            "A pod whose identity is among the sources may call the destination.",
            {"TA-020": "pass"},
            evidence=[
                {
                    "kind": "allowed",
                    "title": "c-alice on /books",
                    "passed": True,
                    "text": "20 of 20 requests were answered by s-books.",
                    "numbers": {"sent": 20, "answered": 20},
                }
            ],
            propagation=POLICY,
            seconds=5.2,
        ),
        finished(
            "access/test_sources.py::test_unlisted_source_is_denied",
            "A pod whose identity is not among the sources is denied.",
            {"TA-021": "fail"},
            message=f"got: 3 of 59 requests of {HOSTILE} reached the server\n"
            "want: none, as only c-alice is among the sources\n"
            "next: compare the identity that the proxy saw with sources[] (kubectl get tt -o yaml)",
            details="arrivals:\n  seq 118  id r-7.12  GET /books  peer 10.244.1.17\n"
            "  seq 131  id r-7.25  GET /books  peer 10.244.1.17\n"
            "  seq 164  id r-7.58  GET /books  peer 10.244.1.17",
            evidence=[denied("c-mallory on /books", attempts=59, arrived=3, client=HOSTILE)],
            propagation=[{"change": "TrafficTarget created", "first_effect": 1.61, "stable": 2.44}],
            seconds=9.8,
        ),
        finished(
            "access/test_default.py::test_denied_requests_never_reach_the_server",
            "The decision is enforced at the destination.",
            {"TA-040": "blocked"},
            message="blocked by TA-021: an unlisted source is admitted, so where cannot be judged",
            seconds=0.0,
        ),
        finished(
            "access/test_namespaces.py::test_routes_of_own_namespace",
            "Rules refer to route objects in the namespace of the TrafficTarget.",
            {"TA-094": "tentative-fail"},
            message="got: a route group of another namespace was used\nwant: only those of the policy's own namespace",
            seconds=6.6,
        ),
        finished(
            f"{SPLIT}[75-25]",
            "Requests to the root service are spread over the backends in proportion to the weights.",
            {"SP-010": "pass"},
            evidence=[
                share(
                    {"v1": 0.75, "v2": 0.25},
                    _looks({"v1": 0.75, "v2": 0.25}, STEPS),
                    passed=True,
                    title="75 / 25",
                )
            ],
            propagation=WEIGHTS,
            omits=[{"outcome": "shares per client pod", "reason": "judged by SP-026"}],
            seconds=8.4,
        ),
        finished(
            f"{SPLIT}[10-20-70]",
            "Requests to the root service are spread over the backends in proportion to the weights.",
            {"SP-010": "pass"},
            evidence=[share(three, _looks(three, STEPS), passed=True, title="1 / 2 / 7")],
            propagation=[{"change": "TrafficSplit created", "first_effect": 0.91, "stable": 1.52}],
            omits=[{"outcome": "shares per client pod", "reason": "judged by SP-026"}],
            seconds=9.9,
        ),
        finished(
            "split/test_shares.py::test_scale_of_weights_is_free[3-1]",
            "Weights are relative and need not add up to 100.",
            {"SP-011": "fail"},
            message="Requests follow 3 / 1: got v1 66.4 % and v2 33.6 % of 1150 requests; "
            "want v1 75 % and v2 25 %. Check that weights are divided by their sum and not by 100.",
            evidence=[
                share(
                    {"v1": 0.75, "v2": 0.25},
                    _looks({"v1": 0.75, "v2": 0.25}, STEPS, drift=-0.094),
                    passed=False,
                    title="3 / 1",
                )
            ],
            propagation=WEIGHTS,
            seconds=8.1,
        ),
        finished(
            "split/test_shares.py::test_weight_zero_gets_nothing",
            "A backend with weight 0 receives no request.",
            {"SP-013": "fail"},
            message="got: 1 of 688 requests reached v2\nwant: none, v2 has weight 0",
            evidence=[
                {
                    "kind": "zero",
                    "title": "v2 at weight 0",
                    "passed": False,
                    "text": "688 requests to the root; v2 recorded 1.",
                    "numbers": {"sent": 688, "arrived": 1},
                    "false_failure": 0.0,
                }
            ],
            seconds=7.7,
        ),
        finished(
            "split/test_shares.py::test_single_backend_takes_all",
            "A split with a single backend sends all requests there.",
            {"SP-014": "pass"},
            evidence=[
                {
                    "kind": "zero",
                    "title": "anything but v1",
                    "passed": True,
                    "text": "59 requests to the root; only v1 recorded any.",
                    "numbers": {"sent": 59, "elsewhere": 0},
                    "bound": {"confidence": 0.95, "value": 0.05},
                    "false_failure": 0.0,
                }
            ],
            seconds=2.7,
        ),
        finished(
            "split/test_shares.py::test_unequal_weights",
            "Very unequal weights keep their proportion.",
            {"SP-017": "skipped"},
            reason="needs 40,000 requests: run with --rigor certify",
            seconds=0.0,
        ),
        finished(
            "split/test_names.py::test_plain_service_name",
            "spec.service may be the plain name of a Service.",
            {"SP-021": "tentative-pass"},
            seconds=3.0,
        ),
    ]


def events(*, complete: bool = True, **start: Any) -> list[EventData]:
    """All events of the sample; an incomplete run stops inside its eleventh scenario."""
    done = scenarios()
    kept = done if complete else done[:10]
    begun = [_begun(one) for one in (done if complete else done[:11])]
    plan = {
        "event": "plan",
        "scenarios": [{"nodeid": e["nodeid"], "requirements": [r["id"] for r in e["requirements"]]} for e in done],
        "uncovered": [{"id": "SP-090", "reason": "two splits in a circle need a mesh that can be restarted"}],
    }
    pairs = [event for pair in zip(begun, kept, strict=False) for event in pair]
    note = {
        "event": "note",
        "time": "2025-11-20T09:20:11Z",
        "level": "warning",
        "text": f"pod {HOSTILE} was slow",
    }
    end = {
        "event": "run-finished",
        "time": "2025-11-20T09:21:33+00:00",
        "seconds": 451.2,
        "interrupted": False,
        "exit": 3,
        "family_wise_false_failure": 3.0e-6,
        "rows": "see below",
    }
    return [
        started(**start),
        plan,
        *pairs,
        *([] if complete else begun[10:]),
        note,
        *([end] if complete else []),
    ]


def _begun(event: EventData) -> EventData:
    return {
        "event": "scenario-started",
        "time": "2025-11-20T09:15:00+00:00",
        "nodeid": event["nodeid"],
        "worker": "gw0",
        "requirements": [one["id"] for one in event["requirements"]],
    }


def parsed(data: Sequence[EventData]) -> list[Event]:
    """The events as the reports read them."""
    return list(parse([json.dumps(event).encode() for event in data], "sample"))


def write(directory: Path, data: Sequence[EventData]) -> Path:
    """Write events.jsonl and return its path."""
    path = directory / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in data))
    return path


def row_of(report: Report, requirement: str) -> Any:
    """The only row of a requirement."""
    (found,) = (row for row in report.rows if row.requirement == requirement)
    return found
