"""Defects of access control in what the control plane makes of TrafficTargets (TA-010 to TA-050)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smi_conformance.lab.mesh import policy
from smi_conformance.lab.mesh.model import ANYONE, TRUST_DOMAIN, HeaderFilter, HttpMatch, Name, Pod, State, Target
from smi_conformance.lab.mesh.policy import OPEN, HttpRule, Inbound, TcpPort
from smi_conformance.lab.mesh.splits import Outbound
from smi_conformance.lab.mesh.switchboard import fault

ANY_MEMBER = f"spiffe://{TRUST_DOMAIN}/*"
IP_LITERAL = HeaderFilter(":authority", r"[0-9.]+(:[0-9]+)?")
MAX_INTERSECTED = 8
#: A connection is cut that many seconds after it was opened, or after the last byte.
CUT_SECONDS, CUT_IDLE_SECONDS = 1.0, 0.1


def with_sources(inbound: Inbound, *sources: str) -> Inbound:
    """The same rules for other clients."""
    return replace(inbound, http=tuple(tuple(replace(r, sources=sources) for r in rules) for rules in inbound.http))


def with_tcp(inbound: Inbound, change: Callable[[int, TcpPort], TcpPort]) -> Inbound:
    """The same with other TCP ports; the function gets each port's place among them."""
    ports = enumerate(sorted(inbound.tcp.items()))
    return replace(inbound, tcp={number: change(place, port) for place, (number, port) in ports})


@fault("TA-010/deny-by-default-missing", "nothing is denied", "state")
def deny_by_default_missing(state: State) -> State:
    return replace(state, posture="permissive")


@fault("TA-010/deny-only-after-first-policy", "HTTP to a destination without any TrafficTarget is open", "inbound")
def deny_only_after_first_policy(inbound: Inbound, _state: State) -> Inbound:
    return inbound if inbound.governed else inbound.with_rules(OPEN)


@fault("TA-010/leak-one-percent", "1 % of requests to destinations without TrafficTarget pass", "inbound")
def leak_without_policy(inbound: Inbound, _state: State) -> Inbound:
    return inbound if inbound.governed else inbound.with_rules(replace(OPEN, percent=1))


@fault("TA-010/http2-open", "every HTTP/2 request of the mesh passes", "inbound")
def http2_open(inbound: Inbound, _state: State) -> Inbound:
    return inbound.with_rules(replace(OPEN, protocol="HTTP/2"))


@fault("TA-010/open-cross-namespace", "without TrafficTarget, clients of other namespaces pass", "inbound")
def open_cross_namespace(inbound: Inbound, _state: State) -> Inbound:
    own = f"spiffe://{TRUST_DOMAIN}/ns/{inbound.pod.account.namespace}/*"
    return inbound if inbound.governed else inbound.with_rules(replace(OPEN, except_sources=(own,)))


