"""Exec over websockets, and logs, with a node that only pretends."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websocket
from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.stream.ws_client import WSClient

from selftest.lab.api.conftest import ADMIN, Running


@pytest.fixture
def pod(core: client.CoreV1Api, namespace: str) -> str:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    core.create_namespaced_pod(namespace, body)
    return f"/api/v1/namespaces/{namespace}/pods/p"


@contextmanager
def session(running: Running, pod: str, *command: str) -> Iterator[Any]:
    """The official client's stream, which offers both protocols."""
    query = "&".join([f"command={c}" for c in command] + ["stdin=true", "stdout=true", "stderr=true"])
    url = f"{running.url}{pod}/exec?{query}".replace("https", "wss")
    api = running.api()
    headers = {"authorization": f"Bearer {ADMIN}"}
    opened = WSClient(api.configuration, url, headers, capture_all=True)
    try:
        yield opened
    finally:
        opened.sock.shutdown()
        api.close()


@contextmanager
def raw(running: Running, pod: str, protocol: str, *command: str) -> Iterator[websocket.WebSocket]:
    query = "&".join(f"command={c}" for c in command)
    url = f"{running.url}{pod}/exec?stdin=true&stdout=true&{query}".replace("https", "wss")
    opened = websocket.create_connection(
        url,
        header=[f"Authorization: Bearer {ADMIN}"],
        subprotocols=[protocol],
        sslopt={"ca_certs": running.ca, "cert_reqs": ssl.CERT_REQUIRED},
    )
    try:
        yield opened
    finally:
        opened.shutdown()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    ends = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends:
        time.sleep(0.005)
    return holds()


def test_output_and_code(running: Running, pod: str) -> None:
    for command, out, err, code in (
        (("echo", "hello"), "hello", "", 0),
        (("complain", "no"), "", "no", 0),
        (("exit", "7"), "", "", 7),
    ):
        with session(running, pod, *command) as opened:
            opened.run_forever(timeout=5)
            assert (opened.read_stdout(), opened.read_stderr(), opened.returncode) == (out, err, code)


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
def test_protocols(running: Running, pod: str, protocol: str) -> None:
    with raw(running, pod, protocol, "echo", "hello") as opened:
        assert opened.subprotocol == protocol
        assert opened.recv() == b"\x01hello"
        assert opened.recv() == b'\x03{"metadata": {}, "status": "Success"}'


def test_end_of_input_in_v5(running: Running, pod: str) -> None:
    with raw(running, pod, "v5.channel.k8s.io", "cat") as opened:
        opened.send_binary(b"\x00one")
        assert opened.recv() == b"\x01one"
        opened.send_binary(b"\xff\x00")
        assert opened.recv().startswith(b"\x03")


def test_input_as_text(running: Running, pod: str) -> None:
    with session(running, pod, "cat") as opened:
        opened.write_stdin("grüße\n")
        assert opened.readline_stdout(timeout=5) == "grüße"
        opened.write_stdin("bye\n")
        opened.run_forever(timeout=5)
        assert opened.returncode == 0


def test_much_output_comes_in_frames(running: Running, pod: str) -> None:
    with session(running, pod, "flood", "3000000") as opened:
        opened.run_forever(timeout=10)
        assert len(opened.read_stdout()) == 3_000_000


def test_command_ends_with_its_client(running: Running, pod: str) -> None:
    with session(running, pod, "sleep"):
        process = running.node.processes[-1]
        assert not process.killed

    assert within(5, lambda: process.killed)


def test_refused_before_the_websocket_opens(running: Running, pod: str) -> None:
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as error,
        raw(running, pod, "v4.channel.k8s.io", "missing"),
    ):
        pass

    assert error.value.status_code == 400


def test_logs(core: client.CoreV1Api, namespace: str, pod: str) -> None:
    assert core.read_namespaced_pod_log("p", namespace) == "one\ntwo\nthree\n"
    assert core.read_namespaced_pod_log("p", namespace, tail_lines=1) == "three\n"
    with pytest.raises(ApiException) as error:
        core.read_namespaced_pod_log("p", namespace, previous=True)
    assert error.value.status == 400


def test_followed_logs(core: client.CoreV1Api, namespace: str, pod: str) -> None:
    stream = core.read_namespaced_pod_log("p", namespace, follow=True, _preload_content=False)
    lines = stream.stream(amt=None)
    text = b""
    while text.count(b"more\n") < 3:
        text += next(lines)
    stream.close()

    assert text.startswith(b"one\ntwo\nthree\nmore\n")
