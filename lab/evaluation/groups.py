"""Hold people of each source, or groups of whole sources, out of training.

Holding out single clips or people gives optimistic figures: other clips of the same page stay in
training. Sources are never split. There are two tables of folds:

- by kind (`folds.toml`): a whole kind of manipulation, and a kind of untouched footage beside it,
  for figures on unseen kinds of fakes.
- by source alone (`source_folds.toml`): each kind stays in training, for figures on unseen fakes of
  a known kind.
"""

import functools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from detector.errors import UsageError
from detector.evaluation.labels import HasSource, Labelled, hash_of
from detector.schema.base import StrictModel
from detector.sentences import _

KINDS = Path(__file__).parent / "folds.toml"
SOURCES = Path(__file__).parent / "source_folds.toml"
VOICES = Path(__file__).parent / "voice_folds.toml"


S = TypeVar("S", bound=Labelled)


@functools.cache
def _table(file: Path = KINDS) -> dict[str, str]:
    """Return the fold of each source."""
    folds: dict[str, list[str]] = tomllib.loads(file.read_text(encoding="utf-8"))
    return {source: fold for fold, sources in folds.items() for source in sources}


def names(file: Path = KINDS) -> tuple[str, ...]:
    """Return the names of a table's folds, in its order."""
    return tuple(dict.fromkeys(_table(file).values()))


def fold_of(item: HasSource, file: Path = KINDS) -> str:
    """Return a file's fold; a source that is not in the table gets one by a hash of its name."""
    every = names(file)
    return _table(file).get(item.source) or every[int(hash_of(item.source), 16) % len(every)]


def known(item: HasSource) -> bool:
    """Return True if the table names its source, so that its fold is no hash."""
    return item.source in _table()


def leave_out(items: Iterable[S], folds: str) -> tuple[list[S], list[S]]:
    """Split files into training files and those of one or more folds, without a person in both.
    Raise UsageError."""
    out = set(folds.split(","))
    file = SOURCES if out <= set(names(SOURCES)) else KINDS
    if unknown := sorted(out - set(_table(file).values())):
        known = ", ".join((*names(), *names(SOURCES)))
        raise UsageError(
            _("There is no fold {unknown} beside the others.").format(unknown=repr(unknown[0])),
            hint=_("Known: {known}.").format(known=known),
        )
    every = list(items)
    held = [item for item in every if fold_of(item, file) in out]
    people = {item.person for item in held}
    rest = [item for item in every if fold_of(item, file) not in out and item.person not in people]
    return rest, held


def held_out(items: Iterable[Labelled], shares: Mapping[str, float]) -> set[str]:
    """Return the persons (`Item.person`) to hold out of training, by the share of each kind's
    persons.

    They are drawn source by source in the order of a hash of their names, so that every source with
    several persons is on both sides. A person in several sources is drawn once: clips before
    stills, large sources before small ones."""
    by_source: dict[tuple[str, str], set[str]] = {}
    for item in items:
        by_source.setdefault((item.kind, item.source), set()).add(item.person)
    held: set[str] = set()
    trained: set[str] = set()
    for kind, source in sorted(by_source, key=lambda k: (k[0] != "video", -len(by_source[k]), k)):
        persons = by_source[kind, source]
        wanted = round(shares[kind] * len(persons)) if len(persons) > 1 else 0
        free = sorted(persons - held - trained, key=lambda person: hash_of(f"0/{person}"))
        held.update(free[: max(0, wanted - len(persons & held))])
        trained.update(persons - held)
    return held


class HoldOut(StrictModel):
    """Settings of a recipe for holding people out of training."""

    holdout: float = Field(0.3, ge=0, lt=1, description="share of the persons never trained on")
    holdout_images: float = Field(0.06, ge=0, lt=1, description="the same, for still pictures")
    leave_out: str = ""
    """One or more folds of a table, with commas, whose people alone are held out."""


def held_out_people(entries: Sequence[Labelled], hold_out: HoldOut) -> set[str]:
    """Return the persons never trained on; raise UsageError for an unknown fold."""
    if hold_out.leave_out:
        return {entry.person for entry in leave_out(entries, hold_out.leave_out)[1]}
    shares = {"image": hold_out.holdout_images}
    shares |= dict.fromkeys(("video", "audio"), hold_out.holdout)
    return held_out(entries, shares)
