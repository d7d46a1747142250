"""What the score of a voice rests on: tiles of a window are hidden."""

import numpy as np
import pytest

from detector.audio.sound import SAMPLE_RATE
from detector.explain import sound as explained
from detector.models import registry
from tests.support.voice_sample import write_clip

SECONDS = 4.0
TIME = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE


class Tone:
    """A model that hears one thing: a tone of 3 kHz between 1 and 1.5 s."""

    spec = registry.get_spec("timbre")

    def score(self, batch):
        part = batch[:, SAMPLE_RATE : SAMPLE_RATE * 3 // 2]
        wave = np.exp(-2j * np.pi * 3000 * TIME[: part.shape[1]])
        return np.abs((part * wave).mean(1)).astype(np.float32) * 100


def test_what_is_found_is_what_the_model_hears():
    samples = 0.05 * np.random.default_rng(1).standard_normal(len(TIME))
    samples[SAMPLE_RATE : SAMPLE_RATE * 3 // 2] += 0.3 * np.sin(
        2 * np.pi * 3000 * TIME[: SAMPLE_RATE // 2]
    )
    drawn, again = (
        explained.sound_map(samples.astype(np.float32), (10.0, 14.0), Tone()) for _ in range(2)
    )
    assert np.array_equal(again.falls, drawn.falls)
    row, column = drawn.strongest
    assert drawn.bands[row] < 3000 < drawn.bands[row + 1]
    assert (drawn.times[column], drawn.times[column + 1]) == (11.0, 11.5)
    assert drawn.falls[row, column] > 0.5 * drawn.before
    assert drawn.map.max() == 1 and np.sum(drawn.map > 0.3) == 1


def test_hiding_keeps_the_loudness(monkeypatch):
    heard: list[np.ndarray] = []

    class Listens(Tone):
        def score(self, batch):
            heard.extend(batch)
            return super().score(batch)

    samples = np.random.default_rng(2).standard_normal(len(TIME)).astype(np.float32) * 0.1
    explained.sound_map(samples, (0.0, SECONDS), Listens())
    assert len(heard) == 1 + explained.ROWS * explained.COLUMNS
    level = [float(np.sqrt(np.mean(one**2))) for one in heard]
    assert max(level) < 1.05 * level[0] and min(level) > 0.95 * level[0]
    assert all(not np.array_equal(one, heard[0]) for one in heard[1:])


def test_a_window_of_a_file_is_looked_into(tmp_path):
    message = write_clip(tmp_path / "message.wav")
    done: list[float] = []
    drawn = explained.window_map(message, (1.0, 5.0), "timbre", done.append)
    assert drawn.falls.shape == (5, 8) and np.isfinite(drawn.falls).all()
    assert done[-1] == 1 and done == sorted(done)


def test_a_model_of_faces_hears_nothing():
    with pytest.raises(ValueError, match="hears nothing"):
        explained.sound_map(np.zeros(64_000, np.float32), (0, 4), registry.load_model("texture"))
