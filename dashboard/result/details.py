"""What opens on demand below a result: what pulled which way, how good the material is, traces and
scores of the chosen moment, all scores as a table, signals, the file's facts, downloads."""

from collections.abc import Callable, Sequence

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import record_cells, tables, typography
from dashboard.components.chips import inked
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.tables import TableColumn, code, facts, lines, with_note
from dashboard.components.typography import small_print
from dashboard.i18n import LazyDict
from dashboard.labels import NBSP
from dashboard.result import downloads, material, pulls, robustness_tab, signal_tab
from dashboard.result.inspector import Moment
from dashboard.result.linked import ResultViewState
from detector import messages
from detector.messages import measured
from detector.report import words
from detector.schema.analysis import Analysis, Label, ModelResult
from detector.schema.origin import Document, Fact, GeoLocation
from detector.sentences import _, ngettext, say
from detector.vision.detection import MEASURED

CODECS = {
    "h264": "H.264", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "mjpeg": "MJPEG",
    "mpeg4": "MPEG-4", "aac": "AAC", "mp3": "MP3", "opus": "Opus", "vorbis": "Vorbis",
    "png": "PNG", "jpeg": "JPEG", "gif": "GIF", "webp": "WebP",
}  # fmt: skip
STAGES: LazyDict[str, str] = LazyDict(
    lambda: {
        "read": _("Reading the file"),
        "decode": _("Decoding"),
        "faces": _("Finding faces"),
        "sound": _("Listening"),
        "signals": _("Reading signals"),
        "verdict": _("Verdict"),
    }
)
"""Stages overlap: together they take longer than the whole run."""


def draw(
    analysis: Analysis,
    linked: ResultViewState,
    front: Analysis,
    tables: Sequence[Callable[[], None]],
    moment: Moment | None = None,
) -> None:
    """Draw what is closed at first, and its content once it is open: `front` is the analysis as the
    question in front sees it, each of `tables` draws the scores over time, `moment` is the chosen
    one of a picture or video."""
    opened = st.expander(_("Details"), key=linked.widget("details"), on_change="rerun")
    if not opened.open:
        return
    with opened, st.container(key="card-details", gap=20):
        left, right = st.columns([50, 50], gap=20)
        with left:
            pulls.draw(analysis, linked)
        with right:
            material.draw(front)
        if moment is not None:
            moment.draw_details()
        left, right = st.columns([62, 38], gap=20)
        with left:
            _tabs(analysis, linked, tables)
        with right:
            _file(analysis, linked)


def _tabs(
    analysis: Analysis, linked: ResultViewState, tables: Sequence[Callable[[], None]]
) -> None:
    """Draw signals, robustness, provenance, the models, the run and the scores as tables."""
    titles = [_("Signals"), _("Robustness"), _("Provenance"), _("Models"), _("Run details")]
    signals, robust, origin, models, run, *scores = st.tabs(titles + [_("Scores")] * bool(tables))
    with signals:
        signal_tab.draw(analysis, linked)
    with robust:
        robustness_tab.draw(analysis, linked)
    with origin:
        draw_provenance(analysis)
    with models:
        draw_models(analysis)
    with run:
        show(facts(run_facts(analysis)))
        if analysis.media.kind != "audio":
            st.toggle(
                _("Simple player: no moving boxes, faces as buttons"),
                value=linked.simple,
                key=linked.widget("simple"),
                on_change=linked.choose_simple,
            )
    for tab in scores:
        with tab:
            for draw_table in tables:
                draw_table()


