"""Progress of an analysis that runs: its steps, the time left, what was found so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from detector.decision import provisional
from detector.messages import states
from detector.messages.format import about, listed, remaining, rounded_up, took
from detector.presentation import file, lead
from detector.presentation.run import STAGES
from detector.presentation.voice import spoken
from detector.schema.analysis import Label, Media, Subject
from detector.sentences import NBSP, _, count, join, say

if TYPE_CHECKING:
    from detector.pipeline.options import Progress

MIN_ELAPSED_SECONDS = 3.0
"""before a time left is shown: earlier it would only jump."""
MIN_FRACTION = 0.08
"""of the work that must be done before a time left is shown, for the same reason."""
STAY = _("You can reload or come back: the result will be at this page’s address.")
NO_VERDICT = _("No verdict yet")
LATER = _("It comes when all models have finished. Scores so far can still change.")
"""When there is a verdict"""
CHANGES = _("The verdict comes when all models have finished. It can still differ.")
"""What a reading so far is"""
NO_READING = _("Nothing to tell yet")
"""Instead of a reading that would be taken back too often"""


@dataclass(frozen=True)
class ProgressStep:
    """One step of a run."""

    name: str
    state: Literal["done", "now", "wait"]
    detail: str = ""
    right: str = ""  # at the end of its line: how long it took, how far it is
    parts: Sequence[tuple[str, float, str]] = ()  # name, share 0..1, text of what goes on in it


@dataclass(frozen=True)
class ProvisionalReading:
    """What the moments that were scored so far say of a file; further ones may change it."""

    head: str  # of the label, or that there is nothing to tell yet
    so_far: str  # "so far, 2 of 8 moments"
    label: Label | None  # None: held back


def reading(progress: Progress | None) -> ProvisionalReading | None:
    """Return the reading so far; None before the first round of moments has been scored.

    An answer towards fake is held back while it would be taken back too often
    (`detector.decision.provisional`); no likelihood is shown, for it moves with every moment."""
    if progress is None or progress.reading is None:
        return None
    verdict, moments = progress.reading.verdict, progress.moments
    total = count(max(progress.moments_total, moments), "moment", "moments")
    text = _("so far, {number} of {moments}").format(number=moments, moments=total)
    if not provisional.is_shown(verdict):
        return ProvisionalReading(say(NO_READING), text, None)
    head = states.headline(verdict.label, verdict.question)
    return ProvisionalReading(head, text, verdict.label)


def words(progress: Progress | None) -> str:
    """Return the reading so far in one line; empty before the first."""
    found = reading(progress)
    return f"{found.head}: {found.so_far}" if found is not None else ""


@dataclass
class TimeLeft:
    """Remaining time in words: after a few seconds, in steps of 5 s, with a remark when
    it grows."""

    shown: int = 0

    def text(self, elapsed: float, fraction: float) -> str:
        """Return the remaining time after `elapsed` s, with a `fraction` (0..1) of the
        work done."""
        if elapsed < MIN_ELAPSED_SECONDS or fraction < MIN_FRACTION:
            return ""
        seconds = elapsed * (1 - fraction) / fraction
        new = rounded_up(seconds)
        if self.shown and new > self.shown:
            # A little longer than said: keep what was said. Much longer: say so.
            if new > self.shown + max(5, 0.25 * self.shown):
                self.shown = new
                return _("slower than expected, {time} left").format(time=about(new))
            new = self.shown
        self.shown = new
        return remaining(new)


def waiting(ahead: int, seconds: float | None, *, suspended: bool) -> tuple[str, str]:
    """Return head and text of a run with so many files `ahead` of it, which begins after `seconds`,
    if known."""
    head = _("Paused by who runs this server") if suspended else _("Waiting")
    if seconds:
        text = _("{files} before yours, {time}.") if ahead else _("Yours is next, {time}.")
    else:
        text = _("{files} before yours.") if ahead else _("Yours is next.")
    return head, text.format(files=count(ahead, "file", "files"), time=about(seconds or 0.0))


def begun() -> tuple[str, str]:
    """Return head and text of a run that has just begun."""
    text = _("The models are being loaded; only the first file waits for this.")
    return _("Getting ready"), text


def percent_of(progress: Progress) -> str:
    """Return the share of the work that is done; 100 % is the result itself."""
    return f"{min(99, math.floor(progress.fraction * 100))}{NBSP}%"


def steps(progress: Progress, names: Mapping[str, str]) -> list[ProgressStep]:
    """Return the steps of a run; `names` are those of models by id."""
    # Speech detection runs beside face detection: both are one step.
    stages = list(STAGES)
    at = stages.index("faces" if progress.stage == "sound" else progress.stage)
    at -= at > stages.index("sound")
    seconds = progress.seconds

    def spent(key: str) -> str:
        return took(seconds[key]) if key in seconds else ""

    read = ProgressStep(
        _("Read the file"),
        "done" if at > 0 else "now",
        _contents(progress.media) if progress.media else "",
        spent("read") if at > 0 else "",
    )
    if progress.media is not None and progress.media.kind == "audio":
        find, score = _sound(progress, at, spent("sound")), _("Score the voice")
    else:
        find, score = _faces(progress, at, spent("faces")), _("Score faces")
    out = [read, find, _scores(progress, names, at, spent("score"), score)]
    last = {"signals": _("Read signals"), "verdict": _("Verdict")}
    for place, (key, name) in enumerate(last.items(), 3):
        if at == place:
            out.append(ProgressStep(name, "now"))
        elif at > place:
            out.append(ProgressStep(name, "done", right=spent(key)))
        else:
            out.append(ProgressStep(name, "wait", right=_("waiting")))
    return out


def _sound(progress: Progress, at: int, took: str) -> ProgressStep:
    """Return the step of voice activity detection."""
    audio = progress.media.audio if progress.media else None
    if audio and audio.speech:
        return ProgressStep(_("Found speech"), "done", spoken(audio.speech), took)
    return ProgressStep(_("Listen for speech"), "now" if at == 1 else "wait")


def _faces(progress: Progress, at: int, took: str) -> ProgressStep:
    """Return the step of face detection: people, and share of the file."""
    people = progress.partial.people if progress.partial else []
    who = count(len(people), "person", "people") if people else _("no face so far")
    frames = count(progress.sampled_total, "frame", "frames")
    if at > 1:
        detail = _("{people} in {frames}").format(people=who, frames=frames)
        return ProgressStep(_("Found faces"), "done", detail, took)
    if at < 1:
        return ProgressStep(_("Find faces"), "wait", right=_("waiting"))
    text = _("{people}, {number} of {frames}")
    searched = text.format(people=who, number=progress.sampled, frames=frames)
    detail = progress.note or (searched if progress.sampled else "")
    return ProgressStep(_("Find faces"), "now", detail)


def _scores(
    progress: Progress, names: Mapping[str, str], at: int, took: str, title: str
) -> ProgressStep:
    """Return the progress of each model."""
    if at > 2:
        return ProgressStep(title, "done", right=took)
    if not any(known for scored, known in progress.models.values()):
        return ProgressStep(title, "wait", right=_("waiting"))
    share = _("{number} of {total}")
    parts = [
        (
            names.get(id, id),
            scored / known if known else 0.0,
            share.format(number=scored, total=known) if known else _("waiting"),
        )
        for id, (scored, known) in progress.models.items()
    ]
    side = count(len(parts), "model", "models")
    if len(parts) > 1:
        side = _("{models}, side by side").format(models=side)
    so_far = _("{time} so far").format(time=took) if took else ""
    return ProgressStep(title, "now", side, so_far, parts)


def _contents(media: Media) -> str:
    if media.kind == "image":
        return _("one picture")
    if media.kind == "audio":
        return file.sound(media.audio)
    frames = count(media.frame_count, "frame", "frames") if media.frame_count else _("video")
    return _("{frames}, sound").format(frames=frames) if media.audio else frames


# --- what was found so far ------------------------------------------------------------------------


NO_FACE = _("No face has been found so far.")


def people(more: int) -> tuple[str, str]:
    """Return the title of the people found so far, and their order with how many `more` there
    are."""
    order = _("in order of first appearance")
    if more > 0:
        order = _("in order of first appearance, and {number} more").format(number=more)
    return _("People found"), order


def person(subject: Subject, moments: int | None) -> str:
    """Return the side of a person, the share of the `moments` that show them, if all were searched,
    the width of the face, and why it can't be judged so far."""
    parts = [lead.side(subject.side)]
    if moments is not None:
        text, of = _("{number} of {frames}"), count(moments, "frame", "frames")
        parts.append(text.format(number=len(subject.frames), frames=of))
    parts.append(f"{max(face.quality.width for face in subject.frames):.0f}{NBSP}px")
    problems = {face.quality.problem for face in subject.frames}
    if None not in problems:
        parts.append(listed(sorted(lead.why_not(code) for code in problems if code)))
    return join(*parts, by=" · ")


def bold(models: int) -> str:
    """Return when the line of all `models` together is drawn."""
    return _("the bold line is drawn where all models have a score") if models > 1 else ""


def so_far(subject: Subject) -> str:
    """Return the text alternative of a subject's scores so far."""
    text = _("{person}: scores so far; they can still change.")
    return text.format(person=say(lead.name(subject)))
