"""Whether a run says the same again: runs of the whole suite, kept in a ledger.

    python -m selftest.proof.stability --runs 20                      on the model, with other seeds and delays
    python -m selftest.proof.stability --runs 20 --cluster embedded   in the lab
    python -m selftest.proof.stability --page                         write docs/proof/stability.md from the ledger

Each run is written into the ledger (stability.yaml) as soon as it ends; the seeds go on where the ledger stops.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from scipy.stats import beta

from smi_conformance.locations import SUITE

LEDGER = Path(__file__).with_suffix(".yaml")
PAGE = SUITE / "docs" / "proof" / "stability.md"
DELAYS = (0.0, 0.2, 1.0, 4.0)  # seconds that the mesh of the model may be late, in turn
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Entry:
    """One run: where, how, and what it said. `verdicts` counts them, `digest` stands for all of them by requirement."""

    cluster: str
    commit: str
    seed: int
    delay: float
    seconds: float
    verdicts: Mapping[str, int]
    digest: str

    @classmethod
    def of(cls, report: Mapping[str, Any], cluster: str, delay: float) -> Entry:
        """What a report says."""
        run, judged = report["run"], {f"{row['requirement']} {row['version']}": row["verdict"] for row in _rows(report)}
        text = json.dumps(judged, sort_keys=True)
        return cls(
            cluster, str(report["suite"]["commit"] or "")[:12], run["seed"], delay, round(run["seconds"], 1),
            dict(sorted(Counter(judged.values()).items())), hashlib.sha256(text.encode()).hexdigest()[:12],
        )  # fmt: skip


def _rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in report["rows"] if row["verdict"] != "not-covered"]


def ledger() -> list[Entry]:
    """All runs that were kept."""
    return [Entry(**line) for line in yaml.safe_load(LEDGER.read_text())["runs"] or []]


def keep(entry: Entry) -> None:
    """Add a run to the ledger."""
    with LEDGER.open("a") as file:
        file.write(f"- {json.dumps(asdict(entry))}\n")


def upper_bound(seen: int, tries: int, confidence: float = CONFIDENCE) -> float:
    """The largest probability that fits what was seen so often in so many tries (Clopper-Pearson, one-sided).

    For none seen it is 1 - (1 - confidence) ** (1 / tries): the rule of three says 3 / tries.
    """
    return 1.0 if seen == tries else float(beta.ppf(confidence, seen + 1, tries - seen))


def other(entries: Sequence[Entry]) -> int:
    """How many runs said something else than most of them."""
    return len(entries) - max(Counter(entry.digest for entry in entries).values(), default=0)


HEAD = """# Stability: whether a run says the same again

Each line is one run of the whole suite at the stable versions, without a fault, with a seed of its own. On the model
the mesh is late by up to so many seconds as well. `python -m selftest.proof.stability` adds runs to the ledger and
writes this page; the digest stands for the verdict of every requirement, so equal digests are equal verdicts.

"""
TAIL = """
The bounds are those of Clopper and Pearson, one-sided, at {confidence:.0%}: what the runs do not rule out. They hold
for runs like these, of this suite and on this ground, as far as the runs are independent of each other; of other
meshes they say nothing.
"""


def page(entries: Sequence[Entry]) -> str:
    """docs/proof/stability.md."""
    parts = [_section(name, [e for e in entries if e.cluster == name]) for name in sorted({e.cluster for e in entries})]
    return HEAD + "\n".join(parts) + TAIL.format(confidence=CONFIDENCE)


def _section(cluster: str, entries: Sequence[Entry]) -> str:
    differ, runs = other(entries), len(entries)
    bound = upper_bound(differ, runs)
    text = (
        f"## {cluster}\n\n{runs} runs, {differ} with other verdicts than the rest: with {CONFIDENCE:.0%} confidence "
        f"less than {bound:.1%} of such runs say something else.\n\n"
        "| commit | seed | late by | seconds | verdicts | digest |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return text + "".join(map(_line, entries))


def _line(entry: Entry) -> str:
    verdicts = ", ".join(f"{count} {name}" for name, count in entry.verdicts.items())
    late = f"{entry.delay:g} s"
    cells = (entry.commit, str(entry.seed), late, f"{entry.seconds:g}", verdicts, f"`{entry.digest}`")
    return f"| {' | '.join(cells)} |\n"


def again(cluster: str, seeds: Iterable[int]) -> None:
    """Run the suite with these seeds and keep what it says. Raises CalledProcessError for a run without a report."""
    for seed in seeds:
        delay = DELAYS[seed % len(DELAYS)] if cluster == "model" else 0.0
        with tempfile.TemporaryDirectory() as folder:
            argv = [sys.executable, "-m", "smi_conformance.cli", "run", "--cluster", cluster, "--seed", str(seed)]
            argv += ["--report", folder, *(["--delay", str(delay)] if delay else [])]
            done = subprocess.run(argv, check=False, capture_output=True, text=True)
            if done.returncode not in (0, 1):
                raise subprocess.CalledProcessError(done.returncode, argv, done.stdout, done.stderr)
            entry = Entry.of(json.loads((Path(folder) / "report.json").read_text()), cluster, delay)
        keep(entry)
        sys.stdout.write(f"{cluster} seed {seed}: {dict(entry.verdicts)} {entry.digest}\n")
        sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line above; the exit code is 1 when runs of one kind of cluster differ."""
    parser = argparse.ArgumentParser(prog="python -m selftest.proof.stability", description=__doc__)
    parser.add_argument("--runs", type=int, default=0, help="so many more")
    parser.add_argument("--cluster", default="model", choices=("model", "embedded"))
    parser.add_argument("--page", action="store_true", help="write the page from the ledger; also done after runs")
    given = parser.parse_args(argv)
    if given.runs < 1 and not given.page:
        parser.error("give --runs N or --page")
    first = 1 + max((entry.seed for entry in ledger() if entry.cluster == given.cluster), default=0)
    again(given.cluster, range(first, first + given.runs))
    PAGE.write_text(page(ledger()))
    return 1 if any(other([e for e in ledger() if e.cluster == name]) for name in ("model", "embedded")) else 0


if __name__ == "__main__":
    sys.exit(main())
