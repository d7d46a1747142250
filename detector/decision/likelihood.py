"""The one likelihood of a file: the probability that anything in it was altered or generated.

Each model's raw logit goes through its own Platt map, and the models of a question are added to the
log odds of that question about one subject (`context`, `people`). These are the parts:

    altered   = face                                  of each person
    generated = w_head * head + w_picture * picture   of each person, or of the picture without one
    cloned    = voice                                 of each voice

    L = scale * log(sum(exp(part))) + offset - people * log(n)

for n people and voices: a noisy OR, since anything altered makes the file fake. `scale` and
`offset` correct for parts that fire together, `people` for the chance that one of several is high.
Each kind of file has a fit of these few numbers (`Likelihood`): a clip with a face, a still with a
face, a picture or clip without one, a sound. `unmask calibrate --scores` fits them to left-out
scores. The bands of L are the answers; `policy` holds the vetoes.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from detector.schema.analysis import FileKind, Likelihood, Question

GENERATED = (Question.SYNTHESIS, Question.PICTURE)
"""Questions whose evidence is added to one part: was it generated?"""


class Part(NamedTuple):
    """Evidence of one question about one subject, as log odds."""

    question: Question
    subject: str
    logit: float


def parts(
    evidence: Mapping[Question, float], weights: Mapping[Question, float], subject: str
) -> list[Part]:
    """Return the parts of one subject from the log odds of its questions; a question of weight 0 is
    none. What head and picture add together is divided in proportion to the odds of each."""
    out = [Part(q, subject, weights.get(q, 1.0) * logit) for q, logit in evidence.items()
           if q not in GENERATED and weights.get(q, 1.0) > 0]  # fmt: skip
    own = {q: weights.get(q, 1.0) * evidence[q] for q in GENERATED
           if q in evidence and weights.get(q, 1.0) > 0}  # fmt: skip
    together, alone = sum(own.values()), total(own.values())
    return out + [Part(q, subject, together + logit - alone) for q, logit in own.items()]


def log_odds(parts: Collection[Part], fit: Likelihood) -> float:
    """Return the log odds that any of the parts is fake."""
    subjects = len({part.subject for part in parts})
    return fit.scale * total(p.logit for p in parts) + fit.offset - fit.people * math.log(subjects)


def shares(parts: Sequence[Part]) -> list[float]:
    """Return the share of each part in the evidence, 0..1."""
    every = total(part.logit for part in parts)
    return [min(1.0, math.exp(part.logit - every)) for part in parts]


def total(logits: Iterable[float]) -> float:
    """Return the log of the sum of odds."""
    values = list(logits)
    highest = max(values, default=0.0)
    return highest + math.log(sum(math.exp(x - highest) for x in values)) if values else -math.inf


def unfitted(parts: Collection[Part], people: float) -> Likelihood:
    """Return the formula for parts that were not measured together: the mean of their odds."""
    count = len({part.question for part in parts}) or 1
    return Likelihood(offset=-math.log(count), people=people)


def kind_of(*, still: bool, faces: bool, pictures: bool) -> FileKind:
    """Return the kind of a file by what could be judged in it."""
    if faces:
        return FileKind.STILL if still else FileKind.CLIP
    return FileKind.PICTURE if pictures else FileKind.SOUND
