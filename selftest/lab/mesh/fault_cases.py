"""For every fault of the mesh: what to arrange, what to send, and what then shows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selftest.lab.mesh.on_cluster import (
    NS,
    OTHER,
    OUTSIDE,
    Cluster,
    get,
    grant,
    group,
    remapped,
    split,
    tcp,
    tcp_route,
)
from smi_conformance.lab.mesh.model import Json

Step = Callable[[Cluster], Any]


@dataclass
class Case:
    """`look` sends requests, `shown` says whether the defect is to be seen in what came back."""

    arrange: tuple[Step, ...]
    look: Callable[[Cluster], Any]
    shown: Callable[[Any], bool]
    arrange_again: tuple[Step, ...] = ()


CASES: dict[str, Case] = {}

YES, NO = {"200": 1}, {"403": 1}
FIREFOX = [["User-Agent", "Mozilla Firefox/1"]]
ROUTES = group(
    "g",
    {"name": "data", "pathRegex": "/data|/info", "methods": ["GET", "PUT", "DELETE"]},
    {"name": "agent", "pathRegex": "/agent", "headers": [{"user-agent": ".*(Firefox|Android).*"}]},
)
GRANT = grant("t", "b", "a", "g")
ALL = group("all", {"name": "all", "pathRegex": ".*", "methods": ["*"]})
TCP_ALL = tcp_route("tcp-all")


def applied(*items: Json) -> Step:
    return lambda cluster: cluster.apply(*items)


def one_by_one(*items: Json) -> tuple[Step, ...]:
    return tuple(applied(item) for item in items)


def settled(cluster: Cluster) -> None:
    cluster.settle()


def case(name: str, look: Callable[[Cluster], Any], shown: Any, *arrange: Step, **more: Any) -> None:
    """A case whose result is compared, or judged by a function."""
    judge = shown if callable(shown) else lambda found: bool(found == shown)
    CASES[name] = Case(arrange, look, judge, **more)


def sending(client: str, *steps: Json, namespace: str = NS) -> Callable[[Cluster], Any]:
    return lambda cluster: cluster.run(client, *steps, namespace=namespace)


def both(*looks: Callable[[Cluster], Any]) -> Callable[[Cluster], Any]:
    return lambda cluster: [found for look in looks for found in look(cluster)]


def http2(client: str, host: str, path: str = "/", namespace: str = NS) -> Callable[[Cluster], Any]:
    """The status of one HTTP/2 request; the application speaks HTTP/1.1 only, so 502 says that it was reached."""

    def look(cluster: Cluster) -> list[str]:
        url = f"http://{host}:8080{path}"
        command = ("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "--http2-prior-knowledge", url)
        shell = f"{' '.join(command)} || true"
        execute = ("exec", f"deploy/{client}", "-c", "app", "--", "sh", "-c", shell)
        return [cluster.kubectl("-n", namespace, *execute)]

    return look


def percent(key: str, low: float, high: float) -> Callable[[list[dict[str, int]]], bool]:
    """Whether the share of an outcome in the first step lies between two bounds, in per cent."""
    return lambda found: low < 100 * found[0].get(key, 0) / sum(found[0].values()) < high


# --- TA-010, TA-011: no TrafficTarget for the destination
PLAIN = sending("c-a", get("s-b", n=5))
case("TA-010/deny-by-default-missing", PLAIN, [{"200": 5}])
case("TA-010/deny-only-after-first-policy", PLAIN, [{"200": 5}])
case("TA-010/leak-one-percent", sending("c-a", get("s-b", n=1500, keep=True)), percent("200", 0.2, 2.5))
case("TA-010/http2-open", both(PLAIN, http2("c-a", "s-b")), [{"403": 5}, "502"])
case(
    "TA-010/open-cross-namespace",
    both(PLAIN, sending("c-m", get("s-b.mesh-a", n=5), namespace=OTHER)),
    [{"403": 5}, {"200": 5}],
)


def restarted(cluster: Cluster) -> None:
    cluster.kubectl("-n", NS, "delete", "pod", "-l", "d=s-b")
    cluster.kubectl("-n", NS, "wait", "--for=condition=Available", "deploy/s-b", "--timeout=60s")


def all_deleted(cluster: Cluster) -> None:
    cluster.settle()
    cluster.clear()


case("TA-010/open-after-restart", PLAIN, [{"200": 5}], restarted)
case("TA-010/last-delete-reopens", PLAIN, [{"200": 5}], applied(ROUTES, GRANT), all_deleted)

TCP = sending("c-a", tcp("s-b", 7000, n=3), get("s-b"))
for slug in ("http-only-denial", "no-l4-filter-without-policy", "data-before-decision", "short-message-delivered"):
    case(f"TA-011/{slug}", TCP, [{"s": 3}, NO])
case("TA-011/second-tcp-port-open", sending("c-a", tcp("s-b", 7000), tcp("s-b", 7001)), [{"closed": 1}, {"s": 1}])

# --- TA-020 to TA-041: a GET /data and others to b
GRANTED = applied(ROUTES, GRANT)


def two_servers(cluster: Cluster) -> None:
    cluster.kubectl("-n", NS, "scale", "deploy/s-b", "--replicas=2")
    cluster.kubectl("-n", NS, "rollout", "status", "deploy/s-b", "--timeout=60s")


case("TA-020/policy-without-effect", sending("c-a", get("s-b", "/data")), [NO], GRANTED)
case(
    "TA-020/answered-by-proxy",
    sending("c-a", get("s-b", "/data"), get("s-b", "/x")),
    [{"200 by proxy": 1}, NO],
    GRANTED,
)
case(
    "TA-020/intermittent-denial",
    sending("c-a", get("s-b", "/data", n=400, keep=True)),
    percent("403", 4, 17),
    GRANTED,
    two_servers,
)
case(
    "TA-020/one-server-pod-denies",
    sending("c-a", get("s-b", "/data", n=20)),
    [{"200": 10, "403": 10}],
    GRANTED,
    two_servers,
)
case(
    "TA-020/http2-denied",
    both(sending("c-a", get("s-b", "/data")), http2("c-a", "s-b", "/data")),
    [YES, "403"],
    GRANTED,
)

STRANGER = sending("c-z", get("s-b", "/data"), get("s-b", "/x"))
UNMESHED = sending("c-u", get("s-b.mesh-a", "/data"), get("s-b.mesh-a", "/x"), namespace=OUTSIDE)
CLOSED = {"closed": 1}
case("TA-021/sources-unchecked", STRANGER, [YES, NO], GRANTED)
case("TA-021/any-mesh-identity", STRANGER, [YES, NO], GRANTED)
case("TA-021/client-side-only", both(STRANGER, UNMESHED), [NO, NO, YES, NO], GRANTED)
case("TA-021/leak-one-percent", sending("c-z", get("s-b", "/x", n=1500, keep=True)), percent("200", 0.2, 2.5), GRANTED)
case(
    "TA-021/source-checked-on-first-route-only",
    sending("c-z", get("s-b", "/data"), get("s-b", "/agent", headers=FIREFOX)),
    [NO, YES],
    GRANTED,
)
case(
    "TA-021/kept-alive-unchecked",
    sending("c-z", get("s-b", "/data", n=5), get("s-b", "/data", n=5, keep=True)),
    [{"403": 5}, {"403": 1, "200": 4}],
    GRANTED,
)

EVERYBODY = both(*(sending(client, get("s-b", "/data")) for client in ("c-a", "c-a2", "c-aa", "c-z")))
case("TA-030/identity-from-labels", EVERYBODY, [YES, YES, NO, YES], GRANTED)
case("TA-030/identity-from-owner", EVERYBODY, lambda f: f in ([YES, NO, NO, NO], [NO, YES, NO, NO]), GRANTED)
case("TA-030/prefix-match", EVERYBODY, [YES, YES, YES, NO], GRANTED)


def with_arrivals(look: Callable[[Cluster], Any]) -> Callable[[Cluster], Any]:
    def counting(cluster: Cluster) -> list[Any]:
        before = cluster.arrivals("s-b")
        found = look(cluster)
        time.sleep(0.5)  # for the log
        return [*found, cluster.arrivals("s-b") - before]

    return counting


def small_and_large(large: int) -> Callable[[Cluster], Any]:
    post = get("s-b", "/data", method="POST", body=large)
    return with_arrivals(sending("c-z", get("s-b", "/data"), post))


case("TA-040/client-side-only", both(STRANGER, UNMESHED), [NO, NO, YES, YES], GRANTED)
case("TA-040/response-dropped", small_and_large(100), [NO, NO, 2], GRANTED)
case("TA-040/decision-after-headers", small_and_large(100), [NO, NO, 2], GRANTED)
case("TA-040/large-body-passes", small_and_large(50_000), [NO, NO, 1], GRANTED)
case("TA-041/plain-text-accepted", UNMESHED, [YES, YES], GRANTED)
case("TA-041/anonymous-allowed", UNMESHED, [YES, NO], GRANTED)
case(
    "TA-041/plain-http2-accepted",
    both(UNMESHED, http2("c-u", "s-b.mesh-a", "/x", OUTSIDE)),
    [CLOSED, CLOSED, "502"],
    GRANTED,
)
case(
    "TA-041/pod-ip-not-intercepted",
    lambda c: c.run("c-u", get("s-b.mesh-a", "/data"), get(c.address("s-b"), "/x"), namespace=OUTSIDE),
    [NO, YES],
    GRANTED,
)

# --- TA-050: three TrafficTargets, created one after the other
THREE = one_by_one(
    *(group(f"g-{name}", {"name": "x", "pathRegex": f"/{name}"}) for name in ("one", "two", "three")),
    grant("t1", "b", "a", "g-one"),
    grant("t2", "b", "z", "g-two"),
    grant("t3", "b", "a", "g-three"),
)
ASK_THREE = both(
    sending("c-a", get("s-b", "/one")), sending("c-z", get("s-b", "/two")), sending("c-a", get("s-b", "/three"))
)
case("TA-050/last-policy-wins", ASK_THREE, [NO, NO, YES], *THREE)
case("TA-050/first-policy-wins", ASK_THREE, [YES, NO, NO], *THREE)
case("TA-050/third-policy-ignored", ASK_THREE, [YES, YES, NO], *THREE)
case("TA-050/policies-intersected", ASK_THREE, [NO, NO, NO], *THREE)


# --- TS-010 to TS-030: what fits, as a string of y and n
def letters(*steps: Json) -> Callable[[Cluster], Any]:
    return lambda cluster: "".join("n" if {"403", "closed"} & set(f) else "y" for f in cluster.run("c-a", *steps))


PATHS = letters(
    *(get("s-b", p) for p in ("/metrics", "/x/metrics", "/other?next=/metrics", "/a", "/b", "/x/a", "/x/b"))
)
PATH_ROUTES = group("g", {"name": "m", "pathRegex": "/metrics"}, {"name": "ab", "pathRegex": "/a|/b"})
for slug, shown in {
    "unanchored": "yynyyyy",
    "searched-in-whole-url": "yyyyyyy",
    "first-branch-anchored-only": "ynnyyny",
    "second-match-unanchored": "ynnyyyy",
}.items():
    case(f"TS-010/{slug}", PATHS, shown, applied(PATH_ROUTES, GRANT))

METHODS = letters(*(get("s-b", "/data", method=method) for method in ("GET", "PUT", "DELETE", "POST")))
for slug, shown in {
    "method-unchecked": "yyyy",
    "first-method-only": "ynnn",
    "methods-anded": "nnnn",
    "third-method-lost": "yynn",
}.items():
    case(f"TS-020/{slug}", METHODS, shown, GRANTED)
case(
    "TS-020/override-header-honoured",
    letters(
        get("s-b", "/data", method="POST", headers=[["X-HTTP-Method-Override", "GET"]]),
        get("s-b", "/data", headers=[["X-HTTP-Method-Override", "POST"]]),
        get("s-b", "/data"),
    ),
    "yny",
    GRANTED,
)

AGENTS = ("Mozilla Firefox/1", "x Android y", "Chrome", ".*(Firefox|Android).*", "x firefox", "Chrome|Firefox")
HEADERS = letters(
    *(get("s-b", "/agent", headers=[["User-Agent", agent]]) for agent in AGENTS[:-1]),
    get("s-b", "/agent", headers=[["User-Agent", agent] for agent in AGENTS[-1].split("|")]),
)
for slug, shown in {
    "compared-literally": "nnnynn",
    "filter-ignored": "yyyyyy",
    "expression-as-substring": "ynnyny",
    "first-value-only": "yynynn",
    "value-case-ignored": "yynyyy",
}.items():
    case(f"TS-030/{slug}", HEADERS, shown, GRANTED)

# --- TS-070
TCP_PORTS = letters(*(tcp("s-b", port) for port in (7000, 7001, 7002)))
for slug, routes, shown in (
    ("ports-ignored", [(7000, 7001)], "yyy"),
    ("first-port-only", [(7000, 7001)], "ynn"),
    ("range-opened", [(7000, 7002)], "yyy"),
    ("last-port-lost", [(7000, 7001, 7002)], "yyn"),
    ("second-tcproute-ignored", [(7000,), (7001,)], "ynn"),
):
    named = {f"tcp-{number}": ports for number, ports in enumerate(routes)}
    items = [tcp_route(name, *ports) for name, ports in named.items()]
    case(f"TS-070/{slug}", TCP_PORTS, shown, applied(*items, grant("t", "b", "a", *named)))

# --- SP: web over v1, v2 and v3
OPEN_WEB = applied(
    ALL,
    TCP_ALL,
    *(grant(f"http-{n}", n, "a aa z m", "all") for n in "123"),
    *(grant(f"tcp-{n}", n, "a", "tcp-all") for n in "123"),
)


def web(n: int = 600, client: str = "c-a") -> Callable[[Cluster], Any]:
    return sending(client, get("web", n=n, by="pod"))


def near(**shares: float) -> Callable[[list[dict[str, int]]], bool]:
    """Whether all shares are within six points, and what is to get nothing gets nothing."""

    def judge(found: list[dict[str, int]]) -> bool:
        total = sum(found[0].values())
        seen = {version: found[0].get(version, 0) / total for version in ("v1", "v2", "v3")}
        return all(abs(seen[v] - share) < 0.06 and bool(share) == bool(seen[v]) for v, share in shares.items())

    return judge


def splitting(**weights: int) -> Step:
    return applied(split({f"web-{version}": weight for version, weight in weights.items()}))


NINE, THREE_WAYS, ZERO = splitting(v1=90, v2=10), splitting(v1=1, v2=2, v3=7), splitting(v1=100, v2=0)
case("SP-010/weights-ignored", web(), near(v1=0.5, v2=0.5, v3=0), OPEN_WEB, NINE)
case("SP-010/weights-swapped", web(), near(v1=0.1, v2=0.9, v3=0), OPEN_WEB, NINE)
case("SP-010/third-backend-dropped", web(), near(v1=0.33, v2=0.67, v3=0), OPEN_WEB, THREE_WAYS)
case("SP-010/heaviest-takes-all", web(), near(v1=0, v2=0, v3=1), OPEN_WEB, THREE_WAYS)
case("SP-010/five-points-off", web(2000), percent("v3", 57, 63), OPEN_WEB, THREE_WAYS)
case("SP-010/decoy-leak", web(1500), percent("v3", 0.1, 2), OPEN_WEB, NINE)
case(
    "SP-010/one-client-pod-unsplit",
    both(*(web(12, client) for client in ("c-a", "c-a2", "c-aa", "c-z"))),
    lambda found: sum("v3" in one for one in found) == 1,
    OPEN_WEB,
    ZERO,
)
case("SP-013/zero-read-as-one", web(), near(v1=0.5, v2=0.5, v3=0), OPEN_WEB, ZERO)
case("SP-013/zero-invalidates-split", web(), near(v1=0.33, v2=0.33, v3=0.33), OPEN_WEB, ZERO)
case("SP-013/spill-to-zero", web(), percent("v2", 2, 9), OPEN_WEB, ZERO)
case("SP-013/one-percent-to-zero", web(1500), percent("v2", 0.2, 2.5), OPEN_WEB, ZERO)
HALF = splitting(v1=50, v2=50)
case("SP-013/zero-keeps-old-share", web(), near(v1=0.67, v2=0.33, v3=0), OPEN_WEB, HALF, settled, ZERO)

FORMS = ("web", "web.mesh-a", "web.mesh-a.svc", "web.mesh-a.svc.cluster.local")


def forms(client: str = "c-a", namespace: str = NS) -> Callable[[Cluster], Any]:
    """Per form of the Host, without and with port: s if split."""
    hosts = [form + port for port in ("", ":8080") for form in FORMS]
    steps = [get("web.mesh-a", n=9, by="pod", host_header=host) for host in hosts]
    return lambda c: ["".join("s" if set(f) == {"v1"} else "n" for f in c.run(client, *steps, namespace=namespace))]


case("SP-020/short-name-only", forms(), ["snnnsnnn"], OPEN_WEB, ZERO)
case("SP-020/fqdn-only", forms(), ["nnnsnnns"], OPEN_WEB, ZERO)
case("SP-020/port-in-host-misses", forms(), ["ssssnnnn"], OPEN_WEB, ZERO)
case("SP-020/other-namespaces-bypass", both(forms(), forms("c-m", OTHER)), ["s" * 8, "n" * 8], OPEN_WEB, ZERO)

MOVED = splitting(v1=0, v2=100)
for slug in ("first-weights-kept", "needs-recreate", "one-update-behind"):
    case(f"SP-032/{slug}", web(30), [{"v1": 30}], OPEN_WEB, ZERO, settled, MOVED)


def moved_meanwhile(cluster: Cluster) -> Any:
    with cluster.kept_connection("c-a") as client:
        MOVED(cluster)
        cluster.settle()
        out, _ = client.communicate("go\n", timeout=20)
    return json.loads(out)


case(
    "SP-032/old-connections-keep-weights",
    moved_meanwhile,
    [["v1"], ["v2"]],
    OPEN_WEB,
    ZERO,
    arrange_again=(ZERO,),
)

REMAPPED = applied(split({"web-v1": 50, "web-g": 50}))
PORTS_HIT = sending("c-a", get("web", n=40, by="port"))
for slug in ("shared-target-port", "service-port-as-pod-port"):
    case(f"SP-053/{slug}", PORTS_HIT, lambda f: set(f[0]) == {"v1:8080", "v2:8080"}, OPEN_WEB, REMAPPED)
# The old port belongs to no Service any more, so the server's proxy refuses it.
case(
    "SP-053/changed-target-port-missed",
    sending("c-a", get("web", n=20, by="port")),
    [{"503": 20}],
    OPEN_WEB,
    applied(split({"web-g": 1})),
    settled,
    applied(remapped(9090)),
)

GRANT_ONE = applied(ALL, grant("http-1", "1", "a", "all"))
THROUGH_AND_DIRECT = sending("c-a", get("web", n=40), get("web-v2", n=3))
case("SP-200/grant-opens-all", THROUGH_AND_DIRECT, [{"200": 40}, {"200": 3}], GRANT_ONE, HALF)
case("SP-200/decision-by-root-name", THROUGH_AND_DIRECT, [{"200": 40}, {"403": 3}], GRANT_ONE, HALF)
case(
    "SP-200/kept-alive-judged-once",
    sending("c-a", *[get("web", n=20, keep=True)] * 4, get("web", n=40)),
    lambda found: all(len(one) == 1 for one in found[:4]) and len(found[4]) == 2,
    GRANT_ONE,
    HALF,
)
