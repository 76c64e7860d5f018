"""What every namespace has, and how a namespace goes."""

from __future__ import annotations

from smi_conformance.lab.api.accounts import ROOT_CA
from smi_conformance.lab.api.controllers.base import Controller, Key, is_dying
from smi_conformance.lab.api.watch import Event


class NamespaceContent(Controller):
    """The ServiceAccount `default` and the certificate of the cluster's authority."""

    def concerns(self, event: Event) -> None:
        meta = event.object["metadata"]
        if event.resource == "namespaces" and event.type == "ADDED":
            self.look(("", meta["name"]))
        elif event.resource in ("serviceaccounts", "configmaps") and event.type == "DELETED":
            self.look(("", meta["namespace"]))

    async def reconcile(self, key: Key) -> None:
        namespace = self.store.find("namespaces", key[1])
        if namespace is None or is_dying(namespace):
            return
        if self.store.find("serviceaccounts", "default", key[1]) is None:
            account = {"metadata": {"name": "default", "namespace": key[1]}}
            self.store.create("serviceaccounts", account)
        original = self.store.find("configmaps", ROOT_CA, "kube-system")
        if original is not None and self.store.find("configmaps", ROOT_CA, key[1]) is None:
            copied = {"metadata": {"name": ROOT_CA, "namespace": key[1]}, "data": original["data"]}
            self.store.create("configmaps", copied)


class NamespaceDeletion(Controller):
    """Empties a namespace that is to go; what is written into it too late goes as well."""

    def concerns(self, event: Event) -> None:
        meta = event.object["metadata"]
        if event.resource == "namespaces":
            if is_dying(event.object):
                self.look(("", meta["name"]))
        elif space := meta.get("namespace"):
            namespace = self.store.find("namespaces", space)
            if namespace is None or is_dying(namespace):
                self.look(("", space))

    async def reconcile(self, key: Key) -> None:
        namespace = self.store.find("namespaces", key[1])
        if namespace is not None and not is_dying(namespace):
            return
        remains = False
        for resource in self.store.all_resources():
            for obj in list(self.store.walk(resource, key[1])):
                if not is_dying(obj):
                    self.store.delete(resource, obj["metadata"]["name"], key[1])
                remains = remains or self.store.find(resource, obj["metadata"]["name"], key[1]) is not None
        if namespace is not None and not remains:
            self.store.merge("namespaces", key[1], {"spec": {"finalizers": []}})
