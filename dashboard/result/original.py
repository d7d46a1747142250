"""What holding the file against its original adds to a result: a finding of its own, which counts
nothing in the detectors' number."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, session, url_state
from dashboard.components import controls, typography, verdict
from dashboard.components.markup import join, show
from dashboard.i18n import _, advice, say, speech
from dashboard.result.record import ResultRecord
from detector.errors import InputError
from detector.messages import comparison as words
from detector.schema.analysis import Analysis
from detector.schema.comparison import Comparison, ComparisonFinding
from service.records.footage import ANALYSES
from service.records.lookups import FoundFootage
from service.records.model import RecordsError, State
from service.tasks.jobs import Job, QueueFull


def slug(comparison: Comparison) -> tuple[labels.Slug, str]:
    """Return how a finding is shown: a state's slug, and an icon."""
    if comparison.roles_doubtful or comparison.finding is ComparisonFinding.OTHER_EDITS:
        return "inc", "help"
    if comparison.finding.manipulated:
        return "fake", "warning"
    if comparison.finding is ComparisonFinding.NOTHING_DIFFERS:
        return "real", "check_circle"
    if comparison.finding is ComparisonFinding.TRANSFORMED:
        return "na", "crop"
    return "na", "do_not_disturb_on"


def heads(analysis: Analysis) -> Comparison | None:
    """Return the comparison that heads a result: it says that this is a manipulated copy."""
    found = analysis.comparison
    return found if found is not None and found.accuses else None


def head(analysis: Analysis, found: Comparison) -> Markup:
    """Return the head of the verdict's card where a comparison is the stronger answer; what the
    detectors say by themselves stays beside it, unaltered."""
    speaks = speech()
    state, icon = slug(found)
    return verdict.head(
        join([_("Verdict"), _("against its original")], " · "),
        state,
        icon,
        words.headline(found, speaks),
        words.lead(found, speaks),
        words.against(found, speaks),
        alone(analysis),
        announced=True,
    )


def alone(analysis: Analysis) -> str:
    """Return what the detectors say by themselves."""
    answer = analysis.verdict
    said = labels.headline(answer)
    if answer.probability is None:
        return _("Detectors alone: {said}.").format(said=said[0].lower() + said[1:])
    text = _("Detectors alone: {number}, {said}.")
    number = labels.percent(answer.probability)
    return text.format(number=number, said=said[0].lower() + said[1:])


def beside(analysis: Analysis) -> str:
    """Return what a comparison that does not head a result adds to it; empty without one."""
    found = analysis.comparison
    if found is None or not found.finding.same_footage:
        return ""
    text = f"{words.headline(found, speech())}. {words.against(found, speech())}"
    return text if found.finding is not ComparisonFinding.OTHER_EDITS else (
        f"{words.lead(found, speech())} {words.against(found, speech())}"
    )  # fmt: skip


def row(found: Comparison) -> verdict.QuestionRow:
    """Return the row of the comparison's question among those of the detectors."""
    state, icon = slug(found)
    return verdict.QuestionRow(
        words.question(speech()), state, icon, words.short(found, speech()), "–",
        counts=False, leads=found.accuses,
    )  # fmt: skip


def banner(record: ResultRecord) -> None:
    """Draw, over a result, what it was compared with or what in the library shows the same footage,
    and the way to the two side by side; nothing without.

    All of it stands in one place of the page, which is there without it too: else everything below
    would get another place, a second player among it, when a lookup ends.
    """
    if not isinstance(record, Job) or record.analysis is None:
        return
    with st.container(key="original-place"):
        try:
            context = session.request_context()
            found = session.application().originals.found(context, record)
            comparison = record.analysis.comparison
            if comparison is None and found is None:
                _lookup(record)
            else:
                _finding(record, comparison, found)
        except RecordsError as error:
            typography.alert(say(error.message))


def _finding(record: Job, comparison: Comparison | None, found: FoundFootage | None) -> None:
    with st.container(
        border=True, key="card-original", horizontal=True, vertical_alignment="center"
    ):
        show(typography.outcome(typography.strong(_text(comparison, found))))
        if not session.owns(record):
            return
        name = comparison.original_media.sha256 if comparison else found.found if found else ""
        _open(record, name, found)
        if controls.button(_("Not the original"), "close", f"original-not-{record.key}"):
            session.application().originals.not_the_original(session.request_context(), record)
            st.rerun()


def _text(comparison: Comparison | None, found: FoundFootage | None) -> str:
    answer = _lower(words.short(comparison, speech())) if comparison else ""
    if found is None or (comparison and comparison.original_media.sha256 != found.found):
        assert comparison is not None
        text = _("Compared with {name}: {answer}")
        return text.format(name=comparison.original_media.name, answer=answer)
    values = {"name": found.name, "start": labels.clock(found.start, tenths=False)}
    text = _("Found: {name} in your library, from {start}")
    if found.source == ANALYSES:
        text = _("Found: {name} among your analyses, from {start}")
    said = text.format(**values)
    return _("{found}: {answer}").format(found=said, answer=answer) if answer else said


def _lookup(record: Job) -> None:
    """Draw that the original is looked for. Whoever saw that is told what came of it as well, and
    nothing below moves."""
    task = session.application().originals.lookup(session.current_user(), record)
    seen = f"original-looked-{record.key}"
    if task is not None and task.active:
        st.session_state[seen] = True
        _looking(record)
    elif task is not None and seen in st.session_state:
        with _line():
            nothing = _("Nothing in your library shows this footage")
            unknown = _("Your library was not searched to its end")
            done = task.state is State.DONE
            typography.caption(nothing if done else unknown, width="content")


@st.fragment(run_every=2.0)
def _looking(record: Job) -> None:
    """Draw that the original is looked for, until that ends; then the page is drawn again."""
    task = session.application().originals.lookup(session.current_user(), record)
    if task is None or not task.active:
        st.rerun()
    with _line():
        typography.caption(_("Looking for the original in your library"), width="content")
        stop = f"original-stop-{record.key}"
        if controls.button(_("Stop"), "close", stop, kind="tertiary"):
            session.cancel(task)


def _line() -> DeltaGenerator:
    return st.container(
        key="original-lookup", horizontal=True, vertical_alignment="center", gap="small"
    )


def _open(record: Job, sha256: str, found: FoundFootage | None) -> None:
    """Draw the way to the comparison: to an analysis of the original, or to one that begins now."""
    originals, scope = session.application().originals, session.record_scope()
    other = originals.analysis_of(scope, sha256)
    if other is not None:
        st.page_link(
            url_state.page("compare"), label=_("Open the comparison"), icon=":material/compare:",
            query_params={"a": record.key, "b": other},
        )  # fmt: skip
        return
    if found is None or not Path(found.source).is_absolute() or not session.is_loopback_client():
        typography.caption(_("Only its fingerprints are kept here."), width="content")
        return
    if controls.button(_("Compare with it"), "compare", f"original-bring-{record.key}"):
        context = session.request_context()
        try:
            job = originals.bring(context, scope, found, record.settings)
        except (QueueFull, InputError) as error:
            typography.alert(advice(error))
            return
        if job is None:
            typography.alert(_("The file is not in its folder any more."))
            return
        url_state.go_to("compare", a=record.key, b=job.key)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
