"""The Compare page: bring a clip, choose models, look at them side by side."""

from __future__ import annotations

import streamlit as st

from dashboard import labels, session, theme, url_state
from dashboard.components import page_header, typography
from dashboard.i18n import LazyDict, _, say
from dashboard.pages.compare import agree, builder, cost, heatmaps, lanes, pair, state
from dashboard.pages.compare.state import MOST_MODELS, Chosen
from detector.errors import InputError
from detector.models import registry
from detector.schema.analysis import Settings
from service.tasks.jobs import Job, QueueFull

WHAT: LazyDict[str, str] = LazyDict(lambda: {"models": _("Models"), "clips": _("Clips")})


def draw() -> None:
    """Draw what the address asks for."""
    token = url_state.current()
    job = session.application().find(session.request_context(), token) if token else None
    if job is None:
        _empty(gone=token is not None)
    elif job.active:
        _waiting(job)
    elif job.analysis is None:
        none = _("This file gave no result to compare. Bring another one.")
        typography.notice(none)
        _bring("a", _("A clip or picture"))
    else:
        _view(job)


def _empty(*, gone: bool) -> None:
    page_header.head(
        _("Compare"),
        _(
            "Put models on one time axis, so that disagreement is visible before it is read. Or "
            "hold a suspected copy against its original."
        ),
    )
    if gone:
        lost = _("This result is not kept here any more.")
        typography.notice(lost)
    _bring("a", _("A clip or picture"))


def _bring(name: str, label: str, *, like: Settings | None = None) -> None:
    """Drop a file; it is analyzed as `like`, or with models that are chosen here, then compared."""
    specs = [s for s in registry.list_models() if registry.usable(s) and s.kind != "audio"]
    names = {spec.id: spec.plain or spec.title for spec in specs}
    usual = [spec.id for spec in specs if spec.default]
    with st.container(border=True, key=f"card-bring-{name}"):
        settings = like
        if settings is None:
            picked = st.pills(
                _("Models, two to {most}").format(most=MOST_MODELS),
                list(names),
                selection_mode="multi",
                default=usual,
                format_func=names.__getitem__,
                key=f"bring-models-{name}",
            )
            wanted = [id for id in names if id in picked]
            if 2 <= len(wanted) <= MOST_MODELS:
                settings = Settings(models=None if wanted == usual else wanted)
        file = st.file_uploader(label, key=f"bring-file-{name}")
        if settings is None:
            why = (
                _("Choose two to {most} models to compare.").format(most=MOST_MODELS)
                if len(names) > 1
                else _("Only one model is ready. The Models page has more.")
            )
            typography.warning(why)
    if file is None or settings is None:
        return
    try:
        job = session.application().submit(
            session.request_context(), file, file.name, settings, size=file.size
        )
    except (QueueFull, InputError) as error:
        typography.alert(say(error.message))
        return
    st.query_params[name] = job.key
    st.rerun()


@st.fragment(run_every=0.7)
def _waiting(job: Job) -> None:
    if session.application().find(session.request_context(), job.key) is not job or not job.active:
        st.rerun()
        return
    done = job.progress.fraction if job.progress else 0.0
    st.progress(done, text=_("Analyzing {name}").format(name=job.name))
    st.button(
        _("Cancel"), icon=":material/close:", key=f"cancel-{job.key}",
        on_click=session.application().jobs.cancel, args=(job.key,),
    )  # fmt: skip


def _view(job: Job) -> None:
    analysis = job.analysis
    assert analysis is not None
    second = st.query_params.get("b")
    facts = [*page_header.facts(analysis.media), _("nothing is computed again here")]
    with page_header.row(job.name, facts):
        what = st.segmented_control(
            _("Compare"),
            list(WHAT),
            default="clips" if second or st.query_params.get("w") == "clips" else "models",
            required=True,
            format_func=WHAT.__getitem__,
            label_visibility="collapsed",
            key="compare-what",
        )
        if st.button(_("Change clip"), icon=":material/movie:", key="compare-change"):
            url_state.leave()
            st.rerun()
        st.page_link(
            "pages/analyze.py", label=_("Verdict"), icon=":material/gavel:",
            query_params={"a": job.key},
        )  # fmt: skip
    if what == "clips":
        _clips(job)
    else:
        st.query_params.pop("b", None)
        _models(state.read(job))


def _clips(first: Job) -> None:
    token = st.query_params.get("b")
    second = session.application().find(session.request_context(), token) if token else None
    if second is not None and second.active:
        _waiting(second)
    elif second is None or second.analysis is None:
        if token:
            lost = _("The second clip is not kept here.")
            typography.notice(lost)
        _bring("b", _("The second clip: a copy, or the original"), like=first.settings)
    else:
        pair.draw(first, second, theme.palette())
        if st.button(_("Another second clip"), icon=":material/movie:", key="pair-change"):
            st.query_params.pop("b", None)
            st.rerun()


def _models(view: Chosen) -> None:
    _toolbar(view)
    palette = theme.palette()
    drawn = lanes.lanes(view)
    if not drawn:
        typography.notice(_("No model scored a face in this file."), announced=False)
        return
    still = view.analysis.media.kind == "image"
    if not still:
        lanes.draw(view, drawn, palette)
    if len(drawn) < 2:
        alone = _("Choose a second model to compare.")
        typography.notice(alone)
    wanted = heatmaps.draw(view, drawn)
    if len(drawn) > 1:
        agree.draw(view, drawn, palette)
    cost.draw(view)
    builder.draw(view)
    heatmaps.fill(view, wanted)  # last: nothing else waits for a network


def _toolbar(view: Chosen) -> None:
    able = {m.id: labels.plain(m) for m in state.able(view.analysis)}
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center",
        key="compare-toolbar",
    ):  # fmt: skip
        picked = st.pills(
            _("Models"),
            list(able),
            selection_mode="multi",
            default=[m.id for m in view.models],
            format_func=able.__getitem__,
            label_visibility="collapsed",
            key=f"compare-models-{view.job.key}",
        )
        ids = [id for id in able if id in picked][:MOST_MODELS]
        if ids and ids != [m.id for m in view.models]:
            state.choose("m", ids)
            st.rerun()
        people = [t for t in view.analysis.judged if t.models]
        if len(people) > 1:
            person = st.segmented_control(
                _("Person"),
                [t.id for t in people],
                default=view.track.id if view.track else None,
                required=True,
                key=f"compare-person-{view.job.key}",
            )
            if person and view.track and person != view.track.id:
                state.choose("p", person)
                st.query_params.pop("t", None)
                st.rerun()
