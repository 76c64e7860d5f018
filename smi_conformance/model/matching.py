"""Whether an HTTP request fits a match of a route group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from smi_conformance.model.objects import HttpMatch
from smi_conformance.model.readings import Readings

Headers = tuple[tuple[str, str], ...]


def any_match(matches: Iterable[HttpMatch], method: str, path: str, headers: Headers, readings: Readings) -> bool:
    """Whether any match fits: matches are alternatives."""
    return any(fits(match, method, path, headers, readings) for match in matches)


def fits(match: HttpMatch, method: str, path: str, headers: Headers, readings: Readings) -> bool:
    """Whether path, method and all header filters of one match hold together.

    A match with an expression that does not compile fits nothing.
    """
    expressions = [match.path_regex, *(expression for _, expression in match.headers)]
    if not all(compiled(expression) for expression in expressions if expression):
        return False
    return (
        path_fits(match.path_regex, path, readings)
        and method_fits(match.methods, method, readings)
        and all(header_fits(name, expression, headers, readings) for name, expression in match.headers)
    )


def path_fits(expression: str | None, path: str, readings: Readings) -> bool:
    """pathRegex is matched from the first character on and may end before the path does."""
    if not expression:
        return True
    pattern = compiled(expression)
    judged = path if readings.dollar_and_query == "with query" else path.partition("?")[0]
    return pattern is not None and pattern.match(judged) is not None


def method_fits(methods: tuple[str, ...], method: str, readings: Readings) -> bool:
    """No methods mean all of them, and so does a star beside others."""
    as_get = readings.get_stands_for_head and method == "HEAD" and "GET" in methods
    return not methods or "*" in methods or method in methods or as_get


def header_fits(name: str, expression: str, headers: Headers, readings: Readings) -> bool:
    """Header names have no letter case. Of a header that is sent several times the values count as one list."""
    pattern = compiled(expression)
    values = [value for key, value in headers if key.lower() == name.lower()]
    if pattern is None or not (values or readings.empty_fits_absent):
        return False
    value = ("; " if name.lower() == "cookie" else ",").join(values)
    return bool(pattern.fullmatch(value) if readings.header_fit == "whole" else pattern.search(value))


@lru_cache(maxsize=4096)
def compiled(expression: str) -> re.Pattern[str] | None:
    """The expression, or None when it does not compile."""
    try:
        return re.compile(expression)
    except (re.error, RecursionError, OverflowError):
        return None
