"""A model that scores some moments of a clip: how many crops, for whom, and the answers between."""

import numpy as np
import pytest
from skimage import data

from detector.models import registry
from detector.pipeline import Analyzer, RunOptions
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
    assert len(at) == sum(crops) and 4 <= len(at) <= CLIP.moments
    step = FRAMES / len(at)
    assert max(np.diff(at)) <= 1.5 * step and at[0] <= step and at[-1] >= FRAMES - step  # spread
    other = [n for n, f in enumerate(person.frames) if "clip-generated" in f.logits]
    assert set(at) <= set(other) or set(other) <= set(at), "of one order"
    for frame in person.frames:
        assert "texture" in frame.logits
        # Between CLIP's moments its logit is interpolated, so that every frame has an answer.
        assert Question.MANIPULATION in frame.answers


def test_what_is_compared_with_a_changed_copy_is_scored_at_all_moments(tmp_path, crops):
    out = analyzed(tmp_path / "one.mp4", 1)
    crops.clear()
    options = RunOptions(media=out.media.model_copy(deep=True))
    again, _faces = Analyzer(device="cpu").rerun(tmp_path / "one.mp4", out.settings, options)
    (person,) = again.people
    scored = sum("clip" in frame.logits for frame in person.frames)
    assert scored == sum(crops) == CLIP.moments


def test_each_of_three_people_is_scored_at_four_moments_or_more(tmp_path, crops):
    out = analyzed(tmp_path / "two.mp4", 3)
    assert len(out.people) == 3
    counts = [sum("clip" in f.logits for f in person.frames) for person in out.people]
    assert min(counts) >= 4
    assert sum(counts) == sum(crops) <= 3 * FRAMES


@pytest.mark.parametrize("passage", [False, True])
def test_a_file_with_an_altered_passage_is_scored_at_all_moments(tmp_path, monkeypatch, passage):
    """A second of other frames in four: a clear mean, and moments that differ."""
    face = data.astronaut()[:360, :320]
    pictures = [np.roll(face, n // 20, axis=1) for n in range(100)]
    if passage:
        pictures[30:55] = [picture // 2 for picture in pictures[30:55]]
    path = write_clip(
        tmp_path / "clip.mp4", seconds=4, size=(320, 360), picture=pictures.__getitem__
    )
    network = registry.load_model("clip")
    usual = face.mean()
    scored: list[float] = []

    def read(batch):
        dark = batch.mean((1, 2, 3)) < 0.75 * usual
        scored.extend(dark.tolist())
        return np.where(dark, 9.0, -9.0).astype(np.float32)[:, None]

    monkeypatch.setattr(network, "read", read)
    settings = Settings(frames=FRAMES, models=["texture", "clip"])
    Analyzer(device="cpu").analyze(path, settings, scores_only=True)
    assert len(scored) == (CLIP.moments if passage else 4)
    assert any(scored) is passage
