"""What every cluster has from its first moment."""

from __future__ import annotations

import json

from smi_conformance.lab.api import roles
from smi_conformance.lab.api.accounts import ROOT_CA
from smi_conformance.lab.api.aggregation import EXTRA, GROUP, USER
from smi_conformance.lab.api.defaults import fill_defaults
from smi_conformance.lab.api.errors import Object
from smi_conformance.lab.api.pki import FRONT_PROXY, Pki
from smi_conformance.lab.api.store import Store

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
API_ADDRESS = "10.96.0.1"
RBAC = "rbac.authorization.k8s.io"


def bootstrap(store: Store, pki: Pki) -> None:
    """Make the namespaces, the authorities' certificates, the Service of the API and the system's roles.

    The Service has no Endpoints: its address belongs to the API server itself.
    """
    for name in NAMESPACES:
        _create(store, "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    authority = {"name": ROOT_CA, "namespace": "kube-system"}
    _create(store, "configmaps", {"metadata": authority, "data": {"ca.crt": pki.ca_pem}})
    _create(store, "services", _api_service())
    _create(store, "configmaps", _whom_to_believe(pki))
    _create_roles(store)


def _create_roles(store: Store) -> None:
    for name, rules in roles.cluster_roles():
        _create(store, f"clusterroles.{RBAC}", {"metadata": {"name": name}, "rules": rules})
    _create(store, f"roles.{RBAC}", roles.reader())
    for bound in roles.bindings():
        _create(store, f"clusterrolebindings.{RBAC}", roles.binding(*bound))


def _whom_to_believe(pki: Pki) -> Object:
    """By what servers behind this one know it, and who asks through it."""
    data = {
        "client-ca-file": pki.ca_pem,
        "requestheader-client-ca-file": pki.front_proxy_ca_pem,
        "requestheader-allowed-names": json.dumps([FRONT_PROXY]),
        "requestheader-username-headers": json.dumps([USER]),
        "requestheader-group-headers": json.dumps([GROUP]),
        "requestheader-extra-headers-prefix": json.dumps([EXTRA]),
    }
    return {"metadata": {"name": roles.AUTHENTICATION, "namespace": "kube-system"}, "data": data}


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
