"""A model that scores some moments of a clip: how many crops, for whom, and the answers between."""

import numpy as np
import pytest
from skimage import data

from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import Question, Settings
from tests.conftest import write_clip

CLIP = registry.get_spec("clip")
BOTH = ("clip", "clip-generated")
FRAMES = 20


@pytest.fixture
def crops(monkeypatch):
    """Sizes of the batches that CLIP's network scores."""
    network = registry.load_model("clip")
    read, sizes = network.read, list[int]()

    def counted(batch):
        sizes.append(len(batch))
        return read(batch)

    monkeypatch.setattr(network, "read", counted)
    return sizes


def analyzed(path, people):
    row = np.concatenate([data.astronaut()[:360, :320]] * people, axis=1)
    size = row.shape[1::-1]
    write_clip(path, seconds=4, size=size, picture=lambda n: np.roll(row, n // 20, axis=1))
    settings = Settings(frames=FRAMES, models=["texture", *BOTH])
    return Analyzer(device="cpu").analyze(path, settings, scores_only=True)


def test_moments_are_spread_and_interpolated_between(tmp_path, crops):
    out = analyzed(tmp_path / "one.mp4", 1)
    (person,) = out.people
    at = [n for n, frame in enumerate(person.frames) if "clip" in frame.logits]
    assert len(person.frames) == FRAMES
    assert len(at) == CLIP.moments == sum(crops)
    step = FRAMES / CLIP.moments
    assert max(np.diff(at)) <= step + 1 and at[0] <= step and at[-1] >= FRAMES - step  # spread
    assert at == [n for n, f in enumerate(person.frames) if "clip-generated" in f.logits]
    for frame in person.frames:
        assert "texture" in frame.logits
        # Between CLIP's moments its logit is interpolated, so that every frame has an answer.
        assert Question.MANIPULATION in frame.answers


def test_each_of_many_people_is_scored_at_eight_moments(tmp_path, crops):
    out = analyzed(tmp_path / "two.mp4", 3)
    assert len(out.people) == 3
    counts = [sum("clip" in f.logits for f in person.frames) for person in out.people]
    assert min(counts) >= 8
    assert sum(counts) == sum(crops) <= 3 * FRAMES
