"""Conformance suite of the Service Mesh Interface."""

__version__ = "0.1.0"
