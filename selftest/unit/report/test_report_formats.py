"""report.json, junit.xml, the summary, and what is taken out of all of them."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from selftest.unit.report import sample
from smi_conformance.locations import REPORT_SCHEMA
from smi_conformance.report import ReportError, diff, json_report, junit, publish, redact, summary, words, write_all
from smi_conformance.report.build import build
from smi_conformance.report.document import Report


@pytest.fixture(scope="module")
def whole() -> Report:
    return build(sample.parsed(sample.events()), sample.register())


@pytest.fixture(scope="module")
def cut() -> Report:
    return build(sample.parsed(sample.events(complete=False)), sample.register())


def test_the_published_schema_is_the_models() -> None:
    """After a change of the model: smi-conformance report schema > reports/report.schema.json."""
    assert REPORT_SCHEMA.read_text() == json_report.schema_text()


def test_the_schema_is_valid_and_the_report_fits_it(whole: Report, cut: Report) -> None:
    """By the published file, with a validator of its own."""
    schema = json.loads(REPORT_SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    for report in (whole, cut):
        Draft202012Validator(schema).validate(json.loads(json_report.render(report)))


def test_fields_of_later_editions_fit_the_schema_and_are_read(whole: Report) -> None:
    """A reader passes over what it does not know."""
    body = json_report.plain(whole) | {"signature": "later"}
    json_report.check(body)
    assert json_report.parse(json.dumps(body), "file") == whole


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is no JSON"),
        ("[]", "has schema None; this edition reads 1 and 2"),
        ('{"schema": 3}', "has schema 3"),
        ('{"schema": 1}', "suite: Field required"),
    ],
)
def test_a_file_that_is_no_report_is_one_clear_line(text: str, problem: str) -> None:
    """The message names the file and the first problem."""
    with pytest.raises(ReportError, match=problem):
        json_report.parse(text, "report.json")


def junit_of(report: Report) -> Xml.Element:
    """junit.xml, parsed."""
    return Xml.fromstring(junit.render(report))  # noqa: S314  our own output


def test_junit_has_a_case_per_scenario_with_its_requirements(whole: Report) -> None:
    """Class name is the area; properties name the requirements."""
    cases = junit_of(whole).findall(".//testcase")
    assert len(cases) == len(whole.scenarios)
    first = next(case for case in cases if "unlisted" in case.attrib["name"])
    assert first.attrib["classname"] == "access"
    assert first.attrib["name"] == "test_sources.py::test_unlisted_source_is_denied"
    assert [p.attrib["value"] for p in first.findall("properties/property[@name='requirement']")] == ["TA-021"]


def test_junit_maps_verdicts(whole: Report) -> None:
    """fail is a failure, error an error; what counts neither for nor against is skipped with its reason."""
    suite = junit_of(whole).find("testsuite")
    assert suite is not None
    assert {key: suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "19",
        "failures": "5",
        "errors": "1",
        "skipped": "3",
    }
    skipped = [found.attrib["message"] for found in suite.iter("skipped")]
    assert "skipped: needs 40,000 requests: run with --rigor certify" in skipped
    assert {p.attrib["name"] for p in suite.findall("properties/property")} >= {"mesh", "version", "posture", "api"}


def test_junit_survives_characters_that_xml_cannot_carry(whole: Report) -> None:
    """They are written as escapes."""
    text = junit.render(whole)
    assert "\\x1b[31mKilled\\x1b[0m \\x00" in text
    assert "\x1b" not in text


def test_junit_marks_a_scenario_that_was_cut_off(cut: Report) -> None:
    """It is skipped, not passed."""
    cases = junit_of(cut).findall(".//testcase")
    last = next(case for case in cases if "denied_requests" in case.attrib["name"])
    found = last.find("skipped")
    assert found is not None
    assert found.attrib["message"] == "not-run: Under way when the run ended."


def shown(report: Report) -> str:
    """The summary as text."""
    console = Console(file=io.StringIO(), width=100, color_system=None)
    summary.show(report, Path("reports/latest"), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_summary_counts_by_area_and_level(whole: Report) -> None:
    """Only where anything was judged."""
    lines = [line.split() for line in shown(whole).splitlines()]
    assert ["access", "must", "2", "1", "1", "1", "·", "1", "·", "·", "45"] in lines
    assert not any(line[:1] == ["metrics"] for line in lines)


def test_the_summary_ends_with_what_was_shown_and_what_not(whole: Report, cut: Report) -> None:
    """One sentence, with the place of the report."""
    assert shown(whole).splitlines()[-1] == (
        "18 requirements judged on Example Mesh 2.3.1 at posture deny: 8 passed, 4 failed, 1 blocked, 1 error, "
        "1 skipped, 1 unsupported, 1 tentative fail, 1 tentative pass; nothing is said of 254 without a scenario in "
        "this edition, 2 of the other posture and 23 of other API versions; no certification profile is called "
        "conformant; the report is reports/latest/index.html"
    )
    assert shown(cut).splitlines()[-1].startswith("The run ended early, with 10 requirements judged")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("/home/jdoe/.kube/config", "~/.kube/config"),
        ("/Users/jdoe/x", "~/x"),
        (r"C:\Users\jdoe\x", r"~\x"),
        ("open /root/.cache/x", "open ~/.cache/x"),
        ("/rooted and http://h/root/x", "/rooted and http://h/root/x"),
        ("run --context prod --kubeconfig=/tmp/k -n 2", "run --context CONTEXT --kubeconfig=KUBECONFIG -n 2"),
        ("KUBECONFIG=/tmp/k pytest", "KUBECONFIG=KUBECONFIG pytest"),
        ("https://ABC.gr7.eu-west-1.eks.amazonaws.com/x", "https://CLUSTER/x"),
        ("https://api.corp.example:6443/x", "https://CLUSTER:6443/x"),
        ("https://127.0.0.1:6443/x", "https://127.0.0.1:6443/x"),
        ("on ip-10-0-3-4.eu-west-1.compute.internal", "on NODE"),
        ("on gke-prod-pool-1-5e6f7a8b-x1y2", "on NODE"),
        ("arn:aws:eks:eu-west-1:123:cluster/prod", "CLUSTER"),
        ("access.smi-spec.io/v1alpha3", "access.smi-spec.io/v1alpha3"),
    ],
)
def test_names_that_do_not_belong_there_are_taken_out(text: str, redacted: str) -> None:
    """Everything else stays as it is."""
    assert redact.redact({"key": [text]}) == {"key": [redacted]}


def test_names_that_the_run_gives_away_are_taken_out_everywhere(tmp_path: Path) -> None:
    """Contexts of the command and registries of images, also where they are mentioned elsewhere."""
    data = sample.events()
    data[-2] = data[-2] | {"text": "prod-eu-1 pulled registry.corp.example:5000/mesh/proxy, /home/jdoe"}
    sample.write(tmp_path, data)
    write_all(tmp_path, sample.register())
    for name in ("report.json", "index.html", "junit.xml"):
        text = (tmp_path / name).read_text()
        assert not [word for word in ("prod-eu-1", "corp.example", "jdoe") if word in text], name
    assert "CONTEXT pulled REGISTRY/mesh/proxy, ~" in (tmp_path / "report.json").read_text()


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    """And nothing but the three files is left behind."""
    sample.write(tmp_path, sample.events())
    written = write_all(tmp_path, sample.register())
    assert publish.read(tmp_path) == written
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"events.jsonl", "report.json", "index.html", "junit.xml"}


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the earlier report as it was."""
    sample.write(tmp_path, sample.events())
    (tmp_path / "report.json").write_text("earlier")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(ReportError, match=r"report\.json cannot be written: No space left on device"):
        write_all(tmp_path, sample.register())
    assert (tmp_path / "report.json").read_text() == "earlier"


