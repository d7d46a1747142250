"""Banner of a file whose footage the library knows: its place, its match and its differences."""

from detector.messages.format import clock, lower_first
from detector.presentation import comparison as words
from detector.schema.comparison import Comparison
from detector.schema.summary import FoundFootage
from detector.sentences import _, join, say

_PLACES = {
    "face": (
        _("Another clip with a similar face is in your library"),
        _("Another clip with a similar face is among your analyses"),
    ),
    "scene": (
        _("Another clip of the same scene is in your library"),
        _("Another clip of the same scene is among your analyses"),
    ),
    "framed": (
        _("Footage of this face, framed otherwise, is in your library"),
        _("Footage of this face, framed otherwise, is among your analyses"),
    ),
    "part": (
        _("Part of this footage is in your library"),
        _("Part of this footage is among your analyses"),
    ),
    "whole": (_("The same footage is in your library"), _("Already among your analyses")),
}
"""Where footage is by how it matches: added to the library, and merely analyzed before."""


def place(found: FoundFootage | None, comparison: Comparison | None) -> str:
    """Return the place of the matching footage, or the file it was compared with."""
    if found is None:
        name = comparison.original_media.name if comparison is not None else ""
        return _("Compared with {name}").format(name=name)
    matched, of = _matched(found, comparison)
    kind = "part" if matched < of else "whole"
    if comparison is not None and not comparison.finding.same_footage:
        kind = "face" if found.by_faces else "scene"
    elif comparison is None and found.by_faces:
        kind = "framed"
    return say(_PLACES[kind][found.seen])


def headline(
    found: FoundFootage | None, comparison: Comparison | None, copy: Comparison | None = None
) -> str:
    """Return the headline of a match; `copy` is a comparison that names this very file as its
    original. A file that was only analyzed is not called one."""
    if copy is not None:
        text = _("This file is named as the original of {name}: {answer}")
        answer = lower_first(words.short(copy))
        return text.format(name=copy.copy_media.name, answer=answer)
    where = place(found, comparison)
    if comparison is None:
        return where
    if words.unstated(comparison) and comparison.finding == "nothing_differs":
        return where  # "nothing differs" would sound like proof
    if comparison.finding == "not_same_footage" and found is not None:
        return _("{found}: {name}").format(found=where, name=found.name)
    answer = lower_first(words.short(comparison))
    return _("{found}: {answer}").format(found=where, answer=answer)


def _matched(found: FoundFootage | None, comparison: Comparison | None) -> tuple[int, int]:
    """Return the number of matching moments, and of compared ones or else of searched ones."""
    if comparison is not None:
        return comparison.time.matched, comparison.time.compared
    return (found.matched, found.asked) if found is not None else (0, 0)


def details(
    found: FoundFootage | None, comparison: Comparison | None, *, day: str, still: bool
) -> str:
    """Return the name, origin and offset of the matching footage and the measured differences;
    `day` is when it was added, a `still` has no offset."""
    parts = [] if found is None else [_origin(found, day)]
    start = 0.0 if found is None else found.start
    same = comparison is None or comparison.finding.same_footage
    if comparison is not None and same:
        time = comparison.time
        start = max(0.0, time.stretches[0].original_start if time.stretches else time.offset)
    if same and not still:
        parts.append(_("Begins at {start} of it.").format(start=clock(start)))
    matched, of = _matched(found, comparison)
    text = _("{matched} of {of} frames match.")
    if comparison is not None:
        text = _("{matched} of {of} moments match.")
    elif found is not None and found.by_faces:
        text = _("The face matches in {matched} of {of} frames.")
    if comparison is None or comparison.movement is None:
        parts.append(text.format(matched=matched, of=of))
    if comparison is not None and comparison.finding.related:
        parts.append(words.against(comparison))
    return join(*parts)


def line(found: FoundFootage) -> str:
    """Return the match of an analyzed file in a line: its place, its name and its frames."""
    told = details(found, None, day="", still=False)
    return _("{found}: {name}").format(found=place(found, None), name=told)


def of_search(found: FoundFootage, *, bits: int, identical: bool) -> str:
    """Return a match of a search in a line: the same, how many of the 256 bits of a frame differ,
    and whether the file is mirrored, or `identical`."""
    differ = _("{bits} of 256 bits of a frame differ.").format(bits=bits)
    mirrored = _("It is mirrored.") if found.mirrored else ""
    same = _("The two files are the same, byte by byte.") if identical else ""
    return join(details(found, None, day="", still=False), differ, mirrored, same)


def _origin(found: FoundFootage, day: str) -> str:
    if not day:
        text = _("{name}, from {folder}.") if found.in_folder else _("{name}.")
    elif found.in_folder:
        text = _("{name}, added {day} from {folder}.")
    elif found.seen:
        text = _("{name}, analyzed {day}.")
    elif found.source == "import":
        text = _("{name}, from fingerprints imported {day}.")
    else:
        text = _("{name}, uploaded here {day}.")
    return text.format(name=found.name, folder=found.source, day=day)


def missed(matched: int, asked: int, refused: int) -> str:
    """Return the outcome of a search without a match: `matched` of `asked` frames matched,
    `refused` files were rejected as originals before."""
    if matched:
        text = _("Another file in your library shows a part of this footage: {matched} of {of} "
                 "frames match, too few to name it")  # fmt: skip
        return text.format(matched=matched, of=asked)
    if refused:
        return _("No other file in your library shows this footage, but for those that you said "
                 "are not its original")  # fmt: skip
    return _("No other file in your library matches")
