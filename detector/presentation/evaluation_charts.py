"""Charts of an evaluation as SVG: reliability, and risk by coverage."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Any

from detector.presentation import evaluation as words
from detector.sentences import say

if TYPE_CHECKING:
    from detector.evaluation.report import KindReport

_COLORS = ("#1f6feb", "#b35900", "#6f42c1")
"""of the answers in turn; safe for color-blind readers, and named in the legend"""
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "unmask", "font.family": "sans-serif"}
"""Text stays text, and the same figures give the same file."""


def reliability_svg(kind: KindReport) -> str:
    """Draw the share of fakes by stated probability, with 95 % bars; dots grow with files."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#8a8a8a", linestyle="--", linewidth=1.5)
        for answer, color in zip(kind.table("answer"), _COLORS, strict=False):
            bars = kind.curves[answer.name].bars
            most = max((bar.seen.of or 0 for bar in bars), default=1)
            name = f"{say(answer.title)}, ECE {answer['ECE'].value:.3f}"
            axes.plot([], [], "o", color=color, label=name)
            for bar in bars:
                axes.plot([bar.said, bar.said], [bar.seen.low, bar.seen.high], color=color)
                size = 6 + 10 * ((bar.seen.of or 0) / most) ** 0.5
                (dot,) = axes.plot(
                    bar.said, bar.seen.value, "o", color=color, markersize=size, alpha=0.75
                )
                dot.set_gid(f"{answer.name}: {bar.seen.count} of {bar.seen.of} fake")

    return _page(kind, words.reliability(kind), draw)


def risk_svg(kind: KindReport) -> str:
    """Return the share of wrong answers among the surest so many."""

    def draw(axes: Any) -> None:
        for answer, color in zip(kind.table("answer"), _COLORS, strict=False):
            name = f"{say(answer.title)}, area {answer['area of risk'].value:.3f}"
            curves = kind.curves[answer.name]
            axes.plot(curves.coverage, curves.risk, color=color, label=name)

    return _page(kind, words.risk(), draw)


def _page(kind: KindReport, texts: words.ChartTexts, draw: Any) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    title = f"{texts.title}\n{say(words.KINDS[kind.kind])}: {kind.files}"
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 4.8), layout="constrained")
        axes = figure.add_subplot(title=title, xlabel=texts.across, ylabel=texts.up)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.grid(color="#dddddd")
        draw(axes)
        figure.legend(loc="outside lower left", frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    # What comes before the drawing is for programs that read a document type.
    drawing = out.getvalue().partition("<svg ")[2]
    return f'<svg role="img" aria-label="{escape(title)}" {drawing}'
