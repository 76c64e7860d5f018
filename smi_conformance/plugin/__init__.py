"""The pytest plugin. Scenarios and fixtures use what is exported here and nothing below it."""

from smi_conformance.plugin.scenario import requirement

__all__ = ["requirement"]