def _file(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the file and the downloads."""
    with st.container(key="card-file", gap=None):
        show(typography.heading(_("File")), facts(file_facts(analysis)))
        for sentence in analysis.media.notes:
            show(typography.with_icon("info", say(sentence)))
        downloads.draw_card(analysis, linked)


def file_facts(analysis: Analysis) -> list[tuple[str, Text]]:
    """Return what the file is, by name."""
    media = analysis.media
    picture = [] if media.kind == "audio" else [f"{media.width}×{media.height}"]
    if media.fps and media.kind != "image":
        rate = _("{rate} on average") if media.variable_frame_rate else "{rate}"
        picture.append(rate.format(rate=f"{media.fps:.4g}{NBSP}fps"))
    picture.append(CODECS.get(media.codec, media.codec))
    kinds = {
        "video": _("Video"),
        "image": _("Picture"),
        "animation": _("Animation"),
        "audio": _("Sound"),
    }
    rows: list[tuple[str, Text]] = [
        (_("Name"), media.name),
        (kinds[media.kind], ", ".join(picture)),
    ]
    if media.duration:
        frames = media.frame_count and labels.count(media.frame_count, "frame", "frames")
        length = labels.clock(media.duration)
        rows.append((_("Length"), f"{length}, {frames}" if frames else length))
    if media.live:
        none = _("none: frames of a live session were scored as they came")
        return [*rows, (_("File"), none), (_("Analyzed"), record_cells.local(analysis.created))]
    if media.kind == "audio":
        rows[1] = (_("Sound"), _sound(analysis))
    if media.kind == "video":
        rows.append((_("Sound"), _sound(analysis)))
    rate = f" ({media.bit_rate / 1e6:.1f}{NBSP}Mbit/s)" if media.bit_rate else ""
    rows.append((_("Size"), f"{labels.size(media.size)}{rate}"))
    rows += [
        (_("Compression"), messages.detail(evidence))
        for evidence in analysis.evidence
        if evidence.code == "compression"
    ][:1]
    if media.rotation:
        turned = _("turned {degrees}° to stand upright").format(degrees=media.rotation)
        rows.append((_("Rotation"), turned))
    if media.turned:
        why = _("{degrees}° clockwise, beyond the file’s own rotation")
        rows.append((_("Turned"), why.format(degrees=media.turned)))
    sha, when = media.sha256, record_cells.local(analysis.created)
    if (seconds := analysis.timings.get("total")) is not None:
        when = _("{when}, in {time}").format(when=when, time=labels.took(seconds))
    hash = code(f"{sha[:4]} {sha[4:8]} … {sha[-4:]}", sha)
    return [*rows, ("SHA-256", hash), (_("Analyzed"), when)]


def _sound(analysis: Analysis) -> str:
    audio = analysis.media.audio
    if audio is None:
        return _("none")
    codec = CODECS.get(audio.codec, audio.codec)
    many = ngettext("{number} channel", "{number} channels", audio.channels)
    named = {1: _("mono"), 2: _("stereo")}
    channels = named.get(audio.channels, many.format(number=audio.channels))
    return f"{codec}, {channels}, {audio.sample_rate / 1000:g}{NBSP}kHz"


def run_facts(analysis: Analysis) -> list[tuple[str, Text]]:
    """Return how the result was made, by name."""
    settings, software = analysis.settings, analysis.software
    moments = labels.count(len(analysis.timestamps), "moment", "moments")
    sampled = f"{moments}, {measured.sampling(analysis)}"
    rows: list[tuple[str, Text]] = [
        (_("Looked at"), _("the picture") if analysis.media.kind == "image" else sampled),
        (_("Smallest face"), _("{width}\u00a0px wide").format(width=settings.min_face)),
        (_("Face detector"), MEASURED[settings.faces].title),
    ]
    if heard := analysis.media.audio and analysis.media.audio.speech:
        if analysis.media.kind == "audio":
            rows.clear()
        spoken = _("{heard}, of it {speech} of speech").format(heard=labels.took(heard.seconds))
        rows.append((_("Listened to"), spoken))
    if settings.end is not None:
        rows.append((_("Part"), labels.stretch(settings.start, settings.end)))
    elif settings.start:
        part = _("{start} to the end").format(start=labels.clock(settings.start))
        rows.append((_("Part"), part))
    scoring = _("Scoring, {model}")
    timed = [(name, analysis.timings.get(stage)) for stage, name in STAGES.items()]
    timed += [(scoring.format(model=m.title), m.seconds) for m in analysis.models if m.scored]
    timed.append((_("All, side by side"), analysis.timings.get("total")))
    rows += [(name, labels.took(seconds)) for name, seconds in timed if seconds is not None]
    weights = lines(
        join([m.title, code(m.weights_sha256[:8], m.weights_sha256)], " ")
        for m in analysis.models
        if m.weights_sha256
    )
    versions = f"Python {software.python}, PyTorch {software.torch}"
    commit = f", {software.commit[:8]}" if software.commit else ""
    return [
        *rows,
        (_("Weights"), weights or _("none")),
        ("Unmask", software.version + commit),
        (_("Runs on"), f"{software.backend}, {software.device}, {versions}"),
        (_("Analysis"), code(analysis.id[:16])),
    ]


# --- models ---------------------------------------------------------------------------------------


def draw_models(analysis: Analysis) -> None:
    """Draw the per-model table; on a phone each model is a block of lines."""
    numbers = (_("Score"), _("Scored"), _("Time"), _("Weight"))
    names = (_("Model"), _("Score"), _("Reading"), _("Scored"), _("Time"), _("Weight"))
    columns = [TableColumn(name, name in numbers) for name in (*names, _("Calibrated"))]
    who: Text = ""
    if len(people := analysis.people) > 1:
        text = _("Scores are those of Person {person}, the most suspicious.")
        who = small_print(text.format(person=people[0].id))
    rows = [model_row(analysis, model) for model in analysis.models]
    show(tables.table(columns, rows), who)


def model_row(analysis: Analysis, model: ModelResult) -> list[Text]:
    """Return the cells of a model; neutral where its question is not decided."""
    reading: Text = _("no score")
    score, still = "–", analysis.media.kind == "image"
    if model.label is not None and model.probability is not None:
        open = analysis.verdict.undecided(model.question)
        state = labels.state(Label.NOT_APPLICABLE if open else model.label, model.question)
        reading = inked(_("Not decided") if open else state.short, state.slug, state.icon)
        score = labels.score(model.probability)
    left_out = _left_out(analysis, model)
    looks = labels.looks(model.scored, "image" if still else model.kind)
    plain = labels.plain(model)
    return [
        with_note(plain, "" if plain == model.title else model.title),
        score,
        with_note(reading, left_out),
        looks if model.scored else "–",
        labels.took(model.seconds) if model.seconds is not None else "–",
        f"{model.weight:g}" if not left_out else "–",
        _calibrated(model),
    ]


def _left_out(analysis: Analysis, model: ModelResult) -> str:
    """Return that a model's score is no part of the verdict, and why; empty where it is."""
    if not model.counted:
        return _("not counted: {why}").format(why=pulls.not_counted(model))
    return _("not counted") if analysis.verdict.uncounted(model.question) else ""


def _calibrated(model: ModelResult) -> Text:
    """On how many clips; on what stands behind "How we know"."""
    if model.calibration is None:
        return _("by its authors’ point") if model.operating_point else _("no")
    clips, data = model.calibration.clips, model.calibration.data
    text = measured.fitted_on(model.calibration)
    return with_note(text, _("that ask its question") if measured.part_of(clips, data) else "")


# --- provenance -----------------------------------------------------------------------------------


SHOWN = 24
"""facts"""
CREDENTIALS: LazyDict[str, tuple[labels.BadgeColor, str, str]] = LazyDict(
    lambda: {
        "none": ("gray", "do_not_disturb_on", _("None")),
        "trusted": ("green", "check_circle", _("Valid, trusted")),
        "untrusted": ("orange", "help", _("Valid, not trusted here")),
        "invalid": ("red", "warning", _("Invalid")),
        "elsewhere": ("gray", "link", _("Kept elsewhere")),
        "unreadable": ("gray", "help", _("Can't be read")),
    }
)
"""Of a signed origin: color, icon, word."""


def draw_provenance(analysis: Analysis) -> None:
    """Draw the tab."""
    origin = analysis.provenance
    if origin is None:
        none = _("Results of an earlier version have no provenance: analyze the file again.")
        typography.caption(none)
        return
    worth = _(
        "All of this can be written by anybody, and most of it is lost when a file is sent on. "
        "That something is missing says nothing either way."
    )
    typography.caption(worth)
    color, icon, word = CREDENTIALS[origin.credential.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        typography.section(_("Signed origin (C2PA)"), width="content")
        st.badge(word, icon=f":material/{icon}:", color=color)
    (_name, sentence), *rows = words.credential_rows(origin.credential)
    show(typography.text(sentence), facts(rows))
    for note in (*origin.findings, *origin.unread):
        show(typography.with_icon("info", say(note)))
    if origin.earlier is not None:
        show(typography.with_icon("info", words.earlier(origin.earlier, analysis.media)))
    if origin.posted is not None:
        rows = [
            (name, value)
            for name, value in (
                (_("Title"), origin.posted.title),
                (_("Posted by"), origin.posted.by),
                (_("Date"), origin.posted.date),
                (_("Site"), origin.posted.site),
            )
            if value
        ]
        show(typography.subheading(_("Where it was posted, by its page’s account")), facts(rows))
    if origin.document is not None:
        head = typography.subheading(_("The document it stands in, by its own account"))
        show(head, facts(_document_rows(origin.document)))
    if origin.facts:
        show(typography.subheading(_("What it says of itself")), _fact_table(origin.facts[:SHOWN]))
        if (more := len(origin.facts) - SHOWN) > 0:
            typography.caption(_("{number} more are in the JSON report.").format(number=more))
    if origin.place is not None:
        _place(origin.place)
    if origin.hashes:
        hashes = [(labels.clock(h.time) if h.time is not None else _("Picture"), h.phash)
                  for h in origin.hashes]  # fmt: skip
        few = _("Copies of a picture differ in few of the 64 bits.")
        head = typography.subheading(_("Perceptual hash"))
        show(head, facts(hashes), typography.small_print(few))


def _document_rows(document: Document) -> list[tuple[str, str]]:
    """Return what a document says of itself, as (name, value)."""
    edits = "" if document.edits is None else str(document.edits)
    signed = "" if document.signatures is None else str(document.signatures)
    rows = [
        (_("Document"), document.name),
        (_("Written by"), document.producer),
        (_("Made in"), document.creator),
        (_("Author"), document.author),
        (_("Last saved by"), document.changed_by),
        (_("Created"), document.created),
        (_("Changed"), document.changed),
        (_("Saved again"), edits),
        (_("Signatures"), signed),
    ]
    return [(name, value) for name, value in rows if value]


def _place(place: GeoLocation) -> None:
    text = rich(
        _(
            "<b>{spot}</b> ({source}). This may be somebody's home. It goes into downloads unless "
            "you leave it out, under Download."
        ),
        spot=f"{place.latitude:.5f}, {place.longitude:.5f}",
        source=say(place.source),
    )
    head = typography.subheading(_("Where it was recorded, by its own account"))
    show(head, typography.with_icon("location_on", text))


def _fact_table(rows: Sequence[Fact]) -> Markup:
    """Return what a file says of itself. Every value is a stranger's."""
    columns = [TableColumn(_("Fact")), TableColumn(_("Says")), TableColumn(_("Where"))]
    return tables.table(columns, words.fact_rows(rows))
