"""The card of one model: purpose, accuracy, cost, known failures."""

from functools import partial

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import cards, controls, figures, task_progress, typography
from dashboard.components.chips import chip
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.tables import facts
from detector import weights
from detector.models import inventory
from detector.models.base import Measured, ModelSpec
from detector.models.inventory import Status
from detector.presentation import measured
from detector.presentation import models as presented
from detector.schema.analysis import QUESTION_OF
from detector.sentences import _, ngettext, numeral, say
from service.tasks.kinds import Download

_STATES = {
    "bundled": ("check_circle", _("Ready")),
    "ready": ("check_circle", _("Ready")),
    "license": ("gavel", _("License not accepted")),
    "available": ("download", _("Not downloaded")),
    "manual": ("upload_file", _("Add its file")),
    "failed": ("error", _("Can’t be used")),
}


def draw(status: Status, seconds: float | None) -> None:
    """Draw the card; `seconds`: time a sampled frame on this computer, None before it ran."""
    spec, user = status.spec, session.current_user()
    running = session.application().downloads.find(spec.id, user)
    with st.container(border=True, key=f"card-model-{slug(spec.id)}", height="stretch"):
        known = _facts(status, seconds)
        problem = download_problem(spec, running) if user.may_administer else ""
        show(_head(status, running), _accuracy(spec), known, problem)
        with controls.apart(f"actions-{slug(spec.id)}"):
            if running and running.active and user.may_administer:
                task_progress.draw(running, _received)
            else:
                _action(status, running)
            if controls.button(_("Card"), "article", f"more-{spec.id}", kind="tertiary"):
                st.dialog(_("Model card"), width="large")(_full_card)(status, seconds)


def slug(id: str) -> str:
    """Return an id that is valid in a CSS class name."""
    return id.replace(":", "--").replace(".", "-")


def overall(spec: ModelSpec) -> list[Measured]:
    """Return measured AUCs: on sources left out, then on all development clips, which often
    flatter."""
    areas = (m for m in spec.measured if m.metric.endswith("AUC") and not m.left_out)
    return [m for m in (spec.left_out, next(areas, None)) if m is not None]


def looks_for(spec: ModelSpec) -> str:
    """Return what a model detects, within a sentence: "fake faces"."""
    return say(QUESTION_OF[spec.task].spec.looks_for)


def state(status: Status, running: Download | None = None) -> tuple[str, str]:
    """Return icon and words of a model's state."""
    if running and running.active:
        done = labels.percent(running.fraction)
        return "progress_activity", _("Downloading {percent}").format(percent=done)
    if status.state == "failed" and status.problem == "weights_corrupted":
        return "error", _("File does not match")
    icon, text = _STATES[status.state]
    return icon, say(text)


def _head(status: Status, running: Download | None) -> Markup:
    spec = status.spec
    symbol, text = state(status, running)
    name = labels.plain(spec)
    own = [spec.title] if spec.title != name else []
    kind = " · ".join(
        [*own, spec.architecture, say(labels.MODEL_KINDS[spec.kind]), looks_for(spec)]
    )
    unverified = _("Label order unverified: shown, not counted.")
    return cards.model_head(
        name,
        chip(text, symbol=symbol),
        kind,
        spec.summary,
        warning=unverified if spec.label_order == "unverified" else "",
        note=status.recommended,
    )


def _accuracy(spec: ModelSpec) -> Markup:
    """Draw measured AUCs, each on an axis from 0.5 to 1, the same for every card."""
    if ours := overall(spec):
        return join(_measured(m, ours) for m in ours)
    text = _("not measured here yet.")
    if spec.published:
        best = spec.published[0]
        text += " " + _("Published: {metric} {value} on {data}.").format(
            metric=best.metric, value=numeral(best.value, ".2f"), data=best.data
        )
    return cards.model_accuracy(_("AUC, our measurement"), typography.text(text))


def _measured(ours: Measured, all_ours: list[Measured]) -> Markup:
    if ours.left_out:
        head = _("AUC on sources left out of training")
    elif any(other.value < ours.value for other in all_ours):
        head = _("AUC on development clips, which flatter")
    else:
        head = _("AUC on development clips")
    note = ngettext("{number} clip", "{number} clips", ours.clips).format(
        number=numeral(ours.clips)
    )
    ends = ours.value, ours.value
    if ours.low is not None and ours.high is not None:
        ends = ours.low, ours.high
        between = _("{low} to {high}").format(
            low=numeral(ours.low, ".2f"), high=numeral(ours.high, ".2f")
        )
        note = f"{between}, {note}"
    value, low, high = (2 * (each - 0.5) for each in (ours.value, *ends))
    return cards.model_accuracy(
        head, figures.interval(value, low, high, numeral(ours.value, ".2f"), note)
    )


def _facts(status: Status, seconds: float | None) -> Markup:
    speed = _("not measured here yet")
    if seconds is not None:
        number = max(1, round(seconds * 1000))
        speed = _("about {number}\u00a0ms a frame here").format(number=number)
    rows: list[tuple[str, Text]] = [
        (_("Calibrated"), _calibrated(status.spec)),
        (_("Speed"), speed),
        (_("Weights"), _weights(status)),
        (_("License"), _license(status)),
        (_("Weak on"), ", ".join(status.spec.weak_on[:3]) or _("not known yet")),
    ]
    return facts(rows, cls="um-facts um-model-facts")


def _calibrated(spec: ModelSpec) -> Text:
    if spec.calibration is None:
        text = _("not yet: shown as uncalibrated")
        if spec.operating_point is not None:
            point = numeral(spec.operating_point, "g")
            text = _("not here; its own score decides, at {point}").format(point=point)
        return typography.caution(text)
    return measured.fitted_on(spec.calibration)


