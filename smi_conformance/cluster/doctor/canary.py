"""The canary: one pod as a run makes them, which shows what no list of objects can.

Whether the image can be pulled, whether the mesh takes a pod in, whether names resolve in it, what time it has there,
and whether SMI objects are taken. All of it lies in one namespace that carries the run's label, like those of a run.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client
from kubernetes.stream import stream
from websocket import WebSocketException

from smi_conformance.cluster.doctor.findings import UNREACHABLE, Finding, Found, Patient, condition, holds, ok, problem
from smi_conformance.cluster.doctor.mesh import STUCK, trouble
from smi_conformance.cluster.doctor.surroundings import apart
from smi_conformance.cluster.port import Answer, Manifest
from smi_conformance.cluster.reaper import LABEL
from smi_conformance.cluster.session import CONTAINER
from smi_conformance.cluster.workload import PULL_SECRET, Workload
from smi_conformance.judge.convergence import DeadlineExpired, until
from smi_conformance.model.versions import BASELINE, api_version, best

NAME = "canary"
PORT = 8080
# What the pod does: answer a probe, like the workload. It has no other program than this.
SERVE = "import http.server; http.server.HTTPServer(('', 8080), http.server.BaseHTTPRequestHandler).serve_forever()"
# What it is asked: its time, and the addresses of names. A new Service takes a moment to have one.
ASK = """
import json, socket, sys, time
found, end = {}, time.time() + 10
while len(found) < len(sys.argv) - 1 and time.time() < end:
    for name in sys.argv[1:]:
        try:
            found.setdefault(name, socket.getaddrinfo(name, 80)[0][4][0])
        except OSError:
            time.sleep(0.1)
