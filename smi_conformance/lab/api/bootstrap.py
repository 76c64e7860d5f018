"""What every cluster has from its first moment."""

from __future__ import annotations

from smi_conformance.lab.api.accounts import ROOT_CA
from smi_conformance.lab.api.defaults import fill_defaults
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.pki import Pki
from smi_conformance.lab.api.store import Store

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
API_ADDRESS = "10.96.0.1"


def bootstrap(store: Store, pki: Pki) -> None:
    """Make the namespaces, the authority's certificate and the Service of the API.

    The Service has no Endpoints: its address belongs to the API server itself.
    """
    for name in NAMESPACES:
        _create(store, "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    authority = {"name": ROOT_CA, "namespace": "kube-system"}
    _create(store, "configmaps", {"metadata": authority, "data": {"ca.crt": pki.ca_pem}})
    _create(store, "services", _api_service())


def _create(store: Store, resource: str, obj: Object) -> None:
    fill_defaults(resource, obj)
    store.create(resource, obj)


def _api_service() -> Object:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "clusterIP": API_ADDRESS,
            "ports": [{"name": "https", "port": 443, "targetPort": 443, "protocol": "TCP"}],
        },
    }
