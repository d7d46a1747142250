"""Short form of a result for lists, cases and tables, from the facts that records keep."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from detector.messages import states
from detector.messages.format import confidence, listed, percent, took
from detector.presentation import Cell, Row
from detector.schema.analysis import Label, Proof, Question, headline_label
from detector.schema.passed_over import PassedOver, PassedOverReason
from detector.schema.summary import ResultSummary
from detector.sentences import NBSP, _, join, ngettext, numeral


def headline(result: ResultSummary) -> str:
    """Return the headline of a result, the same as on its page."""
    if result.too_slow and result.proof is None:
        return states.too_slow()
    names, faces = (result.verdict, result.question), result.unjudged_faces
    return states.headline(*names, proof=result.proof, unjudged_faces=faces)


def answer(label: Label, question: Question | None, proof: Proof | None) -> Cell:
    """Return the answer of a result in a few words, or the finding that leads its headline."""
    short = states.state(label, question, short=True)
    if proof is not None:
        short = states.proven(proof.kind, proof.name, short=True)
    return Cell(short, state=headline_label(label, proof))


def number(result: ResultSummary) -> list[str]:
    """Return the likelihood and its interval, if known."""
    if result.probability is None:
        return []
    share = percent(result.probability, result.limits)
    return [share, *map(confidence, filter(None, [result.interval]))]


def line(result: ResultSummary) -> str:
    """Return "Likely manipulated · 88 % · 95 % interval 62 to 91 %"."""
    return join(headline(result), *number(result), by=" · ")


def of_batch(
    analyzed: int, known: int, failed: Mapping[str, int], passed: Sequence[PassedOver] = ()
) -> str:
    """Return the counts of a batch: files analyzed now and before, those that failed by their error
    codes, and those that were passed over by their reasons."""
    codes = ", ".join(f"{code} {number}" for code, number in Counter(failed).most_common())
    others = (
        (_("{number} known already"), known),
        (_("{number} failed ({codes})"), sum(failed.values())),
    )
    parts = [text.format(number=number, codes=codes) for text, number in others if number]
    parts += [passed_over(passed)] if passed else []
    return join(_("{number} analyzed").format(number=analyzed), *parts, by=", ")


def passed_over(found: Iterable[PassedOver]) -> str:
    """Return "7 files passed over: 2 thumbnails, 1 in a recycle bin, 4 results of Unmask"."""
    numbers = Counter[PassedOverReason]()
    for one in found:
        numbers[one.reason] += one.files
    total = sum(numbers.values())
    head = ngettext("{number} file passed over", "{number} files passed over", total)
    why = join(*(_kind_passed_over(r, numbers[r]) for r in PassedOverReason if numbers[r]), by=", ")
    return _("{files}: {reasons}").format(files=head.format(number=total), reasons=why)


def _kind_passed_over(reason: PassedOverReason, number: int) -> str:
    match reason:
        case PassedOverReason.TEXT:
            text = ngettext("{number} text", "{number} texts", number)
        case PassedOverReason.DRAWING:
            text = ngettext("{number} drawing (SVG)", "{number} drawings (SVG)", number)
        case PassedOverReason.PROGRAM:
            text = ngettext(
                "{number} program or part of one", "{number} programs or parts of them", number
            )
        case PassedOverReason.DATABASE:
            text = ngettext("{number} database", "{number} databases", number)
        case PassedOverReason.EMPTY:
            text = ngettext("{number} empty file", "{number} empty files", number)
        case PassedOverReason.HIDDEN:
            text = ngettext("{number} hidden file", "{number} hidden files", number)
        case PassedOverReason.SYSTEM:
            text = ngettext("{number} system file", "{number} system files", number)
        case PassedOverReason.THUMBNAIL:
            text = ngettext("{number} thumbnail", "{number} thumbnails", number)
        case PassedOverReason.RECYCLE_BIN:
            text = ngettext("{number} in a recycle bin", "{number} in recycle bins", number)
        case PassedOverReason.SNAPSHOT:
            text = ngettext("{number} in a snapshot", "{number} in snapshots", number)
        case PassedOverReason.LINK:
            text = ngettext("{number} link to a folder", "{number} links to folders", number)
        case PassedOverReason.RESULT:
            text = ngettext("{number} result of Unmask", "{number} results of Unmask", number)
    return text.format(number=number)


def deleted(label: str) -> str:
    """Return the `Label` of a deleted result in words; empty for none."""
    said = states.state(label) if label else ""
    return _("{result} (the result was deleted since)").format(result=said)


def outdated(version: str, *, shown: bool) -> str:
    """Return that another version made a result, and whether it can be `shown`."""
    text = _("Scored by version {version}, whose results can’t be shown any more.")
    if shown:
        text = _("Scored by version {version}. Analyze again to compare fairly.")
    return text.format(version=version or _("an earlier version"))


def length(seconds: float | None) -> str:
    """Return how long a file is: "6.5 s", "14 s", "2 min 5 s", "212 h"; "picture" for None."""
    if seconds is None:
        return _("picture")
    return took(seconds) if seconds < 3600 else f"{numeral(seconds / 3600, ',.0f')}{NBSP}h"


def kind(name: str, seconds: float | None) -> str:
    """Return the kind and length of a medium: "14 s video"."""
    kinds = {"video": _("video"), "image": _("picture"), "animation": _("animation")}
    said = kinds.get(name) or _("sound")
    if not seconds or seconds < 1:
        return said
    return _("{length} {kind}").format(length=length(seconds), kind=said)


def rows(result: ResultSummary, names: Mapping[str, str]) -> tuple[Row, ...]:
    """Return the length, the people and the models of a result, `names` by id."""
    models = listed([names.get(id, id) for id in result.models])
    number = result.subject_count
    return (
        Row(_("Length"), length(result.duration)),
        *([Row(_("People"), numeral(number))] if number else []),
        Row(_("Models"), models or _("none gave a score")),
    )
