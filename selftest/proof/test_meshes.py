"""A mesh onto a cluster and off it, by the commands of the product."""

from __future__ import annotations

import os
import subprocess

from kubernetes import client

from selftest.proof.conftest import command
from smi_conformance.cluster.backends import connect
from smi_conformance.lab.cluster import Lab


def test_a_mesh_comes_is_verified_and_leaves_nothing() -> None:
    """With its webhook and its conversion; what was there before is there afterwards, and no more."""
    with Lab.start() as lab:

        def mesh(*words: str) -> subprocess.CompletedProcess[str]:
            own = {**os.environ, "KUBECONFIG": str(lab.kubeconfig)}
            return subprocess.run(
                command("mesh", *words), env=own, capture_output=True, text=True, timeout=300, check=False
            )

        before = objects(lab)
        assert mesh("verify", "reference").returncode == 1
        assert mesh("install", "reference").returncode == 0
        told = mesh("verify", "reference")
        assert told.returncode == 0, told.stdout
        assert "ready, with refmesh-init, workload, refmesh-proxy" in told.stdout
        tried = mesh("install", "reference", "--dry-run=server")
        assert "29 accepted, 0 refused, 0 not tried" in tried.stdout
        asked = mesh("uninstall", "reference")
        assert (asked.returncode, "give --yes" in asked.stderr) == (2, True)
        assert objects(lab) > before
        assert mesh("uninstall", "reference", "--yes").returncode == 0
        assert objects(lab) == before


def objects(lab: Lab) -> set[str]:
    """All that belongs to the whole cluster."""
    api = connect(lab.kubeconfig, None)
    rights, hooks = client.RbacAuthorizationV1Api(api), client.AdmissionregistrationV1Api(api)
    lists = (
        client.CoreV1Api(api).list_namespace(),
        client.ApiextensionsV1Api(api).list_custom_resource_definition(),
        rights.list_cluster_role(),
        rights.list_cluster_role_binding(),
        hooks.list_mutating_webhook_configuration(),
    )
    return {f"{type(one).__name__} {one.metadata.name}" for found in lists for one in found.items}
