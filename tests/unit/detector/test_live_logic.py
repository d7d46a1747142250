"""What the live engine decides by, without the engine: words, hints, alarms, pace, flow."""

from dataclasses import replace
from itertools import pairwise
from threading import Lock
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from detector import colors, live
from detector.decision import decide
from detector.isolation import Frame
from detector.live import rates, recapture
from detector.live.display import Alarms, LiveReadout, QualityMonitor
from detector.live.faces import FaceTracker, LiveFrame
from detector.live.pace import Pace
from detector.live.score_history import MAX_PEOPLE, MAX_SAMPLES, ScoreHistory
from detector.live.scoring import ClipCollector, LiveScorer
from detector.models import registry
from detector.models.base import CropRecipe
from detector.pipeline.modalities.face import FaceExtractor
from detector.pipeline.options import RunOptions
from detector.pipeline.windows import ClipShape, FrameWindow
from detector.presentation.live import scored
from detector.schema.analysis import FrameSegment, Label, Quality, ReasonCode, Settings
from tests.support.live_world import REAL, MadeDetector, picture


def sampled(history, time, logits, number=0):
    """One scored frame."""
    quality = Quality(width=160, sharpness=99, brightness=99, yaw=0, confidence=1)
    face = FrameSegment(index=0, time=time, box=(0, 0, 99, 99), quality=quality, logits=logits)
    history.add(time, {number: face})


def history_of(*models):
    return ScoreHistory([registry.get_spec(id) for id in models], live.LiveSettings(models))


def session_of(seconds, suspicious):
    """A session of one person, in which CLIP scores about once a second."""
    history = history_of("clip", "texture")
    for n in range(int(seconds * 16)):
        logit = suspicious(n / 16)
        sampled(history, n / 16, {"texture": logit} | ({} if n % 16 else {"clip": logit}))
    return history


@pytest.mark.parametrize("seconds", [2, 5, 20, 120])
def test_a_session_is_judged_as_it_was_shown_last(seconds):
    history = session_of(seconds, lambda t: 4.0 if t > seconds - 6 else -1.5)
    shown, kept = decide(history.recent()), decide(history.session())
    assert kept.verdict == shown.verdict and decide(kept).verdict == shown.verdict
    assert [m.counted for m in kept.models] == [m.counted for m in shown.models] == [True, True]
    (before,), (after,) = shown.judged, kept.judged
    assert (before.probability, before.label) == (after.probability, after.label)
    assert after.frames[0].time < 1 and after.frames[-1].time > seconds - 1
    assert len(kept.timestamps) <= MAX_SAMPLES


def test_a_long_session_keeps_the_scores_of_a_model_that_is_asked_seldom():
    history = session_of(120, lambda t: -1.0)
    (person,) = decide(history.session()).judged
    assert [frame.time for frame in person.frames if "clip" in frame.logits] == list(range(120))


def test_a_model_that_pauses_does_not_move_the_reading():
    """CLIP says 3, the other one -1; CLIP stops after 9 s."""
    history, shown = history_of("clip", "texture"), []
    for n in range(30 * 16):
        clip = {"clip": 3.0} if n % 16 == 0 and n < 9 * 16 else {}
        sampled(history, n / 16, {"texture": -1.0} | clip)
        if n > 8 * 16:
            shown.append((n / 16, decide(history.recent())))
    with_clip = next(d.verdict.probability for _, d in shown)
    # Its last score is 8 s old at 16 s, and is held for 8 s more.
    held = [d.verdict.probability for time, d in shown if time < 24]
    assert held == pytest.approx([with_clip] * len(held), abs=1e-6)
    gone = shown[-1][1]
    assert gone.verdict.probability != pytest.approx(with_clip, abs=0.05)
    kept = decide(history.session())
    assert kept.verdict == gone.verdict
    readout = LiveReadout(history.thresholds)
    readout.update(8.1, shown[0][1], too_slow=False)
    assert "Not in it" not in readout.now.text
    readout.update(29.9, gone, too_slow=False)
    assert "Not in it, for lack of a score in the last 16 s: Whole face." in readout.now.text


def test_a_first_reading_takes_three_seconds_and_every_model():
    for seconds, ids in ((2.5, {"clip", "texture"}), (6, {"texture"})):
        history = history_of("clip", "texture")
        for n in range(int(seconds * 16)):
            sampled(history, n / 16, dict.fromkeys(ids, 9.0) | ({} if n else {"clip": 9.0}))
        verdict = decide(history.recent()).verdict
        assert verdict.label is Label.INCONCLUSIVE
        assert verdict.vetoed_by is ReasonCode.TOO_FEW_FRAMES


