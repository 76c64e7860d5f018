"""The null controls: on meshes that are none nothing passes but what they really do, each by its own assertion.

By default the two that stand furthest apart are tried on the model, and a sample without any mesh in the lab;
`--all-faults` tries every impostor.
"""

from __future__ import annotations

import pytest

from selftest.proof import impostors, null_controls
from selftest.proof.conftest import Run
from selftest.proof.null_controls import FAILED, PAGE, PASSED, QUICK, UNJUDGED, expected
from selftest.proof.registered import by_default
from selftest.proof.test_main_job import REGISTERED, judged, judged_by_default

# A sample for the lab, where waiting takes its time: one in so many.
SAMPLE = 8


def test_each_impostor_has_its_expectation() -> None:
    """And no pattern of it is idle."""
    assert [one.name for one in impostors.IMPOSTORS] == list(expected())
    for due in expected().values():
        groups = (*due.passes, *due.unjudged)
        assert [
            one for group in groups for one in group.patterns if not group.matching(one, by_default(judged()))
        ] == []


def test_the_page_is_up_to_date() -> None:
    """`python -m selftest.proof.null_controls --page` writes it."""
    assert PAGE.read_text() == null_controls.page()


def test_no_impostor_passes_what_it_does_not_meet(request: pytest.FixtureRequest) -> None:
    """Every requirement ends as it is committed."""
    names = () if request.config.getoption("--all-faults") else QUICK
    ran = dict(impostors.judge(null_controls.chosen(names)))
    assert set(ran) == set(names or expected())
    assert [line for name, result in ran.items() for line in null_controls.differences(name, result)] == []


def test_nothing_passes_without_a_mesh_in_the_lab(run: Run) -> None:
    """CRDs only: every requirement fails by its own assertion, none is an error."""
    wanted = sorted(judged_by_default())[::SAMPLE]
    chosen = [word for name in wanted for word in ("--requirement", name)]
    quickly = [word for name in ("policy", "split", "endpoints") for word in ("--deadline", f"{name}=2")]
    null = run("--cluster", "embedded", "--mesh", "none", *chosen, *quickly, name="null")
    assert null.code == 1, null.output
    due = expected()["crds-only"].verdicts(wanted) | {
        name: (*PASSED, *FAILED, *UNJUDGED) for name in wanted if REGISTERED.get(name).level == "may"
    }
    seen = {name: verdict for name, verdict in null.verdicts.items() if name in wanted}
    assert {name: verdict for name, verdict in seen.items() if verdict not in due[name]} == {}
    assert seen.keys() == set(wanted)
    failures = [s for s in null.report["scenarios"] if s["verdict"].endswith("fail")]
    assert failures
    assert all("; want " in scenario["message"] for scenario in failures)
