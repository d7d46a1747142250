"""Who of a labelled set is kept out of training: what evaluation and training both ask."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from detector.evaluation import groups
from detector.evaluation.labels import Labelled, held_out
from detector.schema.base import StrictModel


class HoldOut(StrictModel):
    """How people are kept out of training; a training recipe says it."""

    holdout: float = Field(0.3, ge=0, lt=1, description="share of the persons never trained on")
    holdout_images: float = Field(0.06, ge=0, lt=1, description="the same, for still pictures")
    leave_out: str = ""
    """A fold of `folds.toml`, or several with commas: their people are held out, and no others."""
    keep: list[str] = []
    """Persons (`Item.person`) trained on whatever the split says. Ours name one, SDFVD's v29: the
    first weights were trained when people were drawn from the files with a face found in them. Of
    SDFVD these were 18 (v14, at 48 px, has none), of whom 30 % are five. The labels name 19, of
    whom 30 % are six, and v29 is the sixth. What has seen that clip is not to be judged by it."""


def held_out_people(entries: Sequence[Labelled], hold_out: HoldOut) -> set[str]:
    """Return the persons of these entries that are never trained on.

    Raises
    ------
    UsageError
        There is no such fold.
    """
    if hold_out.leave_out:
        return {entry.person for entry in groups.leave_out(entries, hold_out.leave_out)[1]}
    shares = {"image": hold_out.holdout_images, "video": hold_out.holdout}
    return held_out(entries, shares) - set(hold_out.keep)
