"""report.json: the whole report, versioned, and never written when it does not fit its own schema."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import ValidationError

from smi_conformance.report.document import SCHEMA, Report, json_schema
from smi_conformance.report.errors import ReportError

READABLE = (1, SCHEMA)
"""In format 1 each API group had one version, written without a list."""


def render(report: Report) -> str:
    """The document, with stable order of keys. Raises ReportError when it does not fit the schema."""
    body = plain(report)
    check(body)
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return report.model_dump(mode="json", by_alias=True)


def schema_text() -> str:
    """reports/report.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def check(body: Any) -> None:
    """Raises ReportError with the first thing that does not fit the schema."""
    error = next(iter(Draft202012Validator(json_schema()).iter_errors(body)), None)
    if error:
        raise ReportError(f"report.json: {error.json_path}: {error.message[:200]}")


def parse(text: str, origin: str) -> Report:
    """A report that was written earlier. Raises ReportError when this edition cannot read it."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise ReportError(f"{origin} is no JSON: {error}") from error
    version = body.get("schema") if isinstance(body, dict) else None
    if version not in READABLE:
        raise ReportError(f"{origin} has schema {version!r}; this edition reads {' and '.join(map(str, READABLE))}")
    try:
        return Report.model_validate({**body, "schema": SCHEMA})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ReportError(f"{origin}: {place}: {first['msg']}") from error
