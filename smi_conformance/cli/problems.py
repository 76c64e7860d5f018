"""How problems reach the person at the terminal: one line, an exit code, never a traceback."""

from __future__ import annotations

import difflib
import sys
import tempfile
import traceback
from collections.abc import Iterable, Sequence

OK, NOT_CONFORMANT, USAGE, HARNESS, INTERRUPTED = 0, 1, 2, 3, 130

# By name, as most of the modules are not imported: a class that nobody imported cannot have been raised.
_CODES = {
    "smi_conformance.cli.problems.Problem": USAGE,
    "smi_conformance.meshes.profile.ProfileError": USAGE,
    "smi_conformance.matrix.plan.MatrixError": USAGE,
    "smi_conformance.images.archive.ArchiveError": HARNESS,
    "smi_conformance.meshes.install.UnknownFault": USAGE,
    "smi_conformance.meshes.fetching.InstallError": USAGE,
    "smi_conformance.model.register.UnknownRequirement": USAGE,
    "smi_conformance.plugin.settings.UsageError": USAGE,
    "smi_conformance.cluster.backends.UnknownBackend": USAGE,
    "pytest.UsageError": USAGE,
    "smi_conformance.cluster.port.ClusterError": HARNESS,
    "smi_conformance.lab.cluster.LabError": HARNESS,
    "smi_conformance.model.register.RegisterError": HARNESS,
    "smi_conformance.report.errors.ReportError": HARNESS,
}


class Problem(Exception):
    """Something in the command cannot be used; the text says what and what to write instead."""


def tell(error: BaseException) -> int:
    """Print one line about the error and return the exit code."""
    code = _code(error)
    if code is not None:
        line(_message(error))
        return code
    line(f"{type(error).__name__}: {error}. This is a defect of the suite; the traceback is in {_kept(error)}")
    return HARNESS


def line(text: str) -> None:
    """One line on standard error."""
    print(f"smi-conformance: {' '.join(text.split())}", file=sys.stderr)


def near(what: str, given: str, known: Iterable[str]) -> str:
    """A sentence about an unknown name, with what was probably meant or all that is known."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), names, len(names) or 1)
    # Of names equally close, those that begin alike are the likelier ones.
    close.sort(key=lambda name: (-_alike(name, given.lower()), name))
    if close:
        return f"unknown {what} '{given}': did you mean {' or '.join(names[name] for name in close[:3])}?"
    return f"unknown {what} '{given}'; known: {_some(list(names.values()))}"


def _alike(one: str, other: str) -> int:
    """How many characters two names share from their start."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _code(error: BaseException) -> int | None:
    if callable(getattr(error, "format_message", None)):  # of the option parser
        return USAGE
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((_CODES[name] for name in names if name in _CODES), None)


def _message(error: BaseException) -> str:
    told = getattr(error, "format_message", None)
    return str(told()) if callable(told) else str(error)


def _kept(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", prefix="smi-conformance-", suffix=".txt", delete=False) as file:
        file.write(text)
    return file.name
