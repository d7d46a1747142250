"""A report as Markdown for people, as CSV for spreadsheets, and its plots as SVG: text that can be
read, diffed and put into any page."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from detector import paths
from detector.evaluation.metrics import Interval
from detector.evaluation.report import (
    AnswerReport,
    Decisions,
    KindReport,
    Ranking,
    Report,
    ReportRow,
    Share,
)
from detector.evaluation.scores import FEATURES, Scored
from detector.spreadsheets import inert

HEADINGS = {"video": "Clips", "image": "Pictures", "audio": "Sounds"}


def to_markdown(report: Report) -> str:
    """Return a report as Markdown tables."""
    lines = [
        f"{report.labels}, {report.created:%Y-%m-%d}, version {report.software.version}"
        + (f" ({report.software.commit[:7]})" if report.software.commit else "")
        + ". AUC and pairs won with 95 % intervals (bootstrap over groups), shares with Wilson's; "
        "files that could not be judged are counted against us."
    ]
    lines += report.notes
    for kind in report.kinds:
        lines += ["", *_kind(kind, report)]
    return "\n".join(lines) + "\n"


def _kind(kind: KindReport, report: Report) -> Iterator[str]:
    yield f"## {HEADINGS[kind.kind]}"
    yield (
        f"{kind.files} files of {kind.groups} groups ({kind.people} with all takes of a person "
        f"together): {kind.real} originals, {kind.fake} fakes."
    )
    yield from answers(kind.answers)
    yield from models(kind, report)
    yield from families(kind)
    yield from conditions(kind)
    yield from _rows("By method, against all originals", kind.methods)
    yield from _rows("By source", kind.sources)
    if kind.not_judged:
        missing = ", ".join(f"{name} ({why})" for name, why in kind.not_judged.items())
        yield f"\nNot judged: {missing}."


def answers(answers: Sequence[AnswerReport]) -> Iterator[str]:
    """Yield the figures of each answer, and its decisions at the shipped thresholds."""
    yield "\n### What we answer"
    yield from head(
        "answer", "fakes", "AUC", "of the judged", "pairs won", "TPR at 1 % FPR", "at 5 %", "EER",
        "ECE (by chance)", "Brier", "area of risk",
    )  # fmt: skip
    for a in answers:
        yield line(
            a.title, a.ranking.auc.fake, a.ranking.auc,
            f"{text_of(a.ranking.auc_judged)} ({a.ranking.judged})", pairs_text(a.ranking),
            a.ranking.tpr_at_1, a.ranking.tpr_at_5, a.ranking.equal_error,
            f"{number(a.calibration.error, 3)} ({number(a.calibration.error_by_chance, 3)})",
            number(a.calibration.brier, 3), number(a.risk.area, 3),
        )  # fmt: skip
    yield (
        "\nECE by chance is what exactly honest probabilities would show on so few files. "
        "The area is under the risk–coverage curve."
    )
    yield "\n### At the shipped thresholds"
    yield from head("answer", "originals called FAKE", "fakes called FAKE", "decided", "right")
    for a in answers:
        yield line(a.title, *(share for _, share in a.decisions))


def models(kind: KindReport, report: Report) -> Iterator[str]:
    """Yield the figures of each model, and of what it has to beat."""
    ours = kind.models[0].ranking
    yield "\n### Model by model, and what they have to beat"
    yield from head(
        "", "AUC", "judged", "pairs won", "TPR at 5 % FPR", "EER", "AUC of ours less this", "beaten"
    )
    for m in kind.models:
        r = m.ranking
        yield line(m.title, r.auc, r.judged, pairs_text(r), r.tpr_at_5, r.equal_error, "", "")
    for b in kind.baselines:
        title = b.title if b.kind == "published" else f"*{b.title} alone*"
        won = f"{number(b.pairs_won)} of {ours.pairs}" if ours.pairs else ""
        yield line(title, b.auc, b.judged, won, "", "", b.difference, b.beaten)
    yield (
        "\nPublished detectors in their own direction, features in the better of the two. The "
        "difference is paired: on the same files, in each round on the same groups."
    )
    if report.missing_baselines:
        yield f"\nNot on this computer: {', '.join(report.missing_baselines)}."


def families(kind: KindReport) -> Iterator[str]:
    """Yield the AUC of each model by family of fakes."""
    names = list(kind.models[0].families)
    yield "\n### By family of fakes, against all originals"
    yield from head("", *(f"{n} ({kind.models[0].families[n].fake})" for n in names))
    for m in kind.models:
        yield line(m.title, *(m.families[n] for n in names))


def conditions(kind: KindReport) -> Iterator[str]:
    """Yield how much is lost under each condition; nothing where none was tried."""
    if not kind.conditions:
        return
    alone = list(kind.conditions[0].models)
    own = {m.id: m for m in kind.models if m.id in alone}
    yield "\n### Under worse conditions"
    yield from head(
        "condition", "AUC", "AUC lost", "pairs won", "originals called FAKE", "decided", "right",
        *(own[id].title for id in alone),
    )  # fmt: skip
    plain = {id: m.ranking.auc for id, m in own.items()}
    asis = ("as it is", None, kind.models[0].ranking, kind.answers[0].decisions, plain)
    worse = ((c.title, c.fall, c.ranking, c.decisions, c.models) for c in kind.conditions)
    for title, fall, r, d, models in (asis, *worse):
        yield line(
            title, r.auc, fall, pairs_text(r), d.false_positives, d.decided, d.right,
            *(models[id] for id in alone),
        )  # fmt: skip


def _rows(title: str, rows: Sequence[ReportRow]) -> Iterator[str]:
    yield f"\n### {title}"
    yield from head("", "originals", "fakes", "AUC", "originals called FAKE", "fakes called FAKE")
    for row in rows:
        yield line(
            row.name, row.real, row.fake, row.auc, row.false_positives, row.true_positives
        )  # fmt: skip


def to_csv(report: Report) -> str:
    """Return every figure on a line of its own: kind, table, name, figure, value, low, high."""
    rows: list[list[str]] = []
    for kind in report.kinds:
        for table, name, figures in _figures(kind):
            for figure, value in figures.items():
                if value is None:
                    continue
                if isinstance(value, float):
                    value = Interval(value, math.nan, math.nan)
                numbers = (value.value, value.low, value.high)
                cells = [f"{v:.6g}" if math.isfinite(v) else "" for v in numbers]
                rows.append([kind.kind, table, str(inert(name)), figure, *cells])
    return _csv(["kind", "table", "name", "figure", "value", "low", "high"], rows)


_Figures = dict[str, float | Interval | None]


def _figures(kind: KindReport) -> Iterator[tuple[str, str, _Figures]]:
    """Each table of a report, each name in it and its figures."""
    for a in kind.answers:
        calibration: _Figures = {
            "ECE": a.calibration.error, "ECE by chance": a.calibration.error_by_chance,
            "Brier": a.calibration.brier, "area of risk": a.risk.area,
        }  # fmt: skip
        yield "answer", a.name, _ranking(a.ranking) | _decisions(a.decisions) | calibration
    for m in kind.models:
        families: _Figures = {f"AUC, {name}": auc for name, auc in m.families.items()}
        yield "model", m.id, _ranking(m.ranking) | families
    for b in kind.baselines:
        yield "baseline", b.id, {
            "AUC": b.auc, "AUC of ours less this": b.difference, "pairs won": b.pairs_won,
        }  # fmt: skip
    for c in kind.conditions:
        fall: _Figures = {"AUC lost": c.fall}
        models: _Figures = {f"AUC, {id}": auc for id, auc in c.models.items()}
        yield "condition", c.name, _ranking(c.ranking) | _decisions(c.decisions) | fall | models
    for table, rows in (("method", kind.methods), ("source", kind.sources)):
        for row in rows:
            yield table, row.name, {
                "AUC": row.auc, "originals called FAKE": row.false_positives,
                "fakes called FAKE": row.true_positives,
            }  # fmt: skip


def _ranking(r: Ranking) -> _Figures:
    return {
        "AUC": r.auc, "AUC of the judged": r.auc_judged,
        "pairs won": r.pairs_won,
        "TPR at 1 % FPR": r.tpr_at_1, "TPR at 5 % FPR": r.tpr_at_5, "EER": r.equal_error,
    }  # fmt: skip


def _decisions(d: Decisions) -> _Figures:
    return {
        "originals called FAKE": d.false_positives, "fakes called FAKE": d.true_positives,
        "decided": d.decided, "right of the decided": d.right,
    }  # fmt: skip


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
    """Write report.json, report.md, figures.csv and each kind's two curves; return the files."""
    files = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.md": to_markdown(report),
        "figures.csv": to_csv(report),
    }
    for kind in report.kinds:
        files[f"reliability-{kind.kind}.svg"] = reliability_svg(kind)
        files[f"risk-{kind.kind}.svg"] = risk_svg(kind)
    for name, text in files.items():
        paths.write(folder / name, text)
    return [folder / name for name in files]


