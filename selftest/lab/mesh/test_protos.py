"""All that the generator makes can be said in Envoy's own messages, for every posture and with every fault."""

from __future__ import annotations

import pytest
from envoy.config.listener.v3.listener_pb2 import Listener
from google.protobuf.json_format import ParseError

from selftest.lab.mesh.objects_for_tests import representative
from smi_conformance.lab.mesh.faults import FAULTS, Switches
from smi_conformance.lab.mesh.generator import generate
from smi_conformance.lab.mesh.protos import packed
from smi_conformance.lab.mesh.snapshot import CLUSTERS, LISTENERS, ROUTES


@pytest.mark.parametrize("posture", ["deny", "permissive"])
@pytest.mark.parametrize("fault", ["", *sorted(FAULTS)])
def test_every_configuration_can_be_sent(fault: str, posture: str) -> None:
    made = generate(representative(posture=posture), Switches(fault.split()))
    for snapshot in made.values():
        kinds = {CLUSTERS: snapshot.clusters, LISTENERS: snapshot.listeners, ROUTES: snapshot.routes}
        for kind, texts in kinds.items():
            assert [packed(kind, text).name for text in texts.values()] == list(texts)


def test_the_message_says_what_the_text_says() -> None:
    resource = packed(LISTENERS, '{"name":"l","listener_filters_timeout":"0.5s"}')
    found = Listener()
    assert resource.resource.Unpack(found)
    assert (found.name, found.listener_filters_timeout.nanos) == ("l", 500_000_000)
    assert resource.version != packed(LISTENERS, '{"name":"l"}').version


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"c","nonsense":1}',
        '{"name":"c","type":"NONSENSE"}',
        '{"name":"c","transport_socket":{"typed_config":{"@type":"type.googleapis.com/envoy.Nonsense"}}}',
    ],
)
def test_what_envoy_does_not_have_is_no_secret(text: str) -> None:
    with pytest.raises(ParseError):
        packed(CLUSTERS, text)
