"""Heatmaps of the bundled models on a real face."""

from dataclasses import replace

import numpy as np
import pytest

from detector import explain
from detector.audio.sound import SAMPLE_RATE
from detector.errors import UsageError
from detector.explain import sound as explained
from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import Modality, Settings
from tests.support.voice_sample import write_clip


@pytest.fixture(scope="module")
def analysis(clip):
    models = [spec.id for spec in registry.list_models() if spec.bundled]
    return Analyzer(device="cpu").analyze(clip, Settings(frames=8, models=models))


@pytest.mark.parametrize("kind", ["frame", "clip"])
def test_a_heatmap_lies_on_the_crop_the_model_saw(clip, analysis, kind):
    spec = next(s for s in registry.list_models() if s.bundled and s.kind == kind)
    heat = explain.heatmap(clip, analysis, "A", 1.0, spec.id)
    assert heat.crop.shape == (spec.crop.size, spec.crop.size, 3)
    assert heat.map.shape == heat.crop.shape[:2]
    assert heat.map.dtype == np.float32
    assert 0.0 <= heat.map.min() < heat.map.max() <= 1.0
    assert (spec.plain or spec.title) in heat.caption
    again = explain.heatmap(clip, analysis, "A", 1.0, spec.id)
    assert np.array_equal(again.map, heat.map)


def test_the_moment_chosen_is_the_looked_at_one_that_is_nearest(analysis):
    track = explain.find_track(analysis, "A")
    for face in track.frames:
        assert explain.face_at(track, face.time + 0.01) == face
    assert explain.face_at(track, 1e9) == track.frames[-1]


def test_a_person_who_is_not_there_is_refused(clip, analysis):
    with pytest.raises(UsageError, match="no person Z"):
        explain.heatmap(clip, analysis, "Z", 0.0, registry.choose()[0].id)


def test_a_clip_model_without_a_window_shows_nothing(clip, analysis):
    spec = registry.get_spec("videomae")
    without = analysis.model_copy(deep=True)
    without.judged[0].spans = []
    assert explain.heatmap(clip, without, "A", 1.0, spec.id) is None


def test_a_model_of_faces_is_not_shown_a_voice_or_a_full_frame(clip, analysis):
    spec = next(s for s in registry.choose() if s.kind == "frame")
    for modality in (Modality.FULL_FRAME, Modality.VOICE):
        other = analysis.model_copy(deep=True)
        other.judged[0].modality = modality
        assert explain.heatmap(clip, other, "A", 1.0, spec.id) is None


@pytest.mark.parametrize(
    ("left", "border", "mirrors"),
    [(40, "mirror", False), (-40, "mirror", True), (120, "mirror", True), (-40, "black", False)],
)
def test_what_lies_beyond_the_edge_is_a_mirror_image(left, border, mirrors):
    crop, none = np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.float32)
    place = np.array([[0.9, 0, left], [0, 0.9, 40.0]])
    heat = explain.Heatmap(crop, none, "", place=place, border=border)
    assert heat.mirrors(320, 320) is mirrors
    assert not replace(heat, place=None).mirrors(320, 320)


def test_a_heatmap_knows_what_stands_beyond_the_edge(clip, analysis):
    found = {id: explain.heatmap(clip, analysis, "A", 0.0, id) for id in ("texture", "videomae")}
    borders = {id: heat.border for id, heat in found.items() if heat is not None}
    assert borders == {"texture": "mirror", "videomae": "black"}


def test_the_overlay_goes_from_the_crop_to_the_map():
    crop = np.full((20, 20, 3), 200, np.uint8)
    values = np.zeros((20, 20), np.float32)
    values[:, 10:] = 1.0
    heat = explain.Heatmap(crop, values, "")
    assert np.array_equal(explain.overlay(heat, 0.0), crop)
    mixed = explain.overlay(heat, 0.6)
    cold, hot = mixed[0, 0], mixed[0, 19]
    assert len(set(cold.tolist())) == 1 and cold[0] < 200  # darkened, not colored
    assert hot[0] > hot[2]  # inferno ends in yellow: more red than blue


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
