"""One model as on a medicine bottle: what it is for, how good it is, its cost, where it fails."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard import auth, words
from dashboard.downloads import Download, downloads
from dashboard.shop import progress
from detector import folders, weights
from detector.models import inventory
from detector.models.base import CropRecipe, Measured, ModelSpec
from detector.models.inventory import Status

KINDS = {
    "frame": "frame model",
    "clip": "clip model",
    "image": "picture model",
    "audio": "voice model",
}
QUESTIONS = {
    "face manipulation": "altered faces",
    "whole-image synthesis": "pictures made as a whole",
    "voice": "voices",
}
_STATES = {
    "bundled": ("check_circle", "Ready"),
    "ready": ("check_circle", "Ready"),
    "license": ("gavel", "License not accepted"),
    "available": ("download", "Not downloaded"),
    "manual": ("upload_file", "Bring its file"),
    "failed": ("error", "Can’t be used"),
}


@dataclass(frozen=True)
class Shown:
    """A model and what this computer knows of it."""

    status: Status
    speed: float | None
    """s a looked-at frame here; None before it ran."""

    @property
    def spec(self) -> ModelSpec:
        return self.status.spec


def draw(shown: Shown) -> None:
    """The card in the grid."""
    spec, status = shown.spec, shown.status
    running = downloads.find(spec.id)
    with st.container(border=True, key=f"card-model-{slug(spec.id)}", height="stretch"):
        st.html(_head(shown, running) + _figure(spec) + _facts(shown))
        with st.container(
            horizontal=True,
            horizontal_alignment="distribute",
            vertical_alignment="center",
            key=f"actions-{slug(spec.id)}",
        ):
            if running and running.active and auth.who().may_administer:
                progress.draw(spec.id, _received)
            else:
                _action(status, running)
            if st.button("Card", type="tertiary", icon=":material/article:", key=f"more-{spec.id}"):
                _whole(shown)


def slug(id: str) -> str:
    """An id fit for a key that CSS names."""
    return id.replace(":", "--").replace(".", "-")


def overall(spec: ModelSpec) -> Measured | None:
    """Our own AUC over everything, if there is one."""
    areas = [m for m in spec.measured if m.metric.endswith("AUC")]
    return next((m for m in areas if "all" in m.data), areas[0] if areas else None)


def state(status: Status, running: Download | None = None) -> tuple[str, str]:
    """Icon and words of a model's state."""
    if running and running.active:
        return "progress_activity", f"Downloading {words.percent(running.fraction)}"
    if status.state == "failed" and "checksum" in status.why:
        return "error", "File does not match"
    return _STATES[status.state]


def _head(shown: Shown, running: Download | None) -> str:
    spec = shown.spec
    icon, text = state(shown.status, running)
    what = " · ".join([spec.architecture, KINDS[spec.kind], QUESTIONS[spec.task]])
    note = ""
    if spec.label_order == "unverified":
        note = '<p class="um-warn">Label order unverified: shown, not counted.</p>'
    if shown.status.recommended:
        note += f'<p class="um-caption">{words.escape(shown.status.recommended)}</p>'
    return (
        f'<div class="um-model"><div class="um-model-name"><h3>{words.escape(spec.title)}</h3>'
        f"{words.chip(text, icon=icon)}</div>"
        f'<p class="um-caption">{words.escape(what)}</p><p>{words.escape(spec.summary)}</p>{note}'
        "</div>"
    )


def _figure(spec: ModelSpec) -> str:
    """Our AUC on an axis from 0.5 to 1, the same for every card."""
    ours = overall(spec)
    head = '<p class="um-caption">AUC, our measurement, 95 % interval</p>'
    if ours is None:
        published = ""
        if spec.published:
            best = spec.published[0]
            published = (
                f" Published: {words.escape(best.metric)} {best.value:.2f} on "
                f"{words.escape(best.data)}."
            )
        return f'<div class="um-model-auc">{head}<p>not measured here yet.{published}</p></div>'

    def at(value: float) -> float:
        return min(100.0, max(0.0, (value - 0.5) * 200))

    low, high = at(ours.low), at(ours.high)
    return (
        f'<div class="um-model-auc">{head}<div class="um-auc"><i aria-hidden="true">'
        f'<u style="left:{low:.0f}%;width:{high - low:.0f}%"></u>'
        f'<s style="left:{at(ours.value):.0f}%"></s></i><b>{ours.value:.2f}</b>'
        f"<span>{ours.low:.2f} to {ours.high:.2f}, {ours.clips} clips</span></div></div>"
    )


