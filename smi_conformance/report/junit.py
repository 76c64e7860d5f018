"""junit.xml: one test case per scenario, with the requirements it judged as properties."""

from __future__ import annotations

import re

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from smi_conformance.report.document import Report, Scenario

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SKIPPED = ("blocked", "unsupported", "skipped", "not-run", "tentative-fail", "tentative-pass")


def render(report: Report) -> str:
    """The XML text."""
    suite = TestSuite("SMI conformance")
    suite.timestamp = _legal(report.run.started)
    for name, value in _properties(report).items():
        suite.add_property(name, _legal(value))
    suite.add_testcases([_case(scenario) for scenario in report.scenarios])
    document = JUnitXml("SMI conformance")
    document.add_testsuite(suite)
    text: bytes = document.tostring()
    return text.decode()


def _properties(report: Report) -> dict[str, str]:
    return {
        "mesh": report.mesh.name,
        "version": report.mesh.version or "",
        "posture": report.run.posture,
        "api": " ".join(f"{group}={','.join(few)}" for group, few in sorted(report.run.api.items())),
        "suite": report.suite.version,
        "complete": str(report.run.complete).lower(),
    }


def _case(scenario: Scenario) -> TestCase:
    name = scenario.nodeid.removeprefix("conformance/").removeprefix(f"{scenario.area}/")
    case = TestCase(_legal(name), classname=_legal(scenario.area), time=scenario.seconds or 0.0)
    pairs = [("requirement", one.id) for one in scenario.requirements]
    pairs += [("version", f"{one.id} {one.version}") for one in scenario.requirements]
    pairs += [("adapter", mark) for mark in _adapters(scenario)]
    properties = Properties()
    for key, value in [*pairs, ("verdict", scenario.verdict)]:
        properties.add_property(Property(_legal(key), _legal(value)))
    case.append(properties)
    outcome = _outcome(scenario)
    if outcome is not None:
        case.result = [outcome]
    return case


def _outcome(scenario: Scenario) -> Error | Failure | Skipped | None:
    text = _legal(_reason(scenario))
    if scenario.verdict == "fail":
        return _with_details(Failure(text, "fail"), scenario)
    if scenario.verdict == "error":
        return _with_details(Error(text, "error"), scenario)
    if scenario.verdict in _SKIPPED:
        return Skipped(f"{scenario.verdict}: {text}", scenario.verdict)
    return None


def _reason(scenario: Scenario) -> str:
    reasons = dict.fromkeys(one.reason for one in scenario.requirements if one.reason)
    told = scenario.message or "; ".join(reasons)
    return ": ".join([*_adapters(scenario), *([told] if told else [])]) or "no reason was recorded"


def _adapters(scenario: Scenario) -> list[str]:
    return list(dict.fromkeys(one.adapter for one in scenario.requirements if one.adapter))


def _with_details(result: Error | Failure, scenario: Scenario) -> Error | Failure:
    if scenario.details:
        result.text = _legal(scenario.details)
    return result


def _legal(text: str) -> str:
    """With the characters that XML 1.0 cannot carry written as escapes."""
    return _NOT_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
