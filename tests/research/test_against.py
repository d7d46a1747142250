"""`python -m research.against`: what stands beside ours on clips that nobody trained on."""

from __future__ import annotations

import numpy as np

from detector.evaluation import metrics
from detector.evaluation.scores import Scored
from detector.schema.analysis import Question
from research import against
from tests.integration.detector.test_calibration import clips


def test_ours_are_asked_about_what_they_do_not_know() -> None:
    made = clips(np.random.default_rng(0))
    held = against.ours(made, ["pairs", "detail", "synthesis"])
    assert set(held) == {Question.MANIPULATION, Question.SYNTHESIS, None}
    labels = np.array([clip.label for clip in made])
    assert metrics.auc(held[None], labels) > 0.9
    # Another source's labels turned around do not move what is said by the others' fit alone.
    source = made[0].source
    mine = np.array([clip.source == source for clip in made])
    turned = [c if c.source != source else type(c)(1 - c.label, c.source, c.question, c.people)
              for c in made]  # fmt: skip
    again = against.ours(turned, ["pairs", "detail", "synthesis"])
    order = [np.argsort(one[Question.MANIPULATION][mine]) for one in (held, again)]
    assert (order[0] == order[1]).all()


def test_a_row_says_by_how_much_and_whether_outside_the_interval() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 120)
    logits = 4.0 * labels + rng.normal(size=120)
    others = [
        Scored(
            name=f"{n}", label=int(label), kind="video", method="SimSwap" if label else "",
            group=f"g{n}", source=f"s{n % 12}", person=f"p{n}",
            highest={"meso4-df": float(rng.normal())},
            features={"sharpness": float(-logits[n] + rng.normal())},
        )
        for n, label in enumerate(labels)
    ]  # fmt: skip
    first, meso, sharpness = against.rows(others, ["meso4-df"], logits, "ours")
    assert first.startswith("| **ours** | **0.9") or first.startswith("| **ours** | **1.0")
    assert meso.startswith("| Meso4 (Deepfakes), 120 judged | 0.") and meso.endswith("yes |")
    assert "sharpness alone" in sharpness  # lower in fakes: in the better of its directions
    assert float(sharpness.split("|")[2].split()[0]) > 0.9
