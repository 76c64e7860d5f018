"""How traffic is shown: as a table, a tree, and graphs in DOT and SVG. Names come from elsewhere and are escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TextIO
from xml.sax.saxutils import escape

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smi_conformance.cluster.traffic_metrics import Edge, Total

NOBODY = "no traffic in the window"
HEAD = ("NAMESPACE", "NAME", "DIRECTION", "RPS", "SUCCESS", "FAILURE", "P50", "P90", "P99", "WINDOW")
RADIUS, MARGIN, STEP = 120, 130, 24  # pixels of a picture: of the circle, around it, and more for each node
Node = tuple[str, str]


def plain(text: str) -> str:
    """A text without characters that a terminal would act on."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def named(node: Node) -> str:
    """Namespace and name in one word."""
    return plain("/".join(word for word in node if word))


def seconds(value: float | None) -> str:
    """A latency in milliseconds or seconds."""
    if value is None:
        return "-"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def number(value: float) -> str:
    """A count, which some servers estimate by fractions."""
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


def table(totals: Sequence[Total], to: TextIO) -> None:
    """One line for each object, as wide as it has to be."""
    if not totals:
        print(NOBODY, file=to)
        return
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in HEAD:
        made.add_column(name, justify="left" if name in HEAD[:3] else "right", no_wrap=True)
    for one in totals:
        latencies = [seconds(one.latencies[percent]) for percent in (50, 90, 99)]
        words = [one.namespace, one.name, one.direction, f"{one.rate:.1f}", number(one.success), number(one.failure)]
        made.add_row(*(Text(plain(word)) for word in (*words, *latencies, f"{one.window:g} s")))
    console = Console(file=to, highlight=False)
    console.print(made, crop=False, overflow="ignore", width=max(console.width, console.measure(made).maximum))


def label(total: Total) -> str:
    """What a line of a graph says."""
    failed = f", {number(total.failure)} failed" if total.failure else ""
    return f"{total.rate:.1f}/s{failed}, p99 {seconds(total.latencies[99])}"


def tree(edges: Sequence[Edge]) -> str:
    """Every sender with those that it sends to."""
    lines = []
    for source, own in groupby(edges, key=lambda edge: edge.source):
        lines.append(named(source))
        listed = list(own)
        for place, edge in enumerate(listed):
            branch = (
                "\N{BOX DRAWINGS LIGHT UP AND RIGHT}"
                if place + 1 == len(listed)
                else "\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}"
            )
            lines.append(f"{branch}\N{BOX DRAWINGS LIGHT HORIZONTAL}> {named(edge.target)}  {label(edge.total)}")
    return "\n".join(lines) or NOBODY


def dot(edges: Sequence[Edge]) -> str:
    """A graph for Graphviz."""
    lines = [f"  {_quoted(named(node))};" for node in nodes(edges)]
    for edge in edges:
        colour = ", color=red" if edge.total.failure else ""
        ends = f"{_quoted(named(edge.source))} -> {_quoted(named(edge.target))}"
        lines.append(f"  {ends} [label={_quoted(label(edge.total))}{colour}];")
    return "\n".join(["digraph traffic {", "  rankdir=LR;", "  node [shape=box];", *lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def nodes(edges: Iterable[Edge]) -> list[Node]:
    """All objects, in order."""
    return sorted({end for edge in edges for end in (edge.source, edge.target)})


def svg(edges: Sequence[Edge]) -> str:
    """A picture: objects on a circle, arrows between them, those with failures red."""
    places = _on_a_circle(nodes(edges))
    side = 2 * (MARGIN + RADIUS + STEP * len(places))
    lines = [_arrow(edge, places) for edge in edges]
    texts = [_text(place, named(node), "node") for node, place in places.items()]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img">',
        "<title>Traffic between objects of the mesh</title>",
        "<style>text{font:12px sans-serif;text-anchor:middle}.label{font-size:9px;fill:#555}line{stroke:#888}"
        ".failed{stroke:#c00}</style>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>',
        *lines, *(texts or [_text((side / 2, side / 2), NOBODY, "node")]), "</svg>",
    ])  # fmt: skip


def _on_a_circle(found: Sequence[Node]) -> dict[Node, tuple[float, float]]:
    radius = RADIUS + STEP * len(found)
    centre = MARGIN + radius
    turns = [2 * math.pi * place / max(len(found), 1) for place in range(len(found))]
    return {
        node: (centre + radius * math.sin(turn), centre - radius * math.cos(turn))
        for node, turn in zip(found, turns, strict=True)
    }


def _arrow(edge: Edge, places: dict[Node, tuple[float, float]]) -> str:
    """A line that ends short of the names, with its label a third of the way, so that both directions can be read."""
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    far = math.hypot(x2 - x1, y2 - y1) or 1.0
    gap = min(14 / far, 0.4)
    ends = (x1 + gap * (x2 - x1), y1 + gap * (y2 - y1), x2 - gap * (x2 - x1), y2 - gap * (y2 - y1))
    kind = ' class="failed"' if edge.total.failure else ""
    line = '<line x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}" marker-end="url(#end)"'.format(*ends)
    return f"{line}{kind}/>" + _text((x1 + (x2 - x1) / 3, y1 + (y2 - y1) / 3), label(edge.total), "label")


def _text(place: tuple[float, float], text: str, kind: str) -> str:
    return f'<text x="{place[0]:.0f}" y="{place[1]:.0f}" class="{kind}">{escape(text)}</text>'
