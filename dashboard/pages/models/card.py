"""One model as on a medicine bottle: what it is for, how good it is, its cost, where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import pandas as pd
import streamlit as st
from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import figures, typography
from dashboard.components.chips import chip
from dashboard.components.markup import Text, join, rich, show, tag
from dashboard.components.tables import facts
from dashboard.i18n import LazyDict, _, ngettext, say
from dashboard.pages.models import progress
from detector import paths, weights
from detector.models import inventory
from detector.models.base import CropRecipe, Measured, ModelSpec
from detector.models.inventory import Status
from detector.schema.analysis import Task
from service.tasks.downloads import Download

FACES, WHOLE, VOICE = get_args(Task)
KINDS: LazyDict[str, str] = LazyDict(
    lambda: {
        "frame": _("frame model"),
        "clip": _("clip model"),
        "image": _("picture model"),
        "audio": _("voice model"),
    }
)
QUESTIONS: LazyDict[str, str] = LazyDict(
    lambda: {
        FACES: _("altered faces"),
        WHOLE: _("pictures made as a whole"),
        VOICE: _("voices"),
    }
)
_STATES: LazyDict[str, tuple[str, str]] = LazyDict(
    lambda: {
        "bundled": ("check_circle", _("Ready")),
        "ready": ("check_circle", _("Ready")),
        "license": ("gavel", _("License not accepted")),
        "available": ("download", _("Not downloaded")),
        "manual": ("upload_file", _("Bring its file")),
        "failed": ("error", _("Can’t be used")),
    }
)


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
    running = session.application().downloads.find(spec.id, session.current_user())
    with st.container(border=True, key=f"card-model-{slug(spec.id)}", height="stretch"):
        show(_head(shown, running), _figure(spec), _facts(shown), _trouble(spec, running))
        with st.container(
            horizontal=True,
            horizontal_alignment="distribute",
            vertical_alignment="center",
            key=f"actions-{slug(spec.id)}",
        ):
            if running and running.active and session.current_user().may_administer:
                progress.draw(running, _received)
            else:
                _action(status, running)
            if st.button(
                _("Card"), type="tertiary", icon=":material/article:", key=f"more-{spec.id}"
            ):
                st.dialog(_("Model card"), width="large")(_whole)(shown)


def slug(id: str) -> str:
    """An id fit for a key that CSS names."""
    return id.replace(":", "--").replace(".", "-")


def overall(spec: ModelSpec) -> Measured | None:
    """Our own AUC over everything, if there is one."""
    areas = [m for m in spec.measured if m.metric.endswith("AUC")]
    return next((m for m in areas if "all" in m.data), areas[0] if areas else None)


def interval(measured: Measured) -> str:
    """A figure with its 95 % interval: "0.94 [0.91, 0.96]"."""
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


def state(status: Status, running: Download | None = None) -> tuple[str, str]:
    """Icon and words of a model's state."""
    if running and running.active:
        done = labels.percent(running.fraction)
        return "progress_activity", _("Downloading {percent}").format(percent=done)
    if status.state == "failed" and status.problem == "weights_corrupted":
        return "error", _("File does not match")
    return _STATES[status.state]


def _head(shown: Shown, running: Download | None) -> Markup:
    spec = shown.spec
    icon, now = state(shown.status, running)
    what = " · ".join([spec.architecture, KINDS[spec.kind], QUESTIONS[spec.task]])
    name = tag("div", tag("h3", spec.title), chip(now, symbol=icon), cls="um-model-name")
    parts = [name, typography.small_print(what), tag("p", spec.summary)]
    if spec.label_order == "unverified":
        parts.append(tag("p", _("Label order unverified: shown, not counted."), cls="um-warn"))
    if shown.status.recommended:
        parts.append(typography.small_print(shown.status.recommended))
    return tag("div", *parts, cls="um-model")


def _figure(spec: ModelSpec) -> Markup:
    """Our AUC on an axis from 0.5 to 1, the same for every card."""
    ours = overall(spec)
    head = typography.small_print(_("AUC, our measurement, 95 % interval"))
    if ours is None:
        text = _("not measured here yet.")
        if spec.published:
            best = spec.published[0]
            text += " " + _("Published: {metric} {value} on {data}.").format(
                metric=best.metric, value=f"{best.value:.2f}", data=best.data
            )
        return tag("div", head, tag("p", text), cls="um-model-auc")

    def at(value: float) -> float:
        return 2 * (value - 0.5)

    note = ngettext(
        "{low} to {high}, {number} clip", "{low} to {high}, {number} clips", ours.clips
    ).format(low=f"{ours.low:.2f}", high=f"{ours.high:.2f}", number=ours.clips)
    axis = figures.interval(at(ours.value), at(ours.low), at(ours.high), f"{ours.value:.2f}", note)
    return tag("div", head, axis, cls="um-model-auc")


