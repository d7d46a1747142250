"""A report as Markdown for people and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from detector.evaluation.plots import reliability_svg, risk_svg
from detector.evaluation.report import (
    AnswerReport,
    ConditionReport,
    Decisions,
    KindReport,
    Ranking,
    Report,
    ReportRow,
)
from detector.evaluation.scores import FEATURES, Scored
from detector.evaluation.tallies import Estimate, Share

_KINDS = {"video": "Clips", "image": "Pictures"}


def to_markdown(report: Report) -> str:
    """A report as Markdown tables."""
    lines = [
        f"{report.labels}, {report.created:%Y-%m-%d}, version {report.software.version}"
        + (f" ({report.software.commit[:7]})" if report.software.commit else "")
        + ". AUC and pairs won with 95 % intervals (bootstrap over groups), shares with Wilson's; "
        "files that could not be judged are counted against us.",
    ]
    lines += report.notes
    for kind in report.kinds:
        lines += ["", *_kind(kind, report)]
    return "\n".join(lines) + "\n"


def _kind(kind: KindReport, report: Report) -> Iterator[str]:
    yield f"## {_KINDS[kind.kind]}"
    yield (
        f"{kind.files} files of {kind.groups} groups ({kind.people} with all takes of a person "
        f"together): {kind.real} originals, {kind.fake} fakes."
    )
    yield from _answers(kind.answers)
    yield from _models(kind, report)
    yield from _families(kind)
    if kind.conditions:
        yield from _conditions(kind)
    yield from _rows("By method, against all originals", kind.methods)
    yield from _rows("By source", kind.sources)
    if kind.not_judged:
        missing = ", ".join(f"{name} ({why})" for name, why in kind.not_judged.items())
        yield f"\nNot judged: {missing}."


def _answers(answers: Sequence[AnswerReport]) -> Iterator[str]:
    yield "\n### What we answer"
    yield from head(
        "answer", "fakes", "AUC", "of the judged", "pairs won", "TPR at 1 % FPR", "at 5 %", "EER",
        "ECE (by chance)", "Brier", "area of risk",
    )  # fmt: skip
    for a in answers:
        yield line(
            a.title, str(a.ranking.auc.fake), *_ranked(a.ranking),
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
        yield line(a.title, *_decided(a.decisions))


def _models(kind: KindReport, report: Report) -> Iterator[str]:
    ours = kind.models[0].ranking
    yield "\n### Model by model, and what they have to beat"
    yield from head(
        "", "AUC", "judged", "pairs won", "TPR at 5 % FPR", "EER", "AUC of ours less this", "beaten"
    )
    for m in kind.models:
        r = m.ranking
        yield line(
            m.title, figure_text(r.auc), str(r.judged), _pairs(r), number(r.tpr_at_5),
            number(r.equal_error), "", "",
        )  # fmt: skip
    for b in kind.baselines:
        title = b.title if b.kind == "published" else f"*{b.title} alone*"
        won = f"{number(b.pairs_won)} of {ours.pairs}" if ours.pairs else ""
        yield line(
            title, figure_text(b.auc), str(b.judged), won, "", "",
            between(b.difference, b.low, b.high), b.beaten,
        )  # fmt: skip
    yield (
        "\nPublished detectors in their own direction, features in the better of the two. The "
        "difference is paired: on the same files, in each round on the same groups."
    )
    if report.missing_baselines:
        yield f"\nNot on this computer: {', '.join(report.missing_baselines)}."


def _families(kind: KindReport) -> Iterator[str]:
    names = list(kind.models[0].families)
    yield "\n### By family of fakes, against all originals"
    yield from head("", *(f"{n} ({kind.models[0].families[n].fake})" for n in names))
    for m in kind.models:
        yield line(m.title, *(figure_text(m.families[n]) for n in names))


def _conditions(kind: KindReport) -> Iterator[str]:
    titles = {m.id: m.title for m in kind.models}
    alone = list(kind.conditions[0].models)
    yield "\n### Under worse conditions"
    yield from head(
        "condition", "AUC", "AUC lost", "pairs won", "originals called FAKE", "decided", "right",
        *(titles[id] for id in alone),
    )  # fmt: skip
    first = kind.models[0].ranking
    plain = kind.answers[0].decisions
    own = [m.ranking.auc for m in kind.models if m.id in alone]
    yield line(
        "as it is", figure_text(first.auc), "", _pairs(first), share_text(plain.false_positives),
        share_text(plain.decided), share_text(plain.right), *map(figure_text, own),
    )  # fmt: skip
    for c in kind.conditions:
        yield line(
            c.title, figure_text(c.ranking.auc), between(c.fall, c.fall_low, c.fall_high),
            _pairs(c.ranking), share_text(c.decisions.false_positives),
            share_text(c.decisions.decided), share_text(c.decisions.right),
            *(figure_text(c.models[id]) for id in alone),
        )  # fmt: skip


def _rows(title: str, rows: Sequence[ReportRow]) -> Iterator[str]:
    yield f"\n### {title}"
    yield from head("", "originals", "fakes", "AUC", "originals called FAKE", "fakes called FAKE")
    for row in rows:
        yield line(
            row.name, str(row.real), str(row.fake), figure_text(row.auc) if row.auc else "",
            share_text(row.false_positives), share_text(row.true_positives),
        )  # fmt: skip


def to_csv(report: Report) -> str:
    """Every figure on a line of its own: kind, table, name, figure, value, low, high."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["kind", "table", "name", "figure", "value", "low", "high"])
    for kind in report.kinds:
        for table, name, figure, *values in _figures(kind):
            cells = ["" if v is None or not math.isfinite(v) else f"{v:.6g}" for v in values]
            writer.writerow([kind.kind, table, name, figure, *cells])
    return out.getvalue()


