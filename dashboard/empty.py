"""The first screen: drop a file, or open a sample; and already read the four answers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from dashboard import address, auth, backend, limits, offer, presets, states, theme, words
from dashboard.jobs import Busy
from dashboard.language import Table, _
from dashboard.uploads import records_retention, retention
from detector.errors import InputError
from detector.models.base import ModelSpec
from detector.models.registry import list_models, usable
from detector.results import Label, Settings

if TYPE_CHECKING:
    from detector.samples import Sample

FORMATS = "MP4, MOV, WebM, MKV, GIF, JPEG, PNG"
MOMENTS = (16, 32, 64, 128)
"""Choices for the moments to look at; the library's default is among them."""
RATES = (3.0, 5.0, 10.0)
MOST_BY_RATE = 600
"""moments, when so many a second are asked for: two minutes at 5 a second."""
SAMPLING: Table[str, str] = Table(
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
        st.html(f'<p class="um-lead">{lead}</p>')
        if not specs:
            states.show(states.no_model())
            return
        if error := st.session_state.pop("refused", None):
            states.show(states.refused(error))
        uploader = st.container(key="drop")
        settings = _settings(specs)
        _take(uploader, settings)
        _stronger()
    with right:
        _answers()
    _samples(settings)


def _stronger() -> None:
    """Where a better model is."""
    if wanted := offer.standing():
        st.page_link(
            "pages/models.py",
            label=_("The bundled models are small. {model} is stronger, as published").format(
                model=offer.named(wanted)
            ),
            icon=":material/download:",
        )


def _take(place: st.delta_generator.DeltaGenerator, settings: Settings) -> None:
    """The drop zone. A file is copied to disk at once; then the uploader is replaced by a fresh
    one, which lets go of the copy in memory."""
    limit = limits.megabytes(auth.who())
    turn = st.session_state.get("uploads", 0)
    with place:
        theme.drop_zone(
            _("Drop a video or picture here"),
            _("{formats} · up to {limit} MB").format(formats=FORMATS, limit=limit),
            _(
                "We couldn’t take this file. The limit here is {limit} MB: cut it, or use the "
                "command line."
            ).format(limit=limit),
        )
        file = st.file_uploader(
            _("Video or picture"),
            key=f"upload-{turn}",
            label_visibility="collapsed",
        )
    if file is None:
        return
    st.session_state["uploads"] = turn + 1
    try:
        job = backend.submit(file, file.name, settings, size=file.size)
    except (Busy, InputError) as error:
        st.session_state["refused"] = error
    else:
        address.enter(job.key)
    st.rerun()


def _settings(specs: list[ModelSpec]) -> Settings:
    """One line under the drop zone: which models, how long it takes, and options."""
    titles = {spec.id: spec.title for spec in specs}
    usual = [spec.id for spec in specs if spec.default]
    with st.container(horizontal=True, vertical_alignment="center", key="choices", gap="small"):
        st.html(f'<span class="um-label">{_("Models")}</span>', width="content")
        chosen = st.pills(
            _("Models"),
            list(titles),
            selection_mode="multi",
            default=usual or list(titles)[:1],
            format_func=lambda id: titles[id],
            label_visibility="collapsed",
            wrap=True,
            key="models",
        )
        time = st.empty()
        with (
            st.container(horizontal=True, horizontal_alignment="right", width="stretch"),
            st.popover(_("Options"), type="tertiary", icon=":material/tune:"),
        ):
            options = _options()
    ids = [id for id in titles if id in chosen]
    if not ids:
        ids = usual or list(titles)[:1]
        names = words.escape(words.listed([titles[id] for id in ids]))
        none = _("none chosen: {models}").format(models=names)
        time.html(f'<span class="um-caption">{none}</span>', width="content")
    elif seconds := _estimate(options, ids):
        takes = (
            _("a video takes {time} on this computer")
            if _at_home()
            else _("a video takes {time} on this server")
        ).format(time=words.about(seconds))
        time.html(f'<span class="um-caption">{takes}</span>', width="content")
    if options.mix is not None:
        return options.model_copy(update={"models": options.mix.models})
    return options.model_copy(update={"models": None if ids == usual else ids})


def _estimate(settings: Settings, ids: list[str]) -> float | None:
    """Seconds for a video; unknown where its length decides, and before a first file."""
    if settings.sampling == "fps":
        return None
    return backend.jobs().speed.estimate(settings.frames, ids)


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
    if known := presets.load():
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
    rows = "".join(
        f"<div>{words.chip(state.words, state.slug, state.icon)}"
        f"<p>{words.WHAT_IT_MEANS[label]}</p></div>"
        for label in ANSWERS
        for state in [words.STATES[label]]
    )
    kept = words.hours(retention().total_seconds() / 3600)
    days = records_retention().total_seconds() / 86400
    if backend.keeps_copies():
        fate = _(
            "It is deleted there after {hours}; a copy stays in your account with its result."
        ).format(hours=kept)
    else:
        fate = _(
            "It is deleted after {hours}; the result and a small picture after {days}, "
            "or when you delete them."
        ).format(hours=kept, days=words.days(days))
    where = (
        _("Your file stays on this computer.")
        if _at_home()
        else _("Your file stays on this server.")
    )
    st.html(
        f'<div class="um-answers"><h2>{_("What you will read")}</h2>{rows}</div>'
        '<p class="um-privacy"><span class="um-icon" aria-hidden="true">lock</span>'
        f"{where} {fate}</p>"
    )


def _at_home() -> bool:
    """Whether the person's file stays on the computer of their browser."""
    host = urlsplit(st.context.url or "").hostname
    return host in ("localhost", "127.0.0.1", "::1")


def _samples(settings: Settings) -> None:
    """Clips that show it working with no file at hand."""
    gallery = backend.gallery
    if gallery.problem:
        why = _("There are no samples: {problem}").format(problem=words.escape(gallery.problem))
        st.html(f'<p class="um-caption">{why}</p>')
        return
    what = _(
        "Made for Unmask from pictures that are free of rights. Results are computed when you "
        "open one."
    )
    st.html(
        f'<div class="um-head samples"><h2>{_("Try a sample")}</h2>'
        f'<span class="um-caption">{what}</span></div>'
    )
    if gallery.samples is None:
        _wait_for_samples()
        return
    grid = st.grid(5, min_column_width=SAMPLE_WIDTH, gap="small")
    for sample in gallery.samples:
        with grid, st.container(border=True, key=f"card-sample-{sample.id}", height="stretch"):
            st.image(str(sample.thumbnail), alt=sample.title, width="stretch")
            st.html(
                f'<div class="um-sample"><b>{words.escape(sample.title)}</b>'
                f'<p class="um-caption">{words.escape(sample.subtitle)}</p></div>'
            )
            with st.container(
                horizontal=True,
                horizontal_alignment="distribute",
                vertical_alignment="center",
                wrap=False,
                key=f"actions-sample-{sample.id}",
            ):
                st.html(f'<span class="um-caption">{_length(sample)}</span>', width="content")
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
            job = backend.submit(file, sample.path.name, settings)
    except (Busy, InputError) as error:
        st.session_state["refused"] = error
    else:
        address.enter(job.key)


@st.fragment(run_every=1.0)
def _wait_for_samples() -> None:
    """Cards of the same size, until the samples are made."""
    if backend.gallery.samples is not None or backend.gallery.problem:
        st.rerun()
    grid = st.grid(5, min_column_width=SAMPLE_WIDTH, gap="small")
    for _card in range(5):
        grid.skeleton(height=300)
