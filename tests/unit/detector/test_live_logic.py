"""What the live engine decides by, without the engine: words, hints, alarms, pace, flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detector import live
from detector.live import optical_flow, recapture, schedule
from detector.live.hints import Alarms, QualityMonitor
from detector.live.hysteresis import EARLY, HOLD, LabelHysteresis, WindowVerdict
from detector.live.score_history import ScoreHistory
from detector.live.scoring import Scorer
from detector.models import registry
from detector.schema.analysis import Label, Thresholds
from tests.support.live_world import REAL, SIDE, MadeDetector, MadeModel, picture

LIMITS = Thresholds(low=0.3, high=0.7)


def said(probability: float, frames: int = 20) -> WindowVerdict:
    label = Label.FAKE if probability > 0.7 else Label.REAL if probability < 0.3 else None
    return WindowVerdict(label or Label.INCONCLUSIVE, probability, LIMITS, frames)


def test_a_word_is_left_only_beyond_the_slack() -> None:
    steady = LabelHysteresis(0.0)
    for n in range(40):
        steady.update(n / 10, said(0.9), None)
    assert steady.label is Label.FAKE and steady.since == pytest.approx(HOLD)
    for n in range(40, 100):
        steady.update(n / 10, said(0.68), None)  # below the threshold, by less than the slack
    assert steady.label is Label.FAKE
    for n in range(100, 140):
        steady.update(n / 10, said(0.6), None)
    assert steady.label is Label.INCONCLUSIVE


def test_the_early_way_needs_frames_and_time() -> None:
    steady = LabelHysteresis(0.0)
    for n in range(40):
        assert not steady.update(n / 10, said(0.1), said(0.1))
    assert steady.label is Label.REAL
    for n in range(40, 60):  # a slow computer: too few frames to go by
        assert not steady.update(n / 10, said(0.2), said(0.9, frames=3))
    early = [n / 10 for n in range(60, 80) if steady.update(n / 10, said(0.2), said(0.9))]
    assert early[0] == pytest.approx(6.0 + EARLY) and steady.label is Label.FAKE


def test_no_sign_is_taken_back_as_soon() -> None:
    steady = LabelHysteresis(0.0)
    for n in range(40):
        steady.update(n / 10, said(0.1), said(0.1))
    assert steady.label is Label.REAL
    early = [n / 10 for n in range(40, 50) if steady.update(n / 10, said(0.2), said(0.5))]
    assert early == [pytest.approx(4.0 + EARLY)] and steady.label is Label.INCONCLUSIVE
    # And on to suspicion, if it rises further.
    later = [n / 10 for n in range(50, 60) if steady.update(n / 10, said(0.5), said(0.9))]
    assert later and steady.label is Label.FAKE


def test_a_score_that_hovers_about_the_threshold_has_no_early_way() -> None:
    steady = LabelHysteresis(0.0)
    for n in range(300):
        mean = said(0.66 if n // 10 % 2 else 0.72)
        assert not steady.update(n / 10, mean, said(0.75))
    assert steady.label is Label.INCONCLUSIVE


def test_a_slow_computer_says_so() -> None:
    monitor = QualityMonitor(0.0, 4)
    monitor.note_face(10.0)
    hints = monitor.hints(10.0, silent=0.0, rate=2.0, lag=3.0)
    assert [h.text for h in hints] == [
        "This computer scores 2 frames a second: the reading can lag by 3 s."
    ]
    assert monitor.hints(10.0, silent=3.0, rate=2.0, lag=3.0)[0].code is live.HintCode.NO_SIGNAL
    assert not monitor.hints(10.0, silent=0.0, rate=8.0, lag=1.0)


def filmed(rgb: np.ndarray, pitch: float, angle: float, blur: float = 0.5) -> np.ndarray:
    """A picture on a screen of red, green and blue bars, sampled by a camera that is turned a bit.

    `pitch` is how many px of the camera a px of the screen takes.
    """
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
    seen = cv2.GaussianBlur(seen, (0, 0), 3 * blur)[1::3, 1::3]
    noise = np.random.default_rng(1).normal(0, 2, seen.shape)
    return (seen + noise).clip(0, 255).astype(np.uint8)


def test_a_filmed_screen_shows_and_a_face_does_not() -> None:
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
def test_a_covered_lens_and_a_plain_slate_are_no_screen(level: int) -> None:
    flat = np.full((480, 640, 3), level, np.uint8)
    assert recapture.stripes(flat) < recapture.PEAK
    shaded = (flat * np.linspace(0.6, 1, 640)[:, None]).astype(np.uint8)
    assert recapture.stripes(shaded) < recapture.PEAK


def test_stripes_of_two_levels_show_on_a_plain_wall() -> None:
    wave = 2 * np.sin(np.arange(640) * 1.3 + np.arange(480)[:, None])
    striped = np.repeat((90 + wave)[..., None], 3, 2).astype(np.uint8)
    assert recapture.stripes(striped) > recapture.PEAK


def test_an_alarm_begins_and_ends_once() -> None:
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


def test_people_who_pass_by_are_forgotten() -> None:
    from detector.live.score_history import MAX_PEOPLE
    from detector.schema.analysis import FrameSegment, Quality

    ledger = ScoreHistory([registry.get_spec("texture")], live.LiveSettings(("texture",), "x", 40))
    quality = Quality(width=99, sharpness=99, brightness=99, yaw=0, confidence=1)
    for n in range(300):
        face = FrameSegment(
            index=0, time=n, box=(0, 0, 99, 99), quality=quality, logits={"texture": 1}
        )
        ledger.add(float(n), {n // 2: face})
        ledger.add_thumbnail(n // 2, face, np.zeros((8, 8, 3), np.uint8))
    assert len(ledger.thumbnails()) <= MAX_PEOPLE + 1


def costs(**seconds: float) -> schedule.Costs:
    made = schedule.Costs()
    for kind, value in seconds.items():
        made.add(kind.replace("_", ":"), value)
    return made


def test_the_pace_follows_what_work_costs() -> None:
    models = ["a", "b"]
    easy = costs(detect=0.01, follow=0.001, judge=0.004, model_a=0.003, model_b=0.003, clip=0.06)
    best = schedule.plan(easy, models, share=1.4, fps=25)
    assert 1 / best.score_every == schedule.BEST_SCORED and best.detect_every == 1
    assert best.coarser == 1.0 and best.follow_every == 0.0
    half = schedule.plan(easy, models, share=0.2, fps=25)
    assert 4 < 1 / half.score_every < schedule.BEST_SCORED
    # Ten times as slow: fewer frames, faces searched more coarsely, flow in fewer frames.
    hard = costs(detect=0.1, follow=0.01, judge=0.04, model_a=0.03, model_b=0.03, clip=0.6)
    slow = schedule.plan(hard, models, share=0.7, fps=25)
    assert slow.coarser > 1 and slow.score_every > best.score_every
    assert slow.follow_every >= 0.0 and slow.clip_every > best.clip_every
    # What is planned fits.
    per_frame = 0.1 / slow.coarser**2 / slow.detect_every + 0.04 + 0.06
    assert per_frame / slow.score_every + 0.6 / slow.clip_every <= 0.71
    # One slow model among quick ones scores fewer frames instead of holding up all.
    mixed = costs(detect=0.01, judge=0.004, model_a=0.003, model_b=0.003, model_c=0.6)
    pace = schedule.plan(mixed, ["a", "b", "c"], share=1.0, fps=25)
    assert pace.model_every["c"] > 10 and pace.model_every["a"] == 1
    assert 1 / pace.score_every >= schedule.LIVELY
    # What it costs decides how often: light ones keep the best rate as long as that is enough.
    models = ["clip", "clip-generated", "texture", "meso4-df"]
    heavy = costs(detect=0.005, judge=0.004, model_texture=0.006)
    for id, cost in {"clip": 0.04, "meso4-df": 0.006, "clip-generated": 1e-6}.items():
        heavy.add(f"model:{id}", cost)
    assert schedule.plan(heavy, models, 1.4, 25).model_every["clip"] == 1
    tight = schedule.plan(heavy, models, 0.7, 25)
    assert tight.model_every["clip"] == 2 and tight.model_every["texture"] == 1
    assert 1 / tight.score_every >= 0.99 * schedule.BEST_SCORED
    less = schedule.plan(heavy, models, 0.2, 25)
    assert less.model_every["clip"] == schedule.SELDOM
    # And when the machine is free again, faces are searched finely again.
    free = schedule.plan(costs(detect=0.002, judge=0.004), models, 1.4, 25, coarser=3.0)
    assert free.coarser == 2.0


def test_models_of_one_network_score_the_same_frames() -> None:
    """Else the one that is asked oftener would run it again. The line under the picture says so."""
    looks: list[str] = []
    specs = {id: registry.get_spec(id) for id in ("clip", "clip-generated", "texture")}
    models = {id: MadeModel(spec, lambda id=id: looks.append(id)) for id, spec in specs.items()}
    scorer = Scorer(models, "mtcnn", schedule.Costs())
    pace = schedule.Schedule(model_every={"clip": 2, "clip-generated": 1, "texture": 1})
    assert scorer.every(pace) == {"clip": 2, "clip-generated": 2, "texture": 1}
    (face,) = MadeDetector().detect(REAL, 40)
    scored = [set(scorer.frame(REAL, {1: face}, pace)[0][1]) for _ in range(3)]
    assert scored == [set(specs), {"texture"}, set(specs)]
    assert looks == ["clip", "texture", "texture", "clip", "texture"]


def test_a_failed_network_is_named_by_all_its_models() -> None:
    def broken() -> None:
        raise RuntimeError

    ids = ("clip", "clip-generated", "texture")
    models = {
        id: MadeModel(registry.get_spec(id), broken if id == "clip" else lambda: None) for id in ids
    }
    scorer = Scorer(models, "mtcnn", schedule.Costs())
    (face,) = MadeDetector().detect(REAL, 40)
    logits, _ = scorer.frame(REAL, {1: face}, schedule.Schedule())
    assert set(scorer.failed) == {"clip", "clip-generated"} and set(logits[1]) == {"texture"}


def test_flow_follows_a_face_and_says_when_it_is_lost() -> None:
    before = optical_flow.FlowFrame.of(picture((240, 160, 0.0)))
    face = MadeDetector().detect(picture((240, 160, 0.0)), 40)
    (moved,) = optical_flow.track_faces(
        before, optical_flow.FlowFrame.of(picture((252, 154, 0.0))), face
    )
    assert moved is not None
    assert np.allclose(moved.box, (252, 154, 252 + SIDE, 154 + SIDE), atol=1.5)
    assert np.allclose(np.subtract(moved.landmarks, face[0].landmarks), (12, -6), atol=1.5)
    assert optical_flow.track_faces(before, optical_flow.FlowFrame.of(picture()), face) == [None]
