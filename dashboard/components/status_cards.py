"""Status cards, shown instead of a verdict: what happened, why, what to do.

A card is data; `show` draws any of them the same way. What a card offers to do, it does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, url_state
from dashboard.components import controls
from dashboard.components.chips import bullets
from dashboard.components.markup import Text, icon, join, tag
from dashboard.components.markup import show as show_markup
from dashboard.i18n import advice
from detector import messages
from detector.decision.next_steps import ActionCode, NextStep, ways_on
from detector.errors import InputError, MediaError, UnmaskError
from detector.messages import states
from detector.network.addresses import LinkRefused
from detector.presentation import actions, verdict
from detector.schema.analysis import Analysis, Label, Reason, ReasonCode, Settings
from detector.sentences import _, say
from service.limits import NotAllowed, TooLarge
from service.records.model import ErrorReport, hint_of, message_of
from service.storage.uploads import records_retention
from service.tasks.jobs import Job
from service.tasks.task import QueueFull

ICONS = {
    ActionCode.TURN: "rotate_right",
    ActionCode.FILM: "motion_photos_on",
    ActionCode.LOOK_CLOSER: "zoom_in",
    ActionCode.COMPARE_ORIGINAL: "compare",
    ActionCode.ASK_ORIGINAL: "photo_camera",
    ActionCode.ADD_MODEL: "download",
    ActionCode.OWN_THRESHOLD: "tune",
    ActionCode.CHECK_ORIGIN: "travel_explore",
    ActionCode.TEST_LIVE: "front_hand",
    ActionCode.REACH: "call",
    ActionCode.CHECK_SYNTHID: "verified",
    ActionCode.ASSUME_SPEECH: "record_voice_over",
    ActionCode.SMALLER_FACES: "zoom_in",
    ActionCode.WHOLE_PICTURE: "select_all",
    ActionCode.MORE_MOMENTS: "more_time",
}
"""Of what can be done next."""


@dataclass(frozen=True)
class Action:
    """A button. `run` is its callback; the page is drawn anew after it."""

    label: str
    icon: str
    run: Callable[[], None]
    primary: bool = False


@dataclass(frozen=True)
class Card:
    """One state, in plain text."""

    slug: str  # names the card in keys
    kicker: str  # small, above the head: what kind of state
    icon: str  # Material Symbol
    head: str  # what happened
    text: str  # why
    points: tuple[str, ...] = ()  # further facts, one a line; empty ones are left out
    small: str = ""  # code, reference: last and smallest
    details: str = ""  # to copy into a bug report
    actions: tuple[Action, ...] = ()


def show(card: Card) -> None:
    """Draw a card in the verdict's place."""
    points = [point for point in card.points if point]
    with st.container(border=True, key=f"verdict-na-{card.slug}", height="stretch"):
        show_markup(
            state(
                card.kicker,
                join([icon(card.icon), card.head]),
                tag("p", card.text, role="status"),
                bullets(points) if points else "",
                tag("p", card.small, cls="um-caption") if card.small else "",
            )
        )
        if card.actions or card.details:
            with st.container(horizontal=True, key=f"actions-{card.slug}"):
                for number, action in enumerate(card.actions):
                    controls.button(
                        action.label,
                        action.icon,
                        f"action-{card.slug}-{number}",
                        action.run,
                        kind="primary" if action.primary else "secondary",
                    )
                if card.details:
                    with st.popover(_("Copy details"), icon=":material/content_copy:"):
                        st.code(card.details, language=None, wrap_lines=True)


def state(kicker: str, head: Text, *parts: Text, cls: str = "") -> Markup:
    """Return the content of a card: small print, heading, and what follows."""
    above = tag("p", kicker, cls="um-caption")
    return tag("div", above, tag("h2", head), *parts, cls=f"um-state {cls}")


def waiting(kicker: str, head: str, text: str) -> None:
    """Draw the content of an empty card."""
    show_markup(state(kicker, head, tag("p", text), cls="none"))


# --- what can be done ----------------------------------------------------------------------------


def choose_another(label: str = "", *, primary: bool = False) -> Action:
    """Return the button to the drop zone."""
    return Action(label or _("Choose another file"), "folder_open", url_state.leave, primary)