def _facts(shown: Shown) -> Markup:
    spec, status = shown.spec, shown.status
    rows: list[tuple[str, Text]] = [
        (_("Calibrated"), _calibrated(spec)),
        (_("Speed"), _speed(shown)),
        (_("Weights"), _weights(status)),
        (_("License"), _license(status)),
        (_("Weak on"), ", ".join(spec.weak_on[:3]) or _("not known yet")),
    ]
    return facts(rows, cls="um-model-facts")


def _calibrated(spec: ModelSpec) -> Text:
    if spec.calibration is None:
        text = _("not yet: shown as uncalibrated")
        if spec.operating_point is not None:
            point = f"{spec.operating_point:g}"
            text = _("not here; its own score decides, at {point}").format(point=point)
        return tag("span", text, cls="um-warn")
    clips = spec.calibration.clips
    return ngettext("on {number} clip", "on {number} clips", clips).format(number=clips)


def _speed(shown: Shown) -> str:
    if shown.speed is None:
        return _("not measured here yet")
    number = max(1, round(shown.speed * 1000))
    return _("about {number}\u00a0ms a frame here").format(number=number)


def published_size(spec: ModelSpec) -> int:
    """Bytes of its files; 0 where that of one of them is not known."""
    sizes = [file.size for file in spec.files]
    return 0 if None in sizes else sum(size or 0 for size in sizes)


def _weights(status: Status) -> str:
    size = published_size(status.spec)
    facts = [labels.size(size) if size else _("size not published")]
    if status.state == "bundled":
        facts.append(_("bundled"))
    elif status.state in ("ready", "license"):
        facts.append(_("on this computer") if session.is_loopback_client() else _("on this server"))
    if status.memory:
        facts.append(_("{size} in memory").format(size=labels.size(status.memory)))
    return ", ".join(facts)


def _license(status: Status) -> str:
    text = status.spec.license_weights
    if status.spec.research_only:
        text = _("{license} (not for every use)").format(license=text)
    if status.accepted:
        text += ", " + _("accepted {date}").format(date=f"{status.accepted:%Y-%m-%d}")
    return text


def _action(status: Status, ended: Download | None) -> None:
    """The one thing that can be done next."""
    spec = status.spec
    if status.state == "bundled":
        text = _("In the default set") if spec.default else _("Bundled")
        show(chip(text), width="content")
    elif not session.current_user().may_administer:
        # It would hold for everybody: disk, memory and licenses are the administrator's.
        absent = _("Not on this server; its administrator can add it.")
        if status.ready:
            show(chip(_("Ready")), width="content")
        else:
            typography.remark(absent)
    elif status.ready:
        if st.button(_("Delete"), icon=":material/delete:", key=f"delete-{spec.id}"):
            st.dialog(_("Delete this model?"))(_delete)(spec)
    elif status.state == "license":
        if st.button(_("Read the license"), icon=":material/gavel:", key=f"accept-{spec.id}"):
            _ask(spec, then_fetch=False)
    elif status.state == "manual":
        typography.remark(status.why)
    else:
        if status.state == "failed":
            label = _("Download again")
        elif ended and ended.code:
            label = _("Try again")
        elif status.download:
            label = _("Download {size}").format(size=labels.size(status.download))
        else:
            label = _("Download")
        if st.button(label, icon=":material/download:", key=f"get-{spec.id}"):
            if spec.research_only and weights.accepted_license(spec) is None:
                _ask(spec, then_fetch=True)
            else:
                fetch(spec.id)
                st.rerun()


def _trouble(spec: ModelSpec, ended: Download | None) -> Text:
    """What became of the last download, where nothing came: one sentence, and no alarm, since
    nothing is wrong with the model."""
    if (
        ended is None
        or ended.active
        or not ended.error
        or not session.current_user().may_administer
    ):
        return ""
    said, tone = say(ended.error), "um-caption"
    if ended.code in ("no_connection", "offline"):
        known = all(file.sha256 for file in spec.files)
        said = {
            ("no_connection", True): _(
                "No connection. Put the file in the weights folder; Check all files will find it."
            ),
            ("no_connection", False): _(
                "No connection. Without one its file can’t be recognized: add it with Add a model."
            ),
            ("offline", True): _(
                "This installation stays offline. Put the file in the weights folder; Check all "
                "files will find it."
            ),
            ("offline", False): _(
                "This installation stays offline. Bring its file with Add a model."
            ),
        }[ended.code, known]
    elif ended.code == "connection_lost":
        said = _("The connection broke off. What was received is kept; the next try goes on there.")
    elif ended.code == "weights_corrupted":
        said, tone = _("The file does not match its checksum, so it was not kept."), "um-warn"
    elif ended.code:
        tone = "um-warn"
    return tag("div", tag("p", said, cls=tone, role="status"), cls="um-model um-model-said")


