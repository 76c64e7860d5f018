"""Kubernetes quantities, which weights of splits are at v1alpha1, as whole numbers in the same proportions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

#: The largest sum of weights that a proxy takes.
MAX_WEIGHTS = 2**32 - 1

_QUANTITY = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?")
_DECIMAL = {
    suffix: Fraction(10) ** power for suffix, power in zip("numkMGTPE", (-9, -6, -3, *range(3, 19, 3)), strict=True)
}
_BINARY = {f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", 1)}
_FACTORS: dict[str, Fraction] = {"": Fraction(1), **_DECIMAL, **_BINARY}


def value(written: object) -> Fraction:
    """The exact value of a quantity that is not negative, given as number or text. Raises ValueError."""
    found = _QUANTITY.fullmatch(str(written)) if isinstance(written, (int, float, str)) else None
    if not found or isinstance(written, bool):
        raise ValueError(f"{written!r} is no quantity of at least 0")
    number, suffix, exponent = found.groups()
    power: Fraction = Fraction(10) ** int(exponent or 0)
    return Fraction(number.rstrip(".")) * _FACTORS[suffix or ""] * power


def whole(written: Sequence[object]) -> list[int]:
    """Whole numbers in the proportions of the quantities; whole quantities stay as they are. Raises ValueError.

    Proportions that no proxy could keep are rounded, but nothing above 0 becomes 0.
    """
    values = [value(one) for one in written]
    numbers = [int(one * lcm(*(other.denominator for other in values))) for one in values]
    total = sum(numbers)
    if total <= MAX_WEIGHTS:
        return numbers
    room = MAX_WEIGHTS - len(numbers)
    return [max(number * room // total, 1) if number else 0 for number in numbers]