def test_a_face_that_was_hidden_is_the_same_person(monkeypatch):
    monkeypatch.setattr(colors, "affinity", lambda a, b: 0.8)  # turned, or in other light
    for hidden, number in ((2.0, 0), (5.0, 1)):
        tracker = FaceTracker(MadeDetector(), 40)
        for time in (0.0, 0.5):
            tracker.search(REAL, time)
        for n in range(1, int(hidden * 2)):
            tracker.search(picture(), 0.5 + n / 2)
        (person,) = tracker.search(REAL, 0.5 + hidden)
        assert person.number == number


def test_who_comes_back_is_the_same_person():
    tracker = FaceTracker(MadeDetector(), 40)
    for second in range(40):  # away for half a minute
        tracker.search(picture() if 4 < second < 36 else REAL, float(second))
    (person,) = tracker.in_view()
    assert person.number == 0


def test_an_earring_is_no_person():
    """A face that the detector is never sure of has to be there most of the time."""

    class Unsure(MadeDetector):
        often = 1

        def detect(self, rgb, min_face):
            sure, unsure = super().detect(rgb, min_face)
            found = [sure, replace(unsure, confidence=0.9)]
            return found if self.looks % self.often == 0 else [sure]

    two = picture((40, 160, 0.0), (400, 160, 0.0))
    for often, people in ((1, 2), (3, 1)):
        detector = Unsure()
        detector.often = often
        tracker = FaceTracker(detector, 40)
        for n in range(60):
            tracker.search(two, n / 16)
            assert n > 16 or len(tracker.in_view()) == 1
        assert len(tracker.in_view()) == people


def test_a_slow_computer_says_so():
    monitor = QualityMonitor(0.0, 4)
    monitor.face_at = 10.0
    hints = monitor.hints(10.0, silent=0.0, rate=2.0, lag=3.0)
    assert [h.text for h in hints] == [
        "This computer scores 2.0 frames a second: the reading can lag by 3 s."
    ]
    assert monitor.hints(10.0, silent=3.0, rate=2.0, lag=3.0)[0].code is live.HintCode.NO_SIGNAL
    assert not monitor.hints(10.0, silent=0.0, rate=8.0, lag=1.0)


TITLES = {"clip": "CLIP", "texture": "Texture"}


def paced(rate, *, seconds, pace=None, start=0.0, clips=1.0, fps=25.0, in_view=True):
    """Frames of a camera, of which so many a second are scored; the state after each."""
    pace, states, due, clip_due = pace or Pace(), [], 0.0, 0.0
    for n in range(int(seconds * fps)):
        time = start + n / fps
        due, clip_due = due + rate(time) / fps, clip_due + clips / fps
        if due >= 1:
            due -= 1
            models = {"texture"} | ({"clip"} if clip_due >= 1 else set())
            clip_due %= 1
            pace.add_score(time, models)
        pace.add_frame(time, in_view=in_view, titles=TITLES)
        states.append(pace.slow)
    return pace, states


def changes(states):
    slow = [state is not None for state in states]
    return [after for before, after in pairwise([False, *slow]) if before is not after]


def test_too_few_scored_frames_are_too_slow_until_the_computer_catches_up():
    pace, states = paced(lambda t: 0.2 if t < 20 else 8.0, seconds=40)
    assert changes(states) == [True, False]
    said = states[15 * 25]
    assert said.scored in (1, 2) and said.seconds == pytest.approx(8, abs=0.1) and not said.model
    caught_up = next(n / 25 for n, state in enumerate(states) if n > 500 and state is None)
    assert 20 < caught_up < 28
    assert not pace.mostly_slow or pace.slow_seconds > 20
    assert pace.slow_seconds == pytest.approx(caught_up, abs=1)


@pytest.mark.parametrize("rate", [0.2, 0.9, 1.0, 1.1, 1.4, 8.0])
def test_too_slow_does_not_flicker(rate):
    def uneven(time):
        return rate * (1.3 if int(time) % 3 else 0.4)

    _, states = paced(uneven, seconds=60)
    assert len(changes(states)) <= 1


def test_a_model_that_scores_too_few_frames_is_named():
    _, states = paced(lambda t: 6.0, seconds=20, clips=0.15)
    assert states[-1].model == "CLIP" and states[-1].scored in (1, 2)
    assert scored(states[-1]) in ("CLIP scored 1 frame in 8 s.", "CLIP scored 2 frames in 8 s.")
    assert changes(states) == [True]
    assert not changes(paced(lambda t: 6.0, seconds=20, clips=0.6)[1])


