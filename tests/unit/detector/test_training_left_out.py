"""The threshold of pictures, from logits of pictures that were all left out together."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from detector.evaluation.labels import Item
from detector.schema.analysis import Question
from detector.training import left_out
from detector.training.left_out import PICTURES, LeftOutLogit


def rows(kind, fold, apart, count):
    """Logits of as many real files and fakes, spread evenly, `apart` between their means."""
    spread = np.linspace(-2, 2, count)
    return [
        LeftOutLogit(
            fold, "as it is",
            Item(Path(), f"{fold}{n}{label}", label, kind, "", f"{fold}{n}", f"{kind}{n % 8}"),
            float(x + (label - 0.5) * apart),
        )
        for label in (0, 1)
        for n, x in enumerate(spread)
    ]  # fmt: skip


@pytest.mark.parametrize(("apart", "told"), [(3.0, True), (0.0, False)])
def test_pictures_get_a_threshold_that_keeps_both_promises(tmp_path, apart, told):
    clips = [row for n in range(4) for row in rows("video", f"sources-{n}", 4.0, 60)]
    stills = rows("image", PICTURES, apart, 200)
    found = left_out.write(clips + stills, tmp_path, "m", Question.SYNTHESIS, "clips")
    limits = found.ensembles[Question.SYNTHESIS].pictures
    assert limits.false_positives is not None and limits.one_sided
    assert limits.false_positives.files == 200
    # Where they can't be told apart nothing keeps them, and no real picture may lie above.
    assert bool(limits.false_positives.count) is told
    assert limits.false_positives.count <= 10
    table = tomllib.loads((tmp_path / "calibration.toml").read_text().split("\nweight =")[0])
    assert table["ensembles"]["synthesis"]["pictures"]["high"] == limits.high


def test_without_pictures_there_is_none(tmp_path):
    clips = [row for n in range(4) for row in rows("video", f"sources-{n}", 4.0, 60)]
    found = left_out.write(clips, tmp_path, "m", Question.SYNTHESIS, "clips")
    assert found.ensembles[Question.SYNTHESIS].pictures is None
