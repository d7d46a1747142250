"""Comparison of two files: running, stopped, failed, or its finding."""

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import labels, session
from dashboard.components import (
    blocks,
    cards,
    chips,
    controls,
    figures,
    player,
    record_cells,
    status_cards,
    task_progress,
    typography,
    verdict,
)
from dashboard.components.markup import show
from dashboard.components.status_cards import Action, Card
from dashboard.components.tables import facts
from dashboard.components.timeline import comparison as view
from dashboard.i18n import advice
from dashboard.pages import alerted
from dashboard.pages.compare import state
from detector.comparison import HEAT_LEVELS, aligned
from detector.errors import InputError, UnmaskError
from detector.presentation import LIMITS, agreement, pair
from detector.presentation import comparison as words
from detector.presentation.verdict import short
from detector.schema.comparison import Comparison
from detector.sentences import _, join, say
from service import exports
from service.records.model import State
from service.records.tables import KeptComparison
from service.tasks.jobs import Job
from service.tasks.task import QueueFull, Task

CACHE_ENTRIES = 8
"""comparisons whose pictures are kept, some megabytes each"""


def draw(first: Job, second: Job) -> KeptComparison | None:
    """Draw the comparison of two files, or its progress; start it if there is none. The order sets
    the side of each and states nothing about the original."""
    originals, person = session.application().originals, session.current_user()
    task = originals.task(person, first, second)  # first: it may end meanwhile
    kept = originals.of_pair(person, first, second)
    if task is not None and task.active:
        _running(task, first, second)
    elif kept is not None:
        _found(kept, first, second)
        return kept
    elif task is not None and task.state is not State.DONE:
        _ended(task, first, second)
    elif not (first.has_media and second.has_media):
        status_cards.show(
            Card(
                "near-gone",
                _("Two files"),
                "hide_source",
                say(words.NOT_COMPARED),
                _(
                    "At least one of the two is not kept here any more. Upload it again to compare "
                    "them."
                ),
            )
        )
    else:
        _begin(first, second)
    draw_clips(first, second)
    return None


def in_roles(kept: KeptComparison, first: Job, second: Job) -> tuple[Job, Job]:
    """Return copy and original as a finding names them."""
    mirrored = _mirrored(kept, first)
    return (second, first) if mirrored else (first, second)


def _mirrored(kept: KeptComparison, first: Job) -> bool:
    return kept.comparison.copy_media.sha256 != first.record.sha256


def _begin(first: Job, second: Job) -> None:
    context = session.request_context()
    try:
        session.application().originals.compare(context, first, second)
    except (QueueFull, InputError) as error:
        retry = Action(_("Try again"), "refresh", lambda: None, primary=True)
        card = Card("near-refused", _("Two files"), "hourglass", _("Not compared yet"),
                    advice(error), actions=(retry,))  # fmt: skip
        status_cards.show(card)
        return
    st.rerun()


def _running(task: Task, copy: Job, original: Job) -> None:
    def text(task: Task) -> str:
        if task.state is State.QUEUED:
            return words.progress(None)
        return task_progress.with_time_left(words.progress(task.done), task)

    note = _("{copy} against {original}. You can leave this page; it goes on.")
    with st.container(border=True, key="card-near-running"):
        task_progress.draw(task, text, note.format(copy=copy.name, original=original.name))


def _ended(task: Task, copy: Job, original: Job) -> None:
    """Draw why there is no finding, with a button to repeat it."""

    def again() -> None:
        session.application().originals.dismiss(session.current_user(), copy, original)

    canceled = task.state is State.CANCELED
    head = _("Canceled") if canceled else _("Interrupted")
    if task.state is State.FAILED:
        head = say(words.NOT_COMPARED)
    text = say(task.error) or _("It stopped before anything was found.")
    reference = task.fault.reference if task.fault is not None and not task.code else ""
    small = _("Reference {reference}").format(reference=reference) if reference else ""
    status_cards.show(
        Card(
            "near-ended",
            _("Two files"),
            "cancel" if canceled else "error",
            head,
            text,
            (say(task.hint),),
            small=small,
            actions=(Action(_("Compare again"), "refresh", again, primary=True),),
        )
    )


