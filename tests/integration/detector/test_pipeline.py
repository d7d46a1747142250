"""The flow from file to verdict, on real media with the bundled models."""

import json
import os
import threading
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from skimage import data

from bench.clips import face_clip
from detector.errors import Canceled, ModelError
from detector.models import registry
from detector.pipeline import Progress, initial_results
from detector.schema.analysis import Analysis, CaveatCode, Label, Modality, ReasonCode, Settings
from detector.schema.subject import letter
from tests.conftest import camera
from tests.support.footage import repeated
from tests.support.portrait import write
from tests.support.timeless import timeless
from tests.support.waiting import at_once

FEW = Settings(frames=6)


def test_a_clip_gets_scores_from_every_default_model(analyzer, clip):
    out = analyzer.analyze(clip, Settings(frames=12))
    assert out.verdict.probability is not None
    assert [t.id for t in out.judged] == ["A"]
    track = out.judged[0]
    assert len(out.timestamps) == len(track.frames) == 12
    assert track.side is None
    for spec in (s for s in registry.choose() if s.modality is not Modality.VOICE):
        model = next(m for m in out.models if m.id == spec.id)
        assert model.error is None
        assert model.counted == (spec.weight > 0)
        assert model.scored > 0
        assert model.weights_sha256 == initial_results.result(spec).weights_sha256
        scored = track.spans if spec.kind == "clip" else track.frames
        assert scored
    face = track.frames[0]
    assert {id for one in track.frames for id in one.scores} == {m.id for m in out.models}
    assert 0 <= face.box[0] < face.box[2] <= out.media.width
    assert Analysis.model_validate_json(out.model_dump_json()) == out
    assert len(out.provenance.hashes) == 3
    assert {h.time for h in out.provenance.hashes} <= {round(t, 3) for t in out.timestamps}


def test_the_same_input_gives_the_same_result(analyzer, clip):
    first, second = analyzer.analyze(clip, FEW), analyzer.analyze(clip, FEW)
    assert timeless(first) == timeless(second)
    assert first.id != analyzer.analyze(clip, Settings(frames=5)).id


def test_two_at_once_each_get_their_own_answer(analyzer, tmp_path):
    portrait = data.astronaut()[:360, :480]
    clips = [
        write(tmp_path / f"{n}.mp4", [np.roll(portrait, i * n, axis=1) for i in range(40)], fps=25)
        for n in (0, 1)
    ]
    alone = [analyzer.analyze(c, FEW) for c in clips]
    together = at_once(lambda clip: analyzer.analyze(clip, FEW), clips)
    assert [timeless(one) for one in together] == [timeless(one) for one in alone]
    assert together[0].media.sha256 != together[1].media.sha256


def test_progress_grows_and_ends_at_one(analyzer, clip):
    seen: list[Progress] = []
    analyzer.analyze(clip, Settings(frames=24), observe=seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert seen[-1].sampled == seen[-1].sampled_total == 24
    partial = [p.partial for p in seen if p.partial]
    assert partial
    assert all(p.partial and p.verdict.label == Label.NOT_APPLICABLE for p in partial)


def test_cancel_stops_soon_and_leaves_no_thread(analyzer):
    path = repeated(face_clip(2, 1280, 720), 10)
    before = set(threading.enumerate())
    cancel = threading.Event()
    seen: list[int] = []

    def observe(progress):
        seen.append(progress.sampled)
        if progress.sampled >= 2:
            cancel.set()

    with pytest.raises(Canceled):
        analyzer.analyze(path, Settings(frames=400), observe=observe, cancel=cancel)
    assert seen[-1] < 100
    assert not set(threading.enumerate()) - before, "the analysis left a thread behind"


def test_an_error_in_the_observer_reaches_the_caller(analyzer, clip):
    def broken(progress):
        if progress.sampled:
            raise RuntimeError("the page is gone")

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="the page is gone"):
        analyzer.analyze(clip, FEW, observe=broken)
    assert not set(threading.enumerate()) - before, "the analysis left a thread behind"


def test_a_picture_needs_no_motion(analyzer, tmp_path):
    path = tmp_path / "portrait.png"
    cv2.imwrite(str(path), data.astronaut()[..., ::-1])
    out = analyzer.analyze(path, Settings(models=["texture", "videomae"]))
    assert out.media.kind == "image"
    assert out.timestamps == [0.0]
    assert out.verdict.probability is not None
    assert [h.time for h in out.provenance.hashes] == [None]
    videomae = out.models[-1]
    assert not videomae.counted
    assert videomae.not_counted_because == "it judges motion, and this is a picture"
    usual = analyzer.analyze(path, Settings())
    assert "videomae" not in [model.id for model in usual.models]


def test_videomae_runs_by_default_and_has_a_score_in_each_window(analyzer, clip):
    usual = json.loads(analyzer.analyze(clip, FEW).model_dump_json())
    models = {model["id"]: model for model in usual["models"]}
    assert {"clip", "texture", "videomae"} <= set(models)
    votes = registry.get_spec("videomae").weight > 0
    assert all(model["counted"] is (votes or id != "videomae") for id, model in models.items())
    assert votes or "adds nothing" in models["videomae"]["not_counted_because"]
    (person, *_) = usual["subjects"]
    windows = [span["scores"]["videomae"] for span in person["spans"]]
    assert len(windows) == models["videomae"]["scored"] > 1
    assert all(0 < score < 1 for score in windows)
    # The chart draws it from these, at every frame.
    assert all({"texture", "videomae"} <= set(f["scores"]) for f in person["frames"])


