"""Whether a request fits a match: path, method and headers, and what is left open of each."""

from __future__ import annotations

import pytest

from smi_conformance.model.matching import any_match, compiled, fits, header_fits, method_fits, path_fits
from smi_conformance.model.objects import HttpMatch
from smi_conformance.model.readings import Readings

PLAIN = Readings()
MATCH = HttpMatch("m", "/a", ("GET",), (("x-a", "1"), ("x-b", "2")))
SENT = (("X-A", "1"), ("x-b", "2"))


def test_a_match_needs_all_of_its_parts() -> None:
    """Of several matches one is enough."""
    assert fits(MATCH, "GET", "/a", SENT, PLAIN)
    assert not fits(MATCH, "GET", "/b", SENT, PLAIN)
    assert not fits(MATCH, "PUT", "/a", SENT, PLAIN)
    assert not fits(MATCH, "GET", "/a", SENT[:1], PLAIN)
    assert any_match((HttpMatch("n", "/b"), MATCH), "GET", "/a", SENT, PLAIN)
    assert not any_match((HttpMatch("n", "/b"), MATCH), "PUT", "/a", SENT, PLAIN)
    assert not any_match((), "GET", "/a", SENT, PLAIN)
    assert fits(HttpMatch("all"), "GET", "/a", (), PLAIN)


@pytest.mark.parametrize("broken", [HttpMatch("m", "("), HttpMatch("m", "/a", headers=(("x-c", "["),))])
def test_what_does_not_compile_fits_nothing(broken: HttpMatch) -> None:
    """Whatever is sent, and also where an absent header would do."""
    assert compiled("(") is None
    assert not fits(broken, "GET", "/a", (("x-c", "["),), PLAIN)
    assert not fits(broken, "GET", "/a", (), Readings(empty_fits_absent=True))
    assert not path_fits("(", "(", PLAIN)
    assert not header_fits("x-c", "[", (("x-c", "["),), Readings(empty_fits_absent=True))


@pytest.mark.parametrize(
    ("expression", "path", "with_query", "without"),
    [
        ("/a", "/ab", True, True), ("/a", "/b/a", False, False), ("/a$", "/a?q=1", False, True),
        (".*q=1", "/a?q=1", True, False), ("/a", "/a?b?c", True, True), (None, "/", True, True), ("", "/", True, True),
        ("/a$", "/a?b?c", False, True),
    ],
)  # fmt: skip
def test_paths(expression: str | None, path: str, with_query: bool, without: bool) -> None:
    """From the first character on; whether the query belongs to it is left open."""
    assert path_fits(expression, path, Readings(dollar_and_query="with query")) is with_query
    assert path_fits(expression, path, PLAIN) is without


def test_methods() -> None:
    """None mean all, and so does a star; GET may stand for HEAD, and for nothing else."""
    assert method_fits((), "PUT", PLAIN)
    assert method_fits(("GET", "*"), "PUT", PLAIN)
    assert method_fits(("GET", "PUT"), "PUT", PLAIN)
    assert not method_fits(("GET",), "PUT", PLAIN)
    assert not method_fits(("GET",), "HEAD", PLAIN)
    both = Readings(get_stands_for_head=True)
    assert method_fits(("GET",), "HEAD", both)
    assert not method_fits(("PUT",), "HEAD", both)
    assert not method_fits(("GET",), "PUT", both)


@pytest.mark.parametrize("name", ["x-a", "X-A"])
def test_header_names_have_no_letter_case(name: str) -> None:
    """Values have."""
    assert header_fits(name, "v", (("X-a", "v"),), PLAIN)
    assert not header_fits(name, "v", (("X-a", "V"),), PLAIN)
    assert not header_fits(name, "v", (("x-b", "v"),), PLAIN)


def test_a_header_that_is_sent_twice_is_one_list() -> None:
    """With commas, and cookies with semicolons."""
    assert header_fits("x-a", "1,2", (("x-a", "1"), ("x-b", "9"), ("X-A", "2")), PLAIN)
    assert not header_fits("x-a", "1", (("x-a", "1"), ("x-a", "2")), PLAIN)
    assert header_fits("Cookie", "a=1; b=2", (("cookie", "a=1"), ("cookie", "b=2")), PLAIN)


def test_what_is_left_open_of_headers() -> None:
    """Whether a part of the value is enough, and whether nothing is a value."""
    part, absent = Readings(header_fit="part"), Readings(empty_fits_absent=True)
    assert not header_fits("x-a", "b", (("x-a", "abc"),), PLAIN)
    assert header_fits("x-a", "b", (("x-a", "abc"),), part)
    assert not header_fits("x-a", ".*", (), PLAIN)
    assert header_fits("x-a", ".*", (), absent)
    assert not header_fits("x-a", ".+", (), absent)
