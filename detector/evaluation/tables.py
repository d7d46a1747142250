"""Files of an evaluation: Markdown and PDF for people, CSV for spreadsheets, charts as SVG."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from detector import paths, spreadsheets
from detector.evaluation.metrics import Interval
from detector.evaluation.report import Report
from detector.evaluation.scores import FEATURES, Scored
from detector.presentation import Presentation, markdown
from detector.presentation.evaluation import sections
from detector.presentation.evaluation_charts import reliability_svg, risk_svg


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
