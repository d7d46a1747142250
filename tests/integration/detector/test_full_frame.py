"""Models that judge whole pictures: in the pipeline, with people, without, and over time."""

import os
import time
from threading import Event, Lock

import numpy as np
import pytest
import torch

from detector import media
from detector.models import registry
from detector.models.base import CropRecipe, Model
from detector.pipeline import initial_results
from detector.pipeline.bounded_queue import CancellationToken
from detector.pipeline.modalities import EXTRACTORS, Extractor
from detector.pipeline.options import RunOptions
from detector.pipeline.planning import plan
from detector.pipeline.scoring import DynamicBatcher, ScoreItem, ScoreStage
from detector.schema.analysis import Analysis, Modality, ReasonCode, Settings, SpanSegment, Subject
from tests.support import specs

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
    "clips": spec("clips", "clip", SMALL, clip_frames=FRAMES, clip_stride=STRIDE),
}


@pytest.fixture
def models(monkeypatch):
    made = {id: (BrightClip if s.kind == "clip" else Bright)(s) for id, s in SPECS.items()}
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
    assert track.side is None and track.name == "The whole picture"
    assert {frame.quality.yaw for frame in track.frames} == {None}  # it is no face
    assert [face.box for face in track.frames] == [(0, 0, 160, 120)] * 4
    logits = [face.logits["whole"] for face in track.frames]
    assert logits == sorted(logits) and logits[0] < logits[-1]  # brighter and brighter
    (reason,) = out.verdict.reasons  # these models are not calibrated
    assert reason.code is ReasonCode.NO_FACE and "of the whole picture" in reason.text
    assert "Face size" not in {line.name for line in out.evidence}
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
    ("cores", "front", "at_once"), [(2, False, 2), (1, False, 1), (2, True, 1)]
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
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
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
    assert speaker in out.judged and speaker.name == "Speaker voice-A"
    assert [span.logits["loud"] for span in speaker.spans] == [0, 1, 2, 3]
    assert model.seen == [(1, 100)] * 4
    # It is answered at its spans, and the file by it: no face was scored.
    assert all(span.answers and span.score is not None for span in speaker.spans)
    assert speaker.models["loud"].logit == pytest.approx(1.5)
    assert out.verdict.subject == "voice-A" and out.verdict.probability is not None
    assert not any(frame.logits for s in out.subjects for frame in s.frames)
    assert Analysis.model_validate_json(out.model_dump_json()) == out
