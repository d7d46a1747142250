"""A model that scores some moments of a clip: how many crops, for whom, and the answers between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Question, Settings
from tests.conftest import write_clip

CLIP = registry.get_spec("clip")
BOTH = ("clip", "clip-generated")
FRAMES = 20


@pytest.fixture
def crops(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that CLIP's network scores."""
    network = registry.load_model("clip")
    score, sizes = network.score, list[int]()

    def counted(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return score(batch)

    monkeypatch.setattr(network, "score", counted)
    return sizes


def analyzed(path: Path, people: int) -> Analysis:
    """Analyze a clip of the portrait, once or twice beside itself."""
    face = data.astronaut()[:360, :320]
    row = np.concatenate([face] * people, axis=1)
    write_clip(
        path,
        seconds=4,
        size=(row.shape[1], row.shape[0]),
        picture=lambda n: np.ascontiguousarray(np.roll(row, n // 20, axis=1)),
    )
    settings = Settings(frames=FRAMES, models=["texture", *BOTH])
    return Analyzer(device="cpu").analyze(path, settings, scores_only=True)


def test_eight_moments_for_clip_and_four_for_the_generated_head(
    tmp_path: Path, crops: list[int]
) -> None:
    out = analyzed(tmp_path / "one.mp4", 1)
    (person,) = out.judged
    at = [n for n, frame in enumerate(person.frames) if "clip" in frame.logits]
    assert len(person.frames) == FRAMES
    assert len(at) == CLIP.moments == sum(crops)
    assert max(np.diff(at)) <= 4 and at[0] <= 2 and at[-1] >= FRAMES - 3  # spread over the clip
    assert sum("clip-generated" in frame.logits for frame in person.frames) == 4
    for frame in person.frames:
        assert "texture" in frame.logits
        # Between CLIP's moments its logit is interpolated, so that every frame has an answer.
        assert Question.MANIPULATION in frame.answers


def test_each_of_many_people_is_scored_at_four_moments(tmp_path: Path, crops: list[int]) -> None:
    out = analyzed(tmp_path / "two.mp4", 3)
    assert len(out.judged) == 3
    counts = [sum("clip" in f.logits for f in person.frames) for person in out.judged]
    assert min(counts) >= 4
    assert sum(counts) == sum(crops) < 3 * FRAMES
