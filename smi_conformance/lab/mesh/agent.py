"""The sidecar container's main process: gets the pod's certificate, runs Envoy, and says when the pod is ready.

Beside Envoy, which knows nothing of it, it follows the policy for UDP and writes it into the kernel, and tells the
control plane of the requests that Envoy writes down.

`python -m smi_conformance.lab.mesh.agent`. Many of these start at once, so little is imported.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smi_conformance.lab.mesh.access_log import Counts, count_lines
from smi_conformance.lab.mesh.udp_rules import Rules

CONTROL_PLANE, PORT = "control-plane.smi-reference.svc", 443
TOKEN = Path("/var/run/refmesh/token")
RUN = Path("/tmp/refmesh")  # noqa: S108 private to this container
READY_PORT = 15021
#: As in envoy.py: lets connections pass the capture.
MARK = 0x539
RENEW_SECONDS, RETRY_SECONDS, SYNC_SECONDS = 8 * 3600.0, 0.2, 30.0
ENVOY = [
    *("envoy", "--config-path", str(RUN / "bootstrap.json"), "--concurrency", "1", "--disable-hot-restart"),
    *("--log-level", "warning", "--drain-strategy", "immediate", "--drain-time-s", "1"),
    *("--reject-unknown-dynamic-fields", "--file-flush-interval-msec", "200"),
]
#: How often requests are told of, until the control plane says otherwise; and how long the last report may take.
REPORT_SECONDS, LAST_REPORT_SECONDS = 1.0, 1.0


class Uncaptured(http.client.HTTPSConnection):
    """A connection to the control plane that does not go through the pod's proxy, which may not run yet."""

    def __init__(self, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(CONTROL_PLANE, PORT, timeout=timeout, context=context)
        self._tls = context

    def connect(self) -> None:
        """Connect a socket with the proxy's mark."""
        address = socket.getaddrinfo(CONTROL_PLANE, PORT, socket.AF_INET, socket.SOCK_STREAM)[0][4]
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.settimeout(self.timeout)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        raw.connect(address)
        self.sock = self._tls.wrap_socket(raw, server_hostname=CONTROL_PLANE)


class Agent:
    """Everything the sidecar does besides proxying."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._pod = {"namespace": environment["POD_NAMESPACE"], "pod": environment["POD_NAME"]}
        self._ca = environment["REFMESH_CA"]
        self._tls = ssl.create_default_context(cadata=self._ca)
        key = ec.generate_private_key(ec.SECP256R1())
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self._key = key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode()
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        self._csr = request.public_bytes(serialization.Encoding.PEM).decode()
        self._ready = self._stopping = False
        self._begun = time.monotonic()
        self._boot = secrets.token_hex(8)
        self._counts, self._interval = Counts(), REPORT_SECONDS
        self._reporting = threading.Lock()
        self._envoy: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run until Envoy ends or the container is stopped; 0 only if it was asked to end."""
        RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, self._stop)
        _write("ca.pem", self._ca)
        bootstrap = self._renew()
        _write("bootstrap.json", json.dumps(bootstrap))
        self._tell("certificate received, starting Envoy")
        self._envoy = subprocess.Popen(ENVOY, stdout=subprocess.PIPE)
        follow_udp = partial(self._follow_udp, bootstrap["node"])
        for work in (self._serve_readiness, self._wait_for_sync, follow_udp, self._report_forever):
            threading.Thread(target=work, daemon=True).start()
        reader = threading.Thread(target=count_lines, args=(self._envoy.stdout, self._counts, time.monotonic))
        reader.start()
        while True:
            try:
                code = self._envoy.wait(RENEW_SECONDS)
            except subprocess.TimeoutExpired:
                self._renew()
            else:
                reader.join()
                self._report_last()
                return 0 if self._stopping else abs(code) or 1

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._envoy is None:
            sys.exit(0)
        self._stopping = True
        self._envoy.terminate()

    def _renew(self) -> Any:
        """A certificate for the pod's account, put where Envoy finds it; what the control plane says besides."""
        answer = self._ask_until_answered("/sign", {**self._pod, "csr": self._csr})
        chain, key = {"inline_string": answer["certificate"]}, {"inline_string": self._key}
        kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
        secret = {
            "@type": kind,
            "name": "identity",
            "tls_certificate": {"certificate_chain": chain, "private_key": key},
        }
        _write("identity.pem", answer["certificate"] + self._key)
        self._tls.load_cert_chain(RUN / "identity.pem")
        _write("identity.json", json.dumps({"resources": [secret]}))
        return answer["bootstrap"]

    def _wait_for_sync(self) -> None:
        """Ready once the control plane has heard that Envoy took over its first configuration."""
        while not self._ready:
            answer = self._ask_until_answered("/synced", self._pod)
            self._ready = bool(answer["synced"])
        self._tell("ready")

    def _follow_udp(self, node: Any) -> None:
        """Put each policy for UDP in force. Asking with its version acknowledges it, with an older one refuses it."""
        rules, version = Rules(), ""
        connection = Uncaptured(self._tls, timeout=SYNC_SECONDS + 10)
        while True:
            try:
                found = _post(connection, "/v3/discovery:datagrams", {"node": node, "version_info": version})
                if found:
                    rules.write(found["resources"])
                    version = found["version_info"]
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                sys.stderr.write(f"UDP: {error!r}\n")
                connection.close()
                time.sleep(RETRY_SECONDS)

    def _report_forever(self) -> None:
        """Tell of requests again and again; what is not acknowledged is told once more."""
        connection = Uncaptured(self._tls, timeout=SYNC_SECONDS)
        while True:
            time.sleep(self._interval)
            self._report(connection)

    def _report_last(self) -> None:
        """What was counted since, unless the control plane is away."""
        connection = Uncaptured(self._tls, timeout=LAST_REPORT_SECONDS)
        # The first time what may be under way already, then the rest.
        for _ in range(2):
            self._report(connection)

    def _report(self, connection: Uncaptured) -> None:
        with self._reporting:
            report = self._counts.report(time.monotonic())
            if report is None:
                return
            try:
                answer = _post(connection, "/traffic", {**self._pod, "boot": self._boot, **report})
            except (OSError, http.client.HTTPException, ValueError) as error:
                sys.stderr.write(f"requests: {error!r}\n")
                connection.close()
            else:
                self._counts.acknowledged()
                self._interval = float(answer["interval"])

    def _tell(self, what: str) -> None:
        sys.stderr.write(f"{what} after {time.monotonic() - self._begun:.2f} s\n")

    def _ask_until_answered(self, path: str, body: dict[str, str]) -> Any:
        while True:
            try:
                return self._ask(path, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                sys.stderr.write(f"{path}: {error}\n")
                time.sleep(RETRY_SECONDS)

    def _ask(self, path: str, body: dict[str, str]) -> Any:
        connection = Uncaptured(self._tls, timeout=SYNC_SECONDS + 10)
        try:
            return _post(connection, path, body, {"Authorization": f"Bearer {TOKEN.read_text()}"})
        finally:
            connection.close()

    def _serve_readiness(self) -> None:
        with socket.create_server(("", READY_PORT), backlog=16) as server:
            while True:
                client, _ = server.accept()
                with client:
                    client.settimeout(1)
                    self._tell_readiness(client)

    def _tell_readiness(self, client: socket.socket) -> None:
        status = "200 OK" if self._ready else "503 Service Unavailable"
        try:
            client.recv(4096)
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        except OSError as error:
            sys.stderr.write(f"readiness: {error}\n")


def _post(connection: Uncaptured, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    """The answer as JSON; None when there is no news. Raises OSError, HTTPException, ValueError."""
    connection.request("POST", path, json.dumps(body), headers or {})
    response = connection.getresponse()
    text = response.read()
    if response.status == http.HTTPStatus.NOT_MODIFIED:
        return None
    if response.status != http.HTTPStatus.OK:
        raise ValueError(f"{response.status}: {text[:200]!r}")
    return json.loads(text)


def _write(name: str, text: str) -> None:
    """Replace a file at once, so that Envoy never reads half of it."""
    part = RUN / f"{name}.part"
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(RUN / name)


if __name__ == "__main__":
    sys.exit(Agent(dict(os.environ)).run())
