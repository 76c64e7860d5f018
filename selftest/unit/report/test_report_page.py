"""index.html: complete, self-contained, and safe whatever a mesh puts into it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from selftest.unit.report import sample
from smi_conformance.report import html, view
from smi_conformance.report.build import build
from smi_conformance.report.document import Report
from smi_conformance.report.events import Evidence

VOID = {"meta", "link", "input", "br", "img", "hr", "col"}


class Page(HTMLParser):
    """Elements and attributes of a page; checks that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report() -> Report:
    return build(sample.parsed(sample.events()), sample.register())


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return html.render(report)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_is_well_formed_and_ids_are_unique(page: Page) -> None:
    """Every element is closed in order."""
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert page.open == []
    assert len(ids) == len(set(ids))


def test_the_page_asks_the_network_for_nothing(page: Page) -> None:
    """No element loads anything; links are for the reader to follow."""
    loading = [(tag, a) for tag, a in page.elements if "src" in a or tag in ("iframe", "img", "object", "base")]
    assert loading == []
    assert [a["href"] for tag, a in page.elements if tag == "link"] == ["data:,"]


def test_only_the_pages_own_script_and_style_may_run(text: str, page: Page) -> None:
    """The policy names their hashes, and no attribute carries style or script."""
    (policy,) = [a["content"] or "" for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    for kind in ("script", "style"):
        (body,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not [name for _, a in page.elements for name in a if name == "style" or name.startswith("on")]


def test_what_a_mesh_says_is_escaped(text: str, page: Page) -> None:
    """No element of the page comes from a message or a pod's name."""
    assert "&lt;/script&gt;&lt;script&gt;alert" in text
    assert "alert('x')" not in text
    assert [tag for tag, _ in page.elements].count("script") == 1


def test_links_of_deviations_can_only_open_pages(page: Page) -> None:
    """A javascript: address is shown and not linked."""
    targets = [a["href"] or "" for tag, a in page.elements if tag == "a"]
    assert all(target.startswith(("https://", "http://", "#")) for target in targets)
    assert "https://github.com/example/mesh/issues/812" in targets


def test_links_inside_the_page_lead_somewhere(page: Page) -> None:
    """Every fragment is an id."""
    ids = {a.get("id") for _, a in page.elements}
    targets = [
        a["href"] or "" for tag, a in page.elements if tag in ("a", "use") and (a.get("href") or "").startswith("#")
    ]
    assert [target for target in targets if target[1:] not in ids] == []


def test_control_characters_are_made_visible(text: str) -> None:
    """Including those that reorder text."""
    assert "\\u001b[31mKilled" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)


def test_no_verdict_is_told_by_colour_alone(text: str) -> None:
    """Every chip has a mark and a word."""
    chips = re.findall(r'(?s)<(?:span|button)[^>]*class="chip [\w-]+"[^>]*>(.*?)</(?:span|button)>', text)
    assert len(chips) > 40
    for chip in chips:
        assert re.search(r'<use href="#v-[\w-]+"/></svg>\s*[a-z]+', chip)


@pytest.fixture(scope="module")
def told() -> str:
    """A page with a row at a version that the mesh does not claim."""
    old = sample.finished("split/test_old.py::a", "t", {"SP-010": "pass"})
    old["requirements"][0]["version"] = "v1alpha2"
    data = sample.events()
    return html.render(build(sample.parsed([*data[:-1], old, data[-1]]), sample.register()))


@pytest.mark.parametrize(
    "found",
    [
        "No certification profile is called conformant.",
        'failed: <a class="keep" href="#SP-011-v1alpha4">SP-011</a>',
        "under 5 % with 95 % confidence",
        "Known deviation.",
        "version not claimed",
        "254 requirements not covered by this edition of the suite",
        "two splits in a circle need a mesh that can be restarted",
        'policy 90 s <span class="tag">raised</span>',
        "first effect 840 ms, stable 1.3 s",
        "Not looked at: shares per client pod (judged by SP-026)",
        "with a chance of at most 3\u00a0\u00d7\u00a010\u207b\u2076",
        "--context prod-eu-1",
        "drawn beside it (5 points in this run)",
        "all changes",
        "library-names: names as in the library",
        "Check that weights are divided by their sum and not by 100.",
    ],
)
def test_the_page_tells(told: str, found: str) -> None:
    """Everything that a reader needs to judge the judgement."""
    assert found in told


def test_a_partial_run_carries_a_banner(text: str) -> None:
    """And so do limited runs and runs with faults; a whole one carries none."""
    cut = html.render(build(sample.parsed(sample.events(complete=False)), sample.register()))
    limited = html.render(build(sample.parsed(sample.events(filter=["<b>"])), sample.register()))
    broken = html.render(build(sample.parsed(sample.events(faults=["SP-010/x"])), sample.register()))
    assert "Partial report." in cut
    assert "Only &lt;b&gt; was selected" in limited
    assert "Broken on purpose." in broken
    assert 'class="banner"' not in text


def test_an_empty_run_still_has_a_page() -> None:
    """A run that was killed before its first scenario."""
    found = html.render(build(sample.parsed([sample.started()]), sample.register(("SP-010",))))
    assert "Partial report." in found
    assert Page(found).open == []


def evidence(**numbers: object) -> Evidence:
    """A share with two looks."""
    looks = [{"n": 100, "counts": {"v1": 80, "v2": 20}}, {"n": 200, "counts": {"v1": 150, "v2": 49, "decoy": 1}}]
    return Evidence.model_validate({"kind": "share", "title": "t", "passed": False, "numbers": numbers, "looks": looks})


def test_bars_show_every_backend_seen_or_expected() -> None:
    """A decoy has no expected share; the second of two backends mirrors the band of the first."""
    found = view.bars(evidence(shares={"v1": 0.75, "v2": 0.25}, detects={"v1": [0.7, 0.8]}))
    assert [(bar.backend, bar.count, bar.expected) for bar in found] == [
        ("v1", 150, 0.75),
        ("v2", 49, 0.25),
        ("decoy", 1, None),
    ]
    assert found[1].band == pytest.approx((0.2, 0.3))
    assert found[2].band is None


def test_the_chart_keeps_all_looks_inside() -> None:
    """Whatever the drift."""
    found = view.chart(evidence(shares={"v1": 0.05, "v2": 0.95}, detects={"v1": [0.025, 0.1]}))
    assert found is not None
    heights = [float(point.split(",")[1]) for line in found.lines for point in line.points.split()]
    assert all(0 <= height <= view.CHART[1] for height in heights)


def test_evidence_of_unknown_shape_is_shown_as_it_is() -> None:
    """Numbers that nothing is known about become a list."""
    odd = evidence(shares="none", depth={"a": [1, 0.123456]}, sure=True)
    assert view.chart(odd) is None
    assert view.numbers(odd) == [("depth", "a: 1: 1, 2: 0.1235"), ("sure", "True")]