print(json.dumps({"now": time.time(), "names": found}))
"""


@dataclass
class Canary:
    """Made and looked at by `findings`; what it leaves is for the reaper of the run."""

    patient: Patient
    hurried: bool = False
    """Whether something is known to be wrong, so that a pod that does not come is not waited for as long."""
    _pod: dict[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return f"{self.patient.prefix}-{self.patient.run}-c"

    def findings(self) -> Found:
        """What the namespace and the pod in it show. It ends early where there is no pod to ask."""
        refused = self._refused()
        if refused:
            yield problem("canary", f"refused: {refused}", "see the webhooks and the rights above")
        elif why := self._wait():
            image = self.patient.workload.image
            remedy = f"kubectl run canary --image={image} -- sleep 60; without a registry: docs/air-gap.md"
            yield problem("canary", why, remedy)
        else:
            yield ok("canary", f"image {self.patient.workload.image} runs")
            yield from self._sidecar()
            yield from self._inside()
            yield from self._policies()

    def leave(self) -> None:
        """Delete the pod and keep the namespace, by which others see this run; that goes with those of the run."""
        with contextlib.suppress(*UNREACHABLE):
            path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{NAME}"
            self.patient.send("DELETE", path, {"propagationPolicy": "Background"})

    def _refused(self) -> str:
        """Make everything; why the API server refused it."""
        onboarding = self.patient.profile.onboarding
        labels = {LABEL: self.patient.run, **onboarding.namespace_labels}
        meta = {"name": self.namespace, "labels": labels, "annotations": onboarding.namespace_annotations}
        answers = itertools.chain(
            [self._create("/api/v1/namespaces", "v1", "Namespace", meta, {})], map(self._put, _objects(self))
        )
        return next((answer.message for answer in answers if answer.status != 201), "")

    def _put(self, made: tuple[str, str, str, Manifest, Manifest]) -> Answer:
        path, version, kind, meta, rest = made
        return self._create(f"{path}/namespaces/{self.namespace}/{kind.lower()}s", version, kind, meta, rest)

    def _create(self, path: str, version: str, kind: str, meta: Manifest, rest: Manifest, query: str = "") -> Answer:
        return self.patient.send("POST", path + query, {"apiVersion": version, "kind": kind, "metadata": meta, **rest})

    def _wait(self) -> str:
        """Why there is no ready pod; empty when there is."""
        deadline = min(15.0, self.patient.ready) if self.hurried else self.patient.ready
        try:
            return until(self._state, deadline=deadline, poll=0.3, holds=lambda state: state is not None).value or ""
        except DeadlineExpired:
            return f"no ready pod after {deadline:.0f} s: {self._trouble() or 'it only does not become ready'}"

    def _state(self) -> str | None:
        """Empty: ready; a reason: it never will be; None: not yet."""
        pods = self.patient.items(f"/api/v1/namespaces/{self.namespace}/pods", label_selector=f"app={NAME}")
        self._pod = pods[0] if pods else {}
        if self._pod and holds(self._pod, "Ready"):
            return ""
        found = self._trouble()
        return found if any(word in found for word in (*STUCK, "webhook")) else None

    def _trouble(self) -> str:
        """What is known by now of a pod that does not come."""
        if self._pod:
            return trouble(self._pod)
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{NAME}"
        return str(condition(self.patient.there(path) or {}, "ReplicaFailure").get("message", ""))

    def _sidecar(self) -> Found:
        names = [one["name"] for one in self._pod["spec"]["containers"]]
        wanted, others = self.patient.profile.onboarding.sidecar, sorted({*names} - {CONTAINER})
        told = f"containers of the canary: {', '.join(names)}"
        if wanted and wanted not in names:
            remedy = "see the webhook of the mesh, and `onboarding` in the profile"
            yield problem("sidecar", f"{told}; the mesh put no {wanted} into it", remedy)
        elif others and others != [wanted]:
            yield Finding("sidecar", "warning", f"{told}: more than the profile knows of", "is there another mesh?")
        else:
            yield ok("sidecar", f"{wanted} is in the canary" if wanted else "the profile has none")

    def _inside(self) -> Found:
        """Names and time, as the pod has them."""
        names = ["kubernetes.default", self.patient.profile.address.format(svc=NAME, ns=self.namespace)]
        before = time.time()
        try:
            told = _exec(
                self.patient.api, self.namespace, self._pod["metadata"]["name"], ["python3", "-c", ASK, *names]
            )
        except (*UNREACHABLE, WebSocketException, ValueError) as error:
            found = f"exec into the canary: {' '.join(str(error).split())[:200]}"
            yield problem("exec", found, "kubectl exec has to work: see the API server's way to the kubelets")
            return
        missing = [name for name in names if name not in told["names"]]
        if missing:
            yield problem(
                "DNS", f"not resolved in the canary: {', '.join(missing)}", "kubectl -n kube-system get pods,endpoints"
            )
        else:
            yield ok("DNS", f"{' and '.join(names)} resolve in the canary")
        yield apart("clock of the canary", "the canary", max(told["now"] - time.time(), before - told["now"], 0.0))

    def _policies(self) -> Found:
        """Each kind of policy is taken, as a dry run: webhooks of the mesh are asked, nothing is stored."""
        for version, kind, spec in _policies(self.patient):
            path = f"/apis/{version}/namespaces/{self.namespace}/{kind.lower()}s"
            answer = self._create(path, version, kind, {"name": NAME}, {"spec": spec}, "?dryRun=All")
            if answer.status >= 500:
                remedy = f"see the webhooks for {kind}"
                yield problem(kind, f"a valid {version} {kind} is met with {answer.status}: {answer.message}", remedy)
            elif answer.status != 404:  # that it is not served is told already; a refusal is the suite's to judge
                yield ok(kind, f"{version}: the API server and its webhooks answer")


def _objects(canary: Canary) -> list[tuple[str, str, str, Manifest, Manifest]]:
    onboarding, meta = canary.patient.profile.onboarding, {"name": NAME}
    labels = {**onboarding.pod_labels, "app": NAME}
    template = {
        "metadata": {"labels": labels, "annotations": onboarding.pod_annotations},
        "spec": _pod(canary.patient.workload),
    }
    deployment = {"replicas": 1, "selector": {"matchLabels": {"app": NAME}}, "template": template}
    service = {"selector": {"app": NAME}, "ports": [{"name": "http", "port": PORT}]}
    settings = canary.patient.workload
    secret: Manifest = settings.secret(canary.namespace) if settings.pull_secret else {}
    credentials: Manifest = {key: secret[key] for key in ("type", "stringData") if key in secret}
    return [
        *([("/api/v1", "v1", "Secret", {"name": PULL_SECRET}, credentials)] if secret else []),
        ("/api/v1", "v1", "ServiceAccount", meta, {}),
        ("/api/v1", "v1", "Service", meta, {"spec": service}),
        ("/apis/apps/v1", "apps/v1", "Deployment", meta, {"spec": deployment}),
    ]


def _pod(workload: Workload) -> Manifest:
    container = {
        "name": CONTAINER,
        **workload.of_container,
        "command": ["python3", "-c", SERVE],
        "ports": [{"name": "http", "containerPort": PORT}],
    }
    return {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        **workload.of_pod,
    }


def _policies(patient: Patient) -> list[tuple[str, str, Manifest]]:
    """A valid object of each group that the profile claims, at the version that is judged first."""
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": f"{patient.prefix}-{patient.run}-c"}
    kinds: Mapping[str, tuple[str, Manifest]] = {
        "specs": ("HTTPRouteGroup", {"matches": [{"name": "all", "pathRegex": "/", "methods": ["GET"]}]}),
        "access": ("TrafficTarget", {"destination": account, "sources": [account], "rules": []}),
        "split": ("TrafficSplit", {"service": NAME, "backends": [{"service": NAME, "weight": 1}]}),
    }
    claims = {group: patient.profile.claims.get(group, ()) for group in kinds}
    chosen = {
        group: BASELINE[group] if BASELINE[group] in few else best(group, few) for group, few in claims.items() if few
    }
    return [(api_version(group, version), *kinds[group]) for group, version in chosen.items()]


def _exec(api: client.ApiClient, namespace: str, pod: str, command: list[str]) -> dict[str, Any]:
    """What a command in the pod prints, as JSON."""
    core = client.CoreV1Api(client.ApiClient(api.configuration))
    try:
        socket = stream(
            core.connect_get_namespaced_pod_exec, pod, namespace, container=CONTAINER, command=command,
            stdin=False, stdout=True, stderr=True, tty=False, _preload_content=False, _request_timeout=15,
        )  # fmt: skip
    except client.ApiException as error:
        if isinstance(error.__context__, (KeyboardInterrupt, SystemExit)):  # the client takes them for a failure
            raise error.__context__ from None
        raise
    try:
        socket.run_forever(timeout=30)
        printed = socket.read_stdout(timeout=0)
        found: dict[str, Any] = json.loads(printed or "")
    finally:
        socket.close()
        socket.sock.shutdown()  # the close of the client leaves the socket of an ended command to the garbage collector
    return found
