"""A report as Markdown for people, as CSV for spreadsheets, and its plots as SVG: text that can be
read, diffed and put into any page."""

import csv
import fnmatch
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from detector import paths
from detector.evaluation.metrics import Interval
from detector.evaluation.report import FigureRow, KindReport, Report, Table
from detector.evaluation.scores import FEATURES, Scored
from detector.presentation import Block, Grid, Presentation, Section, Text, markdown
from detector.schema.codes import Label
from detector.sentences import _, say
from detector.spreadsheets import inert

HEADINGS = {"video": "Clips", "image": "Pictures", "audio": "Sounds"}


@dataclass(frozen=True)
class TableLayout:
    """One table of Markdown: which rows, and which of their figures; "AUC, *" stands for all that
    begin so."""

    heading: str
    tables: tuple[Table, ...]
    figures: tuple[str, ...]
    note: str = ""


_CALLED = (_("originals called FAKE"), _("fakes called FAKE"))
_FILES = (_("originals"), _("fakes"), _("AUC"), *_CALLED)
LAYOUTS = (
    TableLayout(
        "What we answer",
        ("answer",),
        (
            "fakes", "AUC", "AUC of the judged", "pairs won", "TPR at 1 % FPR", "TPR at 5 % FPR",
            "EER", "ECE", "ECE by chance", "Brier", "area of risk",
        ),
        "ECE by chance is what exactly honest probabilities would show on so few files. "
        "The area is under the risk–coverage curve.",
    ),
    TableLayout(
        "At the shipped thresholds",
        ("answer",),
        ("decided", "right of the decided", *_CALLED,
         "originals called PROBABLY_FAKE", "fakes called PROBABLY_FAKE",
         "originals called PROBABLY_REAL", "fakes called PROBABLY_REAL",
         "originals called REAL", "fakes called REAL"),
    ),
    TableLayout(
        "Model by model, and what they have to beat",
        ("model", "published", "feature"),
        ("AUC", "judged", "pairs won", "TPR at 5 % FPR", "EER", "AUC of ours less this"),
        "Published detectors in their own direction, features in the better of the two. The "
        "difference is paired: on the same files, in each round on the same groups. Ours are "
        "better where its interval lies above 0.",
    ),
    TableLayout("By family of fakes, against all originals", ("model",), ("AUC, *",)),
    TableLayout(
        _("Under worse conditions"),
        ("condition",),
        (
            "AUC", _("AUC lost"), _("pairs won"), *_CALLED, _("decided"),
            _("right of the decided"), "AUC, *",
        ),
    ),
    TableLayout(_("By method, against all originals"), ("method",), _FILES),
    TableLayout(_("By source"), ("source",), _FILES),
)  # fmt: skip


def to_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    return "\n\n".join(markdown.of_sections(sections(report))) + "\n"


def to_pdf(report: Report) -> bytes:
    """Return a report as PDF."""
    from detector.report import pdf  # of the extra `report`

    title, made = f"Evaluation on {report.labels}", f"{report.created:%Y-%m-%d}"
    shown = Presentation(title, made, "", title, Label.NOT_APPLICABLE, sections(report))
    return pdf.of_document(shown, f"evaluation {report.labels}", report.created)


def sections(report: Report) -> list[Section]:
    """Return all figures, of each kind of files in a section."""
    about = [
        f"{report.labels}, {report.created:%Y-%m-%d}, version {report.software.version}"
        + (f" ({report.software.commit[:7]})" if report.software.commit else "")
        + ". AUC and pairs won with 95 % intervals (bootstrap over groups), shares with Wilson's; "
        "files that could not be judged are counted against us.",
        *report.notes,
    ]
    if report.missing_baselines:
        about.append(f"Not on this computer: {', '.join(report.missing_baselines)}.")
    first = Section("about", "", tuple(map(Text, about)))
    return [first, *(Section(k.kind, HEADINGS[k.kind], tuple(_kind(k))) for k in report.kinds)]


def parts(kind: KindReport) -> Section:
    """Return the figures by condition, method and source."""
    shown = [layout for layout in LAYOUTS if {*layout.tables} <= {"condition", "method", "source"}]
    drawn = (_table(layout, kind.table(*layout.tables)) for layout in shown)
    return Section(f"{kind.kind}-parts", "", tuple(chain.from_iterable(drawn)))


