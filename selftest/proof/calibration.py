"""The calibration page: how often each statistical verdict of the suite is wrong.

    python -m selftest.proof.calibration [--report DIR]

writes docs/proof/calibration.md and its figure. DIR is the report of a run, from which the verdicts are taken; by
default the model is run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import bdtr

from selftest.proof import figure
from smi_conformance.judge.share_plan import ALPHA, DELTA, SharePlan, characteristic, looks
from smi_conformance.judge.statistics import ShareTest, family_wise, light
from smi_conformance.locations import SUITE

PAGE = SUITE / "docs" / "proof" / "calibration.md"
FIGURE = "characteristics.svg"
SEED, DRAWS = 1, 20_000
Shares = Mapping[str, float]


@dataclass(frozen=True)
class Used:
    """A kind of verdict that a run came to, and how often it did."""

    shares: tuple[tuple[str, float], ...]
    cap: int
    detects: tuple[tuple[str, tuple[float, float]], ...]
    times: int

    def test(self) -> ShareTest:
        """The same test once more. Raises ValueError when the record does not fit any test of the suite."""
        shares, told = dict(self.shares), dict(self.detects)
        deltas = {DELTA, *(round(told[name][1] - share, 6) for name, share in shares.items() if name in told)}
        candidates = [
            *(ShareTest(shares, delta=delta) for delta in sorted(deltas) if delta > 0),
            light(shares, self.cap),
        ]
        for one in candidates:
            if one.cap == self.cap and _rounded(one.detects) == _rounded(told):
                return one
        raise ValueError(f"no test of {shares} has the cap {self.cap} and detects {told}")


def _rounded(detects: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(round(share, 9) for share in both) for name, both in detects.items()}


def used(report: Path) -> list[Used]:
    """The kinds of share verdicts of a run, those with most requests first."""
    found: dict[tuple[object, ...], Used] = {}
    for numbers in _recorded(report):
        shares = tuple(numbers["shares"].items())
        detects = tuple((name, tuple(both)) for name, both in numbers["detects"].items())
        key = (tuple(sorted(share for _, share in shares)), numbers["cap"], tuple(both for _, both in detects))
        times = found[key].times + 1 if key in found else 1
        found[key] = Used(shares, numbers["cap"], detects, times)
    return sorted(found.values(), key=lambda one: (-one.cap, one.shares))


def _recorded(report: Path) -> Iterator[dict[str, Any]]:
    for line in (report / "events.jsonl").read_text().splitlines():
        for one in json.loads(line).get("evidence") or ():
            if one["kind"] == "share" and "cap" in one["numbers"]:
                yield one["numbers"]


def simulated(test: ShareTest, truth: Shares) -> float:
    """The part of DRAWS samples of a mesh with these shares that is rejected: drawn, and judged by the windows."""
    random, names = np.random.default_rng(SEED), list(truth)
    counts = np.zeros((DRAWS, len(names)), dtype=np.int64)
    rejected = np.zeros(DRAWS, dtype=bool)
    accepted = {name: np.zeros(DRAWS, dtype=bool) for name in test.plans}
    for before, n in pairwise([0, *looks(test.cap, test.batch)]):
        counts += random.multinomial(n - before, list(truth.values()), size=DRAWS)
        under_way = ~rejected & ~np.logical_and.reduce(list(accepted.values()))
        for name, plan in test.plans.items():
            window, got = plan.window(n), counts[:, names.index(name)]
            judged = under_way & ~accepted[name]
            rejected |= judged & ((got < window.reject_low) | (got > window.reject_high))
            accepted[name] |= judged & (got >= window.low) & (got <= window.high)
    return float(rejected.mean())


def moved(test: ShareTest) -> dict[str, float]:
    """Shares where the first tested backend gets as much more as the test has to see, at the cost of the others."""
    name, (_, high) = next(iter(test.detects.items()))
    rest = (1 - high) / (1 - test.shares[name])
    return {one: high if one == name else share * rest for one, share in test.shares.items()}


# Other designs, for comparison


def tries(n: int, points: float, share: float, truth: float, times: int) -> float:
    """Probability that one of so many samples of `n` requests is within so many points of the expected share."""
    low, high = np.ceil(n * (share - points) - 1e-9), np.floor(n * (share + points) + 1e-9)
    once = bdtr(high, n, truth) - (bdtr(low - 1, n, truth) if low > 0 else 0.0)
    return float(1 - (1 - once) ** times)


def more_than(n: int, truth: float) -> float:
    """Probability that one of two backends gets more requests than the other."""
    return float(1 - bdtr(n // 2, n, truth))


def curves(share: float) -> dict[str, list[tuple[float, float]]]:
    """Probability to pass by the true share, for the test of the suite and for three other designs."""
    truths = [round(share - 0.25 + 0.005 * step, 3) for step in range(101) if 0 < share - 0.25 + 0.005 * step < 1]
    plan = SharePlan(share)
    designs: dict[str, Callable[[float], float]] = {
        "this suite: one sequential sample": lambda truth: 1 - characteristic(plan, truth).reject,
        "500 requests, 5 points, up to 10 tries": lambda truth: tries(500, 0.05, share, truth, 10),
        "100 requests, 10 points, up to 10 tries": lambda truth: tries(100, 0.10, share, truth, 10),
        "50 requests, one gets more than the other": lambda truth: more_than(50, truth),
    }
    return {name: [(truth, float(passes(truth))) for truth in truths] for name, passes in designs.items()}


# The page

HEAD = """\
# Calibration: how often a statistical verdict is wrong

