"""Counter-examples for a person: manifests to apply, requests to send, and why the answer is wrong."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from fixtures.calls import Call, Destination, host_of
from fixtures.cast import Cast
from fixtures.parts import GROUPS as PARTS
from fixtures.services import Services
from fuzz.cases import BEAT, HOME, HTTP_PORTS, ROOT, Probe, moved
from fuzz.latitude import PLAIN, Target, ruling
from fuzz.scenery import GROUPS, POOL, Scenery, label
from fuzz.trial import Finding
from smi_conformance.cluster.port import Manifest
from smi_conformance.model.matching import header_fits, method_fits, path_fits
from smi_conformance.model.objects import HttpMatch
from smi_conformance.model.oracle import Request
from smi_conformance.model.readings import Readings
from smi_conformance.model.render import render
from smi_conformance.model.world import Key, Pod, World
from smi_conformance.plugin.settings import RunOptions

PLACES = {place: f"smi-fuzz-{place}" for place in "abu"}
"""The namespaces of counter-examples, which have no name of a run in them."""
_HTTP = (
    "import http.client as h; c = h.HTTPConnection({host}, {port}, timeout=5); "
    "c.request({method}, {path}, headers={headers}); r = c.getresponse(); print(r.status, r.read(300))"
)
_TCP = 'import socket; c = socket.create_connection(({host}, {port}), 5); c.send(b"id\\n"); print(c.recv(300))'
NEXT = "Read why in {folder}/README.md, apply {folder}/policy.yaml, and see what the proxies of client and server hold."


def paragraph(finding: Finding, scenery: Scenery, folder: Path) -> str:
    """Got, want, next step."""
    one = finding.main
    got, want = _plain(one.got, scenery), _plain(one.want, scenery)
    more = len(finding.look.disagreements) - 1
    others = f" ({more} more of its requests disagree)" if more else ""
    return f"{one.probe}: got {got}, still after {finding.seconds:.0f} s; want {want}{others}. " + NEXT.format(
        folder=folder
    )


def write(finding: Finding, scenery: Scenery, folder: Path, command: str) -> None:
    """policy.yaml, README.md, and the deciding look as observation.json. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = [_manifest(name, moved(thing, PLACES), scenery) for name, thing in finding.objects]
    (folder / "policy.yaml").write_text(yaml.safe_dump_all(objects, sort_keys=False), encoding="utf-8")
    (folder / "README.md").write_text("\n".join(_readme(finding, scenery, command)) + "\n", encoding="utf-8")
    seen = [one.to_json() for one in finding.look.observations]
    (folder / "observation.json").write_text(json.dumps(seen, indent=1) + "\n", encoding="utf-8")
    cast = folder.parent / "cast.yaml"
    if not cast.exists():
        cast.write_text(yaml.safe_dump_all(cast_manifests(scenery.scene.options), sort_keys=False), encoding="utf-8")


def _manifest(name: str, thing: Any, scenery: Scenery) -> Manifest:
    return render(thing, name, PLACES[HOME], scenery.scene.versions)


def _readme(finding: Finding, scenery: Scenery, command: str) -> Iterator[str]:
    yield "# Counter-example"
    yield ""
    yield f"Found by `{command}`. Pods and Services stand in ../cast.yaml:"
    yield ""
    yield "    kubectl apply --server-side -f ../cast.yaml"
    yield f"    kubectl -n {PLACES[HOME]} wait --for=condition=Available deploy --all"
    yield "    kubectl apply -f policy.yaml"
    yield ""
    yield "The objects named `pace` are the pacemaker's: by them the run sees that a change is in force."
    for one in finding.look.disagreements:
        yield from ("", f"## {one.probe}", "", f"    {_kubectl(one.probe, scenery)}", "")
        yield f"got: {_plain(one.got, scenery)}, still after {finding.seconds:.0f} s"
        yield ""
        yield f"want: {_plain(one.want, scenery)}"
        yield ""
        yield "why:"
        yield ""
        yield from (f"- {line}" for line in why(finding.world, scenery.request(finding.world, one.probe), scenery))


def _plain(text: str, scenery: Scenery) -> str:
    """A text with parts of the cast in place of pods."""
    for name, (_, pods) in scenery.cast.parts.items():
        for pod in pods:
            text = text.replace(pod.name, name)
    return text