def _kind(kind: KindReport) -> Iterator[Block]:
    yield Text(
        f"{kind.files} files of {kind.groups} groups ({kind.people} with all takes of a person "
        f"together): {kind.real} originals, {kind.fake} fakes."
    )
    for layout in LAYOUTS:
        yield from _table(layout, kind.table(*layout.tables))
    if kind.not_judged:
        missing = ", ".join(f"{name} ({why})" for name, why in kind.not_judged.items())
        yield Text(f"Not judged: {missing}.")


def _table(layout: TableLayout, rows: Sequence[FigureRow]) -> Iterator[Block]:
    """Yield a table without the columns that none of its rows has; nothing without rows."""
    there = dict.fromkeys(name for row in rows for name in row.figures)
    columns = [name for pattern in layout.figures for name in fnmatch.filter(there, pattern)]
    if columns:
        yield Text(say(layout.heading), "subhead")
        titles = [f"{row.title} alone" if row.table == "feature" else row.title for row in rows]
        figures = ([text_of(row.figures.get(name)) for name in columns] for row in rows)
        cells = [[title, *found] for title, found in zip(titles, figures, strict=True)]
        yield Grid(("", *map(say, columns)), cells)
        if layout.note:
            yield Text(layout.note)


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
                rows.append([kind.kind, row.table, inert(row.name), figure, *cells])
    return _csv(["kind", "table", "name", "figure", "value", "low", "high"], rows)


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
    return _csv(head, [[inert(cell) for cell in row] for row in rows])


def _csv(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows])
    return out.getvalue()


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


def text_of(value: object) -> str:
    """Return a figure as in 0.71 [0.61, 0.81] (of 38), a share as in 5 % [1, 17] (2 of 39), a
    number alone with three digits; nothing for None and for a share of none."""
    if not isinstance(value, Interval):
        return "" if value is None else str(value)
    if value.of == 0:
        return ""
    if value.count is not None:
        low, high = round(100 * value.low), round(100 * value.high)
        return f"{100 * value.value:.0f} % [{low}, {high}] ({value.count} of {value.of})"
    if not math.isfinite(value.low):
        return number(value.value, 3)
    text = f"{number(value.value)} [{number(value.low)}, {number(value.high)}]"
    return text if value.of is None else f"{text} (of {value.of})"


def number(value: float, digits: int = 2) -> str:
    """Return a figure, or a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


_COLORS = ("#1f6feb", "#b35900", "#6f42c1")
"""of the answers in turn; told apart by colour-blind eyes, and each is named in the key."""
_WORDS = {"video": "clips", "image": "pictures", "audio": "sounds"}
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "unmask", "font.family": "sans-serif"}
"""Text stays text, and the same figures give the same file."""


def reliability_svg(kind: KindReport) -> str:
    """Draw the share of fakes by stated probability, with 95 % bars; dots grow with files."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#8a8a8a", linestyle="--", linewidth=1.5)
        for answer, color in zip(kind.table("answer"), _COLORS, strict=False):
            bars = kind.curves[answer.name].bars
            most = max((bar.seen.of or 0 for bar in bars), default=1)
            name = f"{answer.title}, ECE {answer['ECE'].value:.3f}"
            axes.plot([], [], "o", color=color, label=name)
            for bar in bars:
                axes.plot([bar.said, bar.said], [bar.seen.low, bar.seen.high], color=color)
                size = 6 + 10 * ((bar.seen.of or 0) / most) ** 0.5
                (dot,) = axes.plot(
                    bar.said, bar.seen.value, "o", color=color, markersize=size, alpha=0.75
                )
                dot.set_gid(f"{answer.name}: {bar.seen.count} of {bar.seen.of} fake")

    title = f"Reliability on {kind.files} {_WORDS[kind.kind]}"
    return _page(title, "probability that was said", "share of fakes", draw)


def risk_svg(kind: KindReport) -> str:
    """Return the share of wrong answers among the surest so many."""

    def draw(axes: Any) -> None:
        for answer, color in zip(kind.table("answer"), _COLORS, strict=False):
            name = f"{answer.title}, area {answer['area of risk'].value:.3f}"
            curves = kind.curves[answer.name]
            axes.plot(curves.coverage, curves.risk, color=color, label=name)

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
