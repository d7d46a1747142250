"""Heatmaps of the bundled models on a real face."""

from dataclasses import replace

import numpy as np
import pytest

from detector import explain
from detector.errors import UsageError
from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import Modality, Settings


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
