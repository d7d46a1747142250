"""Who is kept out of training: people of each source, or groups of sources together, for what a
detector is worth on unseen sources.

Leaving out single clips or people flatters: other clips of the same page stay on the training side.
There are two ways to leave out whole sources, which are never parted:

- by kind (`folds.toml`): a whole kind of manipulation, and a kind of untouched footage beside it.
  What a detector is worth on a kind of fake that it has never seen.
- by source alone (`source_folds.toml`): each kind stays among the others. What it is worth on other
  people's fakes of a kind that it knows.
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
    """Return all folds of a table, in its order."""
    return tuple(dict.fromkeys(_table(file).values()))


def fold_of(item: HasSource, file: Path = KINDS) -> str:
    """Return a file's fold; a source not in the table goes into one, whole, by a hash of its
    name."""
    every = names(file)
    return _table(file).get(item.source) or every[int(hash_of(item.source), 16) % len(every)]


def known(item: HasSource) -> bool:
    """Return whether the table names its source, so that its fold is no hash."""
    return item.source in _table()


def leave_out(items: Iterable[S], folds: str) -> tuple[list[S], list[S]]:
    """Return files to learn from, and those of one or more folds; no person is in both. Raise
    UsageError."""
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
    """Return the persons (`Item.person`) to keep out of training, by the share of each kind's
    persons.

    Drawn source by source, so that every source with several persons is on both sides, in the order
    of a hash of their names. A person in several sources is drawn once: clips before stills, large
    sources before small ones."""
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
    """How people are kept out of training; a training recipe says it."""

    holdout: float = Field(0.3, ge=0, lt=1, description="share of the persons never trained on")
    holdout_images: float = Field(0.06, ge=0, lt=1, description="the same, for still pictures")
    leave_out: str = ""
    """A fold of either table, or several with commas: their people are held out, and no others."""


def held_out_people(entries: Sequence[Labelled], hold_out: HoldOut) -> set[str]:
    """Return the persons never trained on; raise UsageError for an unknown fold."""
    if hold_out.leave_out:
        return {entry.person for entry in leave_out(entries, hold_out.leave_out)[1]}
    shares = {"image": hold_out.holdout_images}
    shares |= dict.fromkeys(("video", "audio"), hold_out.holdout)
    return held_out(entries, shares)
