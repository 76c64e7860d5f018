"""Meshes that are none: what they do instead of SMI, as changes of the model.

Each is a thing that a careless suite would pass, or would call an error of its own. They claim everything, and nothing
is asked of them before they are judged: their profile is that of the model without `enforces_access`.
"""

from __future__ import annotations

import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from selftest.proof.model_runs import Job, Result, run
from smi_conformance.cluster.model.exchange import Answer, Carry, Exchange
from smi_conformance.cluster.model.mesh import Admit, Choose
from smi_conformance.cluster.model.switchboard import ADMISSION, CHOICES, PROXY, fault, faults
from smi_conformance.model.oracle import Choices, Request
from smi_conformance.model.world import Pod, World

AREA = "null"
SOON = tuple(f"--deadline={name}=2" for name in ("policy", "split", "endpoints"))
PROFILE = Path(str(resources.files("smi_conformance.meshes"))) / "model.yaml"


@dataclass(frozen=True)
class Impostor:
    """What stands in the place of a mesh: the steps of the model that it does in its own way."""

    name: str
    text: str
    at: str = ""
    hook: Callable[..., Any] | None = None

    @property
    def fault(self) -> str:
        """The name of its switch; empty for one that is a profile and no change of the model."""
        return f"{AREA}/{self.name}" if self.hook else ""

    def exists(self) -> None:
        """Make its switch known to this process."""
        if self.hook:
            fault(self.fault, self.text, self.at)(self.hook)
            faults.cache_clear()


def _admit(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return True


def _deny(inner: Admit, world: World, request: Request, pod: Pod, port: int) -> bool:
    return False


def _fake_200(inner: Carry, exchange: Exchange) -> Answer:
    """A canned answer: it holds nothing of what the server would have echoed."""
    meant = exchange.request.client.meshed
    return Answer("altered", 200 if exchange.request.protocol == "http" else None) if meant else inner(exchange)


def _forged_echo(inner: Carry, exchange: Exchange) -> Answer:
    """As good a forgery as can be: the name and port of the pod that should have been asked."""
    endpoint = exchange.pick()
    if endpoint is None or not exchange.request.client.meshed:
        return inner(exchange)
    return Answer("answer", 200 if exchange.request.protocol == "http" else None, endpoint.pod.key.name, endpoint.port)


def _fake_403(inner: Carry, exchange: Exchange) -> Answer:
    return exchange.refuse() if exchange.request.client.meshed else inner(exchange)


def _say_403(inner: Carry, exchange: Exchange) -> Answer:
    """What is denied is sent on all the same, and the client is told that it was denied."""
    endpoint = exchange.pick()
    if endpoint is not None and not exchange.admitted(endpoint):
        exchange.deliver(endpoint)
        return exchange.refuse()
    return inner(exchange)


def _only_first(inner: Carry, exchange: Exchange) -> Answer:
    """A connection is judged by its first request, whatever the answer was."""
    endpoint = exchange.pick()
    if exchange.connection.count and endpoint is not None:
        return exchange.deliver(endpoint)
    return inner(exchange)


def _by_client(inner: Choose, world: World, request: Request) -> Choices:
    """All requests of one account go to one backend: clients are spread by the weights, requests are not."""
    choices = inner(world, request)
    account = zlib.crc32(request.client.account.name.encode())  # which is the same in each run
    place = account / 2**32 * float(sum(choice.weight for choice in choices))
    for choice in choices:
        place -= float(choice.weight)
        if place < 0:
            return (choice,)
    return choices


IMPOSTORS = (
    Impostor("crds-only", "the resources are served, and nothing acts on them"),
    Impostor("admits-everything", "splits as it should, and never denies anything", ADMISSION, _admit),
    Impostor("denies-everything", "never admits anything, whatever is granted", ADMISSION, _deny),
    Impostor("fake-200", "its proxy answers everything by itself", PROXY, _fake_200),
    Impostor("forged-echo", "its proxy answers everything by itself, just as the server would", PROXY, _forged_echo),
    Impostor("fake-403", "its proxy refuses everything by itself, whoever asks whatever", PROXY, _fake_403),
    Impostor("forwards-and-says-403", "what it denies has reached the server by then", PROXY, _say_403),
    Impostor("first-request-only", "policy is ignored on a connection from its second request on", PROXY, _only_first),
    Impostor("splits-by-client", "all requests of a client go to one backend", CHOICES, _by_client),
)  # fmt: skip


def judge(impostors: Sequence[Impostor], *, seed: int = 1, at_once: int = 2) -> Iterator[tuple[str, Result]]:
    """What the whole suite says of each impostor, by its name, in the order in which the runs end."""
    names = {one.fault: one.name for one in impostors}
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "impostor.yaml"
        profile.write_text(PROFILE.read_text() + "enforces_access: false\n")
        for result in run(deque(_job(one, profile, seed) for one in impostors), at_once):
            yield names[result.fault], result


def _job(impostor: Impostor, profile: Path, seed: int) -> Job:
    mesh = ("--mesh=none", *SOON) if not impostor.hook else (f"--mesh={profile}",)
    return Job(impostor.fault, options=mesh, seed=seed, before=impostor.exists)
