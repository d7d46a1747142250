"""The flow from file to verdict, on real media with the bundled models."""

import json
import os
import threading
import time
from threading import Event, Lock
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from detector import media, messages
from detector.errors import Canceled, CancellationToken, ModelError
from detector.models import registry
from detector.models.base import CropRecipe, Model
from detector.pipeline import Progress, initial_results, scoring
from detector.pipeline.modalities import EXTRACTORS, Extractor
from detector.pipeline.options import RunOptions
from detector.pipeline.planning import plan
from detector.pipeline.scoring import DynamicBatcher, ScoreItem, ScoreStage
from detector.presentation import lead
from detector.presentation.verdict import limits
from detector.schema.analysis import (
    Analysis,
    CaveatCode,
    Label,
    Modality,
    ReasonCode,
    Settings,
    SpanSegment,
    Subject,
)
from detector.schema.ensemble import NotCounted
from detector.schema.subject import letter
from tests.conftest import camera
from tests.support import specs
from tests.support.clips import face_clip
from tests.support.footage import repeated
from tests.support.portrait import write
from tests.support.timeless import timeless
from tests.support.waiting import at_once

FEW = Settings(frames=6)


def test_a_clip_gets_scores_from_every_default_model(analyzer, clip):
    out = analyzer.analyze(clip, Settings(frames=12))
    assert out.verdict.probability is not None
    (track,) = out.people
    (picture,) = [s for s in out.subjects if s.modality is Modality.PICTURE]
    assert out.judged == [track]  # beside a face the whole picture of a clip counts in nothing
    assert track.id == "A" and len(out.timestamps) == len(track.frames) == 12
    assert track.side is None
    for spec in (s for s in registry.choose() if s.modality is not Modality.VOICE):
        model = next(m for m in out.models if m.id == spec.id)
        assert model.error is None
        counts = spec.weight > 0 and spec.modality is not Modality.PICTURE
        assert model.counted == counts
        if not counts:
            assert model.not_counted_because == NotCounted.ADDS_NOTHING
        assert model.scored > 0
        assert model.weights_sha256 == initial_results.result(spec).weights_sha256
        scored = track.spans if spec.kind == "video" else track.frames
        assert scored
    face = track.frames[0]
    shown = {id for one in track.frames for id in one.scores} | set(picture.models)
    assert shown == {m.id for m in out.models} and set(picture.models) == {"picture"}
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


def test_progress_counts_the_frames_that_there_are(analyzer, tmp_path, astronaut):
    path = write(tmp_path / "short.mp4", [np.roll(astronaut, 2 * i, axis=1) for i in range(14)])
    seen: list[Progress] = []
    found = analyzer.analyze(path, Settings(models=["texture"]), observe=seen.append)
    assert {p.sampled_total for p in seen} <= {0, 14} and seen[-1].sampled_total == 14
    assert len(found.timestamps) == 14


def test_a_model_of_few_frames_scores_a_clip_of_fewer(analyzer, tmp_path, astronaut):
    first, second = (Image.fromarray(np.roll(astronaut, shift, axis=1)) for shift in (0, 8))
    path = tmp_path / "two.gif"
    first.save(path, save_all=True, append_images=[second], duration=400)
    found = analyzer.analyze(path, Settings(models=["picture"]), scores_only=True)
    assert found.models[0].scored == len(found.timestamps) == 2


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


def test_videomae_scores_each_window_of_every_clip_and_changes_no_verdict(analyzer, clip):
    default = analyzer.analyze(clip, FEW)
    ids = [model.id for model in default.models]
    assert {"clip", "texture", "videomae"} <= set(ids)
    without = [id for id in ids if id != "videomae"]
    plain = analyzer.analyze(clip, FEW.model_copy(update={"models": without}))
    asked = analyzer.analyze(clip, FEW.model_copy(update={"models": ids}))
    for found, least in ((default, 1), (asked, 2)):  # few windows unless it is asked for
        assert found.verdict.probability == pytest.approx(plain.verdict.probability)
        assert found.verdict.label is plain.verdict.label
        usual = json.loads(found.model_dump_json())
        models = {model["id"]: model for model in usual["models"]}
        assert not models["videomae"]["counted"]
        assert "adds nothing" in models["videomae"]["not_counted_because"]
        (person, *_) = usual["subjects"]
        windows = [span["scores"]["videomae"] for span in person["spans"]]
        assert len(windows) == models["videomae"]["scored"] >= least
        assert all(0 < score < 1 for score in windows)
        # The chart draws it from these, at every frame.
        assert all({"texture", "videomae"} <= set(f["scores"]) for f in person["frames"])


