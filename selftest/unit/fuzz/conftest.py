"""A cast on the model, without a run around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.cast import Cast
from fuzz.scenery import Scenery
from fuzz.trial import Trial
from smi_conformance.cluster.model.backend import ModelBackend
from smi_conformance.cluster.model.late import Late
from smi_conformance.model.versions import BASELINE
from smi_conformance.plugin.environment import Environment, open_environment
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.plugin.worker import Scene, Worker


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An open model."""
    options = RunOptions(cluster="model", report=tmp_path_factory.mktemp("fuzz"), seed=1)
    opened = open_environment(options, lambda _: None)
    yield opened
    opened.close(lambda _: None)


@pytest.fixture(scope="module")
def scenery(environment: Environment) -> Scenery:
    """The cast of a run that goes on as long as the tests of a file."""
    worker = Worker(environment.options, environment.coordinates(), "main", record=False)
    return Scenery.built(Scene(worker, "fuzz", ("fuzz",), dict(BASELINE)), Cast(worker, "main"))


@pytest.fixture(scope="module")
def trial(scenery: Scenery) -> Trial:
    """One for all tests of a file: it knows what stands."""
    return Trial(scenery, splits=True)


@pytest.fixture
def delay(environment: Environment) -> Iterator[Callable[[float], None]]:
    """Lets the mesh follow changes after so many seconds at most."""
    assert isinstance(environment.backend, ModelBackend)
    mesh = environment.backend.mesh

    def set_to(seconds: float) -> None:
        mesh.late = Late(seconds, seed=1)

    yield set_to
    mesh.late = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a counter-example goes."""
    return tmp_path / "report" / "counterexample-1"
