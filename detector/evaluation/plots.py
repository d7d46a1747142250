"""Plots of an evaluation as SVG: text, so that they can be read, diffed and put into any page."""

import io
from html import escape
from typing import Any

from detector.evaluation.report import KindReport

_COLORS = ("#1f6feb", "#b35900", "#6f42c1")
"""of the answers in turn; told apart by colour-blind eyes, and each is named in the key."""
_WORDS = {"video": "clips", "image": "pictures", "audio": "sounds"}
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "unmask", "font.family": "sans-serif"}
"""Text stays text, and the same figures give the same file."""


def reliability_svg(kind: KindReport) -> str:
    """Draw the share of fakes by stated probability, with 95 % bars; dots grow with files."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#8a8a8a", linestyle="--", linewidth=1.5)
        for answer, color in zip(kind.answers, _COLORS, strict=False):
            bars = answer.calibration.bars
            most = max((bar.seen.of for bar in bars), default=1)
            name = f"{answer.title}, ECE {answer.calibration.error:.3f}"
            axes.plot([], [], "o", color=color, label=name)
            for bar in bars:
                axes.plot([bar.said, bar.said], [bar.seen.low, bar.seen.high], color=color)
                size = 6 + 10 * (bar.seen.of / most) ** 0.5
                (dot,) = axes.plot(
                    bar.said, bar.seen.value, "o", color=color, markersize=size, alpha=0.75
                )
                dot.set_gid(f"{answer.name}: {bar.seen.count} of {bar.seen.of} fake")

    title = f"Reliability on {kind.files} {_WORDS[kind.kind]}"
    return _page(title, "probability that was said", "share of fakes", draw)


def risk_svg(kind: KindReport) -> str:
    """Return the share of wrong answers among the surest so many."""

    def draw(axes: Any) -> None:
        for answer, color in zip(kind.answers, _COLORS, strict=False):
            name = f"{answer.title}, area {answer.risk.area:.3f}"
            axes.plot(answer.risk.coverage, answer.risk.risk, color=color, label=name)

    title = f"Risk against coverage on {kind.files} {_WORDS[kind.kind]}"
    return _page(title, "share answered, the surest first", "share of these that is wrong", draw)


def _page(title: str, across: str, up: str, draw: Any) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 4.8), layout="constrained")
        axes = figure.add_subplot(title=title, xlabel=across, ylabel=up)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.grid(color="#dddddd")
        draw(axes)
        figure.legend(loc="outside lower left", frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    # What comes before the drawing is for programs that read a document type.
    drawing = out.getvalue().partition("<svg ")[2]
    return f'<svg role="img" aria-label="{escape(title)}" {drawing}'