def again(key: str, label: str, icon: str, settings: Settings, *, primary: bool = False) -> Action:
    """Return the button that analyzes a file again, optionally with other settings."""

    def run() -> None:
        try:
            if session.application().rerun(session.request_context(), key, settings) is None:
                text = _("The file is not kept any more. Upload it again.")
                st.toast(text, icon=":material/inbox:")
        except (QueueFull, InputError) as error:
            st.toast(advice(error), icon=":material/schedule:")

    return Action(label, icon, run, primary)


def analyze_film(path: Path, name: str, settings: Settings) -> str | None:
    """Put the film behind a picture in line, as a file of its own; return its record's key, or None
    with a message where it is not accepted."""
    try:
        context = session.request_context()
        return session.application().submit_film(context, path, name, settings).key
    except (QueueFull, InputError) as error:
        st.toast(advice(error), icon=":material/schedule:")
        return None


def way_on(key: str, analysis: Analysis, step: NextStep) -> Action:
    """Return the button of a step for a file that was not judged."""
    label, icon = actions.step(step).button, ICONS[step.code]
    if step.settings:
        return again(key, label, icon, analysis.settings.model_copy(update=step.settings))

    def film() -> None:
        job = session.find_job(key)
        if job is not None and (film := analyze_film(job.path, job.name, job.settings)):
            url_state.enter(film)

    return Action(label, icon, film)


def show_scores(key: str) -> Action:
    """Return the button that shows scores without a verdict."""

    def run() -> None:
        st.session_state[f"scores-{key}"] = True

    return Action(_("Show the likelihood anyway"), "visibility", run)


def wants_scores(job: Job) -> bool:
    """Return whether scores are shown although there is no verdict."""
    return bool(st.session_state.get(f"scores-{job.key}"))


def delete(job: Job) -> Action:
    """Return the button that deletes a file and its result."""

    def run() -> None:
        if session.application().delete(session.request_context(), job.key):
            url_state.leave()
        else:
            st.toast(
                _("Only the person who uploaded the file can delete it."), icon=":material/lock:"
            )

    return Action(_("Delete the file"), "delete", run)


# --- the cards -----------------------------------------------------------------------------------


def unjudged(key: str, analysis: Analysis) -> Card:
    """Return the card of an analysis without a judged subject."""
    code, head, (text, *points) = verdict.nothing_judged(analysis)
    offered = [way_on(key, analysis, step) for step in ways_on(analysis, code)]
    scored = any(track.models for track in analysis.judged)
    if scored and code in (ReasonCode.NO_MODEL, ReasonCode.NO_FACE, ReasonCode.TOO_SLOW):
        offered.append(show_scores(key))
    slug, kicker = code.value.replace("_", "-"), states.state(Label.NOT_APPLICABLE)
    ways = (*offered, choose_another(primary=not offered))
    advice = (*points, *actions.said(analysis))
    return Card(slug, kicker, "do_not_disturb_on", head, text, advice, actions=ways)


def failed(job: Job, fault: ErrorReport) -> Card:
    """Return the card of an unreadable file or an internal error."""
    text, hint = say(message_of(fault)), say(hint_of(fault))
    if not fault.ours:
        head, code = _("We can’t read this file"), _code(fault.problem.code)
        ways = choose_another(primary=True), delete(job)
        return Card("file", _("Error"), "error", head, text, (hint,), code, actions=ways)
    retry = again(job.key, _("Try again"), "refresh", job.settings, primary=True)
    return _ours(fault, "ours", text, hint, (retry, choose_another()))


def page_failed(fault: ErrorReport) -> Card:
    """Return the card of a page that raised an error."""
    text = _("This page could not be drawn. Your file is not at fault.")
    return _ours(fault, "page", text, "", (_try_again(), choose_another(_("Start over"))))


def _ours(fault: ErrorReport, slug: str, text: str, hint: str, actions: tuple[Action, ...]) -> Card:
    kicker, head = _("Error on our side"), _("Something went wrong here")
    when = f"{labels.day(fault.when)}, {fault.when:%H:%M}"
    small = _("Reference {reference} · {when} UTC").format(reference=fault.reference, when=when)
    return Card(slug, kicker, "error", head, text, (hint,), small, fault.details, actions)


def _code(code: str) -> str:
    return _("Code: {code}").format(code=code)


def _try_again() -> Action:
    # The page is drawn anew after any button.
    return Action(_("Try again"), "refresh", lambda: None, primary=True)


