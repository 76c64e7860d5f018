"""Services, DNS and addresses between pods."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .conftest import SLEEP, Cluster, until

_TCP_SERVER = """
import socket, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write((socket.gethostname() + ' ' + self.client_address[0]).encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64
Server(('', 8080), Handler).serve_forever()
"""
_TCP_CLIENT = """
import socket, sys
for _ in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 3) as s:
        print(s.recv(100).decode())
"""
_UDP_SERVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 9000))
while True:
    _, peer = s.recvfrom(100)
    s.sendto(socket.gethostname().encode(), peer)
"""
_UDP_CLIENT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((sys.argv[1], int(sys.argv[2])))
for _ in sys.stdin:
    try:
        s.send(b'x')
        print(s.recv(100).decode(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def _serve(cluster: Cluster, script: str, *names: str, probe: dict[str, Any] | None = None) -> None:
    for name in names:
        container: dict[str, Any] = {"command": ["python3", "-S", "-c", script]}
        cluster.pod(name, container | ({"readinessProbe": probe} if probe else {}))
    cluster.ready(*names)


def _serve_tcp(cluster: Cluster, *names: str) -> None:
    _serve(cluster, _TCP_SERVER, *names, probe={"tcpSocket": {"port": 8080}})


def _endpoints(cluster: Cluster, service: str) -> int:
    found = cluster.core.read_namespaced_endpoints(service, cluster.namespace).subsets or []
    return sum(len(subset.addresses or []) for subset in found)


def _call(cluster: Cluster, host: str, port: int, count: int = 1) -> list[str]:
    return cluster.run("client", "python3", "-c", _TCP_CLIENT, host, str(port), str(count)).split("\n")[:-1]


def test_a_cluster_ip_spreads_over_its_endpoints_and_keeps_the_callers_address(cluster: Cluster) -> None:
    _serve_tcp(cluster, "web-1", "web-2", "web-3")
    cluster.pod("client", SLEEP)
    cluster.ready("client")
    ip = cluster.service("web", "web", {"port": 80, "targetPort": 8080})
    until(lambda: _endpoints(cluster, "web") == 3)
    answers = [answer.split() for answer in _call(cluster, ip, 80, 60)]
    counts = Counter(name for name, _ in answers)
    # Each of three gets none of 60 with a chance of 3 * (2/3)^60 < 1e-10.
    assert counts.keys() == {"web-1", "web-2", "web-3"}
    assert {address for _, address in answers} == {cluster.read("client").status.pod_ip}


def test_names_of_services(cluster: Cluster) -> None:
    _serve_tcp(cluster, "web-1")
    cluster.pod("client", SLEEP)
    cluster.ready("client")
    cluster.service("web", "web", {"port": 80, "targetPort": 8080})
    cluster.service("bare", "web", {"port": 8080}, clusterIP="None")
    until(lambda: _endpoints(cluster, "web") == _endpoints(cluster, "bare") == 1)
    full = f"web.{cluster.namespace}.svc.cluster.local"
    for host, port in (("web", 80), (f"web.{cluster.namespace}", 80), (full, 80), ("bare", 8080)):
        assert _call(cluster, host, port)[0].startswith("web-1 ")
    assert "gaierror" in cluster.run("client", "python3", "-c", _TCP_CLIENT, "none", "80", "1")


def test_a_pod_reaches_itself_through_its_service(cluster: Cluster) -> None:
    _serve_tcp(cluster, "client-1")
    ip = cluster.service("own", "client", {"port": 80, "targetPort": 8080})
    until(lambda: _endpoints(cluster, "own") == 1)
    answer = cluster.run("client-1", "python3", "-c", _TCP_CLIENT, ip, "80", "1")
    assert answer == "client-1 10.244.0.1\n"


def test_a_service_without_endpoints_refuses(cluster: Cluster) -> None:
    cluster.pod("client", SLEEP)
    cluster.ready("client")
    ip = cluster.service("none", "none", {"port": 80})
    refused = "ConnectionRefusedError"
    until(lambda: refused in cluster.run("client", "python3", "-c", _TCP_CLIENT, ip, "80", "1"))


def test_a_udp_flow_moves_when_its_endpoint_goes(cluster: Cluster) -> None:
    """The client keeps its port, so only a forgotten conntrack entry lets it reach the second pod."""
    _serve(cluster, _UDP_SERVER, "udp-1")
    cluster.pod("client", SLEEP)
    cluster.ready("client")
    ip = cluster.service("udp", "udp", {"port": 90, "targetPort": 9000, "protocol": "UDP"})
    until(lambda: _endpoints(cluster, "udp") == 1)
    with cluster.session("client", "python3", "-c", _UDP_CLIENT, ip, "90") as session:

        def send() -> str:
            session.write_stdin("x\n")
            return str(session.readline_stdout(timeout=10))

        until(lambda: send() == "udp-1")
        cluster.core.delete_namespaced_pod("udp-1", cluster.namespace, grace_period_seconds=0)
        until(lambda: send() == "ConnectionRefusedError")
        _serve(cluster, _UDP_SERVER, "udp-2")
        until(lambda: send() == "udp-2")


def test_a_pod_cannot_send_from_another_address(cluster: Cluster) -> None:
    _serve(cluster, _UDP_SERVER, "udp-1")
    container = {**SLEEP, "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}
    cluster.pod("client", container)
    cluster.ready("client")
    target = cluster.read("udp-1").status.pod_ip
    script = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(0, 19, 1)  # IP_TRANSPARENT
s.settimeout(0.5)
for source in ('10.244.200.200', '0.0.0.0'):
    s2 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s2.setsockopt(0, 19, 1)
    s2.settimeout(0.5)
    s2.bind((source, 0))
    s2.sendto(b'x', ('{target}', 9000))
    try:
        print(s2.recv(100).decode())
    except TimeoutError:
        print('nothing')
"""
    assert cluster.run("client", "python3", "-c", script) == "nothing\nudp-1\n"


def test_the_api_is_reached_from_a_pod(cluster: Cluster) -> None:
    cluster.pod("client", SLEEP)
    cluster.ready("client")
    script = """
import ssl, urllib.request
folder = '/var/run/secrets/kubernetes.io/serviceaccount/'
token = open(folder + 'token').read()
request = urllib.request.Request('https://kubernetes.default.svc/version', headers={'Authorization': 'Bearer ' + token})
context = ssl.create_default_context(cafile=folder + 'ca.crt')
print(urllib.request.urlopen(request, context=context).status, open(folder + 'namespace').read())
"""
    assert cluster.run("client", "python3", "-c", script) == f"200 {cluster.namespace}\n"