def test_nobody_in_view_and_a_slow_camera_are_no_slow_computer():
    assert not changes(paced(lambda t: 0.0, seconds=20, in_view=False)[1])
    pace, states = paced(lambda t: 0.5, seconds=30, fps=0.5)
    assert not changes(states) and not pace.mostly_slow
    pace, states = paced(lambda t: 0.0, seconds=12)
    assert changes(states) == [True] and pace.mostly_slow
    _, states = paced(lambda t: 0.0, seconds=4, pace=pace, start=12.0, in_view=False)
    assert states[-1] is None, "who has left is not judged"


def filmed(rgb, pitch, angle):
    """A picture on a screen of red, green and blue bars."""
    side = rgb.shape[0]
    count = int(side / pitch) + 2
    screen = cv2.resize(rgb, (count, count), interpolation=cv2.INTER_AREA).astype(np.float32)
    bars = np.repeat(np.repeat(screen, 6, 0), 6, 1)
    for channel in range(3):
        lit = np.zeros(6, np.float32)
        lit[2 * channel : 2 * channel + 2] = 3
        bars[..., channel] *= np.tile(lit, count)
    bars *= np.tile(np.array([1.2] * 5 + [0], np.float32), count)[:, None, None]
    middle = bars.shape[0] / 2
    turn = cv2.getRotationMatrix2D((middle, middle), angle, pitch / 2)
    turn[:, 2] += side * 1.5 - middle
    seen = cv2.warpAffine(bars, turn, (side * 3, side * 3))
    seen = cv2.GaussianBlur(seen, (0, 0), 1.5)[1::3, 1::3]
    noise = np.random.default_rng(1).normal(0, 2, seen.shape)
    return (seen + noise).clip(0, 255).astype(np.uint8)


def test_a_filmed_screen_shows_and_a_face_does_not():
    from skimage import data

    portrait = np.ascontiguousarray(data.astronaut()[20:276, 90:346])
    assert recapture.stripes(portrait) < recapture.PEAK
    found = [
        recapture.stripes(filmed(portrait, pitch, angle))
        for pitch in (0.7, 1.1, 1.8)
        for angle in (2.0, 7.0)
    ]
    assert min(found) > recapture.PEAK, found
    assert recapture.stripes(portrait[:100, :100]) == 0.0  # too small to say


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_covered_lens_and_a_plain_slate_are_no_screen(level):
    flat = np.full((480, 640, 3), level, np.uint8)
    assert recapture.stripes(flat) < recapture.PEAK
    shaded = (flat * np.linspace(0.6, 1, 640)[:, None]).astype(np.uint8)
    assert recapture.stripes(shaded) < recapture.PEAK


def test_stripes_of_two_levels_show_on_a_plain_wall():
    wave = 2 * np.sin(np.arange(640) * 1.3 + np.arange(480)[:, None])
    striped = np.repeat((90 + wave)[..., None], 3, 2).astype(np.uint8)
    assert recapture.stripes(striped) > recapture.PEAK


def test_an_alarm_begins_and_ends_once():
    alarms = Alarms(seconds=3.0)
    means = [0.5] * 10 + [0.9] * 50 + [0.65, 0.9] * 10 + [0.5] * 40 + [0.9] * 20
    log = []
    for n, mean in enumerate(means):
        alarms.update_reading(n / 10, mean, 0.7)
        log.append(alarms.all)
    begun = [n for n in range(1, len(log)) if len(log[n]) > len(log[n - 1])]
    assert begun == [40]  # 3 s after the mean went above
    (alarm,) = alarms.all
    assert (alarm.start, alarm.end, alarm.peak) == (1.0, 8.0, 0.9) and alarm.number == 1