def _found(kept: KeptComparison, first: Job, second: Job) -> None:
    comparison, mirrored = kept.comparison, _mirrored(kept, first)
    copy, original = in_roles(kept, first, second)
    of_copy, of_original = words.titles(comparison)
    titles = (of_original, of_copy) if mirrored else (of_copy, of_original)
    shown = bool(comparison.moments) and copy.has_media and original.has_media
    if not shown:
        _finding(kept, copy, original)
        _movement(comparison)
        draw_clips(first, second, titles)
        _chart(comparison, view.view_data(kept.id, comparison, []), None)
        return
    with st.container(key="near"):
        right, left = st.columns([37, 63], gap="medium")
        with right:
            _finding(kept, copy, original)
        data = None
        with left, st.container(border=True, key="card-near-viewer"):
            person = _person(comparison)
            with st.spinner(_("Matching the moments of both files")):
                pictures = _readable(kept, copy.path, original.path)
            if pictures is None:
                draw_clips(first, second, titles)
            else:
                data = view.view_data(
                    kept.id, comparison, pictures, mirrored=mirrored, person=person
                )
                view.mount("viewer", data, key="near-viewer")
        with left:
            _movement(comparison)
        if data is not None:
            with right, st.container(border=True, key="card-near-map"):
                _map(data)
            _chart(comparison, data, person)


def _person(comparison: Comparison) -> str | None:
    """Draw the choice of whose face is shown."""
    people = pair.seen_people(comparison)
    if len(people) < 2:
        return next(iter(people), None)
    return controls.choose(_("Person"), people, next(iter(people)), "near-person", hidden=True)


def _map(data: dict[str, Any]) -> None:
    typography.title(say(pair.MAP))
    view.mount("map", data, key="near-map")
    note = typography.small_print(say(pair.MAP_NOTE))
    figures.caption(figures.ramp(*pair.map_ends(HEAT_LEVELS)), note)


def _chart(comparison: Comparison, data: dict[str, Any], person: str | None) -> None:
    if len(data["moments"]) < 2:
        return
    with st.container(border=True, key="card-near-chart"):
        how = join(say(pair.LEVELS), _("click a point to go there"), by=" · ")
        cards.head(say(pair.OVER_TIME), how)
        view.mount("plot", data, key="near-chart")
        show(cards.legend(view.key(comparison, person)))


def _readable(
    kept: KeptComparison, copy: Path, original: Path
) -> list[dict[str, str] | None] | None:
    """Return the pictures of the moments; None if a file can't be read any more."""
    try:
        pictures = _pictures(kept.id, (copy, original), kept.comparison)
    except (UnmaskError, OSError):
        return None
    return pictures if any(pictures) else None


@st.cache_data(max_entries=CACHE_ENTRIES, show_spinner=False)
def _pictures(
    id: str, _paths: tuple[Path, Path], _comparison: Comparison
) -> list[dict[str, str] | None]:
    """Return the pictures of all moments, by the id of the comparison."""
    laid = aligned(*_paths, _comparison, _comparison.moments)
    return [view.addresses(pictures) if pictures is not None else None for pictures in laid]


def _finding(kept: KeptComparison, copy: Job, original: Job) -> None:
    comparison = kept.comparison
    found = words.state(comparison)
    with st.container(border=True, key=f"verdict-{labels.look(found).slug}-near"):
        head = verdict.head(
            say(words.FINDING), found, words.headline(comparison),
            words.lead(comparison), announced=True,
        )  # fmt: skip
        rows = [*words.figures(comparison), *words.people(comparison)]
        show(head, facts(rows, cls="um-facts um-measured"))
        _roles(kept, copy, original)
        if limits := words.limits(comparison):
            show(verdict.limits(say(LIMITS), limits))
        for note in comparison.notes:
            show(verdict.trace(say(note)))


