"""Which labelled files a training did not see."""

from collections.abc import Callable
from pathlib import Path

from detector.evaluation.labels import Item, read_labels
from lab.evaluation import identity
from lab.evaluation.groups import HoldOut, held_out_people


def unseen(
    labels: Path,
    *,
    trained: Path | None = None,
    recipe: HoldOut | None = None,
    cache: Path | None = None,
    on_compared: Callable[[int, int], None] | None = None,
) -> tuple[list[Item], str]:
    """Return the files of a labelled CSV whose people a training did not see, and a note on what
    was left out.

    `recipe` tells which people the training held out of `trained` (default: of the same CSV). Files
    of a CSV that was `trained` on are distinguished by their faces (`identity.apart`); `cache` and
    `on_compared` are of that. Raise InputError, or UsageError without the network."""
    items = read_labels(labels)
    if recipe and (trained is None or trained.samefile(labels)):
        people = held_out_people(items, recipe)
        items = [item for item in items if item.person in people]
    if trained is None:
        return items, ""
    seen = read_labels(trained)
    people = held_out_people(seen, recipe) if recipe else set()
    seen = [item for item in seen if item.person not in people]
    return identity.apart(items, seen, cache=cache, progress=on_compared)
