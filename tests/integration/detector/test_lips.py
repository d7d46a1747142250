"""Lips against sound: made people who talk, with their own sound, with it moved, and with that of
another. The answer is known; how real lips move is not shown by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Settings, Signal
from detector.signals import lips
from tests.conftest import write_clip
from tests.support import speech as made
from tests.support import talking

SECONDS, FRAMES = 10, 250
SAID, OTHER = made.speech(SECONDS + 1, seed=3), made.speech(SECONDS + 1, pitch=190, seed=9)


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(device="cpu")


def person(path: Path, sound: np.ndarray, late: float = 0.0) -> Path:
    """A clip of somebody who says `SAID`, with a sound."""
    open_ = talking.opening(SAID, FRAMES, late=late)
    size = (480, 270)
    picture = talking.talking(data.astronaut(), talking.ASTRONAUT, open_, size)
    cheap = {"preset": "ultrafast"}
    audio = sound[: SECONDS * 16_000]
    return write_clip(path, seconds=SECONDS, size=size, audio=audio, picture=picture, options=cheap)


def told(analysis: Analysis) -> Signal:
    (signal,) = (s for s in analysis.signals if s.id == "lips")
    assert signal.subject == "A" and analysis.verdict.answers
    return signal


def test_sound_that_belongs_to_the_lips_and_sound_that_does_not(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    """Three runs of 250 frames: one claim has three sides."""
    settings = Settings(frames=12, models=["timbre"])
    together = told(analyzer.analyze(person(tmp_path / "a.mp4", SAID), settings))
    assert together.number == pytest.approx(0, abs=0.06) and together.value == "together"
    assert "made clips alone" in together.how_to_read and "Strength" in together.how_to_read
    assert together.reading == "unclear", "nobody knows what untouched clips measure"
    late = told(analyzer.analyze(person(tmp_path / "b.mp4", SAID, late=0.24), settings))
    assert late.number == pytest.approx(0.24, abs=0.06) and late.value.endswith("s late")
    other = told(analyzer.analyze(person(tmp_path / "c.mp4", OTHER), settings))
    assert other.value == "nothing in common found" and other.number is None
    assert "out of view look alike" in other.how_to_read


def test_a_silent_clip_says_why_it_was_not_measured(analyzer: Analyzer, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", seconds=1, size=(480, 270))
    signal = told(analyzer.analyze(clip, Settings(frames=3)))
    assert (signal.reading, signal.how_to_read) == ("absent", "There is no sound.")


@pytest.mark.parametrize("late", [-0.4, -0.2, 0.0, 0.12, 0.4])
def test_a_lag_is_found_to_a_frame(late: float) -> None:
    moved = np.abs(np.diff(talking.opening(SAID, FRAMES, late=late), prepend=0))
    found = lips.sync(moved, lips.envelope(SAID, FRAMES), 5.0)
    assert found is not None and found.lag == pytest.approx(late, abs=0.045)
    assert found.strength > lips.SURE and found.windows[0][0] == 5.0
    assert len(found.windows) == 7


def test_what_the_head_does_is_none_of_the_mouths() -> None:
    rng = np.random.default_rng(0)
    head = rng.exponential(1.0, FRAMES)
    mouth = 0.8 * head + np.abs(np.diff(talking.opening(SAID, FRAMES), prepend=0))
    rest = lips._beyond(mouth, head)
    assert abs(np.corrcoef(rest, head)[0, 1]) < 0.1 < 0.5 < np.corrcoef(mouth, head)[0, 1]


def test_chance_is_not_taken_for_a_lag() -> None:
    rng = np.random.default_rng(1)
    strengths = []
    for seed in range(12):
        loud = lips.envelope(made.speech(SECONDS, seed=seed), FRAMES)
        found = lips.sync(rng.exponential(1.0, FRAMES), loud)
        assert found is not None
        strengths.append(found.strength)
    assert max(strengths) < lips.SURE
    gone = np.full(FRAMES, np.nan)
    assert lips.sync(gone, loud) is None and lips.sync(np.ones(50), loud[:50]) is None


def test_the_stretch_in_which_most_is_spoken_is_read(tmp_path: Path) -> None:
    from detector.schema.analysis import Media

    def clip(width: int, *speech: tuple[float, float]) -> lips.TalkingClip:
        about = Media(
            name="a", sha256="", kind="video", size=1, width=width, height=width * 9 // 16,
            duration=100.0, container="mp4", codec="h264",
        )  # fmt: skip
        return lips.TalkingClip(tmp_path, about, speech, lambda rgb: None)

    assert lips.stretch(clip(1280, (3, 5), (50, 69))) == (50.0, 70.0)
    assert lips.stretch(clip(1280, (90, 99))) == (80.0, 100.0)
    start, end = lips.stretch(clip(3840, (50, 69)))
    assert (start, end) == (50.0, 61.0), "less of a larger picture"
