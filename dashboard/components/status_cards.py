"""Cards that stand in the verdict's place when there is no verdict: what happened, why, what to do.

A card is data; `show` draws any of them the same way. What a card offers to do, it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, url_state
from dashboard.components.chips import bullets
from dashboard.components.markup import Text, icon, join, tag
from dashboard.components.markup import show as show_markup
from dashboard.i18n import LazyDict, _, advice, say
from detector.errors import InputError, UnmaskError
from detector.models.registry import list_models, usable
from detector.schema.analysis import Analysis, Modality, ReasonCode, Settings
from service import error_reports
from service.limits import NotAllowed, TooLarge
from service.records.model import RecordsError
from service.storage.uploads import records_retention
from service.tasks.jobs import ErrorReport, Job, QueueFull

SMALLEST = 16
"""px; "Look for smaller faces" goes no further: below it nothing can be seen."""
MOST_MOMENTS = 200


class Named(Protocol):
    """A job, or what a link shows of one."""

    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class Action:
    """A button. `run` is its callback; the page is drawn anew after it."""

    label: str
    icon: str
    run: Callable[[], None]
    primary: bool = False


@dataclass(frozen=True)
class Card:
    """One state.

    Attributes
    ----------
    slug : str
        Names the card in keys.
    kicker : str
        Small, above the head: what kind of state.
    icon : str
        Material Symbol.
    head, text : str
        What happened; why. Plain text.
    points : tuple of str
        Further facts, one a line.
    small : str
        Code, reference: last and smallest.
    details : str
        To copy into a bug report.
    """

    slug: str
    kicker: str
    icon: str
    head: str
    text: str
    points: tuple[str, ...] = ()
    small: str = ""
    details: str = ""
    actions: tuple[Action, ...] = ()


def show(card: Card) -> None:
    """Draw a card where the verdict would be."""
    with st.container(border=True, key=f"verdict-na-{card.slug}", height="stretch"):
        show_markup(
            state(
                card.kicker,
                join([icon(card.icon), card.head]),
                tag("p", card.text, role="status"),
                bullets(card.points) if card.points else "",
                tag("p", card.small, cls="um-caption") if card.small else "",
            )
        )
        if card.actions or card.details:
            with st.container(horizontal=True, key=f"actions-{card.slug}"):
                for number, action in enumerate(card.actions):
                    st.button(
                        action.label,
                        key=f"action-{card.slug}-{number}",
                        icon=f":material/{action.icon}:",
                        type="primary" if action.primary else "secondary",
                        on_click=action.run,
                    )
                if card.details:
                    with st.popover(_("Copy details"), icon=":material/content_copy:"):
                        st.code(card.details, language=None, wrap_lines=True)


def state(kicker: str, head: Text, *parts: Text, cls: str = "") -> Markup:
    """Return the inside of a card: small print, head, and what follows."""
    above = tag("p", kicker, cls="um-caption")
    return tag("div", above, tag("h2", head), *parts, cls=f"um-state {cls}")


def waiting(kicker: str, head: str, text: str) -> None:
    """Draw the inside of a card that has nothing to say yet."""
    show_markup(state(kicker, head, tag("p", text), cls="none"))


# --- what can be done ----------------------------------------------------------------------------


def choose_another(label: str = "", *, primary: bool = False) -> Action:
    """Return the way back to the drop zone."""
    return Action(label or _("Choose another file"), "folder_open", url_state.leave, primary)


def again(
    job: Named, label: str, icon: str, settings: Settings, *, primary: bool = False
) -> Action:
    """Analyze the same file, perhaps with other settings, under the same address."""

    def run() -> None:
        try:
            if session.application().rerun(session.request_context(), job.key, settings) is None:
                st.toast(
                    _("The file is not kept any more. Bring it again."), icon=":material/inbox:"
                )
        except (QueueFull, InputError) as error:
            st.toast(advice(error), icon=":material/schedule:")

    return Action(label, icon, run, primary)


def show_scores(job: Named) -> Action:
    """Open the evidence of a file that has scores but no verdict."""

    def run() -> None:
        st.session_state[f"scores-{job.key}"] = True

    return Action(_("Show the scores anyway"), "visibility", run)


def wants_scores(job: Job) -> bool:
    """Whether the person asked for the scores in spite of there being no verdict."""
    return bool(st.session_state.get(f"scores-{job.key}"))


def delete(job: Job) -> Action:
    """Return the button that deletes a file and what was found."""

    def run() -> None:
        if session.application().delete(session.request_context(), job.key):
            url_state.leave()
        else:
            st.toast(_("Only who brought the file can delete it."), icon=":material/lock:")

    return Action(_("Delete the file"), "delete", run)


# --- the cards -----------------------------------------------------------------------------------

_UNJUDGED: LazyDict[ReasonCode, tuple[str, str]] = LazyDict(
    lambda: {
        ReasonCode.NO_FACE: (_("No face found"), "do_not_disturb_on"),
        ReasonCode.FACE_TOO_SMALL: (_("The face is too small"), "do_not_disturb_on"),
        ReasonCode.TOO_BLURRED: (_("The face is too blurred"), "do_not_disturb_on"),
        ReasonCode.TOO_DARK: (_("The face is too dark"), "do_not_disturb_on"),
        ReasonCode.TOO_BRIGHT: (_("The face is overexposed"), "do_not_disturb_on"),
        ReasonCode.TURNED_AWAY: (_("The face is turned away"), "do_not_disturb_on"),
        ReasonCode.CLIP_TOO_SHORT: (_("This clip is too short"), "do_not_disturb_on"),
        ReasonCode.NO_MODEL: (_("No model gave a score"), "do_not_disturb_on"),
    }
)


def unjudged(job: Named, analysis: Analysis) -> Card:
    """Analyzed, but there was nothing to judge."""
    reason = next((r for r in analysis.verdict.reasons if r.code in _UNJUDGED), None)
    code = reason.code if reason else ReasonCode.NO_MODEL
    head, icon = _UNJUDGED[code]
    text = reason.text if reason else _("There is no score for this file.")
    points = [reason.detail] if reason and reason.detail else []
    actions = _ways_on(job, analysis, code)
    if code == ReasonCode.NO_MODEL:
        points += [
            f"{m.title}: {m.error or m.not_counted_because}"
            for m in analysis.models
            if m.error or m.not_counted_because
        ]
        if any(track.models for track in analysis.judged):
            head, text = _("No verdict"), _("There are scores, but of no model that counts.")
            actions = (*actions, show_scores(job))
    if code is ReasonCode.NO_FACE and any(track.models for track in analysis.judged):
        actions = (*actions, show_scores(job))
    elif code is ReasonCode.NO_FACE and not whole_picture():
        points.append(_("The Models page has models that judge a whole picture, without a face."))
    points += analysis.media.notes
    return Card(
        slug=code.value.replace("_", "-"),
        kicker=_("Could not be judged · {why}").format(why=labels.WHY_NOT.get(code, _("no score"))),
        icon=icon,
        head=head,
        text=text,
        points=tuple(points),
        actions=(*actions, choose_another(primary=not actions)),
    )


def _ways_on(job: Named, analysis: Analysis, code: ReasonCode) -> tuple[Action, ...]:
    """Runs that may find what this one didn't."""
    settings = analysis.settings
    ways = []
    if code in (ReasonCode.NO_FACE, ReasonCode.FACE_TOO_SMALL):
        smaller = max(SMALLEST, settings.min_face // 2)
        if smaller < settings.min_face:
            other = settings.model_copy(update={"min_face": smaller})
            ways.append(again(job, _("Look for smaller faces"), "zoom_in", other))
    looked = any(track.modality is Modality.FULL_FRAME for track in analysis.judged)
    if code is ReasonCode.NO_FACE and not looked and (whole := whole_picture()):
        other = settings.model_copy(update={"models": whole, "mix": None})
        ways.append(again(job, _("Score the whole picture"), "select_all", other))
    seen_badly = (
        ReasonCode.TOO_BLURRED,
        ReasonCode.TOO_DARK,
        ReasonCode.TOO_BRIGHT,
        ReasonCode.TURNED_AWAY,
    )
    more = min(MOST_MOMENTS, settings.frames * 4)
    if code in seen_badly and analysis.media.kind == "video" and more > settings.frames:
        other = settings.model_copy(update={"frames": more})
        ways.append(
            again(job, _("Look at {number} moments").format(number=more), "more_time", other)
        )
    return tuple(ways)


def whole_picture() -> list[str]:
    """Ids of the models here that judge a whole picture: those that can decide, else all."""
    able = [s for s in list_models() if s.crop.kind == "whole" and usable(s)]
    deciding = [s.id for s in able if s.calibration or s.operating_point]
    return deciding or [s.id for s in able]


def failed(job: Job, fault: ErrorReport) -> Card:
    """No analysis: the file can't be read, or something broke here."""
    if fault.ours:
        return Card(
            slug="ours",
            kicker=_("Error on our side"),
            icon="error",
            head=_("Something went wrong here"),
            text=say(error_reports.message_of(fault)),
            points=(say(hint),) if (hint := error_reports.hint_of(fault)) else (),
            small=_reference(fault),
            details=fault.details,
            actions=(
                again(job, _("Try again"), "refresh", job.settings, primary=True),
                choose_another(),
            ),
        )
    return Card(
        slug="file",
        kicker=_("Error"),
        icon="error",
        head=_("We can’t read this file"),
        text=say(error_reports.message_of(fault)),
        points=(say(hint),) if (hint := error_reports.hint_of(fault)) else (),
        small=_("Code: {code}").format(code=fault.problem.code),
        actions=(choose_another(primary=True), delete(job)),
    )


def page_failed(fault: ErrorReport) -> Card:
    """A page could not be drawn."""
    return Card(
        slug="page",
        kicker=_("Error on our side"),
        icon="error",
        head=_("Something went wrong here"),
        text=_("This page could not be drawn. Your file is not at fault."),
        small=_reference(fault),
        details=fault.details,
        actions=(
            Action(_("Try again"), "refresh", lambda: None, primary=True),
            choose_another(_("Start over")),
        ),
    )


def unreachable(error: RecordsError) -> Card:
    """The place where records are kept can't be used now."""
    return Card(
        slug="unreachable",
        kicker=_("Records"),
        icon="error",
        head=_("Your analyses can’t be read now"),
        text=say(error.message),
        points=(say(error.hint),) if error.hint else (),
        small=_("Nothing was changed."),
        actions=(Action(_("Try again"), "refresh", lambda: None, primary=True),),
    )


def _reference(fault: ErrorReport) -> str:
    when = f"{labels.day(fault.when)}, {fault.when:%H:%M}"
    return _("Reference {reference} · {when} UTC").format(reference=fault.reference, when=when)


def refused(error: UnmaskError) -> Card:
    """A file that was not taken in."""
    return Card(
        slug="refused",
        kicker=_("Not taken"),
        icon="schedule" if isinstance(error, QueueFull) else "error",
        head=_refused_head(error),
        text=say(error.message),
        points=(say(error.hint),) if error.hint else (),
        small=_("Code: {code}").format(code=error.code),
    )


def _refused_head(error: UnmaskError) -> str:
    if isinstance(error, QueueFull):
        return _("Enough for now")
    if isinstance(error, NotAllowed):
        return _("Not with this account")
    if isinstance(error, TooLarge):
        return _("This file is too large")
    return _("No room for this file")


def canceled(job: Job) -> Card:
    """Stopped by the person."""
    progress = job.progress
    done = progress.moments if progress else 0
    total = progress.moments_total if progress else 0
    after = (
        _("You stopped after {done} of {total} frames.").format(done=done, total=total)
        if total
        else _("You stopped it.")
    )
    return Card(
        slug="canceled",
        kicker=_("Canceled"),
        icon="close",
        head=_("Canceled"),
        text=f"{after} {_('A partial run gets no verdict.')}",
        actions=(
            again(job, _("Start again"), "play_arrow", job.settings, primary=True),
            choose_another(),
            delete(job),
        ),
    )


def interrupted(job: Job) -> Card:
    """The server stopped in between."""
    kept = job.has_media
    return Card(
        slug="interrupted",
        kicker=_("Interrupted"),
        icon="power_settings_new",
        head=_("This was not finished"),
        text=_("The server stopped before there was a result. Your file is still here.")
        if kept
        else _("The server stopped before there was a result. Your file is not kept any more."),
        actions=(
            again(job, _("Start again"), "play_arrow", job.settings, primary=True)
            if kept
            else choose_another(_("Bring it again"), primary=True),
            delete(job),
        ),
    )


def no_link() -> Card:
    """A link that leads nowhere any more."""
    return Card(
        slug="no-link",
        kicker=_("Link"),
        icon="link_off",
        head=_("This link is not in force"),
        text=_("It is over, or whoever sent it has taken it back. Ask them for a new one."),
        actions=(choose_another(_("Analyze a file")),),
    )


def link_unreachable() -> Card:
    """The place where a link's result is kept can't be used now."""
    return Card(
        slug="link-unreachable",
        kicker=_("Link"),
        icon="error",
        head=_("This result can’t be read now"),
        text=_(
            "The place where it is kept does not answer. The link is not at fault: try it again in "
            "a moment."
        ),
        actions=(Action(_("Try again"), "refresh", lambda: None, primary=True),),
    )


def gone() -> Card:
    """An address whose record is not kept, never was, or is somebody else's."""
    days = records_retention().total_seconds() / 86400
    return Card(
        slug="gone",
        kicker=_("Not here"),
        icon="inbox",
        head=_("There is nothing at this address"),
        text=_(
            "Results are deleted when their owner says so, and otherwise after {days}. "
            "Those of an account open when you are signed in."
        ).format(days=labels.days(days)),
        actions=(choose_another(_("Analyze a file"), primary=True),),
    )


def no_model() -> Card:
    """Nothing to score with: an incomplete installation."""
    return Card(
        slug="no-model",
        kicker=_("Installation"),
        icon="download",
        head=_("No model is ready"),
        text=_("The weights folder holds no model that can be used, so nothing can be analyzed."),
        points=(
            _("`unmask models` lists what is known; `unmask fetch ID` downloads one."),
            _("A checkout carries its own models: is the folder weights/ complete?"),
        ),
    )
