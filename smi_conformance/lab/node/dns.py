"""The cluster's DNS: names of Services and pods, answered from the store as it is at that moment.

The records are those of the Kubernetes DNS specification (1.1.0) for A, SRV and CNAME. Nothing is forwarded:
a name outside cluster.local does not exist in the lab.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from smi_conformance.lab.api.store import Object, Store

A, CNAME, SRV, AAAA, OPT, ANY = 1, 5, 33, 28, 41, 255
NOERROR, FORMERR, NXDOMAIN, NOTIMP = 0, 1, 3, 4
ZONE = ("cluster", "local")
_IN = 1
_TTL = 5  # seconds
_PLAIN_UDP_LIMIT = 512
_HEADER = struct.Struct(">HHHHHH")
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = (
    0x8000,
    0x0400,
    0x0200,
    0x0100,
    0x0080,
)

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A question as it came."""

    number: int
    flags: int
    labels: Labels
    kind: int
    question: bytes
    limit: int


@dataclass
class Answer:
    """Records of the answer and of its additional section, as (name, type, data)."""

    records: list[tuple[Labels, int, bytes]] = field(default_factory=list)
    additional: list[tuple[Labels, int, bytes]] = field(default_factory=list)


class BadQueryError(Exception):
    """Not a query that has one question."""


def encode_name(labels: Labels) -> bytes:
    """The wire form, uncompressed."""
    return b"".join(bytes([len(raw)]) + raw for raw in (label.encode() for label in labels)) + b"\0"


def _read_name(data: bytes, offset: int) -> tuple[Labels, int]:
    labels: list[str] = []
    while length := data[offset]:
        if length > 63:  # a pointer has no place in a question
            raise BadQueryError
        labels.append(data[offset + 1 : offset + 1 + length].decode("ascii"))
        offset += 1 + length
    return tuple(labels), offset + 1


def parse(data: bytes) -> Query:
    """Raises BadQueryError."""
    try:
        number, flags, questions, _, _, additional = _HEADER.unpack_from(data)
        labels, end = _read_name(data, _HEADER.size)
        kind, _ = struct.unpack_from(">HH", data, end)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise BadQueryError from error
    if questions != 1 or flags & _RESPONSE:
        raise BadQueryError
    question = data[_HEADER.size : end + 4]
    limit = _edns_limit(data, end + 4) if additional else _PLAIN_UDP_LIMIT
    return Query(number, flags, labels, kind, question, limit)


def _edns_limit(data: bytes, offset: int) -> int:
    with suppress(struct.error, IndexError):
        _, kind, size = struct.unpack_from(">BHH", data, offset)
        if kind == OPT:
            return max(int(size), _PLAIN_UDP_LIMIT)
    return _PLAIN_UDP_LIMIT


def _record(name: Labels, kind: int, data: bytes) -> bytes:
    return encode_name(name) + struct.pack(">HHIH", kind, _IN, _TTL, len(data)) + data


def respond(query: Query, answer: Answer | None, limit: int) -> bytes:
    """The response; None says that the name does not exist. Cut to nothing, and marked, above the limit."""
    flags = _RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | (query.flags & _RECURSION_DESIRED)
    flags |= NXDOMAIN if answer is None else NOERROR
    found = answer or Answer()
    records, more = ([_record(*row) for row in rows] for rows in (found.records, found.additional))
    head = _HEADER.pack(query.number, flags, 1, len(records), 0, len(more)) + query.question
    whole = head + b"".join(records) + b"".join(more)
    if len(whole) <= limit:
        return whole
    return _HEADER.pack(query.number, flags | _TRUNCATED, 1, 0, 0, 0) + query.question


