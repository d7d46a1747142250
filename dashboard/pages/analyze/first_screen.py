"""The first screen: drop a file, or open a sample; and already read the four answers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, url_state
from dashboard.components import cards, status_cards, style, typography, upsell_banner
from dashboard.components.chips import bullets, chip
from dashboard.components.markup import join, show, tag
from dashboard.i18n import LazyDict, _, advice, say
from dashboard.pages.analyze import arrivals
from dashboard.pages.analyze.arrivals import Arrival
from detector.errors import InputError
from detector.models.base import ModelSpec
from detector.models.registry import choose, list_models, usable
from detector.schema.analysis import Label, Settings
from service import limits
from service.storage.uploads import records_retention, retention
from service.tasks.jobs import QueueFull

if TYPE_CHECKING:
    from dashboard._compat import UploadedFile
    from detector.samples import Sample

FORMATS = "MP4, MOV, WebM, MKV, GIF, JPEG, PNG"
MOMENTS = (16, 32, 64, 128)
"""Choices for the moments to look at; the library's default is among them."""
RATES = (3.0, 5.0, 10.0)
MOST_BY_RATE = 600
"""moments, when so many a second are asked for: two minutes at 5 a second."""
SAMPLING: LazyDict[str, str] = LazyDict(
    lambda: {
        "uniform": _("Evenly spread"),
        "keyframes": _("At changes"),
        "fps": _("By rate"),
    }
)
SAMPLE_WIDTH = 150
"""px; five cards a row on a desktop, two on a phone."""
ANSWERS = (Label.FAKE, Label.INCONCLUSIVE, Label.REAL, Label.NOT_APPLICABLE)


def draw() -> None:
    """The page without a file."""
    specs = [spec for spec in list_models() if usable(spec)]
    left, right = st.columns([800, 480], gap="large")
    with left:
        st.title(_("Check a face in a clip or picture"), anchor=False)
        lead = _("Get a reading in plain words, the frames behind it, and what it can’t tell.")
        typography.lead(lead)
        if not specs:
            status_cards.show(status_cards.no_model())
            return
        if error := st.session_state.pop("refused", None):
            status_cards.show(status_cards.refused(error))
        uploader = st.container(key="drop")
        brought = st.container()
        settings = _settings(specs)
        _take(uploader, settings)
        with brought:
            arrivals.draw()
        _stronger()
    with right:
        _answers()
    _samples(settings)


def _stronger() -> None:
    """Where a better model is."""
    wanted = upsell_banner.standing()
    if wanted is None:
        return
    text = _("The bundled models are small. {model} is stronger, as published.").format(
        model=upsell_banner.named(wanted)
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="stronger"):
        typography.caption(text, width="content")
        st.page_link(
            "pages/models.py", label=_("Add it"), icon=":material/download:", width="content"
        )


def _take(place: st.delta_generator.DeltaGenerator, settings: Settings) -> None:
    """The drop zone. Files are copied to disk at once; then the uploader is replaced by a fresh
    one, which lets go of the copies in memory. One file is gone to; of several each gets a row."""
    limit = limits.megabytes(session.current_user(), int(st.get_option("server.maxUploadSize")))
    turn = st.session_state.get("uploads", 0)
    with place:
        style.drop_zone(
            _("Drop videos or pictures here"),
            _("Choose videos or pictures"),
            _("{formats} · up to {limit} MB").format(formats=FORMATS, limit=limit),
            _(
                "We couldn’t take this file. The limit here is {limit} MB: cut it, or use the "
                "command line."
            ).format(limit=limit),
        )
        files = st.file_uploader(
            _("Videos or pictures"),
            key=f"upload-{turn}",
            accept_multiple_files=True,
            label_visibility="collapsed",
        )
    if not files:
        return
    st.session_state["uploads"] = turn + 1
    if len(files) == 1:
        try:
            job = session.application().submit(
                session.request_context(), files[0], files[0].name, settings, size=files[0].size
            )
        except (QueueFull, InputError) as error:
            st.session_state["refused"] = error
        else:
            url_state.enter(job.key)
    else:
        for file in files:
            arrivals.add(_arrive(file, settings))
    st.rerun()