def test_two_people_are_two_tracks(analyzer, tmp_path):
    portrait = data.astronaut()[0:360, 60:420]
    both = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    path = write(tmp_path / "two.mp4", [np.roll(both, i // 4, axis=0) for i in range(30)], fps=25)
    out = analyzer.analyze(path, FEW)
    assert {t.id: t.side for t in out.judged} == {"A": "left", "B": "right"}
    assert all(t.probability is not None for t in out.judged)
    assert out.verdict.subject == out.judged[0].id
    assert out.judged[0].probability >= out.judged[1].probability


def test_no_face_and_a_small_face_are_told_apart(analyzer, tmp_path):
    coffee = cv2.resize(data.coffee(), (600, 400))
    none = analyzer.analyze(write(tmp_path / "cup.mp4", [coffee] * 20, fps=25), FEW)
    assert none.verdict.label == Label.NOT_APPLICABLE
    assert none.verdict.reasons[0].code == ReasonCode.NO_FACE
    canvas = np.full((360, 640, 3), 90, np.uint8)
    small = cv2.resize(data.astronaut()[:360, 60:420], (110, 110), interpolation=cv2.INTER_AREA)
    canvas[100:210, 200:310] = small
    out = analyzer.analyze(write(tmp_path / "small.mp4", [canvas] * 20, fps=25), FEW)
    assert out.verdict.label == Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code == ReasonCode.FACE_TOO_SMALL
    assert not any(f.logits for t in out.judged for f in t.frames)


def test_a_truncated_clip_is_analyzed_as_far_as_it_goes(analyzer, make_clip):
    cut = make_clip("cut.mkv", seconds=3, gop=10)
    os.truncate(cut, int(cut.stat().st_size * 0.6))
    out = analyzer.analyze(cut, Settings(frames=12))
    assert out.verdict.probability is not None
    assert len(out.media.notes) == 1
    assert out.timestamps[-1] < 1.7


def test_a_model_without_weights_says_so_and_the_others_score(
    analyzer, clip, monkeypatch, tmp_path
):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    known = registry.list_models()
    missing = next(s for s in known if not s.bundled and s.kind == "frame")
    registry.unload(missing.id)  # another test may have had its weights
    default = registry.choose()[0].id
    out = analyzer.analyze(clip, Settings(frames=6, models=[default, missing.id]))
    assert out.verdict.probability is not None
    result = out.models[1]
    assert not result.counted
    assert result.probability is None
    assert "not on this computer" in (result.error or "")


def test_a_model_that_breaks_does_not_take_the_others_down(analyzer, clip, monkeypatch):
    broken = Mock(side_effect=ModelError("The network gave up."))
    monkeypatch.setattr(registry.load_model("clip"), "score", broken)
    out = analyzer.analyze(clip, FEW)
    results = {result.id: result for result in out.models}
    assert results.pop("clip").error == "The network gave up."
    assert all(results[id].probability is not None for id in ("clip-generated", "texture"))


def test_letters():
    assert [letter(n) for n in (0, 25, 26, 27, 701, 702)] == ["A", "Z", "AA", "AB", "ZZ", "AAA"]


SIZE = (320, 240)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("voice.mp4", {"seconds": 3, "audio": True}),
        ("poor.mp4", {"seconds": 3, "options": {"crf": "46"}, "gop": 250}),
        ("often.mp4", {"seconds": 4, "options": {"crf": "41"}, "gop": 12}),
        ("slide.mkv", {"times": [0.0, 4.0]}),
        ("pulses.webm", {"seconds": 3, "codec": "libvpx", "gop": 12, "options": {"b": "400000"}}),
    ],
)
def test_an_unmoving_picture_is_named(analyzer, make_clip, name, how):
    path = make_clip(name, size=SIZE, picture=camera(SIZE, still=True), **how)
    out = analyzer.analyze(path, Settings(frames=6, models=["texture", "videomae"]))
    assert out.media.frozen
    assert CaveatCode.FROZEN in [caveat.code for caveat in out.verdict.caveats]
    assert any("one unmoving picture" in text for text in out.verdict.limits)
    assert not any("compressed" in text.lower() for text in out.verdict.limits)
    videomae = next(model for model in out.models if model.id == "videomae")
    assert not videomae.counted
    assert not out.signals


def test_what_moves_is_no_unmoving_picture(analyzer, make_clip):
    few = Settings(frames=6, models=["texture"])
    wide = camera((SIZE[0] + 8, SIZE[1]), still=True)(0)
    slow = [np.ascontiguousarray(wide[:, x : x + SIZE[0]]) for x in range(5)]
    poor = {"seconds": 4, "options": {"crf": "41"}, "gop": 12}
    for number, path in enumerate(
        (
            make_clip("quiet.mp4", size=SIZE, picture=lambda n: slow[n // 20], **poor),
            make_clip("moves.mp4", size=SIZE, seconds=2),
            make_clip("short.mp4", size=SIZE, seconds=0.2, picture=camera(SIZE, still=True)),
        )
    ):
        out = analyzer.analyze(path, few, scores_only=True)
        assert not out.media.frozen, number
        assert CaveatCode.FROZEN not in [caveat.code for caveat in out.verdict.caveats]
    still = make_clip("still.mp4", size=SIZE, seconds=2, picture=camera(SIZE, still=True))
    assert not analyzer.analyze(still, Settings(frames=1), scores_only=True).media.frozen
