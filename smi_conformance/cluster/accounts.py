"""Requests to the API server with the rights of a ServiceAccount and no others."""

from __future__ import annotations

from kubernetes import client
from kubernetes.dynamic import DynamicClient

Account = tuple[str, str]
"""Name and namespace of a ServiceAccount."""


class BareClient(DynamicClient):  # type: ignore[misc]  # has no types
    """A client that discovers nothing: an account without rights might not be allowed to."""

    def __init__(self, api: client.ApiClient) -> None:
        self.client, self.configuration = api, api.configuration


def by_token(api: client.ApiClient, account: Account, timeout: float) -> BareClient:
    """A client with a token of a ServiceAccount, which is written nowhere. Raises ApiException."""
    review = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    core = client.CoreV1Api(api)
    made = core.create_namespaced_service_account_token(*account, review, _request_timeout=timeout)
    return BareClient(_with_token(api.configuration, made.status.token))


def _with_token(known: client.Configuration, token: str) -> client.ApiClient:
    """The same API server by a token alone: a client certificate would be believed before it."""
    own = client.Configuration()
    own.host, own.ssl_ca_cert, own.verify_ssl = known.host, known.ssl_ca_cert, known.verify_ssl
    own.proxy, own.no_proxy, own.tls_server_name = known.proxy, known.no_proxy, known.tls_server_name
    own.api_key, own.api_key_prefix = {"authorization": token}, {"authorization": "Bearer"}
    return client.ApiClient(own)