def test_differences_name_the_rows(whole: Report, cut: Report) -> None:
    """In the order of the first report."""
    found = diff.differences(whole, cut)
    assert found[0] == ("TA-040", "v1alpha3", "blocked", "not-run")
    assert diff.differences(whole, whole) == []


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("just a line", [(None, "just a line")]),
        ("got: a\nwant: b\nNext step: c", [("got", "a"), ("want", "b"), ("next", "c")]),
        ("It holds: got a: b; want c. Do d.", [(None, "It holds"), ("got", "a: b"), ("want", "c"), ("next", "Do d.")]),
        (
            "It holds: got a; want at least 0.5 of it.",
            [(None, "It holds"), ("got", "a"), ("want", "at least 0.5 of it")],
        ),
        ("x: got nothing", [(None, "x: got nothing")]),
    ],
)
def test_messages_are_cut_at_their_labels(message: str, parts: list[tuple[str | None, str]]) -> None:
    """In the judge's form and with labels."""
    assert words.sections(message) == parts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0421, "42 ms"), (4.25, "4.2 s"), (200, "3 min 20 s"), (3725, "1 h 02 min")],
)
def test_durations_read_as_a_person_says_them(seconds: float | None, text: str) -> None:
    """From milliseconds to hours."""
    assert words.duration(seconds) == text
