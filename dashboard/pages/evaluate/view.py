"""The page: bring a labelled set, wait, read the figures, look at what is furthest from the
truth."""

import io
import zipfile

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, page_header, task_progress, typography
from dashboard.components.markup import rich
from dashboard.i18n import LazyDict, _, advice, ngettext, say
from dashboard.pages.evaluate import over_time, report, state
from detector.errors import InputError
from detector.evaluation import tables
from detector.evaluation.labelled_sets import LeftOutReason
from detector.evaluation.report import Report
from detector.models.registry import list_models, usable
from service import limits
from service.records.model import State
from service.tasks.evaluations import Evaluation
from service.tasks.task import QueueFull

CONDITIONS: LazyDict[str, str] = LazyDict(
    lambda: {"none": _("As they are"), "few": _("Also re-encoded, shrunk, blurred and noisy")}
)
KINDS: LazyDict[str, str] = LazyDict(
    lambda: {"video": _("Clips"), "image": _("Pictures"), "audio": _("Sounds")}
)
LEFT_OUT: LazyDict[LeftOutReason, str] = LazyDict(
    lambda: {
        LeftOutReason.NO_FOLDER: _("{name}: in no folder real or fake"),
        LeftOutReason.NO_MEDIA: _("{name}: no video or picture"),
        LeftOutReason.NOT_BROUGHT: _("{name}: listed, but not uploaded"),
        LeftOutReason.REFUSED: _("{name}: its name leads elsewhere, or it is a link or locked"),
    }
)


def draw() -> None:
    """Draw the page."""
    run = state.current()
    if run is None:
        _empty()
        over_time.draw(KINDS)
    elif run.active:
        page_header.head(_("Evaluating"), _size(run))
        with st.container(border=True, key="card-evaluating"):
            note = _("You can leave this page; its address leads back here.")
            task_progress.draw(run, _progress, _("Cancel"), "evaluate-stop", note=note)
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
    specs = [spec for spec in list_models() if usable(spec)]
    default = [spec.id for spec in specs if spec.default]
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
    try:
        with limits.taking(session.request_context(), max(file.size for file in files), len(files)):
            run = session.application().evaluations.start(
                files, session.current_user(), models, condition
            )
    except (QueueFull, InputError) as error:
        typography.alert(advice(error))
        return
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
    if run.state is State.INTERRUPTED and controls.button(
        _("Go on"), "play_arrow", "evaluate-go-on", kind="primary"
    ):
        session.application().evaluations.rerun(run.id, session.current_user())
        st.rerun()
    _new_evaluation(run)


def _new_evaluation(run: Evaluation) -> None:
    if controls.button(_("New evaluation"), "add", "evaluate-new"):
        state.delete(run)
        st.rerun()


def _result(run: Evaluation, found: Report) -> None:
    facts = [_size(run), f"{found.created:%Y-%m-%d %H:%M}", f"Unmask {found.software.version}"]
    with page_header.row(_("How often they are right"), facts):
        controls.download(_("Export"), export(run, found), "evaluation.zip", "evaluate-export")
        _new_evaluation(run)
    left_out = run.labelled_set.left_out
    notes = [*found.notes, *(LEFT_OUT[why].format(name=name) for name, why in left_out[:5])]
    if (more := len(left_out) - 5) > 0:
        text = ngettext("and {number} more was left out", "and {number} more were left out", more)
        notes.append(text.format(number=more))
    if notes:
        typography.caption("; ".join(notes))
    kinds = {kind.kind: kind for kind in found.kinds}
    chosen = next(iter(kinds))
    if len(kinds) > 1:
        options = {kind: KINDS[kind] for kind in kinds}
        chosen = controls.choose(_("Kind"), options, chosen, "evaluate-kind", hidden=True)
    report.draw(run, kinds[chosen], found.thresholds)


def export(run: Evaluation, found: Report) -> bytes:
    """Return figures and scores as a ZIP; no media."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.json", found.model_dump_json(indent=2))
        archive.writestr("report.md", tables.to_markdown(found))
        archive.writestr("figures.csv", tables.to_csv(found))
        archive.writestr("scores.csv", tables.scores_csv(run.scored))
    return buffer.getvalue()
