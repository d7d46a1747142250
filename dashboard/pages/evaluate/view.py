"""The Evaluate page: upload a labelled set, follow the run, read the figures and the
worst errors."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, session, theme, url_state
from dashboard.charts import evaluation as charts
from dashboard.components import (
    blocks,
    cards,
    controls,
    figures,
    page_header,
    task_progress,
    typography,
)
from dashboard.components.markup import rich, show
from dashboard.pages import alerted
from detector.errors import InputError
from detector.evaluation import metrics, runs, tables
from detector.evaluation.labelled_sets import LeftOutReason
from detector.evaluation.report import Column, KindReport, Report
from detector.evaluation.scores import Scored
from detector.models.registry import selectable
from detector.presentation import evaluation
from detector.presentation.evaluation import ChartTexts
from detector.schema.analysis import FileKind, Settings, Thresholds
from detector.sentences import _, ngettext, say
from service import limits
from service.config import get_config
from service.records.model import State
from service.tasks.evaluations import Evaluation
from service.tasks.task import QueueFull

CONDITIONS = {"none": _("As they are"), "few": _("Also re-encoded, shrunk, blurred and noisy")}
LEFT_OUT = {
    LeftOutReason.NO_FOLDER: _("{name}: in no folder real or fake"),
    LeftOutReason.NO_MEDIA: _("{name}: no video or picture"),
    LeftOutReason.NOT_BROUGHT: _("{name}: listed, but not uploaded"),
    LeftOutReason.REFUSED: _("{name}: its name leads elsewhere, or it is a link or locked"),
}


def draw() -> None:
    """Draw the page."""
    id, service = url_state.current(), session.application().evaluations
    run = service.find(id, session.current_user()) if id else None
    if run is None:
        _empty()
        _over_time()
    elif run.active:
        page_header.head(_("Evaluating"), _size(run))
        with st.container(border=True, key="card-evaluating"):
            note = _("You can leave this page; its address leads back here.")
            task_progress.draw(run, _progress, note)
    elif run.report is None:
        _failed(run)
    else:
        _result(run, run.report)


def _empty() -> None:
    page_header.head(
        _("Evaluate on your own files"),
        _(
            "How often the models are right on material whose answer you know: error rates, "
            "calibration, and the files they get wrong."
        ),
    )
    if url_state.current():
        typography.notice(_("This evaluation is not kept here any more. Upload the files again."))
    specs = selectable()
    default = [spec.id for spec in specs if spec.votes]
    with st.form("evaluate", border=True):
        files = st.file_uploader(
            _("A ZIP with the folders real and fake, or a CSV with its files"),
            accept_multiple_files=True,
            key="evaluate-files",
        )
        form = _(
            "The CSV has the columns <code>file,label</code> and, where known, "
            "<code>group,source,method</code>. A group ties an original to the fakes made of it: "
            "pairs tell more than single files. A ZIP may hold its own <code>labels.csv</code>."
        )
        typography.caption(rich(form))
        names = labels.plain_names(specs)
        ids = controls.choose_any(_("Models"), names, default, "evaluate-models")
        cost = _("Conditions show how much is lost when a file was passed on. Six times the work.")
        condition = controls.select(_("Files"), CONDITIONS, "evaluate-condition", help=cost)
        sent = st.form_submit_button(_("Evaluate"), type="primary", icon=":material/play_arrow:")
    if not sent:
        return
    if not files:
        typography.alert(_("Choose the files first."))
        return
    models = None if ids == default or not ids else ids
    with alerted():
        with limits.taking(session.request_context(), max(file.size for file in files), len(files)):
            run = session.application().evaluations.start(
                files, session.current_user(), models, condition
            )
        url_state.enter(run.id)
        st.rerun()


def _size(run: Evaluation) -> str:
    return _("{real} originals and {fake} fakes").format(
        real=run.labelled_set.real, fake=run.labelled_set.fake
    )


def _progress(run: Evaluation) -> str:
    if run.started is None:
        return _("Waiting for an evaluation before this one")
    text = _("{done} of {total} files scored").format(
        done=run.done, total=run.total or run.labelled_set.real + run.labelled_set.fake
    )
    return task_progress.with_time_left(text, run)


def _failed(run: Evaluation) -> None:
    page_header.head(_("No figures"), _("The evaluation did not end."))
    typography.notice(f"{say(run.error)} {say(run.hint)}")
    goes_on = run.state is State.INTERRUPTED
    if goes_on and controls.button(_("Go on"), "play_arrow", "evaluate-go-on", kind="primary"):
        session.application().evaluations.rerun(run.id, session.current_user())
        st.rerun()
    _new_evaluation(run)


def _new_evaluation(run: Evaluation) -> None:
    if controls.button(_("New evaluation"), "add", "evaluate-new"):
        session.application().evaluations.delete(run.id, session.current_user())
        url_state.leave()
        st.rerun()


def _result(run: Evaluation, found: Report) -> None:
    facts = [_size(run), f"{found.created:%Y-%m-%d %H:%M}", f"Unmask {found.software.version}"]
    with page_header.row(_("How often they are right"), facts):
        controls.download(_("Export"), export(run, found), "evaluation.zip", "evaluate-export")
        _new_evaluation(run)
    left_out = run.labelled_set.left_out
    notes = [
        *map(say, found.notes),
        *(say(LEFT_OUT[why]).format(name=name) for name, why in left_out[:5]),
    ]
    if (more := len(left_out) - 5) > 0:
        text = ngettext("and {number} more was left out", "and {number} more were left out", more)
        notes.append(text.format(number=more))
    if notes:
        typography.caption("; ".join(notes))
    kinds = {kind.kind: kind for kind in found.kinds}
    chosen = next(iter(kinds))
    if len(kinds) > 1:
        options = {kind: evaluation.KINDS[kind] for kind in kinds}
        chosen = controls.choose(_("Kind"), options, chosen, "evaluate-kind", hidden=True)
    _figures(run, kinds[chosen], found.thresholds)


def export(run: Evaluation, found: Report) -> bytes:
    """Return figures and scores as a ZIP, without media."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.json", found.model_dump_json(indent=2))
        archive.writestr("report.md", tables.to_markdown(found))
        archive.writestr("figures.csv", tables.to_csv(found))
        archive.writestr("scores.csv", tables.scores_csv(run.scored))
    return buffer.getvalue()


