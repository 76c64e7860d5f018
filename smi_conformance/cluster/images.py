"""The images that the suite itself needs."""

from __future__ import annotations

WORKLOAD = "python:3-slim"
"""What servers, clients and the canary run on: a stock Python; the program comes from a ConfigMap."""
