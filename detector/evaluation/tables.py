"""Files of an evaluation: Markdown and PDF for people, CSV for spreadsheets, charts as SVG."""

import io
import math
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from detector import paths, spreadsheets
from detector.evaluation.metrics import Interval
from detector.evaluation.report import KindReport, Report
from detector.evaluation.scores import FEATURES, Scored
from detector.presentation import Presentation, markdown
from detector.presentation import evaluation as words
from detector.presentation.evaluation import sections
from detector.sentences import say


def to_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    return "\n\n".join(markdown.of_sections(sections(report))) + "\n"


def to_pdf(report: Report) -> bytes:
    """Return a report as PDF."""
    from detector.report import pdf  # of the extra `report`

    title, made = f"Evaluation on {report.labels}", f"{report.created:%Y-%m-%d}"
    shown = Presentation(title, made, "", title, None, sections(report))
    return pdf.of_document(shown, f"evaluation {report.labels}", report.created)


def to_csv(report: Report) -> str:
    """Return every figure on a line of its own: the tidy table that spreadsheets and pandas
    pivot."""
    rows = []
    for kind in report.kinds:
        for row in kind.rows:
            for figure, found in row.figures.items():
                value = found if isinstance(found, Interval) else Interval(found)
                numbers = (value.value, value.low, value.high)
                cells = [f"{v:.6g}" if math.isfinite(v) else "" for v in numbers]
                rows.append([kind.kind, row.table, row.name, figure, *cells])
    return spreadsheets.to_csv([["kind", "table", "name", "figure", "value", "low", "high"], *rows])


def scores_csv(scored: Sequence[Scored]) -> str:
    """Return one line a file: its label and its scores."""
    models = list(dict.fromkeys(id for s in scored for id in s.highest))
    questions = list(dict.fromkeys(q for s in scored for q in s.answers))
    head = [
        "file", "condition", "label", "kind", "method", "group", "source", "verdict",
        "probability", *(f"probability of {q}" for q in questions),
        *(f"logit of {id}" for id in models), *FEATURES, "problem",
    ]  # fmt: skip
    rows = [
        [
            s.name, s.condition, "fake" if s.label else "real", s.kind, s.method, s.group,
            s.source, s.verdict, s.probability, *map(s.answers.get, questions),
            *map(s.highest.get, models), *map(s.features.get, FEATURES), s.problem,
        ]
        for s in scored
    ]  # fmt: skip
    return spreadsheets.to_csv([head, *rows])


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.json, report.md, figures.csv, each kind's two curves and report.pdf, which needs
    the extra `report`; return the files."""
    files = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.md": to_markdown(report),
        "figures.csv": to_csv(report),
    }
    for kind in report.kinds:
        files[f"reliability-{kind.kind}.svg"] = reliability_svg(kind)
        files[f"risk-{kind.kind}.svg"] = risk_svg(kind)
    data = {name: text.encode() for name, text in files.items()}
    if find_spec("fpdf") is not None:
        data["report.pdf"] = to_pdf(report)
    for name, content in data.items():
        paths.write(folder / name, content)
    return [folder / name for name in data]


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