# --- evaluations over time ------------------------------------------------------------------------


MOST_RUNS = 20
"""evaluations in the table, the newest"""


def _over_time() -> None:
    """Draw the AUC of the person's evaluations by date, for an administrator also those of
    UNMASK_RUNS; nothing for fewer than two."""
    app, user = session.application(), session.current_user()
    reports = app.evaluations.reports(user)
    folder = get_config().runs
    if folder is not None and user.may_administer:
        reports += runs.reports(folder)
    count = Counter(kind.kind for report in reports for kind in report.kinds)
    several = {kind: evaluation.KINDS[kind] for kind, number in count.most_common() if number > 1}
    if not several:
        return
    with st.container(border=True, key="card-evaluations"):
        head = st.container()
        chosen = next(iter(several))
        if len(several) > 1:
            chosen = controls.choose(_("Kind"), several, chosen, "evaluations-kind", hidden=True)
        pairs = ((report, kind) for report in reports for kind in report.kinds)
        _runs(sorted((p for p in pairs if p[1].kind == chosen), key=lambda p: p[0].created), head)


def _runs(found: list[tuple[Report, KindReport]], head: DeltaGenerator) -> None:
    drawn, colors = evaluation.lines(found, charts.LINES - 1), theme.palette()
    texts = evaluation.over_time(drawn)
    with head:
        cards.introduced(texts.title, *texts.notes)
    figures.chart(charts.over_time(drawn, texts, colors), "evaluations", texts.said)
    marks = charts.key(list(drawn), colors)[:-1]
    show(cards.legend(cards.Mark(f"line {dash}", name, color) for dash, color, name in marks))
    show(blocks.block(evaluation.history(found[: -MOST_RUNS - 1 : -1])))
    if (more := len(found) - MOST_RUNS) > 0:
        typography.caption(_("and {number} more").format(number=more))


# --- figures and curves ---------------------------------------------------------------------------


FURTHEST = 12
"""Files that are listed by their distance from the truth."""


def _figures(run: Evaluation, kind: KindReport, thresholds: Mapping[FileKind, Thresholds]) -> None:
    """Draw the figures of the clips, or of the pictures."""
    scored = [s for s in run.scored if s.kind == kind.kind]
    # Those that most verdicts are given by.
    kinds = Counter(
        s.analysis.verdict.kind for s in scored if s.analysis and s.analysis.verdict.kind
    )
    most = next((own for own, _count in kinds.most_common(1)), FileKind.CLIP)
    first = thresholds.get(most, Thresholds(low=0.5, high=0.5))
    _headline(kind)
    _ranking(kind, scored)
    _probabilities(kind, scored, first)
    _answers(kind)
    _confusion(scored, first)
    _mistakes(run, scored)
    _tables(kind)


def _headline(kind: KindReport) -> None:
    with st.container(horizontal=True):
        for row in evaluation.figures(kind):
            st.metric(
                row.label, row.value, row.note or None, delta_color="off",
                delta_arrow="off", border=True, width="stretch",
            )  # fmt: skip


# --- curves ---------------------------------------------------------------------------------------


def _curve_card(name: str, texts: ChartTexts, figure: go.Figure, *key: Markup) -> None:
    with st.container(border=True, key=f"card-{name}", height="stretch"):
        typography.title(texts.title)
        figures.chart(figure, f"evaluate-{name}", texts.said)
        for part in (*key, *map(typography.small_print, texts.notes)):
            show(part)