def test_two_people_are_two_tracks(analyzer, tmp_path):
    portrait = data.astronaut()[0:360, 60:420]
    both = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    path = write(tmp_path / "two.mp4", [np.roll(both, i // 4, axis=0) for i in range(30)], fps=25)
    out = analyzer.analyze(path, FEW)
    assert {t.id: t.side for t in out.people} == {"A": "left", "B": "right"}
    assert all(t.probability is not None for t in out.judged)
    assert out.verdict.subject == out.judged[0].id
    assert out.people[0].probability >= out.people[1].probability


def test_no_face_and_a_small_face_are_told_apart(analyzer, tmp_path):
    coffee = cv2.resize(data.coffee(), (600, 400))
    of_faces = FEW.model_copy(update={"models": ["texture"]})
    none = analyzer.analyze(write(tmp_path / "cup.mp4", [coffee] * 20, fps=25), of_faces)
    assert none.verdict.label == Label.NOT_APPLICABLE
    assert none.verdict.reasons[0].code == ReasonCode.NO_FACE
    canvas = np.full((360, 640, 3), 90, np.uint8)
    small = cv2.resize(data.astronaut()[:360, 60:420], (110, 110), interpolation=cv2.INTER_AREA)
    canvas[100:210, 200:310] = small
    out = analyzer.analyze(write(tmp_path / "small.mp4", [canvas] * 20, fps=25), of_faces)
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
    monkeypatch.setattr(registry.load_model("clip"), "read", broken)
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
    assert "one unmoving picture" in limits(out)
    assert not any("compressed" in text.lower() for text in map(messages.text, out.verdict.caveats))
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


FRAMES, STRIDE = 8, 4


def spec(id, kind, crop, **fields):
    return specs.spec(id, id=id, title=id, kind=kind, files=[], crop=crop, **fields)


class Bright(Model):
    """Says how bright the middle row of what it is given is; notes what it is given."""

    def __init__(self, spec):
        super().__init__(spec)
        self.seen: list[tuple[int, ...]] = []

    def preprocess(self, picture):
        self.seen.append(np.shape(picture))
        return torch.tensor(np.asarray(picture, np.float32).mean() / 255 - 0.5)

    def forward(self, batch):
        return batch


class BrightClip(Bright):
    """The same of clips."""


SMALL = CropRecipe(kind="whole", size=32)
SPECS = {
    "whole": spec("whole", "image", SMALL),
    "large": spec("large", "image", CropRecipe(kind="whole", size=64, fit="cover", short=80)),
    "clips": spec("clips", "video", SMALL, clip_frames=FRAMES, clip_stride=STRIDE),
}


@pytest.fixture
def models(monkeypatch):
    made = {id: (BrightClip if s.kind == "video" else Bright)(s) for id, s in SPECS.items()}
    before = registry.load_model
    monkeypatch.setattr(registry, "choose", lambda ids: [SPECS[id] for id in ids])
    monkeypatch.setattr(
        registry, "load_model", lambda id, **more: made.get(id) or before(id, **more)
    )
    return made


def empty(number):
    """A frame without a face that grows brighter."""
    return np.full((120, 160, 3), min(255, 40 + 2 * number), np.uint8)


def test_everybody_gets_what_is_said_of_the_whole_picture(analyzer, face_clip, models):
    out = analyzer.analyze(face_clip, Settings(frames=3, models=["whole", "large"]))
    person, full_frame = out.subjects
    assert out.judged == [person] and person.modality is Modality.FACE
    assert not any(frame.logits for frame in person.frames)  # no face was fed to them
    assert full_frame.modality is Modality.FULL_FRAME and len(full_frame.frames) == 3
    assert all(set(frame.logits) == {"whole", "large"} for frame in full_frame.frames)
    # What they say is evidence about everybody in the picture.
    assert set(person.models) == {"whole", "large"}
    assert all(set(frame.scores) == {"whole", "large"} for frame in person.frames)
    assert not full_frame.answers and full_frame.probability is None
    assert models["whole"].seen == [(32, 32, 3)] * 3
    # The rest of the way from the shorter side to the middle is the model's own.
    assert models["large"].seen == [(80, 142, 3)] * 3
    assert [m.scored for m in out.models] == [3, 3]


def test_a_file_without_a_face_has_the_whole_picture(analyzer, make_clip, models):
    path = make_clip(size=(160, 120), seconds=3, picture=empty)
    out = analyzer.analyze(path, Settings(frames=4, models=["whole", "clips"]))
    (track,) = out.judged
    assert track.modality is Modality.FULL_FRAME and track.id == "full_frame"
    assert track.side is None and lead.name(track) == "The whole picture"
    assert {frame.quality.yaw for frame in track.frames} == {None}  # it is no face
    assert [face.box for face in track.frames] == [(0, 0, 160, 120)] * 4
    logits = [face.logits["whole"] for face in track.frames]
    assert logits == sorted(logits) and logits[0] < logits[-1]  # brighter and brighter
    (reason,) = out.verdict.reasons  # these models are not calibrated
    assert reason.code is ReasonCode.NO_FACE and "of the whole picture" in messages.text(reason)
    assert "face_size" not in {line.code for line in out.evidence}
    assert Analysis.model_validate_json(out.model_dump_json()) == out


def test_windows_slide_over_a_long_clip_by_frames_of_the_file(analyzer, make_clip, models):
    path = make_clip(size=(160, 120), seconds=8, fps=20, picture=empty)
    (track,) = analyzer.analyze(path, Settings(frames=8, models=["clips"])).judged
    assert len(track.spans) == 4
    for window in track.spans:
        # Eight frames, each the fourth of 20 a second.
        assert window.end - window.start == pytest.approx((FRAMES - 1) * STRIDE / 20, abs=1e-3)
    logits = [window.logits["clips"] for window in track.spans]
    assert logits == sorted(logits) and logits[0] < logits[-1]
    assert models["clips"].seen == [(FRAMES, 32, 32, 3)] * 4


def test_more_moments_more_windows(make_clip):
    path = make_clip(size=(160, 120), seconds=16, fps=20, picture=empty)
    info = media.probe(path)
    asked = Settings(frames=64)
    clips, options = [SPECS["clips"]], RunOptions()
    _, runs, unfit = plan(path, info, asked, clips, Event(), options)
    assert len(runs) == 8 and not unfit
    assert all(not run.anchors for run in runs)  # no face is searched for whole frames
    assert max(run.times[-1] for run in runs) <= 16


def test_a_short_clip_is_spread_over_one_window(analyzer, make_clip, models):
    path = make_clip(size=(160, 120), seconds=1, fps=25, picture=empty)
    out = analyzer.analyze(path, Settings(frames=4, models=["clips"]))
    (window,) = out.judged[0].spans  # too short for 8 frames, each the fourth
    assert window.start == pytest.approx(1 / 16, abs=1e-3)
    assert window.end == pytest.approx(15 / 16, abs=1e-3)


def test_a_model_is_never_fed_another_modality(models):
    results = {"whole": initial_results.result(SPECS["whole"])}
    stop = CancellationToken(Event())
    stage = ScoreStage([SPECS["whole"]], results, "cpu", Lock(), stop)
    span, crop = SpanSegment(start=0.0, end=1.0), np.zeros((32, 32, 3), np.uint8)
    for modality in (Modality.FACE, Modality.VOICE):
        with pytest.raises(ValueError, match="whole judges full_frame"):
            stage.submit(ScoreItem(modality, ("whole",), span, crop))
    stage.submit(ScoreItem(Modality.FULL_FRAME, ("whole",), span, crop))


@pytest.mark.parametrize(
    ("cores", "front", "at_once"), [(2, False, 2), (1, False, 1), (2, True, 2)]
)
def test_networks_score_side_by_side_and_each_in_order(monkeypatch, cores, front, at_once):
    running, most, order = set[str](), [0], dict[str, list[int]](first=[], second=[])

    class Slow(Bright):
        def score(self, batch):
            assert self.spec.id not in running, "a network is one thread's at a time"
            running.add(self.spec.id)
            most.append(len(running))
            time.sleep(0.08 if self.spec.id == "first" else 0.03)  # so that it is done last
            running.remove(self.spec.id)
            order[self.spec.id] += [int(item.flat[0]) for item in batch]
            return batch[:, 0, 0, 0].astype(float)

    entries = [spec(id, "image", SMALL) for id in order]
    made = {s.id: Slow(s) for s in entries}
    monkeypatch.setattr(scoring, "usable_cores", lambda: cores)
    monkeypatch.setattr(registry, "load_model", lambda id, **settings: made[id])
    results = {s.id: initial_results.result(s) for s in entries}
    stop = CancellationToken(Event())
    fronts = DynamicBatcher() if front else None
    stage = ScoreStage(entries, results, "cpu", Lock(), stop, fronts)
    segments = [SpanSegment(start=float(n), end=n + 1.0) for n in range(30)]
    for n, segment in enumerate(segments):
        picture = np.full((32, 32, 3), n, np.uint8)
        stage.submit(ScoreItem(Modality.FULL_FRAME, tuple(order), segment, picture, "batch"))
    stage.end()
    stage.work()
    assert max(most) == at_once
    assert order["first"] == order["second"] == list(range(30))
    assert [s.logits for s in segments] == [dict.fromkeys(order, float(n)) for n in range(30)]
    assert all(list(s.logits) == list(order) for s in segments)
    assert [results[id].scored for id in order] == [30, 30]


class Tones(Extractor):
    """A modality that is no picture: one subject, a span each half second, read beside frames."""

    modality, reads = Modality.VOICE, True

    def __init__(self, run):
        super().__init__(run)
        self._spans: list[SpanSegment] = []

    def read(self):
        for number in range(4):
            span = SpanSegment(start=number / 2, end=(number + 1) / 2)
            ids = tuple(spec.id for spec in self._run.specs)
            sound = np.full(100, number, np.float32)
            with self._run.lock:
                self._spans.append(span)
            self._run.submit(ScoreItem(Modality.VOICE, ids, span, sound))

    def expected(self):
        return len(self._spans)

    def subjects(self, *, partial):
        spans = [span.model_copy(deep=True) for span in self._spans if span.logits]
        return [
            Subject(
                id="voice-A", modality=Modality.VOICE, start=0.0, end=2.0, thumbnail_time=0.0,
                spans=spans,
            )
        ] if spans else []  # fmt: skip


class Loud(Bright):
    """Says how loud a sound is."""

    def score(self, batch):
        self.seen.append(batch.shape)
        return batch.mean(1)


def test_a_new_modality_is_an_extractor_and_a_line(analyzer, face_clip, monkeypatch):
    voice = spec("loud", "audio", CropRecipe(), task="voice", operating_point=0.5)
    model = Loud(voice)
    monkeypatch.setitem(EXTRACTORS, Modality.VOICE, Tones)
    monkeypatch.setattr(registry, "choose", lambda ids: [voice])
    monkeypatch.setattr(registry, "load_model", lambda id, **settings: model)
    out = analyzer.analyze(face_clip, Settings(frames=3, models=["loud"]))
    speaker = next(s for s in out.subjects if s.modality is Modality.VOICE)
    assert speaker in out.judged and lead.name(speaker) == "Speaker voice-A"
    assert [span.logits["loud"] for span in speaker.spans] == [0, 1, 2, 3]
    assert model.seen == [(1, 100)] * 4
    # It is answered at its spans, and the file by it: no face was scored.
    assert all(span.answers and span.score is not None for span in speaker.spans)
    assert speaker.models["loud"].logit == pytest.approx(1.5)
    assert out.verdict.subject == "voice-A" and out.verdict.probability is not None
    assert not any(frame.logits for s in out.subjects for frame in s.frames)
    assert Analysis.model_validate_json(out.model_dump_json()) == out