def head(*cells: str) -> Iterator[str]:
    """Yield the two lines that a Markdown table begins with."""
    yield line(*cells)
    yield "|" + "---|" * len(cells)


def line(*cells: object) -> str:
    """Return a row of a Markdown table, of cells as `text_of` writes them."""
    return "| " + " | ".join(text_of(cell).replace("|", "\\|") for cell in cells) + " |"


def pairs_text(r: Ranking) -> str:
    """Return the share of pairs won as in 0.71 [0.61, 0.81] of 39; nothing without pairs."""
    if not r.pairs:
        return ""
    return f"{text_of(r.pairs_won)} of {r.pairs}"


def text_of(value: object) -> str:
    """Return a figure as in 0.71 [0.61, 0.81], a share as in 5 % [1, 17] (2 of 39), a number with
    two digits; nothing for None and for a share of none."""
    if value is None or (isinstance(value, Share) and not value.of):
        return ""
    if isinstance(value, Share):
        low, high = round(100 * value.low), round(100 * value.high)
        return f"{100 * value.value:.0f} % [{low}, {high}] ({value.count} of {value.of})"
    if isinstance(value, Interval):
        return f"{number(value.value)} [{number(value.low)}, {number(value.high)}]"
    if isinstance(value, float):
        return number(value)
    return str(value)


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
