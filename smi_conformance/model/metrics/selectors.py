"""Label selectors as the parameter `labelSelector` of a list has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_EXISTS = re.compile(r"(?P<no>!\s*)?(?P<key>[^\s!=,()]+)")
_COMMA_OUTSIDE = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True)
class Requirement:
    """One requirement; `operator` is In, NotIn, Exists or DoesNotExist. `equality` is one of the form key=value."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    equality: bool = False

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. A key that is absent is not in any set."""
        met = self.key in labels if self.operator in ("Exists", "DoesNotExist") else labels.get(self.key) in self.values
        return met is (self.operator in ("In", "Exists"))


def parse(text: str) -> tuple[Requirement, ...]:
    """The requirements of a selector; an empty one has none. Raises ValueError."""
    return tuple(_requirement(part.strip(), text) for part in _COMMA_OUTSIDE.split(text)) if text.strip() else ()


def _requirement(part: str, text: str) -> Requirement:
    if match := _SET.fullmatch(part):
        values = tuple(value.strip() for value in match["values"].split(","))
        return Requirement(match["key"], "In" if match["op"] == "in" else "NotIn", values)
    if match := _EQUAL.fullmatch(part):
        differs = match["op"] == "!="
        return Requirement(match["key"], "NotIn" if differs else "In", (match["value"],), equality=not differs)
    if match := _EXISTS.fullmatch(part):
        return Requirement(match["key"], "DoesNotExist" if match["no"] else "Exists")
    raise ValueError(f'unable to parse requirement: found "{part}" in "{text}"')


def fits(selector: Sequence[Requirement], labels: Mapping[str, str]) -> bool:
    """Whether labels meet all requirements."""
    return all(requirement.fits(labels) for requirement in selector)


def echo(selector: Sequence[Requirement]) -> dict[str, Any]:
    """The selector as an object (LabelSelector of meta/v1)."""
    equal = {one.key: one.values[0] for one in selector if one.equality}
    others = [_expression(one) for one in selector if not one.equality or equal[one.key] != one.values[0]]
    return {**({"matchLabels": equal} if equal else {}), **({"matchExpressions": others} if others else {})}


def _expression(one: Requirement) -> dict[str, Any]:
    values = {"values": list(one.values)} if one.values else {}
    return {"key": one.key, "operator": one.operator, **values}