def _facts(shown: Shown) -> str:
    spec, status = shown.spec, shown.status
    rows = [
        ("Calibrated", _calibrated(spec)),
        ("Speed", words.escape(_speed(shown))),
        ("Weights", words.escape(_weights(status))),
        ("License", words.escape(_license(status))),
        ("Weak on", words.escape(", ".join(spec.weak_on[:3]) or "not known yet")),
    ]
    cells = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<dl class="um-model-facts">{cells}</dl>'


def _calibrated(spec: ModelSpec) -> str:
    if spec.calibration is None:
        return '<span class="um-warn">not yet: shown as uncalibrated</span>'
    if spec.calibration.clips == 0:
        return '<span class="um-warn">published operating point, not calibrated here</span>'
    return f"on {spec.calibration.clips} clips"


def _speed(shown: Shown) -> str:
    if shown.speed is None:
        return "not measured here yet"
    return f"about {max(1, round(shown.speed * 1000))}{words.NBSP}ms a frame here"


def _weights(status: Status) -> str:
    known = [file.size for file in status.spec.files if file.size is not None]
    text = words.size(sum(known)) if known else "size not published"
    where = {"bundled": "bundled", "ready": "on this computer", "license": "on this computer"}
    text += f", {where[status.state]}" if status.state in where else ""
    if status.memory:
        text += f", {words.size(status.memory)} in memory"
    return text


def _license(status: Status) -> str:
    text = status.spec.license_weights
    if status.spec.research_only:
        text += " (not for every use)"
    if status.accepted:
        text += f", accepted {status.accepted:%Y-%m-%d}"
    return text


_CAPTION = '<span class="um-caption">Not on this server; its administrator can add it.</span>'


def _action(status: Status, ended: Download | None) -> None:
    """The one thing that can be done next."""
    spec = status.spec
    if ended and ended.error:
        st.html(f'<p class="um-warn" role="status">{words.escape(ended.error)}</p>')
    if status.state == "bundled":
        text = "In the default set" if spec.default else "Bundled"
        st.html(words.chip(text), width="content")
    elif not auth.who().may_administer:
        # It would hold for everybody: disk, memory and licenses are the administrator's.
        text = words.chip("Ready") if status.ready else _CAPTION
        st.html(text, width="content")
    elif status.ready:
        if st.button("Delete", icon=":material/delete:", key=f"delete-{spec.id}"):
            _delete(spec)
    elif status.state == "license":
        if st.button("Read the license", icon=":material/gavel:", key=f"accept-{spec.id}"):
            _accept(spec, then_fetch=False)
    elif status.state == "manual":
        st.html(f'<span class="um-caption">{words.escape(status.why)}</span>', width="content")
    else:
        size = f" {words.size(status.download)}" if status.download else ""
        again = "Download again" if status.state == "failed" else f"Download{size}"
        if st.button(again, icon=":material/download:", key=f"get-{spec.id}"):
            if spec.research_only and weights.accepted_license(spec) is None:
                _accept(spec, then_fetch=True)
            else:
                fetch(spec.id)
                st.rerun()


def fetch(id: str) -> None:
    """Begin to download a model."""
    downloads.start(id, lambda tell: inventory.download(id, tell))


def _received(running: Download) -> str:
    if not running.total:
        return "connecting"
    left = running.seconds_left
    text = f"{words.size(running.done)} of {words.size(running.total)}"
    return text + (f" · {words.about(left)} left" if left is not None else "")