`python -m selftest.proof.calibration` writes this page. False failure and power are exact: dynamic programming over
the counts at every look. The column *drawn* is the same power from {draws:,} samples drawn at random (seed {seed}).
With three backends the power is a lower bound.

A run at the stable versions comes to {verdicts} verdicts about shares. A mesh that follows every weight exactly fails
one of them with a probability of at most {whole:.1e}: each verdict may fail it with {alpha:.0e}, once, for no sample
is ever drawn again.

| shares | verdicts | requests: mean, 99 %, most | fails a right mesh | fails a mesh of | with | drawn |
| --- | --- | --- | --- | --- | --- | --- |
"""
BESIDE = """
## Beside other designs

![Probability to pass by true share]({figure})

A backend is to get 75 %. The figure shows with what probability a mesh passes that gives it another share. A wide
band that is tried again until it fits passes what is clearly wrong; a test for *more* passes nearly all. To pass:

"""
TAIL = """
What these figures do not say: that requests are independent. A mesh that balances in turn instead of at random strays
less than they assume, so its verdicts are safer.
"""


def page(kinds: list[Used]) -> str:
    """docs/proof/calibration.md."""
    whole = family_wise(one.test().false_failure for one in kinds for _ in range(one.times))
    head = HEAD.format(draws=DRAWS, seed=SEED, verdicts=sum(one.times for one in kinds), whole=whole, alpha=ALPHA)
    table, beside = "\n".join(map(_row, kinds)) + "\n", "\n".join(_comparison(0.75)) + "\n"
    return head + table + BESIDE.format(figure=FIGURE) + beside + TAIL


def _row(kind: Used) -> str:
    test = kind.test()
    truth = moved(test)
    most = max((characteristic(p, p.share, test.batch) for p in test.plans.values()), key=lambda one: one.mean)
    cells = (
        _per_cent(test.shares),
        str(kind.times),
        f"{most.mean:.0f}, {most.percentile99}, {test.cap}",
        f"{test.false_failure:.1e}",
        _per_cent(truth),
        f"{test.power(truth):.2%}",
        f"{simulated(test, truth):.2%}",
    )
    return f"| {' | '.join(cells)} |"


def _per_cent(shares: Shares) -> str:
    return " / ".join(f"{100 * share:.3g}" for share in sorted(shares.values(), reverse=True))


def _comparison(share: float) -> Iterator[str]:
    found, shown = curves(share), (0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
    yield "| design | " + " | ".join(f"{truth:.0%}" for truth in shown) + " |"
    yield "| --- " * (len(shown) + 1) + "|"
    for name, points in found.items():
        at = dict(points)
        yield f"| {name} | " + " | ".join(f"{at[truth]:.1%}" for truth in shown) + " |"


def main() -> None:
    """Write page and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="take the verdicts from this report instead of a run on the model")
    given = parser.parse_args().report
    with tempfile.TemporaryDirectory() as folder:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(used(given or model_run(Path(folder)))))
    (PAGE.parent / FIGURE).write_text(figure.drawn(curves(0.75), expected=0.75))


def model_run(folder: Path) -> Path:
    """The report of a run on the model."""
    argv = [sys.executable, "-m", "smi_conformance.cli", "run", "--cluster", "model", "--report", str(folder)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return folder


if __name__ == "__main__":
    main()
