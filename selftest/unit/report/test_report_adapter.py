"""What was judged by an adapter says so in every format, and passes in none."""

from __future__ import annotations

import io

from junitparser import JUnitXml
from rich.console import Console

from selftest.unit.report import sample
from selftest.unit.report.sample import finished, row_of
from smi_conformance.locations import SUITE
from smi_conformance.report import html, json_report, junit, summary
from smi_conformance.report.build import build
from smi_conformance.report.document import Report

MARK = "metrics API absent; numbers read from Prometheus mon/prom:9090"
PROFILE = {"METRICS": frozenset({"metrics.values"})}


def judged(test: str, name: str, verdict: str, **more: object) -> sample.EventData:
    """A scenario whose numbers came from an adapter."""
    event = finished(f"metrics/test_values.py::{test}", "t", {"API-010": verdict}, **more)
    event["requirements"][0] |= {"id": name, "version": "v1alpha1", "adapter": MARK}
    return event | {"verdict": verdict}


def report(*scenarios: sample.EventData) -> Report:
    """Of a whole run on a mesh that claims metrics: smi-metrics may serve them."""
    end = {"event": "run-finished", "time": "t", "seconds": 1.0, "exit": 0}
    start = sample.started(api={"metrics": ["v1alpha1"]})
    start["mesh"] |= {"claims": {"metrics": ["v1alpha1"]}, "features": {}}
    register = sample.register(("TM-033", "TM-035"), PROFILE)
    return build(sample.parsed([start, *scenarios, end]), register)


FINE = judged("order", "TM-033", "tentative-pass")
WRONG = judged("counts", "TM-035", "fail", message="counts: got 4 and 0; want 2 and 0.")
BOTH = report(FINE, WRONG)


def test_rows_are_marked() -> None:
    """In report.json, by the published schema too."""
    assert [(row.requirement, row.verdict, row.adapter) for row in BOTH.rows] == [
        ("TM-033", "tentative-pass", MARK),
        ("TM-035", "fail", MARK),
    ]
    assert f'"adapter": "{MARK}"' in json_report.render(BOTH)
    assert (
        row_of(report(FINE | {"requirements": [FINE["requirements"][0] | {"adapter": None}]}), "TM-033").adapter is None
    )


def test_no_profile_is_conformant_by_adapter() -> None:
    """Neither where everything is in order, nor where something is wrong."""
    (fine,) = report(FINE, judged("counts", "TM-035", "tentative-pass")).profiles
    assert (fine.statement, fine.passed) == ("undecided", 0)
    assert "judged by adapter: TM-033, TM-035" in fine.reasons
    assert BOTH.profiles[0].statement == "not-conformant"


def test_the_terminal_says_it() -> None:
    """In a line of its own."""
    console = Console(file=io.StringIO(), width=200)
    summary.show(BOTH, SUITE, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{MARK}: 2 requirements judged by adapter, which no mesh passes" in text


def test_the_page_says_it() -> None:
    """Above all, and in each row."""
    page = html.render(BOTH)
    assert f"{MARK[0].upper()}{MARK[1:]}: 2 requirements judged by adapter, which no mesh passes." in page
    assert page.count('<span class="tag">by adapter</span>') == 2


def test_junit_passes_none() -> None:
    """What is in order is skipped, what is wrong fails; both with the mark."""
    (suite,) = JUnitXml.fromstring(junit.render(BOTH).encode())
    cases = {case.name.partition("::")[2]: case for case in suite}
    results = {name: type(case.result[0]).__name__ for name, case in cases.items()}
    assert results == {"order": "Skipped", "counts": "Failure"}
    assert cases["order"].result[0].message == f"tentative-pass: {MARK}"
    assert cases["counts"].result[0].message == f"{MARK}: counts: got 4 and 0; want 2 and 0."
    assert junit.render(BOTH).count(f'name="adapter" value="{MARK}"') == 2
