"""Likelihoods of made results: the mean of the odds of all questions, with the given limits."""

import math

from detector.schema.analysis import FileKind, Likelihood, Question, Thresholds

LIMITS = Thresholds(low=0.3, high=0.7)
FACES = (FileKind.CLIP, FileKind.STILL)


def fitted(models, thresholds=LIMITS, **changes):
    """Return the likelihood of each kind of file for exactly the questions of these models."""
    asked = {m.question for m in models if m.question and not m.question.of_sound}
    found = {}
    for kind in FileKind:
        own = {Question.PICTURE} & asked if kind is FileKind.PICTURE else asked
        if kind in FACES:
            own = own - {Question.PICTURE}
        weights = dict.fromkeys(own, 1.0) | ({Question.PICTURE: 0.0} if kind in FACES else {})
        offset = -math.log(max(1, len(own)))
        values = {"weights": weights, "offset": offset, "thresholds": thresholds} | changes
        found[kind] = Likelihood.model_validate(values)
    return found


def refit(made, thresholds=LIMITS, **changes):
    """Fit a made result's likelihoods to its models."""
    made.likelihoods = fitted(made.models, thresholds, **changes)
    return made
