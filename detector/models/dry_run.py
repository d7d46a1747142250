"""A dry run of a file that somebody brought: whether it is a detector at all."""

from detector.errors import ModelError
from detector.models.base import Model

SAME = 1e-5
"""Natural-log odds within which answers are the same. Of networks with random weights those to
noise, a drawing and a plain surface are 5e-4 to 2 apart, of trained ones more
(tests/integration/detector/test_goldens.py)."""


def check(model: Model) -> int:
    """Score different pictures and return the number of outputs; raise ModelError if useless."""
    import torch

    spec = model.spec
    answers = []
    for item in model.trials():
        try:
            logits = model.forward(model.preprocess(item)[None])
            odds, score = model.log_odds(logits), model.p_fake(logits)
        except Exception as error:
            raise ModelError(f"{spec.title} was read, but gives no score: {error}") from error
        if not torch.isfinite(logits).all() or not ((score >= 0) & (score <= 1)).all():
            raise ModelError(
                f"{spec.title} was read, but its scores are not numbers: the file is damaged.",
                code="weights_damaged",
            )
        answers.append(float(odds))
    if max(answers) - min(answers) < SAME:
        raise ModelError(
            f"{spec.title} was read, but gives the same answer to everything: noise, a drawing and "
            f"a plain surface all have {float(score):.1%} of fake. Its training failed, or what it "
            "learned is not in this file.",
            code="weights_constant",
            hint="Ask its author for another checkpoint.",
        )
    return int(logits.reshape(1, -1).shape[1])
