"""A real or an emulated cluster behind the official client; what both must do alike is tested here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from selftest.conftest import skip_below
from selftest.contract.cluster import Cluster, eventually

KUBECONFIG = "SMI_CONTRACT_KUBECONFIG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get(KUBECONFIG):
        skip_below(Path(__file__).parent, items, f"{KUBECONFIG} names no kubeconfig")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    api = config.new_client_from_config(os.environ[KUBECONFIG])
    yield Cluster(api)
    api.close()


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Iterator[str]:
    """One namespace for the whole run, ready for pods."""
    name = f"api-contract-{uuid.uuid4().hex[:6]}"
    cluster.core.create_namespace({"metadata": {"name": name}})
    eventually(lambda: cluster.core.read_namespaced_service_account("default", name))
    yield name
    cluster.core.delete_namespace(name)


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"x{uuid.uuid4().hex[:10]}"


@pytest.fixture
def widgets(cluster: Cluster) -> Iterator[Any]:
    """A custom resource of two versions."""
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    resource = cluster.serve_widgets(group)
    yield resource
    extensions = client.ApiextensionsV1Api(cluster.api)
    extensions.delete_custom_resource_definition(f"widgets.{group}")
