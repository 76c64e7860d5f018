"""The port where proxies get their configuration: who is let in, and as whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from smi_conformance.lab.mesh import ads
from smi_conformance.lab.mesh.bootstrap import CONTROL_PLANE
from smi_conformance.lab.mesh.ca import Authority
from smi_conformance.lab.mesh.model import Account, Name
from smi_conformance.lab.mesh.snapshot import CLUSTERS, Snapshot
from smi_conformance.lab.mesh.xds import Fleet, Node

POD, ACCOUNT = Name("shop", "pod"), Account("shop", "till")
METHOD = f"/{ads.SERVICE}/DeltaAggregatedResources"


class Plane:
    """As much of the control plane as the port needs: one pod."""

    def __init__(self) -> None:
        self.authority = Authority.new()
        self.fleet = Fleet()
        self.fleet.aim({POD: Snapshot({"c": '{"name":"c"}'}, {}, {})})

    async def node_of(self, pod: Name, identities: Collection[str]) -> Node | None:
        """As the control plane."""
        return self.fleet.node(pod) if pod == POD and ACCOUNT.spiffe in identities else None


def pair(authority: Authority, spiffe: str) -> tuple[bytes, bytes]:
    """Key and certificate of a proxy."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    leaf = authority.sign_csr(csr.public_bytes(pem), spiffe, "pod.shop.pod.smi-reference")
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), leaf.encode()


@asynccontextmanager
async def serving(plane: Plane) -> AsyncIterator[ads.Ads]:
    """The port, as long as it is needed."""
    served = ads.Ads(cast(Any, plane), "127.0.0.1:0")
    running = asyncio.create_task(served.run())
    try:
        yield served
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def calling(port: int, authority: Authority, *key_and_certificate: bytes) -> AsyncIterator[Any]:
    """A stream to the port."""
    credentials = grpc.ssl_channel_credentials(authority.pem.encode(), *key_and_certificate)
    options = [("grpc.ssl_target_name_override", CONTROL_PLANE), ("grpc.enable_retries", 0)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        call: Any = channel.stream_stream(
            METHOD, DeltaDiscoveryRequest.SerializeToString, DeltaDiscoveryResponse.FromString
        )
        yield call(timeout=5)


def first_request() -> DeltaDiscoveryRequest:
    """As Envoy begins: its node, and a kind."""
    request = DeltaDiscoveryRequest(type_url=CLUSTERS)
    request.node.id = str(POD)
    request.node.metadata["boot"] = "once"
    return request


async def answered(plane: Plane, authority: Authority, *key_and_certificate: bytes) -> list[str]:
    """The names of what a proxy is sent. Raises AioRpcError."""
    async with serving(plane) as served, calling(served.port, authority, *key_and_certificate) as call:
        await call.write(first_request())
        message = await call.read()
        if message is grpc.aio.EOF:
            raise grpc.aio.AioRpcError(await call.code(), await call.initial_metadata(), await call.trailing_metadata())
        return [item.name for item in message.resources]


def test_a_proxy_is_served_as_a_pod_of_its_account_until_it_goes() -> None:
    async def scenario() -> None:
        plane = Plane()
        node = plane.fleet.node(POD)
        own = pair(plane.authority, ACCOUNT.spiffe)
        async with serving(plane) as served, calling(served.port, plane.authority, *own) as call:
            await call.write(first_request())
            message = await call.read()
            assert [item.name for item in message.resources] == ["c"]
            await call.write(DeltaDiscoveryRequest(type_url=CLUSTERS, response_nonce=message.nonce))
            assert await node.synced(2)
            assert node.boot == "once"
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF

    asyncio.run(scenario())


def test_a_certificate_of_another_account_is_refused() -> None:
    plane = Plane()
    other = pair(plane.authority, Account("shop", "other").spiffe)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(answered(plane, plane.authority, *other))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_a_certificate_is_required_and_has_to_be_of_the_mesh() -> None:
    plane = Plane()
    for wrong in ((), pair(Authority.new(), ACCOUNT.spiffe)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            asyncio.run(answered(plane, plane.authority, *wrong))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_the_serving_certificate_is_renewed_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        served = ads.Ads(cast(Any, Plane()), "127.0.0.1:0")
        assert served._renewal() is None
        monkeypatch.setattr(ads, "RENEW_SECONDS", 0.0)
        assert served._renewal() is not None

    asyncio.run(scenario())