def test_people_who_pass_by_are_forgotten():
    history = history_of("texture")
    for n in range(300):
        sampled(history, float(n), {"texture": 1.0}, n // 2)
        face = history._samples[-1].frames[n // 2]
        history.add_thumbnail(n // 2, face, np.zeros((8, 8, 3), np.uint8))
    assert len(history.thumbnails()) <= MAX_PEOPLE + 1


def planned(share, faces=1, **costs):
    """A plan from what kinds of work took at the start; "clip" is asked once a second at most."""
    usual = {id: id == "clip" for id in costs if id not in ("search", "judge")}
    measured = rates.Rates(usual)
    for kind, seconds in costs.items():
        for n in range(rates.MEASURED + 4):
            measured.add(kind, seconds * (1 + n % 2) if n < rates.MEASURED else 0.0)
    return measured.plan(faces, share)


def test_the_first_frames_fix_what_is_scored():
    easy = {"search": 0.01, "judge": 0.004, "a": 0.003, "b": 0.003, "clip": 0.04}
    best = planned(1.4, **easy)
    # No more frames are searched than scored.
    assert 1 / best.score_every == pytest.approx(rates.BEST_SCORED)
    assert best.search_every == best.score_every
    assert best.model_every == {"a": 0, "b": 0, "clip": rates.SELDOM_SECONDS}
    # Ten times as slow: fewer frames are searched and scored, and what is planned fits.
    hard = {kind: 10 * seconds for kind, seconds in easy.items()}
    slow = planned(0.7, **hard)
    assert slow.score_every > best.score_every and slow.search_every > best.search_every
    scores = sum(hard[id] / (s or slow.score_every) for id, s in slow.model_every.items())
    scores += 0.04 / slow.score_every
    assert 0.1 / slow.search_every + scores <= 0.71
    # One slow model among quick ones scores fewer frames instead of holding up all.
    mixed = planned(1.0, search=0.01, judge=0.004, a=0.003, b=0.003, c=0.6)
    assert mixed.model_every["c"] > 10 * mixed.score_every and mixed.model_every["a"] == 0
    assert 1 / mixed.score_every == pytest.approx(rates.BEST_SCORED)
    # Work that needs little leaves the rest: 0.3 s a second of CLIP are not held back as a third.
    left = planned(1.4, search=0.016, judge=0.003, texture=0.031, clip=0.155)
    assert 1 / left.score_every == pytest.approx(rates.BEST_SCORED)
    # With more faces each frame takes more.
    assert planned(0.3, 8, **easy).score_every > planned(0.3, **easy).score_every
    # A model of few moments scores once a second, also where few frames are scored.
    for share in (1.4, 0.7, 0.2):
        plan = planned(share, **easy)
        assert 0.5 < plan.model_every["clip"] < 2, share
    # Where no frame is left out, nothing is.
    whole = planned(float("inf"), **hard)
    assert whole.search_every == 0 and whole.model_every == best.model_every


@pytest.mark.parametrize("fps", [2, 5, 16])
def test_a_seldom_model_keeps_its_pace_where_few_frames_are_scored(fps):
    """A busy computer scores fewer frames than its first, calm ones promised."""
    specs = {id: registry.get_spec(id) for id in ("texture", "clip")}
    load = {id: SimpleNamespace(spec=spec) for id, spec in specs.items()}.__getitem__
    history = history_of("clip", "texture")
    scorer = LiveScorer(history.results, Lock(), load, "mtcnn")
    schedule = rates.Schedule(model_every={"texture": 0.0, "clip": 1.0})
    for id in specs:
        scorer.load(id)
    due = []
    for n in range(20 * fps):
        frame = LiveFrame(np.zeros((8, 8, 3), np.uint8), n / fps, 0.0, schedule=schedule)
        due.append([spec.id for specs in scorer.take_turns(frame) for spec in specs])
    assert all("texture" in ids for ids in due)
    assert sum("clip" in ids for ids in due) == 20


def window_of_a_file(frames, shape, times):
    """What the extractor of faces hands over of one window."""
    items, windows = [], [FrameWindow(("clip",), shape.recipe, times)]
    run = Mock(options=RunOptions(), settings=Settings(rotate=90), timings={}, windows=windows)
    run.detector, run.submit, run.lock = MadeDetector(), items.append, Lock()
    run.frame_models.return_value = {}
    extractor = FaceExtractor(run)
    for rgb, shown_at in frames:
        extractor.frame(Mock(time=shown_at[0], rgb=rgb), shown_at, None)
    (item,) = items
    return item.data


def test_windows_of_a_camera_are_those_of_a_file():
    shape, at = ClipShape(16, 0.04, CropRecipe(size=48)), [n * 0.04 for n in range(44)]
    # One frame is missing: the one before it is shown for longer.
    shown = [at[n : n + 1 + (n == 22)] for n in range(44) if n != 23]
    frames = [(picture((40 + 9 * n, 160 + n % 7, 0.0)), tuple(t)) for n, t in enumerate(shown)]
    tracker, collector = FaceTracker(MadeDetector(), 40), ClipCollector(shape, ("clip",), "mtcnn")
    runs = []
    for rgb, (time, *_) in frames:
        runs += collector.add(Frame(0, time, rgb), tracker.search(rgb, time))
    ends = [round(span.end / 0.04) for _, span, _ in runs]
    assert ends == [15, 20, 25, 30, 35, 40]
    for (_, span, item), end in zip(runs, ends, strict=True):
        assert span.start == pytest.approx(at[end - 15])
        window = window_of_a_file(frames, shape, tuple(at[end - 15 : end + 1]))
        np.testing.assert_array_equal(item.data, window)
