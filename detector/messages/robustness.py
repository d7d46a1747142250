"""What came of changing a part of the file and judging it again, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.messages.format import listed, whole_percent
from detector.sentences import _, ngettext, say

if TYPE_CHECKING:
    from detector.schema.verdict import PerturbationResult, Robustness, Thresholds


FAR = 20
"""points by which a likelihood moves that is fragile, although its verdict stays"""


def outcome(tried: Robustness, thresholds: Thresholds) -> str:
    """Return whether the verdict holds, and by how much the likelihood moves at most."""
    furthest = tried.furthest
    change = points(tried, furthest) if furthest else 0
    most = moved(change)
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
        return text.format(moved=moved(abs(change), sign=False), change=say(furthest.title))
    text = _("The likelihood moves by up to {moved} under {change}.")
    by = moved(change, sign=False)
    return said + " " + text.format(moved=by, change=say(furthest.title))


def points(tried: Robustness, trial: PerturbationResult) -> int:
    """Return by how many points of percent a trial moved, as the shown numbers do."""
    assert trial.probability is not None and tried.unchanged.probability is not None
    return whole_percent(trial.probability) - whole_percent(tried.unchanged.probability)


def moved(points: int, *, sign: bool = True) -> str:
    """Return a move in words: "−71 points"; without the sign "71 points"."""
    if not points:
        return _("not at all")
    by = ngettext("{points}\u00a0point", "{points}\u00a0points", abs(points))
    return by.format(points=f"{('+' if points > 0 else '−') if sign else ''}{abs(points)}")