@st.dialog("Before you use this model")
def _accept(spec: ModelSpec, *, then_fetch: bool) -> None:
    st.html(
        f"<p>The weights of <b>{words.escape(spec.title)}</b> are given under "
        f"<b>{words.escape(spec.license_weights)}</b>. That is not free for every use: most often "
        "it means research, and nothing that earns money.</p>"
        f'<p class="um-caption">{words.escape(spec.source)}</p>'
    )
    if st.button(
        "I accept this license",
        type="primary",
        key=f"accepted-{spec.id}",
        on_click=_accepted,
        args=(spec, then_fetch),
    ):
        st.rerun()


def _accepted(spec: ModelSpec, then_fetch: bool) -> None:
    weights.accept_license(spec)
    if then_fetch:
        fetch(spec.id)


@st.dialog("Delete this model?")
def _delete(spec: ModelSpec) -> None:
    again = "You would have to bring its file again." if spec.own else "It can be fetched again."
    st.html(f"<p>The files of <b>{words.escape(spec.title)}</b> are deleted. {again}</p>")
    with st.container(horizontal=True):
        if st.button(
            "Delete",
            type="primary",
            key=f"deleted-{spec.id}",
            on_click=_deleted,
            args=(spec.id,),
        ):
            st.rerun()
        if st.button("Keep it", key=f"kept-{spec.id}"):
            st.rerun()


def _deleted(id: str) -> None:
    inventory.delete(id)


@st.dialog("Model card", width="large")
def _whole(shown: Shown) -> None:
    """Everything that is known of a model."""
    spec = shown.spec
    st.html(_head(shown, None) + _facts(shown))
    rows = [
        ("Which output means fake", f"{spec.fake_output} ({spec.label_order})"),
        ("What it is fed", crop_words(spec)),
        ("Points to", spec.finding),
        ("Also raised by", spec.confused_by),
        ("Source", spec.source),
        ("License of the code", spec.license_code),
        ("Id", spec.id),
        *((f"sha256 of {file.path}", file.sha256 or "not published") for file in spec.files),
    ]
    cells = "".join(
        f"<dt>{words.escape(name)}</dt><dd>{words.escape(text)}</dd>" for name, text in rows if text
    )
    st.html(f'<dl class="um-model-facts wide">{cells}</dl>')
    if spec.measured:
        st.html('<h3 class="um-sub">Measured by us</h3>')
        st.table(
            pd.DataFrame(
                {
                    "On": m.data,
                    "Figure": m.metric,
                    "Value": f"{m.value:.2f} [{m.low:.2f}, {m.high:.2f}]",
                    "Clips": str(m.clips),
                }
                for m in spec.measured
            ),
            border="horizontal",
            hide_index=True,
        )
        st.html(f'<p class="um-caption">{words.escape(spec.measured[0].command)}</p>')
    if spec.published:
        st.html('<h3 class="um-sub">Published by others</h3>')
        st.table(
            pd.DataFrame(
                {"On": p.data, "Figure": p.metric, "Value": f"{p.value:.3f}", "Source": p.source}
                for p in spec.published
            ),
            border="horizontal",
            hide_index=True,
        )
    if spec.card and (text := _card_text(spec.card)):
        with st.container(key="model-card"):
            st.markdown(text)


def _card_text(name: str) -> str:
    """A card's Markdown; ours lie beside the manifest."""
    path = (folders.bundled() / name).resolve()
    if not path.is_relative_to(folders.bundled().resolve()) or not path.is_file():
        return ""
    return path.read_text(encoding="utf-8")


def crop_words(spec: ModelSpec) -> str:
    """What a model sees, in a sentence."""
    crop: CropRecipe = spec.crop
    size = f"{crop.size} px"
    what = {
        "square": f"a square of {crop.scale:g} times the face box, {size}",
        "box": f"the face box with a margin, {size}",
        "points": f"the face set upright by its landmarks, {size}",
        "whole": f"the whole picture, {size}",
    }.get(crop.kind, f"a crop of {size}")
    if spec.kind == "clip":
        apart = f" {spec.clip_step:g} s apart" if spec.clip_step else ""
        what += f"; {spec.clip_frames} frames{apart}"
    return what
