"""The page: bring a labelled set, wait, read the figures, look at the worst mistakes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from markupsafe import Markup

from dashboard import labels as words
from dashboard import session, theme, url_state
from dashboard.charts import CONFIG, evaluation
from dashboard.components import page_header as titles
from dashboard.components import typography
from dashboard.components.chips import figures
from dashboard.components.figures import curves as curves_of
from dashboard.components.markup import rich, show
from dashboard.i18n import LazyDict, _, advice, ngettext, say
from detector.errors import InputError
from detector.evaluation import curves, tables
from detector.evaluation.report import ConditionReport, KindReport
from detector.evaluation.scores import Scored
from detector.evaluation.tallies import Share
from detector.models.registry import list_models, usable
from detector.schema.analysis import Settings, Thresholds
from service import limits
from service.labelled_sets import Why
from service.records.model import State
from service.tasks.errors import QueueFull
from service.tasks.evaluations import Evaluation

CONDITIONS: LazyDict[str, str] = LazyDict(
    lambda: {
        "none": _("As they are"),
        "few": _("Also re-encoded, shrunk, blurred and noisy"),
    }
)
KINDS: LazyDict[str, str] = LazyDict(lambda: {"video": _("Clips"), "image": _("Pictures")})
LEFT_OUT: LazyDict[Why, str] = LazyDict(
    lambda: {
        Why.NO_FOLDER: _("{name}: in no folder real or fake"),
        Why.NO_MEDIA: _("{name}: no video or picture"),
        Why.NOT_BROUGHT: _("{name}: listed, but not brought"),
    }
)
WORST = 12
"""Mistakes that are listed."""


def draw() -> None:
    """Draw the page."""
    token = url_state.current()
    run = _find(token) if token else None
    if run is None:
        _empty(gone=token is not None)
    elif run.active:
        _running(run)
    elif run.report is None:
        _failed(run)
    else:
        _result(run)


def _find(id: str) -> Evaluation | None:
    """Return the evaluation of an address, where it belongs to whoever is here."""
    return session.application().evaluations.find(id, session.current_user())


def _empty(*, gone: bool) -> None:
    titles.head(
        _("Evaluate on your own files"),
        _(
            "How often the models are right on material whose answer you know: error rates, "
            "calibration, and the files they get wrong."
        ),
    )
    if gone:
        text = _("This evaluation is not kept here any more. Bring the files again.")
        typography.notice(text)
    specs = [spec for spec in list_models() if usable(spec)]
    names = {spec.id: spec.plain or spec.title for spec in specs}
    usual = [spec.id for spec in specs if spec.default]
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
        chosen = st.pills(
            _("Models"),
            list(names),
            selection_mode="multi",
            default=usual,
            format_func=names.__getitem__,
            key="evaluate-models",
        )
        condition = st.selectbox(
            _("Files"),
            list(CONDITIONS),
            format_func=CONDITIONS.__getitem__,
            key="evaluate-condition",
            help=_(
                "Conditions show how much is lost when a file was passed on. Six times the work."
            ),
        )
        sent = st.form_submit_button(_("Evaluate"), type="primary", icon=":material/play_arrow:")
    if not sent:
        return
    if not files:
        _warn(_("Choose the files first."))
        return
    ids = [id for id in names if id in chosen]
    try:
        with limits.taking(session.request_context(), max(file.size for file in files), len(files)):
            run = session.application().evaluations.start(
                files, session.current_user(), None if ids == usual or not ids else ids, condition
            )
    except (QueueFull, InputError) as error:
        _warn(advice(error))
        return
    url_state.enter(run.id)
    st.rerun()


def _warn(text: str) -> None:
    typography.alert(text)


def _both(run: Evaluation) -> str:
    return _("{real} originals and {fake} fakes").format(
        real=run.labelled_set.real, fake=run.labelled_set.fake
    )


def _running(run: Evaluation) -> None:
    titles.head(_("Evaluating"), _both(run))
    with st.container(border=True, key="card-evaluating"):
        _progress(run.id)


@st.fragment(run_every=1.0)
def _progress(token: str) -> None:
    run = _find(token)
    if run is None or not run.active:
        st.rerun()
        return
    if run.started is None:
        st.progress(0.0, text=_("Waiting for an evaluation before this one"))
    else:
        left = run.seconds_left
        text = _("{done} of {total} files scored").format(
            done=run.done, total=run.total or run.labelled_set.real + run.labelled_set.fake
        )
        if left is not None:
            text += f" · {_('{time} left').format(time=words.about(left))}"
        st.progress(run.fraction, text=text)
    leave = _("You can leave this page; its address leads back here.")
    _caption(leave)
    cancel = session.application().tasks.cancel
    icon = ":material/close:"
    st.button(_("Cancel"), icon=icon, key="evaluate-stop", on_click=cancel, args=(run,))


def _failed(run: Evaluation) -> None:
    titles.head(_("No figures"), _("The evaluation did not end."))
    typography.notice(f"{say(run.error)} {say(run.hint)}")
    if run.state is State.INTERRUPTED and st.button(
        _("Go on"), type="primary", icon=":material/play_arrow:", key="evaluate-go-on"
    ):
        session.application().evaluations.rerun(run.id, session.current_user())
        st.rerun()
    _again(run)


def _again(run: Evaluation) -> None:
    if st.button(_("New evaluation"), icon=":material/add:", key="evaluate-new"):
        session.application().evaluations.delete(run.id, session.current_user())
        url_state.leave()
        st.rerun()


def _result(run: Evaluation) -> None:
    report = run.report
    assert report is not None
    facts = [
        _both(run),
        f"{report.created:%Y-%m-%d %H:%M}",
        f"Unmask {report.software.version}",
    ]
    with titles.row(_("How often they are right"), facts):
        st.download_button(
            _("Export"),
            _export(run),
            "evaluation.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key="evaluate-export",
        )
        _again(run)
    left_out = run.labelled_set.left_out
    notes = [*report.notes, *(LEFT_OUT[why].format(name=name) for name, why in left_out[:5])]
    if (more := len(left_out) - 5) > 0:
        notes.append(
            ngettext(
                "and {number} more was left out", "and {number} more were left out", more
            ).format(number=more)
        )
    if notes:
        _caption("; ".join(notes))
    kinds = {kind.kind: kind for kind in report.kinds}
    first = next(iter(kinds))
    chosen = first
    if len(kinds) > 1:
        chosen = st.segmented_control(
            _("Kind"),
            list(kinds),
            default=first,
            required=True,
            format_func=KINDS.__getitem__,
            label_visibility="collapsed",
            key="evaluate-kind",
        )
    kind = kinds[chosen or first]
    scored = [s for s in run.scored if s.kind == kind.kind]
    # The first question's: those that most verdicts are given by.
    thresholds = next(iter(report.thresholds.values()), Thresholds(low=0.5, high=0.5))
    _headline(kind)
    _curves(kind, scored, thresholds)
    _confusion(scored, thresholds)
    _mistakes(run, scored)
    _tables(kind)


def _headline(kind: KindReport) -> None:
    first = kind.answers[0]
    auc, said = first.ranking.auc, first.decisions
    interval = _("{low} to {high}").format(low=f"{auc.low:.2f}", high=f"{auc.high:.2f}")
    cells = [
        (_("AUC"), f"{auc.value:.2f}", interval),
        (_("Pairs ranked rightly"), *_pairs(first.ranking.pairs, first.ranking.pairs_won)),
        (_("Originals called fake"), *_share(said.false_positives)),
        (_("Got a verdict"), *_share(said.decided)),
        (_("Of these, right"), *_share(said.right)),
        (_("Calibration error"), f"{first.calibration.error:.2f}", _("0 is best")),
    ]
    show(figures(cells))


def _pairs(count: int, won: float) -> tuple[str, str]:
    if not count:
        return "–", _("no groups with both")
    pairs = ngettext("of {number} pair", "of {number} pairs", count).format(number=count)
    if count < words.FEW:
        return "", f"{round(won * count)} {pairs}"
    return words.percent(won), pairs


def _share(share: Share) -> tuple[str, str]:
    """A share as percents and count; of few files as the count alone, which says as much."""
    if not share.of:
        return "–", _("none")
    part = _("{number} of {total}").format(number=share.count, total=share.of)
    if share.of < words.FEW:
        return "", part
    return words.percent(share.count / share.of), part


def _columns(scored: Sequence[Scored]) -> dict[str, np.ndarray]:
    """A score a file by name: all together first, then each model alone. What could not be judged
    counts against us."""
    together = [1.0 - s.label if s.probability is None else s.probability for s in scored]
    out = {_("All together"): np.array(together)}
    titles = {spec.id: spec.title for spec in list_models()}
    for id in dict.fromkeys(id for s in scored for id in s.highest):
        out[titles.get(id, id)] = np.array(
            [s.highest.get(id, -1e6 if s.label else 1e6) for s in scored]
        )
    return out


def _curves(kind: KindReport, scored: Sequence[Scored], thresholds: Thresholds) -> None:
    colors = theme.palette()
    labels = np.array([s.label for s in scored])
    groups = [f"{s.source}/{s.group}" for s in scored]
    columns = _columns(scored)
    shown = dict(list(columns.items())[:4])
    first = kind.answers[0]
    area = first.ranking.auc
    fakes = float(labels.mean())
    both = st.columns(2, gap="medium")
    with both[0], st.container(border=True, key="card-roc", height="stretch"):
        _heading(_("ROC, with its 95 % band"))
        st.plotly_chart(
            evaluation.roc(
                {name: curves.roc(column, labels, groups) for name, column in shown.items()}, colors
            ),
            theme=None,
            config=CONFIG,
            key="evaluate-roc",
            alt=_("AUC {value}, between {low} and {high}").format(
                value=f"{area.value:.2f}", low=f"{area.low:.2f}", high=f"{area.high:.2f}"
            ),
        )
        show(curves_of(evaluation.key(list(shown), colors)))
    with both[1], st.container(border=True, key="card-precision", height="stretch"):
        _heading(_("Precision against recall"))
        st.plotly_chart(
            evaluation.precision(
                {name: curves.precision_recall(column, labels) for name, column in shown.items()},
                fakes,
                colors,
            ),
            theme=None,
            config=CONFIG,
            key="evaluate-precision",
            alt=_("Precision at each recall, for each model"),
        )
        share = _("Precision depends on how many files are fake: here {percent}.")
        show(curves_of(evaluation.key(list(shown), colors)))
        _caption(share.format(percent=words.percent(fakes)))
    both = st.columns(2, gap="medium")
    error = f"{first.calibration.error:.2f}"
    with both[0], st.container(border=True, key="card-reliability", height="stretch"):
        _heading(_("Can the percentages be taken at their word?"))
        st.plotly_chart(
            evaluation.reliability(first.calibration.bars, colors),
            theme=None,
            config=CONFIG,
            key="evaluate-reliability",
            alt=_("Expected calibration error {error}").format(error=error),
        )
        _caption(
            _(
                "Expected calibration error {error}; exactly right percentages would show "
                "{chance} on so few files."
            ).format(error=error, chance=f"{first.calibration.error_by_chance:.2f}")
        )
    with both[1], st.container(border=True, key="card-histogram", height="stretch"):
        _heading(_("Where the scores lie"))
        judged = [s for s in scored if s.probability is not None]
        st.plotly_chart(
            evaluation.histogram(
                [s.probability or 0.0 for s in judged if s.label == 0],
                [s.probability or 0.0 for s in judged if s.label == 1],
                thresholds,
                colors,
            ),
            theme=None,
            config=CONFIG,
            key="evaluate-histogram",
            alt=_("Scores of originals above the axis, of fakes below"),
        )
        _caption(
            _("{number} of {total} files were judged.").format(
                number=len(judged), total=len(scored)
            )
        )


def _heading(text: str) -> None:
    typography.title(text)


def _caption(text: str) -> None:
    typography.caption(text)


@st.fragment
def _confusion(scored: Sequence[Scored], thresholds: Thresholds) -> None:
    """What is called what at a threshold that can be moved; recomputed from the scores."""
    with st.container(border=True, key="card-confusion"):
        _heading(_("At a threshold of your choice"))
        cut = st.slider(
            _("Called fake from"),
            0,
            100,
            round(thresholds.high * 100),
            format="%d %%",
            key="evaluate-cut",
        )
        rows = []
        for label, name in ((0, _("Originals")), (1, _("Fakes"))):
            own = [s for s in scored if s.label == label]
            over = sum(1 for s in own if s.probability is not None and s.probability * 100 >= cut)
            out = sum(1 for s in own if s.probability is None)
            rows.append(
                {
                    "": name,
                    _("Called fake"): f"{over} ({words.percent(over / max(1, len(own)))})",
                    _("Not called fake"): str(len(own) - over - out),
                    _("Not judged"): str(out),
                    _("In all"): str(len(own)),
                }
            )
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)


def _mistakes(run: Evaluation, scored: Sequence[Scored]) -> None:
    """The files that were most wrong, each one click from its evidence."""
    wrong = sorted(
        (s for s in scored if s.probability is not None and (s.probability > 0.5) != bool(s.label)),
        key=lambda s: -abs((s.probability or 0.5) - 0.5),
    )[:WORST]
    with st.container(border=True, key="card-mistakes"):
        _heading(_("Worst mistakes"))
        if not wrong:
            _caption(_("No file is on the wrong side of 50 %."))
        for number, s in enumerate(wrong):
            with st.container(
                horizontal=True,
                horizontal_alignment="distribute",
                vertical_alignment="center",
                key=f"mistake-{number}",
            ):
                typography.paragraph(_mistake(s), width="stretch")
                if st.button(_("Look at it"), icon=":material/search:", key=f"look-{number}"):
                    _look(run, s)


def _mistake(s: Scored) -> Markup:
    """Return a sentence: what a file is, and what the models say."""
    if s.label == 0:
        text = _("<b>{file}</b> is an original; the models say {percent} likely manipulated.")
    elif s.method == "unknown":
        text = _("<b>{file}</b> is a fake; the models say {percent} likely manipulated.")
    else:
        text = _("<b>{file}</b> is a fake ({method}); the models say {percent} likely manipulated.")
    return rich(
        text,
        file=Path(s.name).name,
        method=s.method,
        percent=words.percent(s.probability or 0.0),
    )


def _look(run: Evaluation, scored: Scored) -> None:
    """Analyze the file as if it had been dropped, with the same models."""
    path = run.folder / scored.name
    try:
        with path.open("rb") as file:
            job = session.application().submit(
                session.request_context(), file, path.name, Settings(models=run.models)
            )
    except (QueueFull, InputError) as error:
        _warn(say(error.message))
    except OSError:
        _warn(_("This file is not kept here any more."))
    else:
        st.switch_page("pages/analyze.py", query_params={"a": job.key})


def _tables(kind: KindReport) -> None:
    """By condition, method and source."""
    if len(kind.conditions) > 0:
        with st.container(border=True, key="card-conditions"):
            _heading(_("When the files were passed on"))
            st.table(
                pd.DataFrame(_condition(c) for c in kind.conditions),
                border="horizontal",
                hide_index=True,
            )
    with st.expander(_("By method and source")):
        for name, rows in ((_("Method"), kind.methods), (_("Source"), kind.sources)):
            st.dataframe(
                pd.DataFrame(
                    {
                        name: row.name,
                        _("Originals"): row.real,
                        _("Fakes"): row.fake,
                        _("AUC"): tables.figure_text(row.auc) if row.auc else "–",
                        _("Originals called fake"): _part(row.false_positives),
                        _("Fakes found"): _part(row.true_positives),
                    }
                    for row in rows
                ),
                hide_index=True,
            )


def _part(share: Share | None) -> str:
    """5 % [1, 17] (2 of 39); nothing for a share of none."""
    if share is None or not share.of:
        return ""
    return _("{percent} % [{low}, {high}] ({number} of {total})").format(
        percent=f"{100 * share.value:.0f}",
        low=round(100 * share.low),
        high=round(100 * share.high),
        number=share.count,
        total=share.of,
    )


def _condition(c: ConditionReport) -> dict[str, str]:
    return {
        _("Condition"): c.title,
        _("AUC"): tables.figure_text(c.ranking.auc),
        _("AUC lost"): f"{c.fall:.2f}",
        _("Originals called fake"): _part(c.decisions.false_positives),
        _("Fakes found"): _part(c.decisions.true_positives),
    }


def _export(run: Evaluation) -> bytes:
    """Figures and scores as a ZIP; no media."""
    assert run.report is not None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.json", run.report.model_dump_json(indent=2))
        archive.writestr("report.md", tables.to_markdown(run.report))
        archive.writestr("figures.csv", tables.to_csv(run.report))
        archive.writestr("scores.csv", tables.scores_csv(run.scored))
    return buffer.getvalue()
