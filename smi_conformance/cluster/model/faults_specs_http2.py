"""Defects over HTTP/2 and gRPC (TS-050, TS-051)."""

from __future__ import annotations

import re
from dataclasses import replace

from smi_conformance.cluster.model.edits import with_groups
from smi_conformance.cluster.model.mesh import Admit
from smi_conformance.cluster.model.specs_edits import with_headers, with_paths
from smi_conformance.cluster.model.switchboard import ADMISSION, PROXY, WORLD, fault
from smi_conformance.cluster.model.traffic import Answer, Carry, Exchange
from smi_conformance.model.objects import HttpMatch, RouteGroup
from smi_conformance.model.oracle import Request
from smi_conformance.model.world import Pod, World

GRPC_METHOD = re.compile(r"(/[\w.]*\.\w+/)\w+")  # such as /pkg.Svc/Get


@fault("TS-050/http2-falls-back-to-tcp", "over HTTP/2 a listed source is admitted on every route", ADMISSION)
def falls_back_to_tcp(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    everything = RouteGroup((HttpMatch("everything"),))
    known = with_groups(world, lambda _: everything) if request.http == "HTTP/2" else world
    return inner(known, request, pod, port)


@fault("TS-050/first-stream-only", "only the first stream of an HTTP/2 connection is checked", PROXY)
def first_stream_only(inner: Carry, exchange: Exchange) -> Answer:
    if exchange.request.http != "HTTP/2" or not exchange.connection.memory.get("admitted"):
        answer = inner(exchange)
        exchange.connection.memory["admitted"] = answer.outcome == "answer"
        return answer
    endpoint = exchange.pick()
    return exchange.deliver(endpoint) if endpoint else exchange.fail()


@fault("TS-050/http2-headers-unchecked", "over HTTP/2 header filters are not checked", ADMISSION)
def headers_unchecked(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    known = with_headers(world, lambda one, _: None) if request.http == "HTTP/2" else world
    return inner(known, request, pod, port)


@fault("TS-051/grpc-denied", "gRPC is denied although its path is granted", PROXY)
def grpc_denied(inner: Carry, exchange: Exchange) -> Answer:
    return exchange.refuse() if exchange.step.protocol == "grpc" else inner(exchange)


@fault("TS-051/grpc-service-opened", "the grant of one gRPC method opens the whole service", WORLD)
def grpc_service_opened(world: World) -> World:
    def widened(path: str) -> str:
        found = GRPC_METHOD.fullmatch(path)
        return f"{found[1]}.*" if found else path

    return with_paths(world, widened)


@fault("TS-051/trailers-lost", "the status in the trailers of gRPC does not reach the client", PROXY)
def trailers_lost(inner: Carry, exchange: Exchange) -> Answer:
    answer = inner(exchange)
    lost = exchange.step.protocol == "grpc" and answer.outcome == "answer"
    return replace(answer, outcome="altered") if lost else answer