def columns(kind: KindReport, scored: Sequence[Scored]) -> dict[str, Column]:
    """Return each file's scores by name: combined first, then the best-ranking models."""
    out = {say(evaluation.TOGETHER): Column.of([s.probability for s in scored], scored)}
    for model in sorted(kind.alone, key=lambda m: -m["AUC"].value)[: charts.LINES - 1]:
        out[say(model.title)] = Column.of([s.highest.get(model.name) for s in scored], scored)
    return out


def _ranking(kind: KindReport, scored: Sequence[Scored]) -> None:
    colors, lines = theme.palette(), columns(kind, scored)
    key = cards.legend(
        cards.Mark(cls=f"line {dash}", words=name, color=color)
        for dash, color, name in charts.key(list(lines), colors)
    )
    left, right = st.columns(2, gap="medium")
    with left:
        rocs = {
            name: metrics.roc(c.values, c.labels, () if number else c.groups)
            for number, (name, c) in enumerate(lines.items())
        }
        texts = evaluation.roc(kind, charts.LINES - 1)
        _curve_card("roc", texts, charts.roc(rocs, texts, colors), key)
    with right:
        right_of = {n: metrics.precision_recall(c.values, c.labels) for n, c in lines.items()}
        texts = evaluation.precision(kind)
        figure = charts.precision(right_of, kind.fake / len(scored), texts, colors)
        _curve_card("precision", texts, figure, key)


def _probabilities(kind: KindReport, scored: Sequence[Scored], thresholds: Thresholds) -> None:
    colors = theme.palette()
    judged = [(s.label, s.probability) for s in scored if s.probability is not None]
    left, right = st.columns(2, gap="medium")
    with left:
        texts = evaluation.reliability(kind)
        figure = charts.reliability(kind.curves[kind.combined.name].bars, texts, colors)
        _curve_card("reliability", texts, figure)
    with right:
        real, fake = ([value for label, value in judged if label == side] for side in (0, 1))
        texts = evaluation.histogram(scored)
        figure = charts.histogram(real, fake, thresholds, texts, colors)
        _curve_card("histogram", texts, figure)


# --- files ----------------------------------------------------------------------------------------


def _answers(kind: KindReport) -> None:
    """Draw how many originals and fakes got each of the five answers."""
    answers = evaluation.answers(kind)
    with st.container(border=True, key="card-answers"):
        typography.title(answers.title)
        blocks.draw(answers)


@st.fragment
def _confusion(scored: Sequence[Scored], thresholds: Thresholds) -> None:
    """Draw the confusion matrix at a movable threshold; recomputed from the scores."""
    with st.container(border=True, key="card-confusion"):
        typography.title(_("At a threshold of your choice"))
        cut = st.slider(
            _("Called fake from"),
            0,
            100,
            round(thresholds.high * 100),
            format="%d %%",
            key="evaluate-cut",
        )
        show(blocks.block(evaluation.confusion(scored, cut / 100)))


def _mistakes(run: Evaluation, scored: Sequence[Scored]) -> None:
    """Draw the files with the scores furthest from their label; undecided ones are no mistakes."""
    wrong = [
        (s, s.probability)
        for s in scored
        if s.probability is not None and (s.probability > 0.5) != bool(s.label)
    ]
    wrong.sort(key=lambda pair: -abs(pair[1] - 0.5))
    with st.container(border=True, key="card-mistakes"):
        typography.title(_("Furthest from the truth"))
        if not wrong:
            typography.caption(_("No file is on the wrong side of 50 %."))
        for number, (s, probability) in enumerate(wrong[:FURTHEST]):
            with controls.apart(f"mistake-{number}"):
                said = evaluation.mistake(given_name(s.name), s, probability)
                typography.paragraph(said, width="stretch")
                if controls.button(_("Look at it"), "search", f"look-{number}"):
                    _analyze(run, s)


def given_name(name: str) -> str:
    """Return the person's name of a file: stored names are numbered to be unique."""
    return re.sub(r"^\d{4,}-(?=.)", "", Path(name).name)


def _analyze(run: Evaluation, scored: Scored) -> None:
    """Analyze the file like an upload, with the same models."""
    path = run.folder / scored.name
    try:
        with path.open("rb") as file:
            job = session.submit(file, given_name(path.name), Settings(models=run.models))
    except (QueueFull, InputError) as error:
        typography.alert(say(error.message))
    except OSError:
        typography.alert(_("This file is not kept here any more."))
    else:
        url_state.go_to("analyze", a=job.key)


def _tables(kind: KindReport) -> None:
    """Draw all figures."""
    with st.expander(_("All figures")):
        blocks.draw(evaluation.tables(kind))
