"""Where the files of the suite lie: beside the package in a checkout, inside it when installed from a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
SUITE = _PACKAGE.parent if (_PACKAGE.parent / "conformance" / "requirements.yaml").is_file() else _PACKAGE / "suite"

CONFORMANCE = SUITE / "conformance"
REGISTER = CONFORMANCE / "requirements.yaml"
MANIFESTS = SUITE / "manifests"
CRDS = MANIFESTS / "crds"
RIGHTS = MANIFESTS / "rights.yaml"
WORKLOAD = MANIFESTS / "workload"
REPORT_SCHEMA = SUITE / "reports" / "report.schema.json"