def fetch(id: str) -> None:
    """Begin to download a model."""
    session.application().downloads.start(
        id, lambda tell: inventory.download(id, tell), session.current_user()
    )


def _received(running: Download) -> str:
    if not running.total:
        return _("connecting")
    left = running.seconds_left
    text = _("{number} of {total}").format(
        number=labels.size(running.done), total=labels.size(running.total)
    )
    if left is None:
        return text
    return f"{text} · {_('{time} left').format(time=labels.about(left))}"


def _ask(spec: ModelSpec, *, then_fetch: bool) -> None:
    st.dialog(_("Before you use this model"))(_accept)(spec, then_fetch=then_fetch)


def _accept(spec: ModelSpec, *, then_fetch: bool) -> None:
    text = rich(
        _(
            "The weights of <b>{model}</b> are given under <b>{license}</b>. That is not free for "
            "every use: most often it means research, and nothing that earns money."
        ),
        model=spec.title,
        license=spec.license_weights,
    )
    show(tag("p", text), typography.small_print(spec.source))
    if st.button(
        _("I accept this license"),
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


def _delete(spec: ModelSpec) -> None:
    again = (
        _("You would have to bring its file again.") if spec.own else _("It can be fetched again.")
    )
    text = rich(_("The files of <b>{model}</b> are deleted."), model=spec.title)
    typography.paragraph(join([text, again], " "))
    with st.container(horizontal=True):
        if st.button(
            _("Delete"),
            type="primary",
            key=f"deleted-{spec.id}",
            on_click=_deleted,
            args=(spec.id,),
        ):
            st.rerun()
        if st.button(_("Keep it"), key=f"kept-{spec.id}"):
            st.rerun()


def _deleted(id: str) -> None:
    inventory.delete(id)


def _whole(shown: Shown) -> None:
    """Everything that is known of a model."""
    spec = shown.spec
    show(_head(shown, None), _facts(shown))
    rows = [
        (_("Which output means fake"), f"{spec.fake_output} ({spec.label_order})"),
        (_("Says fake above"), _point(spec)),
        (_("What it is fed"), crop_words(spec)),
        (_("Points to"), spec.finding),
        (_("Also raised by"), spec.confused_by),
        (_("Source"), spec.source),
        (_("License of the code"), spec.license_code),
        (_("Id"), spec.id),
        *(
            (_("sha256 of {file}").format(file=file.path), file.sha256 or _("not published"))
            for file in spec.files
        ),
    ]
    known = ((name, text) for name, text in rows if text)
    show(facts(known, cls="um-model-facts wide"))
    if spec.measured:
        typography.chapter(_("Measured by us"))
        st.table(
            pd.DataFrame(
                {
                    _("On"): m.data,
                    _("Figure"): m.metric,
                    _("Value"): interval(m),
                    _("Clips"): str(m.clips),
                }
                for m in spec.measured
            ),
            border="horizontal",
            hide_index=True,
        )
        typography.caption(spec.measured[0].command)
    if spec.published:
        typography.chapter(_("Published by others"))
        st.table(
            pd.DataFrame(
                {
                    _("On"): p.data,
                    _("Figure"): p.metric,
                    _("Value"): f"{p.value:.3f}",
                    _("Source"): p.source,
                }
                for p in spec.published
            ),
            border="horizontal",
            hide_index=True,
        )
    if spec.card and (text := _card_text(spec.card)):
        with st.container(key="model-card"):
            st.markdown(text)


def _point(spec: ModelSpec) -> str:
    """Its operating point, and who says so; empty where it has none."""
    if spec.operating_point is None:
        return ""
    return f"{spec.operating_point:g}. {spec.operating_point_source}".strip()


def _card_text(name: str) -> str:
    """A card's Markdown; ours lie beside the manifest."""
    path = (paths.bundled() / name).resolve()
    if not path.is_relative_to(paths.bundled().resolve()) or not path.is_file():
        return ""
    return path.read_text(encoding="utf-8")


def crop_words(spec: ModelSpec) -> str:
    """What a model sees, in a sentence."""
    crop: CropRecipe = spec.crop
    what = {
        "square": _("a square of {scale} times the face box, {size}"),
        "box": _("the face box with a margin, {size}"),
        "points": _("the face set upright by its landmarks, {size}"),
        "whole": _("the whole picture, {size}"),
    }.get(crop.kind, _("a crop of {size}"))
    picture = what.format(scale=f"{crop.scale:g}", size=f"{crop.size} px")
    if spec.kind != "clip":
        return picture
    if not spec.clip_step:
        return _("{picture}; {number} frames").format(picture=picture, number=spec.clip_frames)
    return _("{picture}; {number} frames {seconds} s apart").format(
        picture=picture, number=spec.clip_frames, seconds=f"{spec.clip_step:g}"
    )