class Names:
    """What each name of cluster.local stands for, by the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lookup(self, name: Labels, kind: int) -> Answer | None:
        """The records of that type (none is an answer too); None if the name does not exist."""
        labels = tuple(label.lower() for label in name)
        if labels[-2:] != ZONE or len(labels) < 5:
            return None
        *rest, namespace, category = labels[:-2]
        if category == "pod":
            return self._pod(name, tuple(rest), kind)
        if category != "svc":
            return None
        *sub, service = rest
        found = self._store.find("services", service, namespace)
        return self._service(name, tuple(sub), found, kind) if found else None

    def _pod(self, name: Labels, rest: Labels, kind: int) -> Answer | None:
        """10-244-0-5.NAMESPACE.pod: the address is in the name."""
        ip = rest[0].replace("-", ".") if len(rest) == 1 else ""
        return _addresses(name, [ip], kind) if re.fullmatch(r"(\d{1,3}\.){3}\d{1,3}", ip) else None

    def _service(self, name: Labels, sub: Labels, service: Object, kind: int) -> Answer | None:
        spec, meta = service["spec"], service["metadata"]
        if spec.get("type") == "ExternalName":
            return self._external(name, spec["externalName"], kind) if not sub else None
        endpoints = self._store.find("endpoints", meta["name"], meta["namespace"]) or {}
        headless = spec.get("clusterIP") == "None"
        if not sub:
            hosts = [ip for ip, _ in _hosts(endpoints, service)] if headless else [spec.get("clusterIP", "")]
            return _addresses(name, hosts, kind)
        if len(sub) == 1 and headless:
            named = [ip for ip, host in _hosts(endpoints, service) if host == sub[0]]
            return _addresses(name, named, kind) if named else None
        return _ports(name, sub, service, endpoints, kind) if len(sub) == 2 else None

    def _external(self, name: Labels, target: str, kind: int) -> Answer:
        labels = tuple(target.rstrip(".").split("."))
        answer = Answer([(name, CNAME, encode_name(labels))])
        further = self.lookup(labels, kind) if kind != CNAME else None
        if further:
            answer.records += further.records
        return answer


def _addresses(name: Labels, ips: list[str], kind: int) -> Answer:
    wanted = ips if kind in (A, ANY) else []
    return Answer([(name, A, socket.inet_aton(ip)) for ip in wanted if ip])


def _hosts(endpoints: Object, service: Object) -> Iterator[tuple[str, str]]:
    """Addresses of a headless Service with the host label of each: its hostname, else its dashed address."""
    unready = service["spec"].get("publishNotReadyAddresses", False)
    for subset in endpoints.get("subsets") or ():
        addresses = [*(subset.get("addresses") or ())]
        addresses += subset.get("notReadyAddresses") or () if unready else ()
        for address in addresses:
            yield address["ip"], address.get("hostname") or address["ip"].replace(".", "-")


def _ports(name: Labels, sub: Labels, service: Object, endpoints: Object, kind: int) -> Answer | None:
    """_PORT._PROTOCOL.SERVICE: SRV records."""
    port_name, protocol = sub[0].removeprefix("_"), sub[1].removeprefix("_").upper()
    if not (sub[0].startswith("_") and sub[1].startswith("_")):
        return None
    ports = [p for p in service["spec"].get("ports") or () if p.get("name") == port_name]
    ports = [p for p in ports if p.get("protocol", "TCP") == protocol]
    if not ports:
        return None
    answer = Answer()
    for target, ip, number in _targets(name[2:], ports[0], service, endpoints):
        if kind in (SRV, ANY):
            answer.records.append((name, SRV, struct.pack(">HHH", 0, 100, number) + encode_name(target)))
            answer.additional.append((target, A, socket.inet_aton(ip)))
    return answer


def _targets(base: Labels, port: Object, service: Object, endpoints: Object) -> Iterator[tuple[Labels, str, int]]:
    if service["spec"].get("clusterIP") != "None":
        yield base, service["spec"]["clusterIP"], port["port"]
        return
    target = port.get("targetPort", port["port"])
    for ip, host in dict.fromkeys(_hosts(endpoints, service)):
        yield (host, *base), ip, target if isinstance(target, int) else port["port"]


class Dns(asyncio.DatagramProtocol):
    """The server, for UDP and TCP on given sockets."""

    def __init__(self, store: Store) -> None:
        self._names = Names(store)
        self._transport: asyncio.DatagramTransport | None = None

    async def serve(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Answer on a bound UDP and a listening TCP socket until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=udp)
        server = await asyncio.start_server(self._stream, sock=tcp)
        try:
            await server.serve_forever()
        finally:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one query."""
        assert self._transport is not None
        answer = self.answer(data, None)
        if answer:
            self._transport.sendto(answer, addr)

    def answer(self, data: bytes, limit: int | None) -> bytes:
        """The response to a query, empty if none is due; no limit given: what UDP allows."""
        try:
            query = parse(data)
        except BadQueryError:
            return _refusal(data, FORMERR)
        if query.flags & 0x7800:  # another operation than a query
            return _refusal(data, NOTIMP)
        return respond(query, self._names.lookup(query.labels, query.kind), limit or query.limit)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack(">H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(length), 0xFFFF)
                writer.write(struct.pack(">H", len(answer)) + answer)
                await writer.drain()
        writer.close()


def _refusal(data: bytes, code: int) -> bytes:
    if len(data) < _HEADER.size or data[2] & 0x80:  # never answer an answer
        return b""
    return _HEADER.pack(int.from_bytes(data[:2]), _RESPONSE | code, 0, 0, 0, 0)