@fault(
    "TA-010/open-after-restart", "pods that replace others, or whose containers restarted, admit everybody", "inbound"
)
class OpenAfterRestart:
    """Remembers the pods of each workload."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Name, str], tuple[object, str]] = {}

    def __call__(self, inbound: Inbound, state: State) -> Inbound:
        now = {(pod.name, pod.created): (_workload(pod), pod.created) for pod in state.pods}
        self._seen |= now
        gone = [self._seen[key] for key in self._seen.keys() - now.keys()]
        pod = inbound.pod
        replaces = any(workload == _workload(pod) and created <= pod.created for workload, created in gone)
        opened = pod.restarts or replaces
        return replace(inbound, http=((OPEN,),), plain=(OPEN,)) if opened else inbound


def _workload(pod: Pod) -> object:
    return pod.account, pod.owner


@fault("TA-010/last-delete-reopens", "nothing is denied once the cluster's last TrafficTarget is deleted", "state")
class LastDeleteReopens:
    """Remembers whether there ever was a TrafficTarget."""

    def __init__(self) -> None:
        self._had_any = False

    def __call__(self, state: State) -> State:
        self._had_any |= bool(state.targets)
        reopened = self._had_any and not state.targets
        return replace(state, posture="permissive") if reopened else state


@fault("TA-011/http-only-denial", "without TrafficTarget, TCP is open to every client of the mesh", "inbound")
def http_only_denial(inbound: Inbound, _state: State) -> Inbound:
    return inbound if inbound.governed else with_tcp(inbound, lambda _place, _port: TcpPort((ANYONE,)))


@fault("TA-011/no-l4-filter-without-policy", "without TrafficTarget, TCP passes the proxy as it comes", "inbound")
def no_l4_filter_without_policy(inbound: Inbound, _state: State) -> Inbound:
    opened = TcpPort((ANYONE,), plain=True)
    return inbound if inbound.governed else with_tcp(inbound, lambda _place, _port: opened)


@fault("TA-011/data-before-decision", "without TrafficTarget, TCP is delivered and cut a second later", "inbound")
def data_before_decision(inbound: Inbound, _state: State) -> Inbound:
    cut = TcpPort((ANYONE,), seconds=CUT_SECONDS)
    return inbound if inbound.governed else with_tcp(inbound, lambda _place, _port: cut)


@fault("TA-011/short-message-delivered", "without TrafficTarget, TCP is cut at the first pause", "inbound")
def short_message_delivered(inbound: Inbound, _state: State) -> Inbound:
    cut = TcpPort((ANYONE,), idle_seconds=CUT_IDLE_SECONDS)
    return inbound if inbound.governed else with_tcp(inbound, lambda _place, _port: cut)


@fault("TA-011/second-tcp-port-open", "without TrafficTarget, only the first TCP port is closed", "inbound")
def second_tcp_port_open(inbound: Inbound, _state: State) -> Inbound:
    opened = with_tcp(inbound, lambda place, port: TcpPort((ANYONE,)) if place else port)
    return inbound if inbound.governed else opened


@fault("TA-020/policy-without-effect", "TrafficTargets have no effect", "state")
def policy_without_effect(state: State) -> State:
    return replace(state, targets=())


def is_newest_of_several(pod: Pod, state: State) -> bool:
    """Whether the pod is the one created last of two or more of its account."""
    peers = [other for other in state.pods if other.meshed and other.account == pod.account]
    return len(peers) > 1 and pod == max(peers, key=lambda other: (other.created, other.name))


@fault("TA-020/intermittent-denial", "of several pods of an account, the newest denies one request in five", "inbound")
def intermittent_denial(inbound: Inbound, state: State) -> Inbound:
    if not is_newest_of_several(inbound.pod, state):
        return inbound
    return replace(inbound, http=tuple(tuple(replace(r, percent=80) for r in rules) for rules in inbound.http))


@fault("TA-020/one-server-pod-denies", "of several pods of an account, the newest learns no HTTP grant", "inbound")
def one_server_pod_denies(inbound: Inbound, state: State) -> Inbound:
    return replace(inbound, http=((),)) if is_newest_of_several(inbound.pod, state) else inbound


@fault("TA-020/http2-denied", "grants hold for HTTP/1.1 only", "inbound")
def http2_denied(inbound: Inbound, _state: State) -> Inbound:
    only = tuple(tuple(replace(rule, protocol="HTTP/1.1") for rule in rules) for rules in inbound.http)
    return replace(inbound, http=only)


@fault("TA-021/sources-unchecked", "what is granted to one client is granted to all of the mesh", "inbound")
def sources_unchecked(inbound: Inbound, _state: State) -> Inbound:
    return with_sources(inbound, ANYONE)


@fault("TA-021/any-mesh-identity", "every identity that the mesh has signed fits every source", "inbound")
def any_mesh_identity(inbound: Inbound, _state: State) -> Inbound:
    return with_sources(inbound, ANY_MEMBER)


@fault("TA-021/leak-one-percent", "1 % of the requests of clients that no TrafficTarget lists pass", "inbound")
def leak_of_unlisted(inbound: Inbound, _state: State) -> Inbound:
    listed = tuple(sorted({source for rule in inbound.rules for source in rule.sources}))
    return inbound.with_rules(replace(OPEN, except_sources=listed, percent=1)) if listed else inbound


@fault("TA-021/source-checked-on-first-route-only", "sources count for a group's first match only", "inbound")
def source_checked_on_first_route_only(inbound: Inbound, _state: State) -> Inbound:
    def later(rule: HttpRule) -> bool:
        return rule.request is not None and rule.request.position > 0

    opened = [replace(rule, sources=(ANYONE,)) if later(rule) else rule for rule in inbound.rules]
    return replace(inbound, http=(tuple(opened),))


@fault("TA-030/prefix-match", "accounts whose name starts with a listed one are admitted over HTTP", "inbound")
def prefix_match(inbound: Inbound, _state: State) -> Inbound:
    loose = (replace(rule, sources=tuple(f"{source}*" for source in rule.sources)) for rule in inbound.rules)
    return replace(inbound, http=(tuple(loose),))


@fault("TA-041/plain-text-accepted", "where TrafficTargets admit anybody, plain HTTP is let through", "inbound")
def plain_text_accepted(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, plain=(OPEN,)) if inbound.rules else inbound


@fault("TA-041/anonymous-allowed", "clients without identity count as sources of every TrafficTarget", "inbound")
def anonymous_allowed(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, plain=with_sources(inbound, ANYONE).rules) if inbound.rules else inbound


@fault("TA-041/plain-http2-accepted", "where TrafficTargets admit anybody, plain HTTP/2 is let through", "inbound")
def plain_http2_accepted(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, plain=(OPEN,), plain_codec="HTTP2") if inbound.rules else inbound


BY_ADDRESS = "calls to pod addresses are not intercepted: plain HTTP whose Host is an address passes"


@fault("TA-041/pod-ip-not-intercepted", BY_ADDRESS, "inbound")
def pod_ip_not_intercepted(inbound: Inbound, _state: State) -> Inbound:
    return replace(inbound, plain=(replace(OPEN, request=HttpMatch(headers=(IP_LITERAL,))),))


@fault("TA-041/pod-ip-not-intercepted", BY_ADDRESS, "outbound")
def pod_ip_not_intercepted_by_client(outbound: Outbound, _state: State) -> Outbound:
    return replace(outbound, direct={})


def by_destination(state: State, keep: Callable[[list[Target]], list[Target]]) -> State:
    """Only some of the TrafficTargets for each destination, which come in order of creation."""
    kept: list[Target] = []
    for destination in {(target.destination, target.binding) for target in state.targets}:
        kept += keep([target for target in state.targets if (target.destination, target.binding) == destination])
    return replace(state, targets=tuple(target for target in state.targets if target in kept))


@fault("TA-050/last-policy-wins", "of several TrafficTargets for a destination only the last one counts", "state")
def last_policy_wins(state: State) -> State:
    return by_destination(state, lambda targets: targets[-1:])


@fault("TA-050/first-policy-wins", "of several TrafficTargets for a destination only the first one counts", "state")
def first_policy_wins(state: State) -> State:
    return by_destination(state, lambda targets: targets[:1])


@fault("TA-050/third-policy-ignored", "of the TrafficTargets for a destination the third one is ignored", "state")
def third_policy_ignored(state: State) -> State:
    return by_destination(state, lambda targets: targets[:2] + targets[3:])


@fault("TA-050/policies-intersected", "a request has to fit every TrafficTarget for its destination", "inbound")
def policies_intersected(inbound: Inbound, state: State) -> Inbound:
    grants = policy.grants_for(state, inbound.pod)
    sets = [tuple(rules) for rules in map(policy.http_rules, grants) if rules] or [()]
    # Always as many filters: a change of the filters would act on new connections only.
    sets += [(OPEN,)] * (MAX_INTERSECTED - len(sets))
    return replace(inbound, http=tuple(sets))
