"""The first screen: drop zone, samples, options and an explanation of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import streamlit as st

from dashboard import labels, session, url_state
from dashboard._compat import UploadedFile
from dashboard.components import (
    cards,
    chips,
    controls,
    status_cards,
    style,
    task_progress,
    typography,
    upsell_banner,
)
from dashboard.components.chips import bullets
from dashboard.components.markup import join, show
from dashboard.i18n import advice
from detector import links, vision, weights
from detector.errors import InputError, UnmaskError
from detector.messages import states
from detector.models.base import ModelSpec
from detector.models.registry import choose, manifest, selectable
from detector.network.addresses import MAX_URL
from detector.presentation import Cell, summary
from detector.schema.analysis import Label, Settings
from detector.sentences import _, say
from service import limits
from service.batch_files import IncomingFile
from service.links import refusal
from service.records.model import State
from service.storage.uploads import records_retention, retention
from service.tasks.task import QueueFull, Task

if TYPE_CHECKING:
    from detector.samples import Sample


FORMATS = "MP4, MOV, WebM, MKV, GIF, JPEG, PNG, MP3, M4A, WAV"
FRAME_COUNTS = (16, 32, 64, 128)
"""Choices for the frames to sample; the library's default is among them."""
RATES = (3.0, 5.0, 10.0)
MAX_FRAMES_BY_RATE = 600
"""when so many a second are asked for: two minutes at 5 a second."""
REFUSED = "refused"
"""Why the last file was not taken, said once."""
FETCH = "fetch"
"""The task that fetches a link."""
UPLOADS = "uploads"
"""How often something was uploaded: each time the uploader is replaced."""
SAMPLING = {"uniform": _("Evenly spread"), "keyframes": _("At changes"), "fps": _("By rate")}
SAMPLES, SAMPLES_A_ROW, SAMPLE_WIDTH = 8, 4, 150
"""Cards, on a desktop so many a row, and px of one: two a row on a phone."""


def draw() -> None:
    """Draw the page without a file."""
    specs = selectable()
    left, right = st.columns([800, 480], gap="large")
    with left:
        st.title(_("Check a picture, a video or a voice"), anchor=False)
        typography.lead(
            _("Get a reading in plain words, the moments behind it, and what it can’t tell.")
        )
        if not specs:
            status_cards.show(status_cards.no_model())
            return
        if error := st.session_state.pop(REFUSED, None):
            status_cards.show(status_cards.refused(error))
        uploader = st.container(key="drop")
        link = st.container()
        if not session.application().prepared.is_set():
            _preparing()
        settings = _settings(specs)
        _take(uploader, settings)
        if links.allowed():
            with link:
                _take_link(settings)
        _stronger()
    with right:
        _answers()
    _samples(settings)


@st.fragment(run_every=1.0)
def _preparing() -> None:
    """Draw the progress of preparing the models at the first start on this computer."""
    if (models := session.application().preparing) is not None:
        text = _(
            "Preparing the models, once on this computer: {done} of {total}. You can drop files "
            "already."
        )
        done, total = models
        st.progress(done / total, text=text.format(done=done, total=total))


def _stronger() -> None:
    """Draw the offer of a stronger model."""
    model = upsell_banner.standing()
    if model is None:
        return
    text = _("For better results add {model}, the strongest published open model.")
    if (ended := upsell_banner.latest(model)) and ended.error:
        text += " " + _("Its last download ended: {why}").format(why=say(ended.error))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="stronger"):
        typography.caption(text.format(model=upsell_banner.named(model)), width="content")
        st.page_link(
            url_state.page("models"), label=_("Add it"), icon=":material/download:", width="content"
        )


def _take(place: st.delta_generator.DeltaGenerator, settings: Settings) -> None:
    """Draw the drop zone; a fresh uploader after each copy to disk frees the memory."""
    limit = limits.megabytes(session.current_user(), int(st.get_option("server.maxUploadSize")))
    turn = st.session_state.get(UPLOADS, 0)
    with place:
        style.drop_zone(
            _("Drop videos, pictures or recordings here"),
            _("Choose videos, pictures or recordings"),
            _("{formats} · up to {limit} MB").format(formats=FORMATS, limit=limit),
            _(
                "We couldn’t take this file. The limit here is {limit} MB: cut it, or use the "
                "command line."
            ).format(limit=limit),
        )
        files = st.file_uploader(
            _("Videos, pictures or recordings"),
            key=f"upload-{turn}",
            accept_multiple_files=True,
            label_visibility="collapsed",
        )
        typography.caption(controls.paste_hint(links=links.allowed()))
    if not files:
        return
    st.session_state[UPLOADS] = turn + 1
    if len(files) == 1:
        _analyze(files[0], files[0].name, settings, size=files[0].size)
    elif (batch := _together(files, settings)) is not None:
        url_state.go_to("batch", b=batch)
    st.rerun()