def _arrive(file: UploadedFile, settings: Settings) -> Arrival:
    """Put one of several files in line, or say why not."""
    try:
        job = session.application().submit(
            session.request_context(), file, file.name, settings, size=file.size
        )
    except (QueueFull, InputError) as error:
        return Arrival(file.name, refused=advice(error))
    return Arrival(file.name, job.key)


def _settings(specs: list[ModelSpec]) -> Settings:
    """How long it takes, in a line under the drop zone; what an expert may change, folded away."""
    time = st.empty()
    with st.expander(_("Options"), icon=":material/tune:", key="options"):
        ids = _models(specs)
        options = _options()
    titles = {spec.id: spec.title for spec in specs}
    usual = _usual(specs)
    if not ids:
        ids = usual
        names = labels.listed([titles[id] for id in ids])
        none = _("none chosen: {models}").format(models=names)
        typography.caption(none, at=time)
    elif seconds := _estimate(options, ids):
        takes = (
            _("A video takes {time} on this computer.")
            if session.is_loopback_client()
            else _("A video takes {time} on this server.")
        ).format(time=labels.about(seconds))
        typography.caption(takes, at=time)
    if options.mix is not None:
        return options.model_copy(update={"models": options.mix.models})
    return options.model_copy(update={"models": None if ids == usual else ids})


def _usual(specs: list[ModelSpec]) -> list[str]:
    """The models that an analysis has unless somebody chooses."""
    usual = {spec.id for spec in choose()}
    return [spec.id for spec in specs if spec.id in usual] or [specs[0].id]


def _models(specs: list[ModelSpec]) -> list[str]:
    """What to look for: a model each, by what it looks for. Those that are off say why."""
    names = {spec.id: spec.plain or spec.title for spec in specs}
    usual = _usual(specs)
    chosen = st.pills(
        _("What to look for"),
        list(names),
        selection_mode="multi",
        default=usual,
        format_func=names.__getitem__,
        wrap=True,
        key="models",
    )
    rows = (_looks(spec, names[spec.id], off=spec.id not in usual) for spec in specs)
    show(bullets(rows, "um-looks"))
    return [id for id in names if id in chosen]


def _looks(spec: ModelSpec, name: str, *, off: bool) -> Markup:
    """Return what one model looks for, and why it is off at first."""
    told = [(spec.finding or spec.summary).rstrip(".") + "."]
    if name != spec.title:
        told.append(_("Model: {title}.").format(title=spec.title))
    if off:
        told.append(_("Off unless you turn it on: the thresholds were made for a set without it."))
    return join([tag("b", name), f": {' '.join(told)}"])


def _estimate(settings: Settings, ids: list[str]) -> float | None:
    """Seconds for a video; unknown where its length decides, and before a first file."""
    if settings.sampling == "fps":
        return None
    return session.application().jobs.speed.estimate(settings.frames, ids)


def _options() -> Settings:
    """What an expert may change: how many moments, which, and the smallest face."""
    usual = Settings()
    sampling = st.segmented_control(
        _("Which moments to look at"),
        list(SAMPLING),
        default=usual.sampling,
        required=True,
        format_func=SAMPLING.__getitem__,
        key="sampling",
    )
    if sampling == "fps":
        rate = st.segmented_control(
            _("How many a second"),
            RATES,
            default=usual.fps,
            required=True,
            format_func="{:g}".format,
            key="rate",
            help=_("At most {number} in all.").format(number=MOST_BY_RATE),
        )
        amount = {"fps": rate, "frames": MOST_BY_RATE}
    else:
        moments = st.segmented_control(
            _("How many"),
            MOMENTS,
            default=usual.frames,
            required=True,
            key="moments",
            help=_("More moments find shorter events and take longer."),
        )
        amount = {"frames": moments}
    smallest = st.slider(
        _("Smallest face, px wide"),
        min_value=16,
        max_value=120,
        value=usual.min_face,
        step=4,
        key="smallest",
        help=_("Narrower faces are skipped. Under 64 px scores mean little."),
    )
    mix = None
    scope = session.record_scope()
    if known := scope.store.presets(scope.owner):
        name = st.selectbox(
            _("Ensemble"),
            [None, *known],
            format_func=lambda n: n or _("The default, or the models chosen here"),
            key="preset",
            help=_("Presets are put together on the Compare page."),
        )
        mix = known.get(name) if name else None
    return Settings.model_validate(
        {"sampling": sampling, "min_face": smallest, "mix": mix, **amount}
    )


