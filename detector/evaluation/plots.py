"""Plots of an evaluation as SVG: text, so that they can be read, diffed and put into any page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from detector.evaluation.report import KindReport

_SIDE, _LEFT, _TOP, _BELOW = 300, 56, 44, 52
"""px of the square plot, and of the room around it."""
_COLORS = ("#1f6feb", "#b35900", "#6f42c1")
"""of the answers in turn; told apart by colour-blind eyes, and each is named beside its line."""
_WORDS = {"video": "clips", "image": "pictures"}


def reliability_svg(kind: KindReport) -> str:
    """How many were fake among those that were said to be fake at so many percent. Each answer has
    dots with 95 % bars; the size of a dot grows with its files."""
    parts = [_line([(0, 0), (1, 1)], "#8a8a8a", dashed=True)]
    for answer, color in zip(kind.answers, _COLORS, strict=False):
        most = max((bar.seen.of for bar in answer.calibration.bars), default=1)
        for bar in answer.calibration.bars:
            x, y = _at(bar.said, bar.seen.value)
            radius = 3 + 5 * (bar.seen.of / most) ** 0.5
            parts.append(_line([(bar.said, bar.seen.low), (bar.said, bar.seen.high)], color))
            tip = f"{answer.title}: said {bar.said:.2f}, {bar.seen.count} of {bar.seen.of} fake"
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="{radius:.1f}" fill="{color}" fill-opacity="0.75">'
                f"<title>{escape(tip)}</title></circle>"
            )
    names = [f"{a.title}, ECE {a.calibration.error:.3f}" for a in kind.answers]
    return _page(
        f"Reliability on {kind.files} {_WORDS[kind.kind]}",
        "probability that was said",
        "share of fakes",
        parts,
        names,
    )


def risk_svg(kind: KindReport) -> str:
    """Share of wrong answers among the surest so many."""
    parts = []
    for answer, color in zip(kind.answers, _COLORS, strict=False):
        points = list(zip(answer.risk.coverage, answer.risk.risk, strict=True))
        parts.append(_line(points, color))
    names = [f"{a.title}, area {a.risk.area:.3f}" for a in kind.answers]
    return _page(
        f"Risk against coverage on {kind.files} {_WORDS[kind.kind]}",
        "share answered, the surest first",
        "share of these that is wrong",
        parts,
        names,
    )


def _at(x: float, y: float) -> tuple[float, float]:
    return round(_LEFT + x * _SIDE, 1), round(_TOP + (1 - y) * _SIDE, 1)


def _line(points: Sequence[tuple[float, float]], color: str, dashed: bool = False) -> str:
    path = " ".join(f"{x},{y}" for x, y in (_at(*point) for point in points))
    dash = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"{dash}/>'


def _page(title: str, across: str, up: str, parts: Sequence[str], names: Sequence[str]) -> str:
    width, height = _LEFT + _SIDE + 24, _TOP + _SIDE + _BELOW + 18 * len(names)
    grid = []
    for step in range(6):
        value = step / 5
        (x, bottom), (left, y) = _at(value, 0), _at(0, value)
        grid.append(_line([(value, 0), (value, 1)], "#dddddd"))
        grid.append(_line([(0, value), (1, value)], "#dddddd"))
        grid.append(_text(x, bottom + 16, f"{value:.1f}", "middle"))
        grid.append(_text(left - 8, y + 4, f"{value:.1f}", "end"))
    middle = _LEFT + _SIDE / 2
    key = [
        f'<rect x="{_LEFT}" y="{height - 18 * (len(names) - i)}" width="10" height="10" '
        f'fill="{color}"/>' + _text(_LEFT + 16, height - 18 * (len(names) - i) + 9, name)
        for i, (name, color) in enumerate(zip(names, _COLORS, strict=False))
    ]
    body = [
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 24, title, weight="600"),
        *grid,
        *parts,
        _text(middle, _TOP + _SIDE + 34, across, "middle"),
        f'<g transform="translate(14 {_TOP + _SIDE / 2}) rotate(-90)">'
        + _text(0, 0, up, "middle")
        + "</g>",
        *key,
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
    )
