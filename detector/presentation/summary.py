"""Short form of a result for lists, cases and tables, from the facts that records keep."""

from collections import Counter
from collections.abc import Mapping

from detector.messages import states
from detector.messages.format import confidence, listed, percent, took
from detector.presentation import Cell, Row
from detector.schema.analysis import Label, Proof, Question, headline_label
from detector.schema.summary import ResultSummary
from detector.sentences import NBSP, _, join, numeral


def headline(result: ResultSummary) -> str:
    """Return the headline of a result, the same as on its page."""
    return states.headline(result.verdict, result.question, proof=result.proof)


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


def of_batch(analyzed: int, known: int, failed: Mapping[str, int], passed_over: int) -> str:
    """Return the counts of a batch: files analyzed now and before, those that failed by their error
    codes, and those whose names belong to no medium."""
    codes = ", ".join(f"{code} {number}" for code, number in Counter(failed).most_common())
    others = (
        (_("{number} known already"), known),
        (_("{number} failed ({codes})"), sum(failed.values())),
        (_("{number} passed over by their names"), passed_over),
    )
    parts = (text.format(number=number, codes=codes) for text, number in others if number)
    return join(_("{number} analyzed").format(number=analyzed), *parts, by=", ")


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
