"""The foot of a result: models and run in tabs, the file's facts, the downloads."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import labels
from dashboard.components import typography
from dashboard.components.markup import Text, join, show
from dashboard.components.tables import code, facts, lines
from dashboard.i18n import LazyDict, _, ngettext, speech
from dashboard.labels import NBSP
from dashboard.result import (
    download_card,
    models_tab,
    provenance_tab,
    robustness_tab,
    signal_tab,
)
from dashboard.result.linked import ResultViewState
from dashboard.result.title import local, total
from detector import messages
from detector.schema.analysis import Analysis

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
        "signals": _("Reading signals"),
        "verdict": _("Verdict"),
    }
)
"""Stages overlap: together they take longer than the whole run."""


def draw_tabs(path: Path, analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card with signals, robustness, provenance, the models and the run."""
    with st.container(border=True, key="card-details"):
        signals, robust, origin, models, run = st.tabs(
            [_("Signals"), _("Robustness"), _("Provenance"), _("Models"), _("Run details")]
        )
        with signals:
            signal_tab.draw(path, analysis, linked)
        with robust:
            robustness_tab.draw(path, analysis, linked)
        with origin:
            provenance_tab.draw(analysis)
        with models:
            models_tab.draw(analysis)
        with run:
            show(facts(run_facts(analysis)))
            st.toggle(
                _("Simple player: no moving boxes, faces as buttons"),
                value=linked.simple,
                key=linked.widget("simple"),
                on_change=linked.choose_simple,
            )


def draw_file(path: Path, analysis: Analysis, linked: ResultViewState, name: str) -> None:
    """Draw the card with the file and the downloads."""
    with st.container(border=True, key="card-file", height="stretch", gap=None):
        show(typography.heading(_("File")), facts(file_facts(analysis)))
        for sentence in analysis.media.notes:
            show(typography.with_icon("info", sentence, "um-note"))
        download_card.draw(path, analysis, linked, name)


def file_facts(analysis: Analysis) -> list[tuple[str, Text]]:
    """Return what the file is, by name."""
    media = analysis.media
    codec = CODECS.get(media.codec, media.codec)
    picture = [f"{media.width}×{media.height}"]
    if media.fps and media.kind != "image":
        rate = f"{media.fps:.4g}{NBSP}fps"
        uneven = media.variable_frame_rate
        picture.append(_("{rate} on average").format(rate=rate) if uneven else rate)
    picture.append(codec)
    kinds = {"video": _("Video"), "image": _("Picture"), "animation": _("Animation")}
    rows: list[tuple[str, Text]] = [
        (_("Name"), media.name),
        (kinds[media.kind], ", ".join(picture)),
    ]
    if media.duration:
        frames = (
            f", {labels.count(media.frame_count, 'frame', 'frames')}" if media.frame_count else ""
        )
        rows.append((_("Length"), f"{labels.clock(media.duration)}{frames}"))
    if media.live:
        none = _("none: frames of a live session were scored as they came")
        rows += [(_("File"), none), (_("Analyzed"), local(analysis.created))]
        return rows
    if media.kind == "video":
        rows.append((_("Sound"), _sound(analysis)))
    rate = f" ({media.bit_rate / 1e6:.1f}{NBSP}Mbit/s)" if media.bit_rate else ""
    rows.append((_("Size"), f"{labels.size(media.size)}{rate}"))
    squeezed = next((e for e in analysis.evidence if e.code == "compression"), None)
    if squeezed is not None:
        rows.append((_("Compression"), messages.detail(squeezed, speech())))
    if media.rotation:
        turned = _("turned {degrees}° to stand upright").format(degrees=media.rotation)
        rows.append((_("Rotation"), turned))
    if media.turned:
        why = _("{degrees}° clockwise, since faces were only found so")
        rows.append((_("Turned"), why.format(degrees=media.turned)))
    sha = media.sha256
    short = f"{sha[:4]} {sha[4:8]} … {sha[-4:]}"
    rows.append(("SHA-256", code(short, sha)))
    seconds = total(analysis)
    when = local(analysis.created)
    if seconds is not None:
        when = _("{when}, in {time}").format(when=when, time=labels.took(seconds))
    rows.append((_("Analyzed"), when))
    return rows


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
    still = analysis.media.kind == "image"
    looked = labels.count(len(analysis.moments), "moment", "moments")
    how = {
        "uniform": _("spread evenly"),
        "keyframes": _("where the picture changes"),
        "fps": _("{number} a second").format(number=f"{settings.fps:g}"),
        "closer": _("more of them where the score moves"),
    }[settings.sampling]
    rows: list[tuple[str, Text]] = [
        (
            _("Looked at"),
            _("the picture") if still else f"{looked}, {how}",
        ),
        (_("Smallest face"), _("{width}\u00a0px wide").format(width=settings.min_face)),
    ]
    if settings.start or settings.end is not None:
        part = (
            _("{start} to the end").format(start=labels.clock(settings.start))
            if settings.end is None
            else labels.stretch(settings.start, settings.end)
        )
        rows.append((_("Part"), part))
    rows += [
        (name, labels.took(analysis.timings[stage]))
        for stage, name in STAGES.items()
        if stage in analysis.timings
    ]
    rows += [
        (_("Scoring, {model}").format(model=m.title), labels.took(m.seconds))
        for m in analysis.models
        if m.seconds is not None and m.scored
    ]
    if (seconds := total(analysis)) is not None:
        rows.append((_("All, side by side"), labels.took(seconds)))
    rows += [
        (
            _("Weights"),
            lines(
                join([m.title, code(m.weights_sha256[:8], m.weights_sha256)], " ")
                for m in analysis.models
                if m.weights_sha256
            )
            or _("none"),
        ),
        (
            "Unmask",
            software.version + (f", {software.commit[:8]}" if software.commit else ""),
        ),
        (
            _("Runs on"),
            f"{software.backend}, {software.device}, Python {software.python}, "
            f"PyTorch {software.torch}",
        ),
        (_("Analysis"), code(analysis.id[:16])),
    ]
    return rows
