"""A result in short, as lists, cases and tables have it: by the few facts that records keep."""

from collections.abc import Mapping
from typing import Protocol

from detector.messages import states
from detector.messages.format import confidence, listed, percent, took
from detector.presentation import Row
from detector.schema.analysis import Label, Proof, Question
from detector.sentences import NBSP, _, join


class ResultFacts(Protocol):
    """The facts of a result that lists keep."""

    @property
    def verdict(self) -> Label:
        """Return what the detectors say by themselves."""

    @property
    def question(self) -> Question | None: ...
    @property
    def proof(self) -> Proof | None:
        """Return the finding that leads the headline, if any."""

    @property
    def probability(self) -> float | None: ...
    @property
    def interval(self) -> tuple[float, float] | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def duration(self) -> float | None: ...
    @property
    def models(self) -> tuple[str, ...]: ...


def headline(result: ResultFacts) -> str:
    """Return the headline of a result, the same as on its page."""
    return states.headline(result.verdict, result.question, proof=result.proof)


def number(result: ResultFacts) -> list[str]:
    """Return the likelihood and its interval, those that there are."""
    if result.probability is None:
        return []
    return [percent(result.probability), *map(confidence, filter(None, [result.interval]))]


def line(result: ResultFacts) -> str:
    """Return "Likely manipulated · 88 % · 95 % interval 62 to 91 %"."""
    return join(headline(result), *number(result), by=" · ")


def deleted(label: str) -> str:
    """Return what a result was that is not there any more, by its `Label`; empty for none."""
    said = states.state(label) if label else ""
    return _("{result} (the result was deleted since)").format(result=said)


def length(seconds: float | None) -> str:
    """Return how long a file is: "6.5 s", "14 s", "2 min 5 s", "212 h"; "picture" for None."""
    if seconds is None:
        return _("picture")
    return took(seconds) if seconds < 3600 else f"{seconds / 3600:,.0f}{NBSP}h"


def rows(result: ResultFacts, names: Mapping[str, str]) -> tuple[Row, ...]:
    """Return what was judged and by which models, `names` by id."""
    models = listed([names.get(id, id) for id in result.models])
    return (
        Row(_("Length"), length(result.duration)),
        Row(_("Models"), models or _("none gave a score")),
    )
