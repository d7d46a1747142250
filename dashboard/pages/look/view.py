"""The Look twice page: a sample, a guess, the verdict and how the sample was made; at the end both
scores.

The models run while the person looks: a sample is queued one step before it is shown.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import session, url_state
from dashboard.components import chips, controls, page_header, typography
from dashboard.components.markup import Text, show
from dashboard.components.tables import TableColumn, table
from detector.errors import InputError
from detector.presentation import guess as presented
from detector.presentation import verdict
from detector.schema.analysis import Settings
from detector.schema.codes import Side
from detector.sentences import _, ngettext, say
from service.tasks.jobs import Job
from service.tasks.task import QueueFull

if TYPE_CHECKING:
    from detector.samples import Sample

COUNT = 8
UNJUDGED = frozenset({"no-face"})
"""Samples without an answer."""
TICK = 1.0
"""s between two looks for the verdict"""
_ROUND = "look-round"


@dataclass
class Round:
    """One person's round through the samples, in random order."""

    order: list[str]
    """ids of samples"""
    guesses: dict[str, Side] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    """Records of the analyses, by sample"""
    place: int = 0

    @property
    def over(self) -> bool:
        return self.place >= len(self.order)


def truth(sample: Sample) -> Side:
    """Return the ground truth of a sample."""
    return Side.FAKE if sample.manipulated else Side.REAL


def order(samples: Sequence[Sample]) -> list[str]:
    """Return the samples of a round at random, of both labels as far as there are any."""
    asked = [sample for sample in samples if sample.id not in UNJUDGED]
    random.shuffle(asked)
    kinds = {side: [s.id for s in asked if truth(s) is side] for side in Side}
    few, many = sorted(kinds.values(), key=len)
    few = few[: COUNT // 2]
    many = many[: COUNT - len(few)]
    return random.sample([*few, *many], len(few) + len(many))


def draw() -> None:
    """Draw the page."""
    line = _("Real or fake? You guess first, then the models answer. About two minutes.")
    page_header.head(_("Look twice"), line)
    samples = {sample.id: sample for sample in session.application().gallery.samples or ()}
    if not samples:
        typography.notice(_("The samples are being made. Come back in a few seconds."))
        return
    current: Round | None = st.session_state.get(_ROUND)
    if current is None or not set(current.order) <= samples.keys():
        _offer(list(samples.values()))
    elif current.over:
        jobs = [session.find_job(current.jobs.get(id)) for id in current.order]
        waits = any(job is not None and job.active for job in jobs)
        st.fragment(_end, run_every=TICK if waits else None)(current, samples)
    else:
        _turn(current, samples)


def _offer(samples: list[Sample]) -> None:
    typography.paragraph(
        _(
            "Samples, one after the other: is the picture, clip or voice as it was recorded, or "
            "was it altered or generated? After each guess you see how it was made and what the "
            "models say."
        )
    )

    def begin() -> None:
        st.session_state[_ROUND] = current = Round(order(samples))
        _prepare(current, {sample.id: sample for sample in samples})

    controls.button(_("Begin"), "play_arrow", "look-begin", begin, kind="primary")


def _prepare(current: Round, samples: dict[str, Sample]) -> None:
    """Queue the shown sample and the next one."""
    for id in current.order[current.place : current.place + 2]:
        if id not in current.jobs:
            with suppress(QueueFull, InputError), samples[id].path.open("rb") as file:
                current.jobs[id] = session.submit(file, samples[id].path.name, Settings()).key


def _turn(current: Round, samples: dict[str, Sample]) -> None:
    sample = samples[current.order[current.place]]
    guess = current.guesses.get(sample.id)
    left, right = st.columns([60, 40], gap="large")
    with left, st.container(key="look-sample"):
        _show(sample)
    with right, st.container(border=True, key="card-look"):
        count = _("{number} of {all}").format(number=current.place + 1, all=len(current.order))
        typography.caption(count)
        if guess is None:
            typography.title(_("Real or fake?"))
            with st.container(horizontal=True, key="look-guess"):
                for side, label, icon in (
                    (Side.REAL, _("Real"), "verified_user"),
                    (Side.FAKE, _("Fake"), "warning"),
                ):
                    put = partial(current.guesses.__setitem__, sample.id, side)
                    controls.button(label, icon, f"look-{side}", put)
            return
        typography.title(presented.truth(truth(sample), guess))
        typography.paragraph(say(sample.subtitle))
        typography.caption(sample.credit)
        _answer(current, sample.id)

        def go_on() -> None:
            current.place += 1
            _prepare(current, samples)

        last = current.place + 1 == len(current.order)
        label = _("Your score") if last else _("Next")
        controls.button(label, "arrow_forward", "look-next", go_on, kind="primary")


def _show(sample: Sample) -> None:
    if sample.kind == "video":
        st.video(str(sample.path), loop=True, autoplay=True, muted=True)
    elif sample.kind == "audio":
        st.audio(str(sample.path))
    else:
        st.image(str(sample.path), alt=_("The picture to judge"), width="stretch")


@st.fragment(run_every=TICK)
def _answer(current: Round, id: str) -> None:
    """Draw the models' result once it exists."""
    job = session.find_job(current.jobs.get(id))
    if job is None:
        typography.caption(_("The models could not be asked just now."))
    else:
        answered = not job.active and job.analysis is not None
        show(typography.small_print(say(presented.THEIRS)) if answered else "", _said(job))
        if not job.active and controls.button(
            _("Why"), "arrow_forward", f"look-why-{id}", kind="tertiary"
        ):
            url_state.go_to("analyze", a=job.key)


def _said(job: Job) -> Text:
    if job.active or job.analysis is None:
        return typography.small_print(presented.pending(running=job.active))
    return chips.reading(verdict.alone(job.analysis.verdict))


def _end(current: Round, samples: dict[str, Sample]) -> None:
    """Draw both scores."""
    asked = [samples[id] for id in current.order]
    jobs = [session.find_job(current.jobs.get(sample.id)) for sample in asked]
    guesses = [current.guesses.get(sample.id) for sample in asked]
    results = [job.analysis if job is not None else None for job in jobs]
    typography.say(presented.both_scores([truth(sample) for sample in asked], guesses, results))
    rows: list[list[Text]] = [
        [
            say(sample.title),
            say(presented.NAMES[truth(sample)]),
            say(presented.NAMES[current.guesses[sample.id]]),
            _said(job) if job is not None else "–",
        ]
        for sample, job in zip(asked, jobs, strict=True)
    ]
    columns = (_("Sample"), _("It is"), _("You said"), _("The models say"))
    with st.container(border=True, key="card-look-score"):
        show(table([TableColumn(name) for name in columns], rows))
    typography.caption(
        ngettext(
            "{number} sample that we made measures neither you nor the models.",
            "{number} samples that we made measure neither you nor the models.",
            len(asked),
        ).format(number=len(asked))
    )
    again = partial(st.session_state.pop, _ROUND)
    controls.button(_("Once more"), "refresh", "look-again", again)