def _kubectl(probe: Probe, scenery: Scenery) -> str:
    """A command that sends the request from the client's pod; the stock image has Python and no curl."""
    profile, place = scenery.scene.options.profile, scenery.cast.parts[probe.client][0].place
    service = Destination(scenery.call(probe).to.name, PLACES[HOME], ())
    host = host_of(Call(service, probe.protocol, probe.port), PLACES[place], profile.address, profile.address_elsewhere)
    words = {"host": host, "method": probe.method, "path": probe.path, "headers": dict(probe.headers)}
    code = (_TCP if probe.protocol == "tcp" else _HTTP).format(
        port=probe.port, **{name: json.dumps(word) for name, word in words.items()}
    )
    pod = [f"deploy/{probe.client}", "-c", "workload"]
    return shlex.join(["kubectl", "-n", PLACES[place], "exec", *pod, "--", "python3", "-c", code])


def why(world: World, request: Request, scenery: Scenery) -> Iterator[str]:
    """Which split takes a request, and for each server that it may reach, which TrafficTarget admits it or not."""
    assert request.service
    split = PLAIN.split_of(world, request.service.key)
    if split and request.client.meshed:
        takes = "takes" if PLAIN.applies(world, split, request) else "does not take"
        yield f"TrafficSplit {split.key.name} {takes} the request"
    pods = {end.pod: end.port for choice in PLAIN.choices(world, request)
            for end in PLAIN.endpoints(world, choice, request)}  # fmt: skip
    for pod, port in pods.items():
        concerned = [target for target in world.targets if PLAIN.opens(world, target, pod)]
        server = label(scenery, pod.key.name)
        if not concerned:
            yield f"{server}: no TrafficTarget names {pod.account.name}"
        for target in concerned:
            yield f"{server}: {target.key.name} {_reason(world, target, request, pod, port)}"


def _reason(world: World, target: Target, request: Request, pod: Pod, port: int) -> str:
    found = ruling(world, target, request, pod, port)
    if found == "open":
        return "may grant it or not: the specification leaves that open"
    if not any(PLAIN.stands_for_client(world, target, source, request) for source in target.thing.sources):
        return f"does not list {request.identity.name if request.identity else 'a client outside the mesh'}"
    rules = "; ".join(_ruled(world, target, request, port))
    return f"grants it: {rules}" if found == "grants" else f"lists the client, and no rule fits: {rules}"


def _ruled(world: World, target: Target, request: Request, port: int) -> Iterator[str]:
    """What each rule of a TrafficTarget says of a request."""
    for rule in target.thing.rules:
        key = Key(target.key.namespace, rule.name)
        if rule.kind == "TCPRoute":
            ports = world.tcp_routes[key].thing.ports
            yield f"{rule.name} {'has' if port in ports else 'lacks'} port {port}"
        for match in world.groups[key].thing.matches if rule.kind == "HTTPRouteGroup" else ():
            named = not rule.matches or match.name in rule.matches
            yield f"{match.name} of {rule.name} {_missed(match, request) if named else 'is not named'}"


def _missed(match: HttpMatch, request: Request) -> str:
    """The first condition of a match that a request does not meet."""
    if request.protocol != "http":
        return "is for HTTP"
    if not path_fits(match.path_regex, request.path, Readings()):
        return f"wants path {match.path_regex}"
    if not method_fits(match.methods, request.method, Readings()):
        return f"wants method {' or '.join(match.methods)}"
    lacking = [one for one in match.headers if not header_fits(*one, request.headers, Readings())]
    return f"wants header {lacking[0][0]}: {lacking[0][1]}" if lacking else "fits"


@dataclass
class _Collector:
    """Stands in for a cluster, and keeps what is applied."""

    made: list[Manifest] = field(default_factory=list)

    def apply(self, manifest: Manifest) -> None:
        self.made.append(manifest)


class _Sketch(Cast):
    """A cast that is written down and not made."""

    def namespace(self, place: str = "a") -> str:
        return PLACES[place]

    def listed(self) -> None:
        """Write down namespaces and parts."""
        for place in PLACES:
            self.make_namespace(place)
        for part in (part for group in GROUPS for part in PARTS[group]):
            self.make_part(part)
            self.parts[part.name] = (part, ())


def cast_manifests(options: RunOptions) -> Iterable[Manifest]:
    """Namespaces, accounts, Deployments and Services of the cast, under names of no run."""
    collector = _Collector()
    worker: Any = SimpleNamespace(cluster=collector, options=options, run="fuzz")
    sketch = _Sketch(worker, "main")
    sketch.listed()
    scene: Any = SimpleNamespace(cluster=collector)
    for name in (ROOT, BEAT):
        Services(scene, sketch).selecting(POOL, {port: port for port in HTTP_PORTS}, name=name)
    return collector.made
