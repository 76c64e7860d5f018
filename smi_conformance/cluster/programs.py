"""Other people's programs, run with a bound and with their complaint in one line. Quick to import."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

SHORT = 30.0  # seconds for a question
LONG = 600.0  # seconds for what moves images or makes nodes


class ProgramError(Exception):
    """A program is not there, failed, or did not end in time."""


def output(argv: Sequence[str], timeout: float = SHORT) -> str:
    """Standard output of a program. Raises ProgramError."""
    shown = " ".join(argv[:3])
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        raise ProgramError(f"{argv[0]} is not on PATH") from error
    except OSError as error:
        raise ProgramError(f"{argv[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{shown}: no end after {timeout:.0f} s") from error
    if done.returncode:
        raise ProgramError(f"{shown}: {complaint(done.stderr or done.stdout) or f'exit code {done.returncode}'}")
    return done.stdout


def complaint(text: str) -> str:
    """The line that says most: the first that says ERROR, else the last one; at most 400 characters."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.upper().startswith("ERROR")]
    return (errors[:1] or lines[-1:] or [""])[0][:400]
