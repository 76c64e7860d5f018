"""Raw requests to the API server: what is an answer, what is an error, and that a replay hands them out again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from smi_conformance.cluster.journal import Recording, Replay
from smi_conformance.cluster.kube import KubeCluster
from smi_conformance.cluster.port import Answer, ClusterError

ANSWERS: dict[str, tuple[int, Any]] = {
    "/fine": (201, {"kind": "Thing"}),
    "/refused": (422, {"kind": "Status", "message": "spec.rules: Required value"}),
    "/hook": (500, {"kind": "Status", "message": "failed calling webhook vet.example.com"}),
    "/broken": (503, {"kind": "Status", "message": "etcd is gone"}),
    "/lines?watch=true": (200, '{"type":"ADDED"}\n{"type":"DELETED"}\n'),
}
DISCOVERY: dict[str, Any] = {"kind": "APIResourceList", "groups": [], "versions": [], "resources": []}


class Handler(BaseHTTPRequestHandler):
    """Answers as the table says, and anything else as an empty list of resources."""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(length)) if length else None
        status, body = ANSWERS.get(self.path, (200, DISCOVERY))
        if self.path == "/echo":
            body = {"method": self.command, "type": self.headers["Content-Type"], "body": sent}
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815  # the names of the base class

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cluster(url: str, tmp_path: Path) -> Iterator[KubeCluster]:
    journal = Recording(tmp_path / "observations" / "main.jsonl", "main")
    api = client.ApiClient(client.Configuration(host=url))
    yield KubeCluster(api, journal)
    journal.close()
    api.close()


@pytest.mark.parametrize("path", ["/fine", "/refused", "/hook", "/lines?watch=true"])
def test_answers_are_data(cluster: KubeCluster, path: str) -> None:
    """Success, refusal, a webhook that fails, and the lines of a watch."""
    assert cluster.api("GET", path) == Answer(*ANSWERS[path])


def test_message_of_a_refusal(cluster: KubeCluster) -> None:
    """The message of the Status, for evidence."""
    assert cluster.api("POST", "/refused", {}).message == "spec.rules: Required value"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", {"a": 1}),
        ("application/merge-patch+json", {"a": None}),
        ("application/json-patch+json", [{"op": "remove", "path": "/a"}]),
        ("application/apply-patch+yaml", {"a": 1}),
    ],
)
def test_bodies_go_out_as_they_are(cluster: KubeCluster, content_type: str, body: object) -> None:
    """Every kind of patch, with its content type."""
    sent = cluster.api("PATCH", "/echo", body, content_type=content_type).body
    assert sent == {"method": "PATCH", "type": content_type, "body": body}


def test_broken_server_is_no_answer(cluster: KubeCluster) -> None:
    """A 5xx that no webhook causes: nothing is known about the mesh."""
    with pytest.raises(ClusterError, match="etcd is gone"):
        cluster.api("GET", "/broken")


def test_nobody_answers(tmp_path: Path) -> None:
    """A server that is not there."""
    journal = Recording(tmp_path / "observations" / "main.jsonl", "main")
    with pytest.raises(ClusterError, match="cannot be reached"):
        KubeCluster(client.ApiClient(client.Configuration(host="http://127.0.0.1:1")), journal).api("GET", "/fine")
    journal.close()


def test_replay_hands_the_answers_out_again(cluster: KubeCluster, tmp_path: Path) -> None:
    """Without any API server."""
    seen = [cluster.api("GET", "/fine"), cluster.api("POST", "/refused", {})]
    replayed = KubeCluster(None, Replay(tmp_path))
    assert [replayed.api("GET", "/fine"), replayed.api("POST", "/refused", {})] == seen
