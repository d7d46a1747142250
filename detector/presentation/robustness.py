"""Robustness of a verdict: answers after perturbations of a part of the file."""

from detector.messages import format, states
from detector.messages.format import capital, clock, limit, listed, percent, took, whole_percent
from detector.presentation import BarChart, BarRow, Cell, Grid, Section, Text
from detector.schema.analysis import (
    OF_SOUND,
    Analysis,
    PerturbationResult,
    Question,
    Robustness,
    Thresholds,
)
from detector.sentences import _, join, ngettext, numeral, say

TITLE = _("Robustness")
FAR = 20
"""points by which a likelihood moves that is fragile, although its verdict stays"""


def section(analysis: Analysis, tried: Robustness) -> Section:
    """Return the perturbations, the conclusion, and each one's likelihood."""
    limits = analysis.verdict.thresholds
    said = f"{outcome(tried, limits)} {part(tried)}".strip()
    base = tried.unchanged.probability or 0.0
    bars = tuple(
        BarRow(_name(trial), _likelihood(trial, limits) or _says(tried, trial), base,
               trial.probability, trial.label)
        for trial in (tried.unchanged, *tried.trials)
    )  # fmt: skip
    band = limits.unsuspicious, limits.suspect
    ticks = tuple((v, limit(v)) for v in (0.0, *(edge for edge in band if 0 < edge < 1), 1.0))
    shown = BarChart(bars, 0.0, 1.0, band, dots=True, ticks=ticks)
    return Section(
        "robustness", say(TITLE), (Text(about(tried.question), "note"), Text(said), shown)
    )


def table(tried: Robustness, limits: Thresholds) -> Grid:
    """Return a row for the unchanged part and each perturbation; readings are left out if no
    likelihood decides."""
    heads = _("Change"), _("Likelihood"), _("Moved"), _("Says")
    shown = 3 if limits.never_decide else 4
    return Grid(heads[:shown], [row[:shown] for row in rows(tried, limits)])


def rows(tried: Robustness, limits: Thresholds) -> list[tuple[str | Cell, ...]]:
    """Return the name, likelihood, change and reading of the unchanged part and of each
    perturbation."""
    return [_cells(tried, trial, limits) for trial in (tried.unchanged, *tried.trials)]


def _cells(
    tried: Robustness, trial: PerturbationResult, limits: Thresholds
) -> tuple[str | Cell, ...]:
    says, moved = _says(tried, trial), ""
    if trial.probability is None:
        moved = says
    elif tried.moved(trial) is not None and trial is not tried.unchanged:
        moved = points_moved(points(tried, trial))
    return _name(trial), _likelihood(trial, limits) or "–", moved, Cell(says, state=trial.label)


def _likelihood(trial: PerturbationResult, limits: Thresholds) -> str:
    return "" if trial.probability is None else percent(trial.probability, limits.edges)


def _says(tried: Robustness, trial: PerturbationResult) -> str:
    """Return the reading of a perturbed part, or why there is none."""
    says = say(trial.error or "") or states.state(trial.label, tried.question, short=True)
    return _("{said} · changed").format(said=says) if trial in tried.flipped else says


def _name(trial: PerturbationResult) -> str:
    """Return "Blur, level 2" of "blur, level 2"; "h264 CRF 32" stays."""
    title = say(trial.title)
    return title if title[1:2].isdigit() else capital(title)


def about(question: Question | None) -> str:
    """Return a description of the perturbations."""
    if question in OF_SOUND:
        return _(
            "A part of the sound goes through MP3, Opus and a telephone, is put into noise and "
            "into a room and made quieter, one at a time, and is analyzed again. Don't rely on "
            "a likelihood that moves far."
        )
    return _(
        "A part of the file is compressed, scaled, blurred, made noisy, cropped and mirrored, one "
        "at a time, and analyzed again. Don't rely on a verdict that changes."
    )