def published_size(spec: ModelSpec) -> int:
    """Return the bytes of its files; 0 if one of them is unknown."""
    sizes = [file.size or 0 for file in spec.files]
    return sum(sizes) if all(sizes) else 0


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
    """Draw the one action that is possible next."""
    spec = status.spec
    if status.state == "bundled":
        text = _("In the default set") if spec.default else _("Bundled")
        show(chip(text), width="content")
    elif not session.current_user().may_administer:
        # It would hold for everybody: disk, memory and licenses are the administrator's.
        if status.ready:
            show(chip(_("Ready")), width="content")
        else:
            typography.caption(
                _("Not on this server; its administrator can add it."), width="content"
            )
    elif status.ready:
        if controls.button(_("Delete"), "delete", f"delete-{spec.id}"):
            _delete(spec)
    elif status.state == "license":
        if controls.button(_("Read the license"), "gavel", f"accept-{spec.id}"):
            st.dialog(_("Before you use this model"))(_license_dialog)(spec, then_fetch=False)
    elif status.state == "manual":
        typography.caption(status.why, width="content")
    elif controls.button(_download_label(status, ended), "download", f"get-{spec.id}"):
        if spec.research_only and weights.accepted_license(spec) is None:
            st.dialog(_("Before you use this model"))(_license_dialog)(spec, then_fetch=True)
        else:
            fetch(spec.id)
            st.rerun()


def _download_label(status: Status, ended: Download | None) -> str:
    if status.state == "failed":
        return _("Download again")
    if ended and ended.code:
        return _("Try again")
    if status.download:
        return _("Download {size}").format(size=labels.size(status.download))
    return _("Download")


def download_problem(spec: ModelSpec, ended: Download | None) -> Text:
    """Return why the last download failed, and how to add the file by hand."""
    if ended is None or ended.active or not ended.error:
        return ""
    listed = all(file.sha256 for file in spec.files)
    offline = _("This installation stays offline. Use Add a model for its file.")
    unknown = _("No connection. Without one its file can’t be recognized: add it with Add a model.")
    if listed:
        offline = _(
            "This installation stays offline. Put the file in the weights folder; Check all "
            "files will find it."
        )
        unknown = _(
            "No connection. Put the file in the weights folder; Check all files will find it."
        )
    texts = {
        "no_connection": unknown,
        "offline": offline,
        "connection_lost": _(
            "The connection broke off. What was received is kept; the next try goes on there."
        ),
        "weights_corrupted": _("The file does not match its checksum, so it was not kept."),
    }
    calm = not ended.code or (ended.code in texts and ended.code != "weights_corrupted")
    text = texts.get(ended.code, say(ended.error))
    if listed:
        by_hand = _("Brought by hand, it is installed by: unmask fetch {id} --from FILE")
        text = f"{text} {by_hand.format(id=spec.id)}"
    return cards.model_problem(text, calm=calm)


def fetch(id: str) -> None:
    """Start the download of a model."""
    session.application().downloads.start(
        id, lambda tell: inventory.download(id, tell), session.current_user()
    )


def _received(running: Download) -> str:
    if not running.total:
        return _("connecting")
    text = _("{number} of {total}").format(
        number=labels.size(running.done), total=labels.size(running.total)
    )
    return task_progress.with_time_left(text, running)


def _license_dialog(spec: ModelSpec, *, then_fetch: bool) -> None:
    text = rich(
        _(
            "The weights of <b>{model}</b> are given under <b>{license}</b>. That is not free for "
            "every use: most often it means research, and nothing that earns money."
        ),
        model=labels.plain(spec),
        license=spec.license_weights,
    )
    show(typography.text(text), typography.small_print(spec.source))

    def accept() -> None:
        weights.accept_license(spec)
        if then_fetch:
            fetch(spec.id)

    label = _("I accept this license")
    if controls.button(label, "", f"accepted-{spec.id}", accept, kind="primary"):
        st.rerun()


def _delete(spec: ModelSpec) -> None:
    again = (
        _("You would have to add its file again.") if spec.own else _("It can be fetched again.")
    )
    text = rich(_("The files of <b>{model}</b> are deleted."), model=labels.plain(spec))
    delete, key = partial(inventory.delete, spec.id), f"deleted-{spec.id}"
    controls.confirm(join([text, again], " "), (), "", delete, label=_("Delete"), key=key)


# --- the full card --------------------------------------------------------------------------------


def _full_card(status: Status, seconds: float | None) -> None:
    """Draw the whole model card."""
    spec, point = status.spec, ""
    if spec.operating_point is not None:
        point = f"{numeral(spec.operating_point, 'g')}. {spec.operating_point_source}".strip()
    show(_head(status, None), _facts(status, seconds))
    rows = [
        (_("Which output means fake"), f"{spec.fake_output} ({spec.label_order})"),
        (_("Says fake above"), point),
        (_("What it is fed"), presented.crop(spec)),
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
    show(facts(((name, text) for name, text in rows if text), cls="um-facts um-model-facts wide"))
    if spec.measured:
        typography.chapter(_("Measured by us"))
        controls.table(
            {_("On"): m.data, _("Figure"): m.metric, _("Value"): m.text, _("Clips"): str(m.clips)}
            for m in spec.measured
        )
        for command in dict.fromkeys(m.command for m in spec.measured):
            typography.caption(command)
    if spec.published:
        typography.chapter(_("Published by others"))
        controls.table(
            {
                _("On"): p.data,
                _("Figure"): p.metric,
                _("Value"): numeral(p.value, ".3f"),
                _("Source"): p.source,
            }
            for p in spec.published
        )
    if text := inventory.card_text(spec):
        with st.container(key="model-card"):
            st.markdown(text)
