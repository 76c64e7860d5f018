"""What the plugin keeps with a session and with each test item."""

from __future__ import annotations

import pytest

from smi_conformance.plugin.judging import Judging
from smi_conformance.plugin.scenario import Scenario
from smi_conformance.plugin.worker import Scene, Worker

SCENE = pytest.StashKey[Scene]()
WORKER = pytest.StashKey[Worker]()
SCENARIO = pytest.StashKey[Scenario]()
JUDGING = pytest.StashKey[Judging]()
