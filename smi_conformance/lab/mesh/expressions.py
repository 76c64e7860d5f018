"""Regular expressions of SMI objects, made fit for RE2, which has to take every one that is pushed to a proxy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

MAX_LENGTH = 2000
MAX_REPEAT = 1000
# By name: the numbers of operators and of positions overlap (BRANCH is AT_END_STRING).
_NOT_IN_RE2 = {
    "ASSERT",
    "ASSERT_NOT",
    "GROUPREF",
    "GROUPREF_EXISTS",
    "ATOMIC_GROUP",
    "POSSESSIVE_REPEAT",
    "AT_END_STRING",
}
_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}
_ONLY_PYTHON = re.compile(r"\\[uUNZ]|\(\?P[=>]|\(\?[aLux#]|\(\?\(")


def compiles(expression: Any) -> bool:
    """Whether both Python and RE2 take the expression; what only one of them takes counts as uncompilable."""
    if not isinstance(expression, str) or len(expression) > MAX_LENGTH or _ONLY_PYTHON.search(expression):
        return False
    try:
        tree = _parser.parse(expression)
    except (re.error, RecursionError, OverflowError):
        return False
    return _fits(tree, 1)


def _fits(node: Any, repeated: int) -> bool:
    if isinstance(node, _parser.SubPattern):
        return all(_fits(item, repeated) for item in node)
    if isinstance(node, tuple) and node and node[0] in _REPEATS:
        low, high, inner = node[1]
        times = repeated * max(low, 0 if high is _constants.MAXREPEAT else high, 1)
        return times <= MAX_REPEAT and _fits(inner, times)
    if isinstance(node, (list, tuple)):
        return all(_fits(item, repeated) for item in node)
    return getattr(node, "name", None) not in _NOT_IN_RE2


def anchored(expression: str) -> str:
    """The pattern a whole path fits when the expression matches at its start; an expression may end itself with `$`."""
    return f"(?:{expression}).*"


def searched(expression: str) -> str:
    """The pattern a whole text fits when the expression matches anywhere in it."""
    return f".*(?:{expression}).*"


def branches(expression: str) -> list[str]:
    """The alternatives of an expression at its top level."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(expression):
        sign = expression[position]
        if sign == "\\":
            position += 1
        elif sign == "[":
            position = max(expression.find("]", position + 2), position)
        elif sign == "|" and depth == 0:
            parts.append(expression[start:position])
            start = position + 1
        depth += {"(": 1, ")": -1}.get(sign, 0)
        position += 1
    return [*parts, expression[start:]]


def longest_literal(expression: str) -> str:
    """The longest run of plain characters in an expression; the first of several; empty if there is none."""
    return max(_literals(_parser.parse(expression)), key=len, default="")


def _literals(node: Any) -> Iterable[str]:
    run = ""
    for operator, argument in node:
        if operator is _constants.LITERAL:
            run += chr(argument)
            continue
        yield run
        run = ""
        yield from _inside(operator, argument)
    yield run


def _inside(operator: Any, argument: Any) -> Iterable[str]:
    if operator is _constants.BRANCH:
        for alternative in argument[1]:
            yield from _literals(alternative)
    elif operator is _constants.SUBPATTERN or operator in _REPEATS:
        yield from _literals(argument[-1])
