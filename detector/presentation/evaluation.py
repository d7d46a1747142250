"""The figures of an evaluation as sections: tables, headline figures, captions of charts."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from detector.messages import states
from detector.messages.format import percent
from detector.presentation import Block, Grid, Row, Section, Text
from detector.schema.codes import ANSWERED
from detector.sentences import _, count, ngettext, numeral, say

if TYPE_CHECKING:
    from detector.evaluation.metrics import Interval
    from detector.evaluation.report import FigureRow, KindReport, Report, Table
    from detector.evaluation.scores import Scored

KINDS = {"video": _("Clips"), "image": _("Pictures"), "audio": _("Sounds")}
CALLED_FAKE, FOUND = _("Originals called fake"), _("Fakes found")
"""False and true positive rate"""
TOGETHER = _("All together")
"""The combined answer"""
GUESSING = _("guessing")
"""The line of a chart that a useful model lies above"""

FEW = 20
"""of which a share in percents would say more than is known"""


def figures(kind: KindReport) -> tuple[Row, ...]:
    """Return the headline figures of the combined answer, each with its interval or count."""
    first = kind.combined
    auc, pairs = first["AUC"], first["pairs won"]
    interval = _("{low} to {high}").format(low=number(auc.low), high=number(auc.high))
    if auc.low == auc.high == 1:  # of files drawn anew from so few, none is out of order either
        interval = _("too few files for an interval")
    return (
        Row(_("AUC"), number(auc.value), interval),
        Row(_("Pairs ranked rightly"), *_pairs(pairs.of or 0, pairs.value)),
        Row(say(CALLED_FAKE), *_share(first["originals called FAKE"])),
        Row(_("Got an answer"), *_share(first["decided"])),
        Row(_("Of these, right"), *_share(first["right of the decided"])),
        Row(_("Calibration error"), number(first["ECE"].value), _("0 is best")),
    )


def mistake(name: str, scored: Scored, probability: float) -> str:
    """Return a sentence on one file: its label, its likelihood and its verdict."""
    what = _("an original")
    if scored.label:
        what = _("a fake") if scored.method == "unknown" else _("a fake ({method})")
    decided = (question for question, label in scored.answer_labels.items()
               if label == scored.verdict)  # fmt: skip
    text = _("{file} is {what}; the models say {percent} likely manipulated. Verdict: {verdict}.")
    return text.format(
        file=name, what=what.format(method=scored.method), percent=percent(probability),
        verdict=states.state(scored.verdict, next(decided, None), short=True),
    )  # fmt: skip


def _pairs(count: int, won: float) -> tuple[str, str]:
    if not count:
        return "–", _("no groups with both")
    pairs = ngettext("of {number} pair", "of {number} pairs", count).format(number=count)
    if count < FEW:
        return f"{round(won * count)} {pairs}", ""
    return percent(won), pairs


def _share(share: Interval) -> tuple[str, str]:
    """Return a share in percent with its count and interval; of few files the count alone."""
    if not share.of:
        return "–", _("none")
    part = of_total(share)
    interval = _("{low} to {high} %").format(
        low=round(100 * share.low), high=round(100 * share.high)
    )
    return (part, interval) if share.of < FEW else (percent(share.value), f"{part}, {interval}")


# --- charts ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChartTexts:
    """Texts of a chart: title, axes, the text alternative, and small print below it.

    `hover` is that of each mark, with braces for `name`, its place `x` and `y`, and its number `n`
    of files.
    """

    title: str
    across: str
    up: str
    hover: str
    said: str
    notes: tuple[str, ...] = ()


def _hover(text: str, **places: str) -> str:
    """Return a text whose places a chart fills in: no message, which would be filled in anew."""
    return str(text.format(**places))


def roc(kind: KindReport, shown: int) -> ChartTexts:
    """Return the texts of the ROC curves of all models together and of the `shown` best alone."""
    auc, notes, alone = kind.combined["AUC"], list[str](), len(kind.alone)
    said = _("AUC {value}, between {low} and {high}").format(
        value=number(auc.value), low=number(auc.low), high=number(auc.high)
    )
    if alone > shown:
        text = _(
            "Beside all together, the {shown} of {models} models that rank these files best alone. "
            "The export has all."
        )
        notes.append(text.format(shown=shown, models=alone))
    hover = _("{name}: {found} found at {alarms} false alarms")
    hover = _hover(hover, name="{name}", found="{y}", alarms="{x}")
    title = _("ROC, with its 95 % band")
    return ChartTexts(title, say(CALLED_FAKE), say(FOUND), hover, said, tuple(notes))


def precision(kind: KindReport) -> ChartTexts:
    """Return the texts of the curves of precision, which depends on the share of fakes."""
    hover = _("{name}: {right} right at {found} found")
    text = _("Precision depends on how many files are fake: here {percent}.")
    return ChartTexts(
        _("Precision against recall"),
        _("Fakes found (recall)"),
        _("Of what is called fake, is fake"),
        _hover(hover, name="{name}", right="{y}", found="{x}"),
        _("Precision at each recall, for each model"),
        (text.format(percent=percent(kind.fake / max(1, kind.real + kind.fake))),),
    )


def reliability(kind: KindReport) -> ChartTexts:
    """Return the texts of the observed frequencies: the calibration error, alone and beside that of
    perfectly calibrated percentages."""
    first = kind.combined
    error, chance = number(first["ECE"].value), number(first["ECE by chance"].value)
    text = _(
        "Expected calibration error {error}; exactly right percentages would show {chance} on so "
        "few files."
    )
    hover = _("said {said}, seen {seen} ({files})")
    return ChartTexts(
        _("Can the percentages be taken at their word?"),
        _("Said: likely manipulated"),
        _("Seen: share of fakes"),
        _hover(hover, said="{x}", seen="{y}", files="{n}"),
        _("Expected calibration error {error}").format(error=error),
        (text.format(error=error, chance=chance),),
    )


def risk() -> ChartTexts:
    """Return the texts of the share of wrong answers among the surest."""
    title, across = _("Risk against coverage"), _("Share answered, the surest first")
    return ChartTexts(title, across, _("Of these, wrong"), "", "")


def of_total(share: Interval) -> str:
    """Return the count of a share: "31 of 48"."""
    return _("{number} of {total}").format(number=share.count, total=share.of)


def sides() -> tuple[tuple[str, str], tuple[str, str]]:
    """Return name and hover of the bars above and below the axis of `histogram`."""
    named = (
        (_("originals"), _("{number} originals at {percent}")),
        (_("fakes"), _("{number} fakes at {percent}")),
    )
    first, second = ((name, _hover(hover, number="{n}", percent="{x}")) for name, hover in named)
    return first, second


def histogram(scored: Sequence[Scored]) -> ChartTexts:
    """Return the texts of the scores of originals and fakes, with how many files have one."""
    text = _("{number} of {total} files were judged.")
    judged = sum(s.probability is not None for s in scored)
    return ChartTexts(
        _("Where the scores lie"),
        _("Likelihood of manipulation"),
        _("Files"),
        "",
        _("Scores of originals above the axis, of fakes below"),
        (text.format(number=judged, total=len(scored)),),
    )


Line = Sequence[tuple[datetime, float]]
"""(date, AUC) of evaluations"""


def lines(runs: Iterable[tuple[Report, KindReport]], most: int) -> dict[str, Line]:
    """Return the AUC of evaluations by date: of all models together, and of the `most` models with
    the most evaluations."""
    together: list[tuple[datetime, float]] = []
    alone: dict[str, list[tuple[datetime, float]]] = {}
    for report, kind in runs:
        together.append((report.created, kind.combined["AUC"].value))
        for model in kind.alone:
            alone.setdefault(say(model.title), []).append((report.created, model["AUC"].value))
    often = sorted(alone.items(), key=lambda named: -len(named[1]))
    return {say(TOGETHER): together, **dict(often[:most])}


def over_time(drawn: Mapping[str, Line]) -> ChartTexts:
    """Return the texts of `lines`."""
    ends = "; ".join(f"{name}: {number(line[-1][1])}" for name, line in drawn.items())
    hover = _hover(_("{name}: AUC {auc}, {date}"), name="{name}", auc="{y}", date="{x}")
    note = _("AUC by date. Only runs on the same files can be compared.")
    said = f"{_('AUC by date. Last: ')}{ends}"
    return ChartTexts(_("Evaluations over time"), "", _("AUC"), hover, said, (note,))


# --- answers and mistakes -------------------------------------------------------------------------


def answers(kind: KindReport) -> Section:
    """Return how many originals and fakes got each answer."""
    first = kind.combined
    rows = [
        (name, *(text_of(first[f"{side} called {label}"]) for label in ANSWERED))
        for side, name in (("originals", _("Originals")), ("fakes", _("Fakes")))
    ]
    note = _(
        "By the thresholds of each question and the quality of the material. Files that could not "
        "be judged are in no column, and in every total."
    )
    heads = ("", *map(states.group, ANSWERED))
    return Section("answers", _("What was answered"), (Grid(heads, rows), Text(note, "note")))


def confusion(scored: Sequence[Scored], threshold: float) -> Grid:
    """Return how many originals and fakes a threshold, 0..1, calls fake."""
    heads = "", _("Called fake"), _("Not called fake"), _("Not judged"), _("In all")
    rows = []
    for label, name in ((0, _("Originals")), (1, _("Fakes"))):
        values = [s.probability for s in scored if s.label == label]
        over = sum(value is not None and value >= threshold for value in values)
        unjudged, total = values.count(None), len(values)
        called = f"{over} ({percent(over / max(1, total))})"
        rows.append((name, called, f"{total - over - unjudged}", f"{unjudged}", f"{total}"))
    return Grid(heads, rows)


def confirmed(months: Mapping[datetime, tuple[int, int, int]]) -> Section:
    """Return how often verdicts were right on files with confirmed ground truth, from (right,
    wrong, open) by month."""
    right, wrong, left_open = (sum(n[i] for n in months.values()) for i in range(3))
    files = count(right + wrong + left_open, "file", "files")
    text = _(
        "Of {files} that were confirmed, {right} were called right, {wrong} wrong, {open} open."
    )
    said = text.format(files=files, right=right, wrong=wrong, open=left_open)
    heads = _("Month"), _("Confirmed"), _("Right"), _("Wrong"), _("Left open")
    rows = [(f"{m:%Y-%m}", f"{sum(n)}", *map(str, n)) for m, n in months.items()]
    note = _(
        "Confirmed files are those that a person looked into, not a sample of all. Left open: "
        "can’t tell, or not judged."
    )
    blocks = Text(said), Grid(heads, rows), Text(note, "note")
    return Section("confirmed", "", blocks)


def history(runs: Iterable[tuple[Report, KindReport]]) -> Grid:
    """Return a table of evaluations with their AUC."""
    heads = _("When"), _("Files"), say(TOGETHER), _("Version")
    rows = [
        (
            f"{report.created:%Y-%m-%d %H:%M}",
            f"{report.labels.rpartition('/')[2]} ({kind.files})",
            number(kind.combined["AUC"].value),
            report.software.version,
        )
        for report, kind in runs
    ]
    return Grid(heads, rows)


# --- all tables -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableLayout:
    """A table: its rows, and the columns of their figures; "AUC, *" matches all that begin so."""

    heading: str
    tables: tuple[Table, ...]
    figures: tuple[str, ...]
    note: str = ""


_CALLED = (_("originals called FAKE"), _("fakes called FAKE"))
_FILES = (_("originals"), _("fakes"), _("AUC"), *_CALLED)
LAYOUTS = (
    TableLayout(
        _("What we answer"),
        ("answer",),
        (
            "fakes", "AUC", "AUC of the judged", "pairs won", "TPR at 1 % FPR", "TPR at 5 % FPR",
            "EER", "ECE", "ECE by chance", "Brier", "area of risk",
        ),
        _("ECE by chance is what exactly honest probabilities would show on so few files. The area "
          "is under the risk–coverage curve."),
    ),
    TableLayout(
        _("At the shipped thresholds"),
        ("answer",),
        ("decided", "right of the decided", *_CALLED,
         "originals called PROBABLY_FAKE", "fakes called PROBABLY_FAKE",
         "originals called PROBABLY_REAL", "fakes called PROBABLY_REAL",
         "originals called REAL", "fakes called REAL"),
    ),
    TableLayout(
        _("Model by model, and what they have to beat"),
        ("model", "published", "feature"),
        ("AUC", "judged", "pairs won", "TPR at 5 % FPR", "EER", "AUC of ours less this"),
        _("Published detectors in their own direction, features in the better of the two. The "
          "difference is paired: on the same files, in each round on the same groups. Ours are "
          "better where its interval lies above 0."),
    ),
    TableLayout(_("By family of fakes, against all originals"), ("model",), ("AUC, *",)),
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


def sections(report: Report) -> list[Section]:
    """Return all figures, of each kind of files in a section."""
    commit = f" ({report.software.commit[:7]})" if report.software.commit else ""
    text = _(
        "{labels}, {day}, version {version}. AUC and pairs won with 95 % intervals (bootstrap over "
        "groups), shares with Wilson's; files that could not be judged are counted against us."
    )
    day, version = f"{report.created:%Y-%m-%d}", f"{report.software.version}{commit}"
    about = [text.format(labels=report.labels, day=day, version=version), *report.notes]
    if report.missing_baselines:
        absent = _("Not on this computer: {models}.")
        about.append(absent.format(models=", ".join(report.missing_baselines)))
    first = Section("about", "", tuple(map(Text, about)))
    return [first, *(Section(k.kind, say(KINDS[k.kind]), tuple(_kind(k))) for k in report.kinds)]


def tables(kind: KindReport) -> Section:
    """Return all tables of a kind of files."""
    names = {row.name: row.title for row in kind.alone}
    drawn = (_table(layout, kind.table(*layout.tables), names) for layout in LAYOUTS)
    return Section(f"{kind.kind}-tables", "", tuple(chain.from_iterable(drawn)))


def _kind(kind: KindReport) -> Iterator[Block]:
    text = _(
        "{files} files of {groups} groups ({people} with all takes of a person together): {real} "
        "originals, {fake} fakes."
    )
    counts = {name: getattr(kind, name) for name in ("files", "groups", "people", "real", "fake")}
    yield Text(text.format(**counts))
    yield from tables(kind).blocks
    if kind.not_judged:
        missing = ", ".join(f"{name} ({say(why)})" for name, why in kind.not_judged.items())
        yield Text(_("Not judged: {why}").format(why=f"{missing}."))


def _table(
    layout: TableLayout, rows: Sequence[FigureRow], names: Mapping[str, str]
) -> Iterator[Block]:
    """Yield a table without the columns that none of its rows has; nothing without rows. `names`
    are those of models by id."""
    there = dict.fromkeys(name for row in rows for name in row.figures)
    columns = [name for pattern in layout.figures for name in fnmatch.filter(there, pattern)]
    if columns:
        yield Text(say(layout.heading), "subhead")
        alone = _("{feature} alone")
        titles = [
            alone.format(feature=row.title) if row.table == "feature" else say(row.title)
            for row in rows
        ]
        figures = ([text_of(row.figures.get(name)) for name in columns] for row in rows)
        cells = [[title, *found] for title, found in zip(titles, figures, strict=True)]
        yield Grid(("", *(_head(name, names) for name in columns)), cells)
        if layout.note:
            yield Text(say(layout.note), "note")


def _head(figure: str, names: Mapping[str, str]) -> str:
    """Return the head of a column: a figure, of a model with its name."""
    name, _comma, of = figure.partition(", ")
    return f"{name}, {say(names[of])}" if of in names else say(figure)


def text_of(value: Any) -> str:
    """Return a figure (`Interval`, int, str or None) as in 0.71 [0.61, 0.81] (of 38), a share as in
    5 % [1, 17] (2 of 39), a number alone with three digits; "" for None and a share of no file."""
    if value is None or isinstance(value, int | str):
        return "" if value is None else str(value)
    if value.of == 0:
        return ""
    if value.count is not None:
        low, high = round(100 * value.low), round(100 * value.high)
        return f"{100 * value.value:.0f} % [{low}, {high}] ({of_total(value)})"
    if not math.isfinite(value.low):
        return number(value.value, 3)
    text = f"{number(value.value)} [{number(value.low)}, {number(value.high)}]"
    return (
        text
        if value.of is None
        else _("{figure} (of {number})").format(figure=text, number=value.of)
    )


def number(value: float, digits: int = 2) -> str:
    """Return a figure, or a dash where there is none."""
    return numeral(value, f".{digits}f") if math.isfinite(value) else "–"
