"""The pytest hooks: options, markers, and which part of the plugin works in which process.

Only scenarios (test items below conformance/) are touched; any other test that shares the root conftest
runs as if the plugin were not there.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from smi_conformance.cluster.port import ClusterError
from smi_conformance.locations import CONFORMANCE
from smi_conformance.plugin.controller import Controller
from smi_conformance.plugin.environment import recorded_start
from smi_conformance.plugin.options import options_of, pytest_addoption
from smi_conformance.plugin.running import Collection, WorkerSide
from smi_conformance.plugin.scenario import versions_of
from smi_conformance.plugin.selection import Stage
from smi_conformance.plugin.settings import RunOptions
from smi_conformance.plugin.stash import SCENE, WORKER

OPTIONS = pytest.StashKey[RunOptions]()
__all__ = ["SCENE", "WORKER", "pytest_addoption"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "requirement(*ids, omits, versions, schedule): the requirements of the register that a scenario judges",
    )
    if not _targets_scenarios(config):
        return
    options = config.stash[OPTIONS] = _recorded(options_of(config))
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerSide(options, Stage.EARLY), "smi-worker")
    elif config.option.collectonly:
        config.pluginmanager.register(Collection(options), "smi-collection")
    else:
        if not options.workers or options.replay:  # registered first, so that it ends first
            config.pluginmanager.register(WorkerSide(options), "smi-worker")
        config.pluginmanager.register(Controller(config, options), "smi-controller")


def _recorded(options: RunOptions) -> RunOptions:
    """In replay the conditions are those of the recorded run; that there is none is told when the run starts."""
    if options.replay:
        with suppress(ClusterError):
            return options.recorded(recorded_start(options.replay))
    return options


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A scenario is collected once for each version at which the run judges it."""
    if not metafunc.definition.path.is_relative_to(CONFORMANCE):
        return
    if "scene" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} uses no fixture of the suite: it cannot judge anything")
    options = metafunc.config.stash.get(OPTIONS, RunOptions())
    versions = versions_of(metafunc.definition, options.register, options.versions)
    metafunc.parametrize("scene", versions, indirect=True)


def _targets_scenarios(config: pytest.Config) -> bool:
    """Whether any path on the command line lies below conformance/."""
    base = config.invocation_params.dir
    paths = ((base / str(arg).split("::")[0]).resolve() for arg in config.args)
    return any(path.is_relative_to(CONFORMANCE) for path in paths)
