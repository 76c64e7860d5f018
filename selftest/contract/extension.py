"""An API server behind the aggregator, in a pod: answers every GET with what it was told. Standard library only."""

import http.server
import json
import ssl
import urllib.parse
from typing import Any


class Extension(http.server.BaseHTTPRequestHandler):
    """The group and version are those of the path; the resource is `things`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path).path.strip("/").split("/")
        if len(parts) == 3:
            things = {"name": "things", "namespaced": True, "kind": "Thing", "verbs": ["get", "list"]}
            self._answer(200, {"kind": "APIResourceList", "groupVersion": "/".join(parts[1:]), "resources": [things]})
        elif parts[-1] == "teapot":
            self._answer(418, {"kind": "Status", "apiVersion": "v1", "code": 418})
        else:
            self._answer(200, self._told())

    def _told(self) -> dict[str, Any]:
        peer: Any = self.connection
        certificate = peer.getpeercert() or {}
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        return {
            "path": self.path,
            "user": self.headers.get_all("X-Remote-User"),
            "groups": self.headers.get_all("X-Remote-Group"),
            "authorization": self.headers.get("Authorization"),
            "certificate": names,
        }

    def _answer(self, code: int, body: object) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Extension)  # noqa: S104
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/extension/tls.pem")
    context.load_verify_locations("/extension/front-proxy.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
