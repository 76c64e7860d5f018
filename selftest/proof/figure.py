"""A figure of curves as SVG, for the pages of docs/proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 760, 380, 56, 16, 96, 16
COLOURS = ("#0b6e4f", "#b5500b", "#6a3d9a", "#555555")
DASHES = ("", "7 4", "2 3", "10 3 2 3")
Curve = Sequence[tuple[float, float]]
At = Callable[[float, float], str]


def drawn(curves: Mapping[str, Curve], *, expected: float) -> str:
    """Probability to pass (0 to 1) by true share, with a mark at the expected one."""
    shares = [share for curve in curves.values() for share, _ in curve]
    low, high = min(shares), max(shares)

    def at(share: float, passes: float) -> str:
        x = LEFT + (share - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        return f"{x:.1f},{TOP + (1 - passes) * (HEIGHT - TOP - BOTTOM):.1f}"

    lines = [*_grid(low, high, at), *_mark(expected, at)]
    for number, (name, curve) in enumerate(curves.items()):
        lines += [_path(curve, at, number), *_legend(name, number)]
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Probability to pass by true share" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _grid(low: float, high: float, at: At) -> Iterator[str]:
    for step in range(5):
        x, y = at(low, step / 4).split(",")
        yield f'<polyline points="{at(low, step / 4)} {at(high, step / 4)}" stroke="#dddddd" fill="none"/>'
        yield f'<text x="{float(x) - 8}" y="{float(y) + 4}" text-anchor="end" fill="#222222">{step * 25} %</text>'
    for tenth in range(11):
        share = tenth / 10
        if low <= share <= high:
            x, y = at(share, 0).split(",")
            yield f'<text x="{x}" y="{float(y) + 18}" text-anchor="middle" fill="#222222">{share:.0%}</text>'


def _mark(expected: float, at: At) -> Iterator[str]:
    points = f"{at(expected, 0)} {at(expected, 1)}"
    yield f'<polyline points="{points}" stroke="#999999" stroke-dasharray="1 3" fill="none"/>'


def _path(curve: Curve, at: At, number: int) -> str:
    points = " ".join(at(*point) for point in curve)
    return f'<polyline points="{points}" {_pen(number)}/>'


def _pen(number: int) -> str:
    dashes = f'stroke-dasharray="{DASHES[number]}" ' if DASHES[number] else ""
    return f'stroke="{COLOURS[number]}" stroke-width="2" {dashes}fill="none"'


def _legend(name: str, number: int) -> Iterator[str]:
    x, y = LEFT + (number % 2) * 350, HEIGHT - BOTTOM + 44 + (number // 2) * 22
    yield f'<polyline points="{x},{y - 4} {x + 36},{y - 4}" {_pen(number)}/>'
    yield f'<text x="{x + 44}" y="{y}" fill="#222222">{escape(name)}</text>'