def _together(files: Sequence[UploadedFile], settings: Settings) -> str | None:
    """Create a batch of several files; return its id, or store the error and return None."""
    app, context = session.application(), session.request_context()
    incoming = [IncomingFile(file, file.name, file.size) for file in files]
    try:
        with st.spinner(_("Taking the files in …")):
            return app.batch_runs.add(context, app.scope(context), incoming, settings).id
    except UnmaskError as error:
        st.session_state[REFUSED] = error
        return None


def _take_link(settings: Settings) -> None:
    """Draw the field of a link and the progress of its fetch."""
    if started := st.query_params.get(url_state.FETCHED):
        del st.query_params[url_state.FETCHED]
        st.session_state[FETCH] = started
    if task := session.find_task(st.session_state.get(FETCH)):
        if task.active:
            note = _("It goes on if you leave this page, and is in the history then.")
            task_progress.draw(task, _fetched, note)
            return
        del st.session_state[FETCH]
        if task.result:
            url_state.enter(str(task.result))
        elif task.state is not State.CANCELED:
            st.session_state[REFUSED] = refusal(task)
        st.rerun()
    with st.form("link", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        url = st.text_input(
            _("Or the address of a video or picture"),
            placeholder="https://",
            max_chars=MAX_URL,
            key="link-url",
            help=_("The address of the file itself. Its server sees that we ask."),
        )
        pressed = st.form_submit_button(_("Fetch"), icon=":material/link:")
    if links.pages_allowed():
        typography.caption(
            _(
                "Pages with a player work too, through yt-dlp. Mind the terms of use of the site; "
                "it sees this server’s address and that a program asks."
            )
        )
    if not pressed or not url.strip():
        return
    try:
        st.session_state[FETCH] = session.start_link(url, settings).id
    except (QueueFull, InputError) as error:
        st.session_state[REFUSED] = error
    st.rerun()


def _fetched(task: Task) -> str:
    """Return how much of a file was fetched, in words."""
    if not task.done:
        return _("Fetching the file …")
    here = labels.size(task.done)
    if not task.total:
        return _("Fetching the file: {bytes}").format(bytes=here)
    text = _("Fetching the file: {bytes} of {total}").format(
        bytes=here, total=labels.size(task.total)
    )
    return task_progress.with_time_left(text, task)


def _analyze(file: BinaryIO, name: str, settings: Settings, *, size: int | None = None) -> None:
    """Submit a file and open it, or store the error."""
    try:
        url_state.enter(session.submit(file, name, settings, size=size).key)
    except (QueueFull, InputError) as error:
        st.session_state[REFUSED] = error


def _settings(specs: list[ModelSpec]) -> Settings:
    """Draw the expected time and the folded options."""
    time = st.empty()
    chosen = {spec.id for spec in choose()}
    default = [spec.id for spec in specs if spec.id in chosen] or [specs[0].id]
    with st.expander(_("Options"), icon=":material/tune:", key="options"):
        ids = _models(specs, default)
        options = _options()
    if not ids:
        ids = default
        names = [name for id, name in labels.plain_names(specs).items() if id in ids]
        typography.caption(_("none chosen: {models}").format(models=labels.listed(names)), at=time)
    # Of a rate, the length of the video decides.
    elif options.sampling != "fps" and (
        seconds := session.application().jobs.speed.estimate(options.frames, ids)
    ):
        takes = (
            _("A video takes {time} on this computer.")
            if session.is_loopback_client()
            else _("A video takes {time} on this server.")
        )
        typography.caption(takes.format(time=labels.about(seconds)), at=time)
    models = None if ids == default else ids
    return options.model_copy(
        update={"models": options.ensemble.models if options.ensemble is not None else models}
    )


def _models(specs: list[ModelSpec], default: list[str]) -> list[str]:
    """Draw the choice of models by what each detects. Unavailable ones state the reason."""
    names = labels.plain_names(specs)
    ids = controls.choose_any(_("What to look for"), names, default, "models")
    off = _("Off unless you turn it on: the thresholds were made for a set without it.")
    rows = []
    for spec in specs:
        name, sentences = names[spec.id], [(spec.finding or spec.summary).rstrip(".") + "."]
        if name != spec.title:
            sentences.append(_("Model: {title}.").format(title=spec.title))
        if spec.id not in default:
            sentences.append(off)
        rows.append(join([typography.strong(name), f": {' '.join(sentences)}"]))
    show(bullets(rows, "um-caption"))
    return ids


def _options() -> Settings:
    """Draw the expert options: number and choice of frames, smallest face."""
    usual = Settings()
    sampling = controls.choose(_("Which moments to look at"), SAMPLING, usual.sampling, "sampling")
    if sampling == "fps":
        most = _("At most {number} in all.").format(number=MAX_FRAMES_BY_RATE)
        rates = {rate: f"{rate:g}" for rate in RATES}
        rate = controls.choose(_("How many a second"), rates, usual.fps, "rate", help=most)
        amount: dict[str, float] = {"fps": rate, "frames": MAX_FRAMES_BY_RATE}
    else:
        longer = _("More moments find shorter events and take longer.")
        counts = {count: str(count) for count in FRAME_COUNTS}
        frames = controls.choose(_("How many"), counts, usual.frames, "moments", help=longer)
        amount = {"frames": frames}
    smallest = st.slider(
        _("Smallest face, px wide"),
        min_value=16,
        max_value=120,
        value=usual.min_face,
        step=4,
        key="smallest",
        help=_("Narrower faces are skipped. Under 64 px scores mean little."),
    )
    faces = _face_detector(usual.faces)
    turns: dict[int | None, str] = {None: _("As its faces stand"), 0: _("Not at all")}
    turns |= {degrees: f"{degrees}°" for degrees in (90, 180, 270)}
    beyond = _("Beyond what the file’s own rotation says.")
    rotate = controls.select(_("Turn the picture clockwise"), turns, "rotate", help=beyond)
    ensemble = None
    scope = session.record_scope()
    if presets := scope.store.presets(scope.owner):
        name = st.selectbox(
            _("Ensemble"),
            [None, *presets],
            format_func=lambda n: n or _("The default, or the models chosen here"),
            key="preset",
            help=_("Presets are put together on the Compare page."),
        )
        ensemble = presets.get(name) if name else None
    return Settings.model_validate(
        {
            "sampling": sampling,
            "min_face": smallest,
            "faces": faces,
            "rotate": rotate,
            "ensemble": ensemble,
            **amount,
        }
    )


def _face_detector(usual: str) -> str:
    """Draw the choice of a face detector with its measurements; return an available one."""
    how = _(
        "Of {faces} faces in as many clips, and of one core a frame. Thresholds were measured "
        "with MTCNN."
    ).format(faces=vision.FACES)
    name = st.selectbox(
        _("Face detector"), list(vision.MEASURED), format_func=_measured, key="faces", help=how
    )
    if vision.ready(name):
        return name
    model = weights.auxiliary()[name]
    size = labels.size(model.files[0].size or 0)
    label = _("Download {model}, {size}").format(model=model.title, size=size)
    terms = _("License: {license}.").format(license=model.license_weights)
    if controls.button(label, "download", "fetch-faces", kind="tertiary", help=terms):
        try:
            weights.fetch(model)
            st.rerun()
        except UnmaskError as error:
            typography.caption(advice(error))
    typography.caption(_("Until then MTCNN looks for faces."))
    return usual


def _measured(name: str) -> str:
    measured = vision.MEASURED[name]
    text = _("{detector}: {found} found, {time}\u00a0ms")
    return text.format(
        detector=measured.title,
        found=labels.percent(measured.found / vision.FACES),
        time=measured.milliseconds,
    )


def _answers() -> None:
    """Draw the possible answers in their colors and words, and how files are treated."""
    # A band that no limit gave on sources left out is no answer that can come.
    given = {
        label for one in manifest().likelihoods.values() for label, _, _ in one.thresholds.zones
    }
    possible = [label for label in Label if label in given | {Label.NOT_APPLICABLE}]
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
    rows = [
        (chips.reading(Cell(states.state(label), state=label)), states.meaning(label))
        for label in possible
    ]
    show(
        cards.explained(_("What you will read"), rows),
        typography.with_icon("lock", f"{where} {fate}"),
    )


def _samples(settings: Settings) -> None:
    """Draw the cards of the samples."""
    gallery = session.application().gallery
    if gallery.problem:
        none = _("There are no samples: {problem}")
        typography.caption(none.format(problem=say(gallery.problem)))
        return
    what = _("Free to use. Results are computed when you open one.")
    aside = typography.small(what)
    cards.part_head(_("Try a sample"), aside)
    if gallery.samples is None:
        _wait_for_samples()
        return
    st.page_link(
        url_state.page("look"), label=_("Look twice: guess before the models do"),
        icon=":material/visibility:",
    )  # fmt: skip
    grid = st.grid(SAMPLES_A_ROW, min_column_width=SAMPLE_WIDTH, gap="small")
    for sample in filter(lambda sample: sample.offered, gallery.samples):
        with grid, st.container(border=True, key=f"card-sample-{sample.id}", height="stretch"):
            title, subtitle = map(say, (sample.title, sample.subtitle))
            st.image(str(sample.thumbnail), alt=title, width="stretch")
            cards.named(title, subtitle)
            with controls.apart(f"actions-sample-{sample.id}", wrap=False):
                typography.caption(summary.kind(sample.kind, sample.duration), width="content")
                open_it = partial(_open, sample, settings)
                controls.button(_("Open"), "arrow_forward", f"open-{sample.id}", open_it)


def _open(sample: Sample, settings: Settings) -> None:
    """Analyze a sample like an upload."""
    with sample.path.open("rb") as file:
        _analyze(file, sample.path.name, settings)


@st.fragment(run_every=1.0)
def _wait_for_samples() -> None:
    """Draw placeholders of the same size until the samples exist."""
    gallery = session.application().gallery
    if gallery.samples is not None or gallery.problem:
        st.rerun()
    grid = st.grid(SAMPLES_A_ROW, min_column_width=SAMPLE_WIDTH, gap="small")
    for _card in range(SAMPLES):
        grid.skeleton(height=300)
