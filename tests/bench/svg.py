"""Two small plots as SVG text: bars against a limit, and curves. Colours work on light and dark ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

MET, MISSED, INK = "#2e9e5b", "#d9483b", "#7a8088"
COLOURS = ("#3a7bd5", "#e0912f", "#2e9e5b", "#b04fc2", "#d9483b", "#5b6770")
WIDTH = 860


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `share` of the limit (1 is the limit itself), and what it is in words."""

    title: str
    share: float
    value: str
    met: bool


def bars(title: str, items: Sequence[Bar]) -> str:
    """Horizontal bars; a line marks 1. Bars longer than 2 are cut."""
    left, step, top = 430, 26, 44
    span = WIDTH - left - 110
    height = top + step * max(1, len(items)) + 16
    body = [_text(12, 24, title, weight="bold")]
    for i, item in enumerate(items):
        y = top + i * step
        length = span * min(item.share, 2.0) / 2
        body.append(_text(left - 8, y + 13, _short(item.title), anchor="end"))
        colour = MET if item.met else MISSED
        body.append(
            f'<rect x="{left}" y="{y + 2}" width="{max(1.0, length):.1f}" height="15" rx="2" fill="{colour}"/>'
        )
        body.append(_text(left + length + 6, y + 13, item.value))
    limit = left + span / 2
    body.append(
        f'<line x1="{limit}" x2="{limit}" y1="{top - 6}" y2="{height - 10}" stroke="{INK}" stroke-dasharray="4 3"/>'
    )
    return _document(height, body)


def curves(title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines through (x, y) points, both from 0; y is cut at 1."""
    left, top, width, height = 60, 44, WIDTH - 220, 260
    most = max((x for points in lines.values() for x, _ in points), default=1.0)
    body = [_text(12, 24, title, weight="bold")]

    def place(x: float, y: float) -> tuple[float, float]:
        return left + width * x / most, top + height * (1 - min(y, 1.0))

    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = place(0, mark)[1]
        body.append(
            f'<line x1="{left}" x2="{left + width}" y1="{y}" y2="{y}" stroke="{INK}" stroke-opacity=".3"/>'
        )
        body.append(_text(left - 8, y + 4, f"{mark:g} s", anchor="end"))
    for i in range(5):
        x = most * i / 4
        body.append(_text(place(x, 0)[0], top + height + 20, f"{x:.0f}", anchor="middle"))
    for i, (name, points) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body.append(
            f'<rect x="{left + width + 16}" y="{top + i * 22}" width="12" height="12" fill="{colour}"/>'
        )
        body.append(_text(left + width + 34, top + i * 22 + 11, name))
    return _document(top + height + 36, body)


def _short(text: str) -> str:
    return text if len(text) <= 62 else text[:60] + "…"


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}">{escape(text)}</text>'


def _document(height: float, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="13">'
    )
    return "\n".join([head, *body, "</svg>"]) + "\n"