def _answers() -> None:
    """The four answers, in their colors and words, and what happens to a file."""
    states = [(labels.STATES[label], labels.WHAT_IT_MEANS[label]) for label in ANSWERS]
    kept = labels.hours(retention().total_seconds() / 3600)
    days = records_retention().total_seconds() / 86400
    if session.application().replicates_media(session.request_context()):
        fate = _(
            "It is deleted there after {hours}; a copy stays in your account with its result."
        ).format(hours=kept)
    else:
        fate = _(
            "It is deleted after {hours}; the result and a small picture after {days}, "
            "or when you delete them."
        ).format(hours=kept, days=labels.days(days))
    where = (
        _("Your file stays on this computer.")
        if session.is_loopback_client()
        else _("Your file stays on this server.")
    )
    show(
        cards.explained(
            _("What you will read"),
            [(chip(state.words, state.slug, state.icon), means) for state, means in states],
        ),
        typography.with_icon("lock", f"{where} {fate}", "um-privacy"),
    )


def _samples(settings: Settings) -> None:
    """Clips that show it working with no file at hand."""
    gallery = session.application().gallery
    if gallery.problem:
        why = _("There are no samples: {problem}").format(problem=say(gallery.problem))
        typography.caption(why)
        return
    what = _(
        "Made for Unmask from pictures that are free of rights. Results are computed when you "
        "open one."
    )
    aside = tag("span", what, cls="um-caption")
    cards.part_head(_("Try a sample"), aside, cls="samples")
    if gallery.samples is None:
        _wait_for_samples()
        return
    grid = st.grid(5, min_column_width=SAMPLE_WIDTH, gap="small")
    for sample in gallery.samples:
        with grid, st.container(border=True, key=f"card-sample-{sample.id}", height="stretch"):
            st.image(str(sample.thumbnail), alt=sample.title, width="stretch")
            cards.named(sample.title, sample.subtitle, cls="um-sample")
            with st.container(
                horizontal=True,
                horizontal_alignment="distribute",
                vertical_alignment="center",
                wrap=False,
                key=f"actions-sample-{sample.id}",
            ):
                typography.remark(_length(sample))
                st.button(
                    _("Open"),
                    key=f"open-{sample.id}",
                    icon=":material/arrow_forward:",
                    on_click=_open,
                    args=(sample, settings),
                )


def _length(sample: Sample) -> str:
    """ "10 s video", "picture"."""
    if sample.duration is None:
        return _("picture")
    return _("{seconds}\u00a0s video").format(seconds=f"{sample.duration:.0f}")


def _open(sample: Sample, settings: Settings) -> None:
    """Analyze a sample as if it had been uploaded."""
    try:
        with sample.path.open("rb") as file:
            job = session.application().submit(
                session.request_context(), file, sample.path.name, settings
            )
    except (QueueFull, InputError) as error:
        st.session_state["refused"] = error
    else:
        url_state.enter(job.key)


@st.fragment(run_every=1.0)
def _wait_for_samples() -> None:
    """Cards of the same size, until the samples are made."""
    gallery = session.application().gallery
    if gallery.samples is not None or gallery.problem:
        st.rerun()
    grid = st.grid(5, min_column_width=SAMPLE_WIDTH, gap="small")
    for _card in range(5):
        grid.skeleton(height=300)
