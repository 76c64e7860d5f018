"""Admission webhook in a pod: denies what is labelled so, adds a container or a label. Standard library only."""

import base64
import http.server
import json
import ssl
from typing import Any


class Webhook(http.server.BaseHTTPRequestHandler):
    """POST of an AdmissionReview."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)["request"]
        labels = (request.get("object") or request["oldObject"])["metadata"].get("labels", {})
        response = {"uid": request["uid"], "allowed": labels.get("deny") != request["operation"].lower()}
        if not response["allowed"]:
            response["status"] = {"code": 418, "message": "because of its label"}
        elif self.path.startswith("/mutate") and request["operation"] == "CREATE":
            patch = [_sidecar() if request["kind"]["kind"] == "Pod" else _seen(request)]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        self._answer({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    def _answer(self, review: object) -> None:
        encoded = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


def _sidecar() -> object:
    container = {"name": "sidecar", "image": "busybox:1.36"}
    return {"op": "add", "path": "/spec/containers/-", "value": container}


def _seen(request: dict[str, Any]) -> object:
    seen = "{operation}.{resource[resource]}.{userInfo[username]}".format(**request).replace(":", "_")
    return {"op": "add", "path": "/metadata/labels/seen", "value": seen}


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Webhook)  # noqa: S104
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/webhook/tls.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