_Cells = tuple[str, str, str, float, float | None, float | None]


def _figures(kind: KindReport) -> Iterator[_Cells]:
    for a in kind.answers:
        yield from _ranking_cells("answer", a.name, a.ranking)
        yield from _decision_cells("answer", a.name, a.decisions)
        yield "answer", a.name, "ECE", a.calibration.error, None, None
        yield "answer", a.name, "ECE by chance", a.calibration.error_by_chance, None, None
        yield "answer", a.name, "Brier", a.calibration.brier, None, None
        yield "answer", a.name, "area of risk", a.risk.area, None, None
    for m in kind.models:
        yield from _ranking_cells("model", m.id, m.ranking)
        for name, f in m.families.items():
            yield "model", m.id, f"AUC, {name}", f.value, f.low, f.high
    for b in kind.baselines:
        yield "baseline", b.id, "AUC", b.auc.value, b.auc.low, b.auc.high
        yield "baseline", b.id, "AUC of ours less this", b.difference, b.low, b.high
        yield "baseline", b.id, "pairs won", b.pairs_won, None, None
    for c in kind.conditions:
        yield from _condition_cells(c)
    for table, rows in (("method", kind.methods), ("source", kind.sources)):
        for row in rows:
            if row.auc:
                yield table, row.name, "AUC", row.auc.value, row.auc.low, row.auc.high
            for name, share in (
                ("originals called FAKE", row.false_positives),
                ("fakes called FAKE", row.true_positives),
            ):
                if share:
                    yield table, row.name, name, share.value, share.low, share.high


def _condition_cells(c: ConditionReport) -> Iterator[_Cells]:
    yield from _ranking_cells("condition", c.name, c.ranking)
    yield from _decision_cells("condition", c.name, c.decisions)
    yield "condition", c.name, "AUC lost", c.fall, c.fall_low, c.fall_high
    for id, auc in c.models.items():
        yield "condition", c.name, f"AUC, {id}", auc.value, auc.low, auc.high


def _ranking_cells(table: str, name: str, r: Ranking) -> Iterator[_Cells]:
    yield table, name, "AUC", r.auc.value, r.auc.low, r.auc.high
    judged = r.auc_judged
    yield table, name, "AUC of the judged", judged.value, judged.low, judged.high
    yield table, name, "pairs won", r.pairs_won, r.pairs_low, r.pairs_high
    yield table, name, "TPR at 1 % FPR", r.tpr_at_1, None, None
    yield table, name, "TPR at 5 % FPR", r.tpr_at_5, None, None
    yield table, name, "EER", r.equal_error, None, None


def _decision_cells(table: str, name: str, d: Decisions) -> Iterator[_Cells]:
    for figure, share in (
        ("originals called FAKE", d.false_positives),
        ("fakes called FAKE", d.true_positives),
        ("decided", d.decided),
        ("right of the decided", d.right),
    ):
        yield table, name, figure, share.value, share.low, share.high


def scores_csv(scored: Sequence[Scored]) -> str:
    """One line a file: what it is and what was said of it."""
    models = list(dict.fromkeys(id for s in scored for id in s.highest))
    asked = list(dict.fromkeys(q for s in scored for q in s.answers))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "file", "condition", "label", "kind", "method", "group", "source", "verdict",
            "probability", *(f"probability of {q}" for q in asked),
            *(f"logit of {id}" for id in models), *FEATURES, "problem",
        ]
    )  # fmt: skip
    for s in scored:
        writer.writerow(
            [
                s.name, s.condition, "fake" if s.label else "real", s.kind, s.method, s.group,
                s.source, s.verdict, s.probability, *(s.answers.get(q) for q in asked),
                *(s.highest.get(id) for id in models), *(s.features.get(f) for f in FEATURES),
                s.problem,
            ]
        )  # fmt: skip
    return out.getvalue()


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.json, report.md, figures.csv, and a reliability diagram and a risk–coverage
    curve of each kind as SVG. Gives the files."""
    files = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.md": to_markdown(report),
        "figures.csv": to_csv(report),
    }
    for kind in report.kinds:
        files[f"reliability-{kind.kind}.svg"] = reliability_svg(kind)
        files[f"risk-{kind.kind}.svg"] = risk_svg(kind)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def head(*cells: str) -> Iterator[str]:
    """The two lines that a Markdown table begins with."""
    yield line(*cells)
    yield "|" + "---|" * len(cells)


def line(*cells: str) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _ranked(r: Ranking) -> tuple[str, ...]:
    numbers = (r.tpr_at_1, r.tpr_at_5, r.equal_error)
    judged = f"{figure_text(r.auc_judged)} ({r.judged})"
    return figure_text(r.auc), judged, _pairs(r), *(number(v) for v in numbers)


def _decided(d: Decisions) -> tuple[str, ...]:
    return tuple(share_text(s) for s in (d.false_positives, d.true_positives, d.decided, d.right))


def _pairs(r: Ranking) -> str:
    if not r.pairs:
        return ""
    return f"{between(r.pairs_won, r.pairs_low, r.pairs_high)} of {r.pairs}"


def figure_text(figure: Estimate) -> str:
    """0.71 [0.61, 0.81]"""
    return between(figure.value, figure.low, figure.high)


def share_text(share: Share | None) -> str:
    """5 % [1, 17] (2 of 39); nothing for a share of none."""
    if share is None or not share.of:
        return ""
    low, high = round(100 * share.low), round(100 * share.high)
    return f"{100 * share.value:.0f} % [{low}, {high}] ({share.count} of {share.of})"


def between(value: float, low: float, high: float) -> str:
    """A figure and its interval."""
    return f"{number(value)} [{number(low)}, {number(high)}]"


def number(value: float, digits: int = 2) -> str:
    """A dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