def _roles(kept: KeptComparison, copy: Job, original: Job) -> None:
    """Draw the question which file is the original, if the finding depends on it; the answer can be
    changed."""
    comparison = kept.comparison
    if not comparison.finding.manipulated or comparison.generation.proven:
        return
    of_copy, of_original = words.names(comparison)
    originals, context = session.application().originals, session.request_context()
    states = comparison.states_roles
    typography.caption(words.stated(comparison))
    label = _("{name} is the original")
    with st.container(key="near-roles", gap="small"):
        both = copy.has_media and original.has_media
        mirror = f"near-roles-copy-{kept.id}"
        if both and controls.button(label.format(name=of_copy), "check", mirror):
            with alerted():
                originals.compare(context, copy, original, original=copy)  # measured anew
                st.rerun()
        named = f"near-roles-original-{kept.id}"
        if not states and controls.button(label.format(name=of_original), "check", named):
            originals.state_roles(context, copy, kept)
            st.rerun()
        unknown = f"near-roles-unknown-{kept.id}"
        if states and controls.button(_("I don’t know"), "help", unknown):
            originals.state_roles(context, copy, kept, known=False)
            st.rerun()


def export(kept: KeptComparison, copy: Job, original: Job) -> None:
    """Draw the downloads of the report and of all figures."""
    make = partial(
        exports.comparison_report, "pdf", kept, copy.path, original.path,
        zone=record_cells.zone(),
    )  # fmt: skip
    controls.download(
        _("Report"),
        make,
        f"{Path(copy.name).stem}-comparison.pdf",
        "near-report",
        symbol="picture_as_pdf",
    )
    controls.download(
        _("JSON"),
        lambda: kept.comparison.model_dump_json(indent=2),
        f"{Path(copy.name).stem}-comparison.json",
        "near-json",
    )


def _movement(comparison: Comparison) -> None:
    """Draw the face's movement in both, if the finding is about it."""
    if comparison.movement is not None:
        with st.container(border=True, key="card-near-moves"):
            moves = pair.movement(comparison.movement, comparison)
            typography.title(moves.title)
            blocks.draw(moves)


# --- both under one model -------------------------------------------------------------------------


_TIME = "pair-time"
"""In session state: where both players begin, s."""


def draw_scores(first: Job, second: Job) -> None:
    """Draw one model's scores of both files over time, if both were analyzed."""
    a, b = first.analysis, second.analysis
    if a is None or b is None:
        return
    common = {m.id for m in state.able(b)}
    able = {m.id: m for m in state.able(a) if m.id in common}
    if not able:
        typography.notice(say(agreement.NEITHER), announced=False)
        return
    with st.container(border=True, key="card-pair"):
        cards.introduced(say(pair.ALONE), say(pair.ALONE_NOTE))
        titles = {id: labels.plain(model) for id, model in able.items()}
        model = controls.choose(_("Model"), titles, next(iter(titles)), "pair-model")
        section, time = agreement.of_two(a, b, able[model])
        if section.title:
            typography.title(section.title)
        blocks.draw(section)
        if time is None:
            return
        label = agreement.furthest(time)
        if controls.button(label, "play_arrow", "pair-go"):
            st.session_state[_TIME] = time
            st.rerun()


def draw_clips(first: Job, second: Job, titles: tuple[str, str] | None = None) -> None:
    """Draw both files with titles, players and the models' results for each."""
    names = titles or (_("First file"), _("Second file"))
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="card-pair-first", height="stretch"):
        _clip(first, names[0])
    with right, st.container(border=True, key="card-pair-second", height="stretch"):
        _clip(second, names[1])


def _clip(job: Job, name: str) -> None:
    role = "" if name == job.name else typography.small_print(name)
    show(role, typography.strong(job.name))
    analysis = job.analysis
    if not job.has_media:
        typography.caption(_("The file is not kept here any more."))
    elif analysis is not None:
        start, info = st.session_state.get(_TIME, 0.0), analysis.media
        if info.kind == "video" and not player.plays(info):
            session.application().previews.of(job.path, info)  # a copy that plays, at the next look
        player.media_of(job, analysis.media, f"{name}: {job.name}", start)
    if analysis is None:
        typography.caption(say(pair.NOT_JUDGED))
        return
    show(chips.reading(short(analysis)))
