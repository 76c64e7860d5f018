"""Defects of who may read metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smi_conformance.cluster.model.apiserver import Answer, ApiCall
from smi_conformance.cluster.model.exchange import Answer as Reply
from smi_conformance.cluster.model.faults_metrics_api import is_of_group
from smi_conformance.cluster.model.switchboard import API, DIRECT, fault
from smi_conformance.judge.observation import Step
from smi_conformance.model.metrics.kinds import GROUP

Inner = Callable[[ApiCall], Answer]
OPEN = Reply("status", 200)
FORBIDDEN: Answer = (403, {"kind": "Status", "message": "forbidden"})


def by_account(change: Callable[[Inner, ApiCall], Answer]) -> Callable[[Inner, ApiCall], Answer]:
    """A change of what accounts are answered with; what the suite reads for itself stays as it is."""
    return lambda inner, call: change(inner, call) if call.account and is_of_group(call) else inner(call)


def freely(inner: Inner, call: ApiCall) -> Answer:
    """The same request without a look at rights."""
    return inner(replace(call, account=None))


def allowed(inner: Inner, call: ApiCall, path: str) -> bool:
    """Whether the account may read something else."""
    return inner(replace(call, path=path))[0] != 403


def is_edges(call: ApiCall) -> bool:
    """Whether edges are asked for."""
    return call.path.endswith("/edges")


def edges_of_pods(call: ApiCall) -> str:
    """The path of the edges of some pod in the namespace of a request."""
    parts = call.parts
    place = parts[4] if len(parts) > 4 and parts[3] == "namespaces" else "default"
    return f"/apis/{GROUP}/v1alpha1/namespaces/{place}/pods/any/edges"


@fault("TM-090/not-a-sub-resource", "to RBAC the edges of pods are a resource of another name", API)
@by_account
def not_a_sub_resource(inner: Inner, call: ApiCall) -> Answer:
    if not is_edges(call):
        return inner(call)
    other = call.path.replace("/pods/", "/podedges/").removesuffix("/edges")
    return freely(inner, call) if allowed(inner, call, other) else FORBIDDEN


@fault("TM-090/edges-role-opens-pods", "a role for pods/edges opens pods", API)
@by_account
def edges_role_opens_pods(inner: Inner, call: ApiCall) -> Answer:
    about_pods = "/pods" in call.path and not is_edges(call)
    return freely(inner, call) if about_pods and allowed(inner, call, edges_of_pods(call)) else inner(call)


@fault("TM-090/edges-role-opens-other-edges", "a role for pods/edges opens all edges", API)
@by_account
def edges_role_opens_other_edges(inner: Inner, call: ApiCall) -> Answer:
    return freely(inner, call) if is_edges(call) and allowed(inner, call, edges_of_pods(call)) else inner(call)


@fault("TM-091/any-account-reads", "any account may read everything", API)
@by_account
def any_account_reads(inner: Inner, call: ApiCall) -> Answer:
    return freely(inner, call)


@fault("TM-091/view-granted-to-all", "lists and objects are open to all accounts", API)
@by_account
def view_granted_to_all(inner: Inner, call: ApiCall) -> Answer:
    return inner(call) if is_edges(call) else freely(inner, call)


@fault("TM-091/edges-unprotected", "edges are open to all accounts", API)
@by_account
def edges_unprotected(inner: Inner, call: ApiCall) -> Answer:
    return freely(inner, call) if is_edges(call) else inner(call)


def anywhere(inner: Inner, call: ApiCall) -> bool:
    """Whether the account may list pods in any of the namespaces of a run."""
    found = inner(ApiCall("GET", "/api/v1/namespaces"))[1]["items"]
    paths = [f"/apis/{GROUP}/v1alpha1/namespaces/{one['metadata']['name']}/pods" for one in found]
    return any(allowed(inner, call, path) for path in paths)


@fault("TM-092/other-namespaces-opened", "a role of one namespace opens the others", API)
@by_account
def other_namespaces_opened(inner: Inner, call: ApiCall) -> Answer:
    return freely(inner, call) if "/namespaces/" in call.path and anywhere(inner, call) else inner(call)


@fault("TM-092/cluster-list-opened", "a role of one namespace opens the list of all", API)
@by_account
def cluster_list_opened(inner: Inner, call: ApiCall) -> Answer:
    return freely(inner, call) if "/namespaces/" not in call.path and anywhere(inner, call) else inner(call)


@fault("TM-093/direct-calls-answered", "the metrics server answers whoever asks", DIRECT)
def direct_calls_answered(answer: Reply, step: Step) -> Reply:
    return OPEN


@fault("TM-093/front-proxy-headers-trusted", "headers of the front proxy are believed without a certificate", DIRECT)
def front_proxy_headers_trusted(answer: Reply, step: Step) -> Reply:
    return OPEN if any(name.lower() == "x-remote-user" for name, _ in step.headers) else answer


@fault("TM-094/extra-group-needed", "reading needs rights in another API group as well", API)
@by_account
def extra_group_needed(inner: Inner, call: ApiCall) -> Answer:
    other = call.path.replace(GROUP, "metrics.k8s.io")
    return inner(call) if allowed(inner, call, other) else FORBIDDEN


@fault("TM-094/edges-need-more", "edges need a role that names them", API)
@by_account
def edges_need_more(inner: Inner, call: ApiCall) -> Answer:
    return FORBIDDEN if is_edges(call) else inner(call)