NOT_TRIED = _("This was not tried.")
NOTHING_TO_MOVE = _("This file has no likelihood that could move.")


def effort(analysis: Analysis) -> str:
    """Return what trying the perturbations takes."""
    if analysis.verdict.question in OF_SOUND:
        text = _("Runs the models seven times on about 12 s of the sound.")
    elif analysis.media.kind == "image":
        text = _("Runs the models seven times on the picture.")
    else:
        text = _("Runs the models seven times on at most 6 s of the clip.")
    return join(text, _("You can leave the page meanwhile."))


def trying(change: str, left: float | None) -> str:
    """Return the change that is tried now, and the time left, s, if known; without a change, that
    the trial is in line."""
    if not change:
        return _("In line")
    if left is None:
        return _("Trying: {change}").format(change=say(change))
    text = _("Trying: {change}, {time} left")
    return text.format(change=say(change), time=format.about(left))


def part(tried: Robustness) -> str:
    """Return the tested part: "12 moments from 00:01 to 00:07, the same in each, in 18 s"; empty
    for a picture."""
    if tried.end is None:
        return ""
    text = _(
        "{number} moments from {start} to {end}, the same in each, in {time}. Scores of a part "
        "differ from the whole clip's."
    )
    if tried.question.of_sound:
        text = ngettext(
            "{number} window of speech from {start} to {end}, the same in each, in {time}. Scores "
            "of a part differ from the whole sound's.",
            "{number} windows of speech from {start} to {end}, the same in each, in {time}. Scores "
            "of a part differ from the whole sound's.",
            tried.sampled,
        )
    start, end = (clock(second, tenths=True) for second in (tried.start, tried.end))
    return text.format(number=tried.sampled, start=start, end=end, time=took(tried.seconds))


def outcome(tried: Robustness, thresholds: Thresholds) -> str:
    """Return whether the verdict is stable, and the largest change of the likelihood."""
    furthest = tried.furthest
    change = points(tried, furthest) if furthest else 0
    most = points_moved(change)
    if thresholds.never_decide and furthest is not None:
        if not change:
            return _("The likelihood of this part stays the same under all changes.")
        text = _("What moves the likelihood of this part most: {change} ({moved}).")
        return text.format(change=say(furthest.title), moved=most)
    flips = [say(trial.title) for trial in tried.flipped]
    scored, total = sum(trial.error is None for trial in tried.trials), len(tried.trials)
    if flips:
        text = _("Fragile: the verdict of this part changes under {changes} ({number} of {total}).")
    elif scored < total:
        text = _("The verdict of this part is the same under {number} of {total} changes; the "
                 "others gave no result.")  # fmt: skip
    elif total == 1:
        text = _("The verdict of this part is the same under this change.")
    else:
        text = _("The verdict of this part is the same under all {number} changes.")
    said = text.format(changes=listed(flips), number=len(flips) or scored, total=total)
    if furthest is None:
        return said
    if not change:
        return said + " " + _("The likelihood does not move.")
    if abs(change) >= FAR and not flips:
        text = _("The likelihood moves by up to {moved} under {change}: fragile.")
        return text.format(moved=points_moved(abs(change), sign=False), change=say(furthest.title))
    text = _("The likelihood moves by up to {moved} under {change}.")
    by = points_moved(change, sign=False)
    return said + " " + text.format(moved=by, change=say(furthest.title))


def points(tried: Robustness, trial: PerturbationResult) -> int:
    """Return the change of a perturbation in percentage points, of the rounded values."""
    assert trial.probability is not None and tried.unchanged.probability is not None
    return whole_percent(trial.probability) - whole_percent(tried.unchanged.probability)


def points_moved(points: int, *, sign: bool = True) -> str:
    """Return a change in words: "−71 points"; without `sign` "71 points"."""
    if not points:
        return _("not at all")
    by = ngettext("{points}\u00a0point", "{points}\u00a0points", abs(points))
    return by.format(points=numeral(points, "+d") if sign else abs(points))