def unreachable(error: UnmaskError) -> Card:
    """Return the card of an unavailable database or file store."""
    head, said = _("Your analyses can’t be read now"), (say(error.message), (say(error.hint),))
    small, ways = _("Nothing was changed."), (_try_again(),)
    return Card("unreachable", _("Records"), "error", head, *said, small, actions=ways)


def refused(error: UnmaskError) -> Card:
    """Return the card of a refused file."""
    heads: tuple[tuple[type[UnmaskError], str], ...] = (
        (QueueFull, _("Enough for now")),
        (NotAllowed, _("Not with this account")),
        (TooLarge, _("This file is too large")),
        (LinkRefused, _("No file from this link")),
        (MediaError, _("Not a file to analyze")),
        (UnmaskError, _("No room for this file")),
    )
    head = next(head for kind, head in heads if isinstance(error, kind))
    icon, said = "error", (say(error.message), (say(error.hint),))
    if isinstance(error, QueueFull):
        icon = "schedule"
    return Card("refused", _("Not taken"), icon, head, *said, _code(error.code))


def canceled(job: Job) -> Card:
    """Return the card of a canceled run."""
    progress, after = job.progress, _("You stopped it.")
    if progress and progress.sampled_total:
        after = _("You stopped after {done} of {total} frames.")
        after = after.format(done=progress.sampled, total=progress.sampled_total)
    text = f"{after} {messages.text(Reason(code=ReasonCode.CANCELED))}"
    ways = _start_again(job), choose_another(), delete(job)
    return Card("canceled", _("Verdict"), "close", _("Canceled"), text, actions=ways)


def _start_again(job: Job) -> Action:
    return again(job.key, _("Start again"), "play_arrow", job.settings, primary=True)


def in_batch(job: Job) -> Card:
    """Return the card of a file that its batch has not begun."""
    text = _("It was added to a batch, which has not begun it yet.")
    way_on = again(job.key, _("Do it first"), "play_arrow", job.settings, primary=True)
    if not job.has_media:
        text = _("The file is not kept here any more: upload it again.")
        way_on = choose_another(_("Upload it again"), primary=True)
    kicker, head, ways = _("Verdict"), _("Waiting"), (way_on, delete(job))
    return Card("in-batch", kicker, "schedule", head, text, actions=ways)


def interrupted(job: Job) -> Card:
    """Return the card of a run that a server restart interrupted."""
    text = _("The server stopped before there was a result. Your file is not kept any more.")
    way_on = choose_another(_("Upload it again"), primary=True)
    if job.has_media:
        text = _("The server stopped before there was a result. Your file is still here.")
        way_on = _start_again(job)
    kicker, head, ways = _("Interrupted"), _("This was not finished"), (way_on, delete(job))
    return Card("interrupted", kicker, "power_settings_new", head, text, actions=ways)


def no_link() -> Card:
    """Return the card of an invalid or revoked link."""
    head = _("This link is not in force")
    text = _("It is over, or whoever sent it has taken it back. Ask them for a new one.")
    ways = (choose_another(_("Analyze a file")),)
    return Card("no-link", _("Link"), "link_off", head, text, actions=ways)


def link_unreachable() -> Card:
    """Return the card of a link whose database is unavailable."""
    head = _("This result can’t be read now")
    text = _(
        "The place where it is kept does not answer. The link is not at fault: try it again in a "
        "moment."
    )
    return Card("link-unreachable", _("Link"), "error", head, text, actions=(_try_again(),))


def not_found() -> Card:
    """Return the card of an unknown record, or another person's."""
    head = _("There is nothing at this address")
    text = _(
        "Results are deleted when their owner says so, and otherwise after {days}. "
        "Those of an account open when you are signed in."
    ).format(days=labels.days(records_retention().total_seconds() / 86400))
    ways = (choose_another(_("Analyze a file"), primary=True),)
    return Card("gone", _("Not here"), "inbox", head, text, actions=ways)


def no_model() -> Card:
    """Return the card of an incomplete installation: nothing to score with."""
    text = _("The weights folder holds no model that can be used, so nothing can be analyzed.")
    points = (
        _("`unmask models` lists what is known; `unmask fetch ID` downloads one."),
        _("A checkout carries its own models: is the folder weights/ complete?"),
    )
    head = _("No model is ready")
    return Card("no-model", _("Installation"), "download", head, text, points)
