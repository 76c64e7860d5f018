"""The DNS server's answers, by the store, without a network."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from smi_conformance.lab.api.store import Store
from smi_conformance.lab.node import dns

HEADER = 12


@pytest.fixture
def server() -> dns.Dns:
    store = Store()
    for name, spec in {
        "web": {"clusterIP": "10.96.1.1", "ports": [{"name": "http", "port": 80}]},
        "db": {"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]},
        "out": {"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"},
    }.items():
        store.create("services", {"metadata": {"name": name, "namespace": "shop"}, "spec": spec})
    addresses = [{"ip": "10.244.0.7", "hostname": "db-0"}, {"ip": "10.244.0.8"}]
    subset = {"addresses": addresses, "notReadyAddresses": [{"ip": "10.244.0.9"}]}
    store.create("endpoints", {"metadata": {"name": "db", "namespace": "shop"}, "subsets": [subset]})
    return dns.Dns(store)


def ask(server: dns.Dns, name: str, kind: int = dns.A) -> tuple[int, list[Any]]:
    """(response code, addresses or raw data of the answer section)"""
    question = dns.encode_name(tuple(name.split("."))) + struct.pack(">HH", kind, 1)
    answer = server.answer(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question, None)
    number, flags, questions, count, _, _ = struct.unpack_from(">HHHHHH", answer)
    assert (number, questions) == (7, 1)
    return flags & 0xF, _records(answer, HEADER + len(question), count)


def _records(data: bytes, offset: int, count: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(count):
        while data[offset]:
            offset += 1 + data[offset]
        kind, _, _, length = struct.unpack_from(">HHIH", data, offset + 1)
        raw = data[offset + 11 : offset + 11 + length]
        found.append(socket.inet_ntoa(raw) if kind == dns.A else (kind, raw))
        offset += 11 + length
    return found


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("web.shop.svc.cluster.local", ["10.96.1.1"]),
        ("WEB.Shop.svc.cluster.local", ["10.96.1.1"]),
        ("db.shop.svc.cluster.local", ["10.244.0.7", "10.244.0.8"]),
        ("db-0.db.shop.svc.cluster.local", ["10.244.0.7"]),
        ("10-244-0-8.db.shop.svc.cluster.local", ["10.244.0.8"]),
        ("10-244-0-5.shop.pod.cluster.local", ["10.244.0.5"]),
    ],
)
def test_addresses(server: dns.Dns, name: str, addresses: list[str]) -> None:
    assert ask(server, name) == (dns.NOERROR, addresses)


@pytest.mark.parametrize(
    "name",
    [
        "web.shop",
        "none.shop.svc.cluster.local",
        "web.none.svc.cluster.local",
        "x.web.shop.svc.cluster.local",
        "none.db.shop.svc.cluster.local",
        "example.org",
    ],
)
def test_names_that_do_not_exist(server: dns.Dns, name: str) -> None:
    assert ask(server, name) == (dns.NXDOMAIN, [])


def test_ipv6_is_empty_but_no_error(server: dns.Dns) -> None:
    assert ask(server, "web.shop.svc.cluster.local", dns.AAAA) == (dns.NOERROR, [])


def test_external_name_is_an_alias(server: dns.Dns) -> None:
    code, (alias, address) = ask(server, "out.shop.svc.cluster.local")
    target = dns.encode_name(("web", "shop", "svc", "cluster", "local"))
    assert (code, alias, address) == (dns.NOERROR, (dns.CNAME, target), "10.96.1.1")


def test_srv_tells_port_and_host(server: dns.Dns) -> None:
    code, rows = ask(server, "_http._tcp.web.shop.svc.cluster.local", dns.SRV)
    target = dns.encode_name(("web", "shop", "svc", "cluster", "local"))
    assert (code, rows) == (dns.NOERROR, [(dns.SRV, struct.pack(">HHH", 0, 100, 80) + target)])
    assert ask(server, "_none._tcp.web.shop.svc.cluster.local", dns.SRV)[0] == dns.NXDOMAIN


def test_a_long_answer_is_cut_over_udp_and_whole_over_tcp(server: dns.Dns) -> None:
    store = server._names._store
    many = [{"ip": f"10.244.1.{n}"} for n in range(100)]
    store.create("services", {"metadata": {"name": "big", "namespace": "shop"}, "spec": {"clusterIP": "None"}})
    store.create("endpoints", {"metadata": {"name": "big", "namespace": "shop"}, "subsets": [{"addresses": many}]})
    question = dns.encode_name(("big", "shop", "svc", "cluster", "local")) + struct.pack(">HH", dns.A, 1)
    query = struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + question
    assert struct.unpack_from(">HHHH", server.answer(query, None))[1] & 0x0200
    assert struct.unpack_from(">HHHH", server.answer(query, 0xFFFF))[3] == 100


@pytest.mark.parametrize("data", [b"", b"short", b"\0\1\1\0\0\1\0\0\0\0\0\0\x3fabc", b"\0" * HEADER])
def test_nonsense_does_no_harm(server: dns.Dns, data: bytes) -> None:
    assert server.answer(data, None)[3:4] in (b"", bytes([dns.FORMERR]))


def test_an_answer_is_not_answered(server: dns.Dns) -> None:
    assert server.answer(struct.pack(">HHHHHH", 7, 0x8000, 1, 0, 0, 0), None) == b""
