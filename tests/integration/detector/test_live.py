"""The live engine: frames in, states out, of made faces and models in virtual time."""

import io
import json
import threading
import time
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pypdf
import pytest
import torch

from cli import main
from cli.live import _Console
from detector import live, media, messages
from detector.decision import decide
from detector.decision.session import LEAST, WINDOW
from detector.errors import MediaError, ModelError, UsageError
from detector.live import rates, recapture
from detector.live.display import MAX_TIMES
from detector.live.lines import ScoredFrameLines
from detector.live.score_history import MAX_SAMPLES
from detector.live.worker import WorkerGroup
from detector.media.stream import Stream
from detector.models import registry
from detector.models.base import Model
from detector.presentation import live as said
from detector.presentation.verdict import headline as headline_of
from detector.schema.analysis import Analysis, Label, Modality, Side, Thresholds
from detector.vision.boxes import STROKES
from tests.conftest import write_clip
from tests.support.links import PRIVATE, serving
from tests.support.live_world import FAKE, REAL, SIDE, MadeDetector, MadeModel, made, picture
from tests.support.waiting import PATIENT, Clock, until

FPS = 25.0


@pytest.fixture(autouse=True)
def says_no_sign(monkeypatch):
    """Thresholds under which every word can be said, whatever ships today."""
    limits = Thresholds(low=0.3, high=0.8)
    known = registry.manifest()
    fits = {
        kind: fit.model_copy(update={"thresholds": limits})
        for kind, fit in known.likelihoods.items()
    }
    patched = known.model_copy(update={"likelihoods": fits})
    monkeypatch.setattr(registry, "manifest", lambda: patched)


class MadeEngine(live.LiveEngine):
    """Made faces and models, these ones where a session names none, and no threads."""

    def __init__(self, *models, load=None, **options):
        given = {"threaded": False, "detector": MadeDetector(), "load": load or made()} | options
        super().__init__(**given)
        self._made = models

    def open(self, settings=None):
        settings = settings or live.LiveSettings()
        return super().open(replace(settings, models=settings.models or self._made))


@pytest.fixture
def engine():
    """Made faces and models, no threads, a clock that follows the frames."""
    engine = MadeEngine("texture", "clip", clock=Clock())
    yield engine
    engine.close()


def feed(engine, session, seconds, frame, start=0.0):
    """Push frames of some seconds and do the work; the state after each."""
    states = []
    for n in range(int(seconds * FPS)):
        t = start + n / FPS
        engine._clock.now = t
        session.push(frame(t) if callable(frame) else frame, t)
        engine.drain()
        states.append(session.state)
    return states


def words(states):
    """The words in order, without repeats."""
    said = [state.reading.label for state in states]
    return [label for i, label in enumerate(said) if i == 0 or said[i - 1] is not label]


def test_a_switch_changes_the_label_within_the_window(engine):
    states = feed(engine, engine.open(), 18, lambda t: REAL if t < 8 else FAKE)
    early, unsure = Label.NOT_APPLICABLE, Label.INCONCLUSIVE
    assert words(states) == [early, unsure, Label.REAL, unsure, Label.FAKE]
    first = next(s.time for s in states if s.reading.label is Label.FAKE)
    assert 8.0 < first <= 8.0 + WINDOW
    after = [s for s in states if s.time > first + 0.2]
    assert all(s.reading.probability > s.reading.thresholds.high for s in after)
    assert all(face.label is Label.FAKE for s in after for face in s.faces)


def test_a_first_label_takes_three_seconds(engine):
    states = feed(engine, engine.open(), 5, FAKE)
    first = next(s.time for s in states if s.reading.label is Label.FAKE)
    assert LEAST <= first <= LEAST + 0.2
    waiting = [s.reading for s in states if 0.7 < s.time < LEAST]
    assert all(r.label is Label.INCONCLUSIVE and r.text.startswith("Looking.") for r in waiting)


def test_scores_that_jump_from_frame_to_frame_change_no_word(engine):
    session = engine.open()
    jumping = [picture((240, 160, s)) for s in (-1.0, 1.0)]
    states = feed(engine, session, 9, lambda t: jumping[round(t * FPS) // 7 % 2])
    assert words(states) == [Label.NOT_APPLICABLE, Label.INCONCLUSIVE]


def test_somebody_new_who_is_manipulated_is_named_as_soon(engine):
    session = engine.open()
    other = picture((400, 200, 1.0))
    other[204:360, 400:560, 1] //= 2  # colors of another person
    states = feed(engine, session, 9, lambda t: REAL if t < 5 else other)
    at = {round(s.time, 2): s for s in states}
    assert at[5.96].reading.label is Label.INCONCLUSIVE
    assert at[8.96].reading.label is Label.FAKE and at[8.96].reading.person == "B"
    assert [(face.id, face.label) for face in at[8.96].faces] == [("B", Label.FAKE)]


@pytest.mark.parametrize("gone", [0.0, 4.0], ids=["there", "gone before the end"])
@pytest.mark.parametrize("seconds", [2.0, 7.0, 20.0])
def test_the_record_says_what_was_shown_last(engine, seconds, gone):
    session = engine.open()
    # Untouched, but for the last seconds.
    states = feed(
        engine, session, seconds, lambda t: picture((240, 160, 0.7 if t > seconds - 6 else -0.8))
    )
    feed(engine, session, gone, picture(), start=seconds)
    shown, kept = states[-1].reading, session.finish()
    assert decide(kept).verdict == kept.verdict
    assert (shown.label, shown.question) == (kept.verdict.label, kept.verdict.question)
    assert shown.probability == pytest.approx(kept.verdict.probability, abs=1e-6)
    assert shown.thresholds == kept.verdict.thresholds
    assert [face.id for face in states[-1].faces] == [one.id for one in kept.judged] == ["A"]
    assert kept.judged[0].end > seconds - 0.2 and kept.judged[0].start == 0


def feed_slowly(engine, session, seconds, frame, *, every, start=0.0):
    """Push frames to a computer that handles one only each `every` s; the state after each."""
    session._display._drop_frames = True  # the pace counts, as with workers
    states, free = [], start
    for n in range(int(seconds * FPS)):
        t = start + n / FPS
        engine._clock.now = t
        session.push(frame, t)
        if t >= free:
            engine.drain()
            free = t + every
        states.append(session.state)
    return states


def test_a_session_that_is_too_slow_has_no_label(engine):
    session = engine.open()
    engine.drain()
    states = feed_slowly(engine, session, 30, FAKE, every=3.0)
    slow = [s for s in states if s.reading.too_slow]
    assert slow[0].time < 7 and len(slow) == sum(s.time >= slow[0].time for s in states)
    for state in slow:
        assert state.reading.label is Label.NOT_APPLICABLE and state.reading.probability is None
        assert all(
            said.of_face(face) == "Too slow" and face.probability is None for face in state.faces
        )
        assert [hint.code for hint in state.hints if hint.blocking] == [live.HintCode.TOO_SLOW]
    assert said.of_reading(slow[-1].reading) == "Too slow here: don’t rely on this session"
    assert slow[-1].reading.text in ("2 frames in 8 s were scored.", "3 frames in 8 s were scored.")
    assert not slow[-1].alarms
    kept = session.finish()
    assert (
        headline_of(kept) == said.of_reading(slow[-1].reading)
        and kept.verdict.label is Label.NOT_APPLICABLE
    )
    assert kept.verdict.probability is None and kept.judged[0].label is Label.NOT_APPLICABLE
    assert kept.verdict.reasons[0].code == "too_slow"
    again = Analysis.model_validate_json(kept.model_dump_json())
    assert decide(again).verdict == kept.verdict

    states = feed(engine, session, 10, FAKE, start=30.0)
    cleared = next(s.time for s in states if not s.reading.too_slow)
    assert cleared < 36
    assert all(not s.reading.too_slow for s in states if s.time > cleared)
    assert states[-1].reading.label is Label.FAKE
    assert session.finish().media.too_slow is not None, "most of it was too slow"
    feed(engine, session, 40, FAKE, start=40.0)
    assert session.finish().verdict.label is Label.FAKE, "most of it was not"


def test_lines_of_json_say_that_it_is_too_slow(engine):
    session, lines = engine.open(), ScoredFrameLines()
    engine.drain()
    written = [x for s in feed_slowly(engine, session, 12, FAKE, every=5.0) for x in lines.new(s)]
    (first,) = [line for line in written if line["score"] is None]
    assert first["label"] == "NOT_APPLICABLE" and first["mean"] is None
    assert first["too_slow"]["headline"] == "Too slow here: don’t rely on this session"
    assert first["too_slow"]["scored"] == 1 and first["too_slow"]["text"].startswith("1 frame in")
    assert all(line["mean"] is None for line in written if line["time"] > first["time"])
    assert json.loads(json.dumps(written)) == written


class Contrary(MadeModel):
    """Says the contrary of what the tint says."""

    def log_odds_of(self, wanted):
        return -wanted


@pytest.mark.parametrize(
    "people",
    [[(240, 160, -0.4)], [(240, 160, 0.3)], [(40, 160, -0.5), (400, 160, 0.6)]],
    ids=["untouched", "suspicious", "two"],
)
def test_box_and_card_say_one_number_of_one_face(people):
    def load(id):
        return (Contrary if id == "clip-generated" else MadeModel)(registry.get_spec(id))

    engine = MadeEngine("texture", "clip-generated", load=load, clock=Clock())
    states = feed(engine, engine.open(), 6, picture(*people))
    engine.close()
    read = [s for s in states if s.reading.probability is not None]
    assert len(read) > 50
    for state in read:
        (face,) = [f for f in state.faces if f.id == (state.reading.person or state.faces[0].id)]
        alone = state.reading.alone if state.reading.person else state.reading.probability
        assert face.probability == alone
        assert face.question is state.reading.question
    assert read[-1].series[-1].mean == read[-1].reading.probability


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda rgb: (rgb // 12).astype(np.uint8), live.HintCode.TOO_DARK),
        (lambda rgb: (rgb.astype(int) + 170).clip(0, 255).astype(np.uint8), "too_bright"),
        (lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 9), live.HintCode.TOO_BLURRED),
    ],
    ids=["dark", "bright", "blurred"],
)
def test_a_poor_picture_is_named_and_not_judged(engine, change, code):
    def poor(rgb):
        changed = change(rgb)
        changed[160:164, 240:244] = (255, 0, 255)
        return changed

    state = feed(engine, engine.open(), 3, poor(REAL))[-1]
    assert [hint.code for hint in state.hints] == [code] and state.hints[0].blocking
    assert state.faces[0].label is Label.NOT_APPLICABLE and state.faces[0].probability is None
    assert state.rates.scored == 0 and state.reading.probability is None
    assert state.reading.text == state.hints[0].text


def test_where_no_face_ever_came_the_reading_says_so(engine):
    states = feed(engine, engine.open(), 6, lambda t: picture() if t < 4 else REAL)
    at = {round(s.time, 2): s.reading for s in states}
    assert at[1.0].text == "Starting."
    assert at[2.4].label is at[3.8].label is Label.NOT_APPLICABLE
    assert at[2.4].text == at[3.8].text and at[2.4].text.startswith("No face in view.")
    assert at[2.4].since == at[3.8].since
    assert at[5.8].probability is not None


def test_no_face_for_two_seconds_is_said_and_ends_the_reading(engine):
    session = engine.open()
    empty = picture()
    states = feed(engine, session, 12, lambda t: REAL if t < 4 or t > 9 else empty)
    at = {round(s.time, 2): s for s in states}
    assert [h.code for h in at[5.8].hints] == []
    assert [h.code for h in at[6.2].hints] == [live.HintCode.NO_FACE]
    assert at[6.4].reading.label is Label.NOT_APPLICABLE and at[6.4].faces == ()
    assert "No face" in at[6.4].reading.text
    assert at[9.6].reading.label is Label.REAL and at[9.6].faces[0].id == "A"  # the same person
    gap = [a for a in states[-1].alarms if a.kind == "no_face"]
    assert len(gap) == 1 and gap[0].start == pytest.approx(4, abs=0.2)
    assert gap[0].end == pytest.approx(9, abs=0.5)
    assert any(dot.score is None for dot in states[-1].series)


def test_more_faces_than_are_judged_are_counted(engine):
    crowd = [(20 + 200 * i, 20 + 180 * j, -1.0) for i in range(3) for j in range(2)]
    state = feed(engine, engine.open(live.LiveSettings(most_faces=4)), 2, picture(*crowd))[-1]
    hint = next(h for h in state.hints if h.code is live.HintCode.TOO_MANY)
    assert hint.text.startswith("6 faces are in view; the 4 largest") and not hint.blocking
    assert len(state.faces) == 6
    assert sum(face.probability is not None for face in state.faces) == 4


def test_people_are_told_apart_and_the_most_suspicious_comes_first(engine):
    state = feed(engine, engine.open(), 5, picture((40, 160, -1.0), (400, 160, 1.0)))[-1]
    assert [face.id for face in state.faces] == ["B", "A"]
    assert state.faces[0].label is Label.FAKE and state.faces[1].label is Label.REAL
    assert state.reading.person == "B"


def test_a_filmed_screen_is_a_condition_that_is_said(engine, monkeypatch):
    monkeypatch.setattr(recapture, "stripes", lambda rgb: recapture.PEAK + 1)
    session = engine.open()
    state = feed(engine, session, 6, FAKE)[-1]
    assert state.hints[0].code is live.HintCode.RECAPTURE and state.hints[0].blocking
    # It can't be judged, so nothing is said of it: not in the record either.
    assert state.reading.label is Label.NOT_APPLICABLE and "screen" in state.reading.text
    assert not [a for a in state.alarms if a.kind == "manipulated"]
    assert session.finish().verdict.label is Label.NOT_APPLICABLE
    # Windows of a screen have such patterns themselves.
    unasked = engine.open(live.LiveSettings(screen=True))
    assert feed(engine, unasked, 6, FAKE)[-1].reading.label is Label.FAKE


def test_a_raised_alarm_ends_with_the_session(engine):
    session = engine.open(live.LiveSettings(alarm_above=0.6, alarm_seconds=1.0))
    states = feed(engine, session, 6, FAKE)
    assert states[-1].alarms[0].end is None and states[-1].alarms[0].kind == "manipulated"
    session.close()
    assert session.state.alarms[0].end == pytest.approx(states[-1].time)
    (note,) = session.finish().media.notes
    assert note.startswith("Alarm from 00:03 to 00:06: a likelihood of up to 9")


def test_no_alarm_is_raised_by_what_may_decide_nothing(engine):
    def load(id):
        if id == "clip":
            raise ModelError("CLIP is not on this computer.")
        return MadeModel(registry.get_spec(id))

    engine._load = load
    state = feed(engine, engine.open(live.LiveSettings(alarm_above=0.2)), 8, FAKE)[-1]
    assert state.reading.probability > 0.8 and state.reading.label is Label.INCONCLUSIVE
    assert state.reading.text.startswith("Too few models") and not state.alarms


def test_a_threshold_that_nobody_measured_or_chose_raises_no_alarm(engine):
    def watched(above):
        settings = live.LiveSettings(models=("texture",), alarm_above=above)
        return feed(engine, engine.open(settings), 7, FAKE)[-1]

    assert watched(None).reading.label.side is Side.FAKE and not watched(None).alarms
    assert [alarm.kind for alarm in watched(0.9).alarms] == ["manipulated"]


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("unmask-live")]


class Waiting(MadeDetector):
    """Searches when it may."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def detect(self, rgb, min_face):
        found = super().detect(rgb, min_face)
        self.go.wait(PATIENT)
        return found


def test_push_never_waits_and_the_newest_frame_wins():
    detector = Waiting()
    engine = MadeEngine("texture", "clip", threaded=True, detector=detector)
    try:
        session = engine.open()
        until(lambda: session.state.ready)
        session.push(REAL, 0.0)
        until(lambda: detector.looks == 1)
        for n in range(1, 201):
            session.push(REAL, n / FPS)
        rates = session.state.rates
        assert rates.scored == rates.looked == 0  # the search goes on: nobody waited for it
        assert rates.pushed == 201
        assert rates.dropped == 199  # all but the one that is searched and the one that waits
        detector.go.set()
        until(lambda: session.state.rates.looked == 2)
        assert session.state.faces[0].time == 200 / FPS
    finally:
        detector.go.set()
        engine.close()
    assert not workers()


def test_viewers_are_isolated_and_share_the_models():
    loads: list[str] = []

    def load(id):
        loads.append(id)
        return shared.setdefault(id, made()(id))

    shared: dict[str, Model] = {}
    engine = MadeEngine("texture", "clip", load=load)
    one, two = engine.open(), engine.open(live.LiveSettings(name="Two"))
    engine.drain()
    for n in range(int(5 * FPS)):
        one.push(REAL, n / FPS)
        two.push(FAKE, 100 + n / FPS)
        engine.drain()
    assert one.state.reading.label is Label.REAL and two.state.reading.label is Label.FAKE
    assert one.finish().media.name == "Live session" and two.finish().media.name == "Two"
    assert two.finish().judged[0].frames[0].time == 0.0  # from its own first frame
    assert set(shared) == {"texture", "clip"} and len(loads) == 4
    one.close()
    two.push(FAKE, 200.0)
    engine.drain()
    assert two.state.time == 200.0 and engine.sessions == 1
    engine.close()


def test_a_turn_has_no_helpers_once_one_before_it_has_loaded_torch():
    threads: list[int] = []

    def work():
        threads.append(torch.get_num_threads())
        torch.set_num_threads(4)  # as who imports it finds it
        return len(threads) < 2

    before, worker = torch.get_num_threads(), WorkerGroup(work, threaded=True)
    worker.wake()
    until(lambda: len(threads) == 2)
    worker.close()
    worker.join()
    torch.set_num_threads(before)
    assert threads == [1, 1]


def test_closing_frees_threads_frames_and_places():
    engine = MadeEngine("texture", threaded=True)
    session = engine.open()
    until(lambda: session.state.ready)
    for n in range(50):
        session.push(REAL, n / FPS)
        time.sleep(0.002)
    until(lambda: session.state.rates.scored > 0)
    assert len(workers()) == 4
    session.close()
    session.close()
    until(lambda: not workers())
    session.push(FAKE, 99.0)
    assert session.state.time < 99.0 and not session.busy
    assert session.finish().judged  # what was scored is kept
    engine.close()


def test_a_crash_in_a_model_leaves_the_others(engine, caplog):
    class Broken(MadeModel):
        def score(self, batch):
            raise RuntimeError("broken")

    known = engine._load
    engine._load = lambda id: Broken(registry.get_spec(id)) if id == "texture" else known(id)
    session = engine.open(live.LiveSettings(models=("texture", "clip", "clip-generated")))
    state = feed(engine, session, 3, REAL)[-1]
    assert "Texture of the face takes no part" in next(
        h.text for h in state.hints if h.code is live.HintCode.MODEL_FAILED
    )
    states = {m.id: m for m in session.finish().models}
    assert not states["texture"].counted and states["texture"].scored == 0
    assert states["clip"].counted and states["clip"].scored == 4
    failed = {m.id: bool(m.error) for m in states.values()}
    assert failed == {"texture": True, "clip": False, "clip-generated": False}


def test_a_model_that_is_not_here_is_named(engine):
    def load(id):
        raise ModelError(f"{id} is not on this computer.")

    engine._load = load
    session = engine.open()
    feed(engine, session, 1, REAL)
    models = session.finish().models
    assert not any(m.counted for m in models)
    assert [m.error for m in models] == [
        "texture is not on this computer.",
        "clip is not on this computer.",
    ]
    with pytest.raises(UsageError, match="no model"):
        engine.open(live.LiveSettings(models=("nosuch",)))


def test_what_is_no_frame_is_refused(engine):
    session = engine.open()
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8"):
            session.push(wrong, 0.0)
    with pytest.raises(ValueError, match="at most"):
        session.push(np.zeros((2, 5000, 3), np.uint8), 0.0)
    with pytest.raises(UsageError, match="nothing to keep"):
        session.finish()
    session.push(REAL, 1.0)
    session.push(REAL, 0.5)  # from the past
    assert session.state.rates.pushed == 1


def test_memory_is_flat(engine):
    session = engine.open()
    small = picture((20, 20, 0.0), size=(200, 200))
    for minute in range(2):
        feed(engine, session, 10, small, start=100.0 * minute)
    ledger, state = session._display.history, session.state
    # What is older than a minute is gone.
    assert state.series[0].time >= 100.0 and len(state.series) <= 10.1 * rates.BEST_SCORED
    assert sum(map(len, session._display.rates._events.values())) <= 4 * MAX_TIMES
    assert len(ledger._samples) <= MAX_SAMPLES


def test_whole_pictures_are_not_asked_about_live():
    ids = ["texture", "univfd_clip_l14"]
    engine = MadeEngine(*ids)
    session = engine.open(live.LiveSettings(models=ids))
    engine.drain()
    session.push(picture((40, 100, -1.0)), 0.0)
    engine.drain()
    out = session.finish()
    engine.close()
    assert {s.modality for s in out.subjects} <= {Modality.FACE}
    (why,) = [m.not_counted_because or m.error for m in out.models if m.id != "texture"]
    assert why == "it judges no faces"


def test_boxes_move_between_searches(engine):
    session = engine.open()
    moving = [picture((100 + 4 * n, 160, 0.0)) for n in range(75)]
    states = feed(engine, session, 3, lambda t: moving[round(t * FPS)])
    looked, searched = states[-1].rates.looked, engine._detector.looks
    assert looked == searched == 75
    for state in states[10:]:
        (face,) = state.faces
        assert face.box[0] == pytest.approx(100 + 4 * round(state.time * FPS), abs=3)
    assert states[-1].faces[0].velocity[0] == pytest.approx(100, rel=0.2)


def test_the_overlay_says_each_label_by_more_than_color(engine, monkeypatch):
    state = feed(engine, engine.open(), 5, FAKE)[-1]
    for label in Label:  # a picture in grey
        monkeypatch.setitem(STROKES, label, (200, 200, 200))
    drawn = {}
    for label in Label:
        face = replace(state.faces[0], label=label, problem=None)
        drawn[label] = live.draw(FAKE, replace(state, faces=(face,)), time=state.time)
        assert drawn[label].shape == FAKE.shape and (drawn[label] != FAKE).any()
    x0, _, x1, y1 = (round(edge) for edge in state.faces[0].box)
    edges = {label: (p[y1 - 2, x0:x1] == 200).all(-1).mean() for label, p in drawn.items()}
    assert edges[Label.FAKE] == 1.0
    assert 0.6 < edges[Label.REAL] < 0.8  # long dashes
    assert 0.2 < edges[Label.INCONCLUSIVE] < 0.4  # dots
    assert edges[Label.NOT_APPLICABLE] < 0.1  # thin: it ends above this line
    assert (picture((240, 160, 1.0)) == FAKE).all()  # the frame itself is not drawn on


def test_the_overlay_mirrors_scales_and_is_quick(engine):
    state = feed(engine, engine.open(), 4, picture((100, 160, 1.0)))[-1]
    frame = picture((100, 160, 1.0))
    mirrored = live.draw(frame, state, time=state.time, mirror=True)
    orange = np.array(STROKES[state.faces[0].label])
    columns = np.nonzero((mirrored == orange).all(-1)[160 + SIDE - 2])[0]
    assert columns.min() == pytest.approx(640 - 100 - SIDE, abs=2)
    double = live.draw(np.repeat(np.repeat(frame, 2, 0), 2, 1), state, time=state.time)
    columns = np.nonzero((double == orange).all(-1)[2 * (160 + SIDE) - 3])[0]
    assert columns.min() == pytest.approx(200, abs=3)
    # A narrow face has a small label, which spares who is beside it.
    white, plates = np.full_like(frame, 255), []
    for wide in (50, 90):
        face = replace(state.faces[0], box=(300.0, 200.0, 300.0 + wide, 300.0))
        drawn = live.draw(white, replace(state, faces=(face,)), time=state.time)
        plates.append((drawn[:198] != 255).any(-1).sum())
    assert plates[0] < 0.7 * plates[1]
    took = []
    for _ in range(40):
        begun = time.thread_time()  # what it took from this thread, not from a busy machine
        live.draw(frame, state, time=state.time)
        took.append(time.thread_time() - begun)
    assert min(took) < 0.002
    # A box at the edge, a frame without faces, and one from long ago.
    for box in ((-50.0, -20.0, 90.0, 100.0), (600.0, 440.0, 700.0, 520.0)):
        face = replace(state.faces[0], box=box)
        live.draw(frame, replace(state, faces=(face,)), time=state.time)
    assert (live.draw(frame, replace(state, faces=())) == frame).all()
    assert (live.draw(frame, state, time=state.time + 9) == frame).all()


def test_a_session_is_an_analysis(engine):
    from detector import report
    from detector.report import as_pdf, collect

    session = engine.open(live.LiveSettings(models=("texture", "clip"), name="Camera"))
    feed(engine, session, 8, picture((40, 160, -1.0), (400, 160, 1.0)), start=50.0)
    analysis = session.finish()
    media = analysis.media
    assert (media.live, media.sha256, media.size, media.name) == (True, "", 0, "Camera")
    assert (media.width, media.height, media.frame_count) == (640, 480, 200)
    assert media.duration == pytest.approx(7.96) and media.fps == pytest.approx(25, abs=0.2)
    assert analysis.verdict.label is Label.FAKE and analysis.verdict.subject == "B"
    assert [t.id for t in analysis.judged] == ["B", "A"]
    assert analysis.judged[0].frames[0].time < 1 and analysis.judged[0].end > 7
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis
    thumbnails = session.thumbnails()
    assert set(thumbnails) == {"A", "B"}
    assert thumbnails["A"].shape == (96, 96, 3) and thumbnails["A"].dtype == np.uint8
    assert report.as_json(collect(analysis))
    text = " ".join(
        page.extract_text() for page in pypdf.PdfReader(io.BytesIO(as_pdf(collect(analysis)))).pages
    )
    assert "frames of a live session were scored as they came" in " ".join(text.split())
    assert "SHA-256 on receipt" not in text and "0 bytes" not in text
    rate = f"{analysis.settings.fps:.1f} a second"
    assert f"{len(analysis.timestamps)} moments, {rate}" in " ".join(text.split())


def test_a_session_knows_how_much_of_it_was_kept(engine):
    """What is scored between the analysis and the end is counted and not in it."""
    session = engine.open(live.LiveSettings(models=("texture", "clip")))
    feed(engine, session, 4, picture((40, 160, -1.0)))
    assert session.kept is None
    moments, scored = len(session.finish().timestamps), session.state.rates.scored
    feed(engine, session, 1, picture((40, 160, -1.0)), start=4)
    assert session.state.rates.scored > scored
    assert session.kept == moments


def test_a_session_without_a_face_is_one_too(engine):
    session = engine.open()
    feed(engine, session, 4, picture())
    analysis = session.finish()
    assert analysis.verdict.label is Label.NOT_APPLICABLE and not analysis.judged
    assert "no face" in messages.text(analysis.verdict.reasons[0])


def frames_of(path, start, seconds):
    info = media.probe(path)
    times = [start + n / FPS for n in range(int(seconds * FPS))]
    return [frame.rgb for frame in media.decode(path, info, times, notes=[])]


def watched(engine, session, frames):
    engine.drain()
    states = []
    for n, rgb in enumerate(frames):
        session.push(rgb, n / FPS)
        engine.drain()
        states.append(session.state)
    return states


def test_a_clip_that_becomes_manipulated_is_named(gallery):
    untouched = frames_of(gallery["untouched"].path, 0.0, 2.0)
    changed = frames_of(gallery["manipulated"].path, 3.0, 5.0)
    engine = live.LiveEngine(threaded=False)
    chosen = live.LiveSettings(models=("texture", "clip", "clip-generated", "videomae"))
    session = engine.open(chosen)
    states = watched(engine, session, untouched + changed)
    said = words(states)
    assert said[-1] is Label.FAKE and said.count(Label.FAKE) == 1
    first = next(s.time for s in states if s.reading.label is Label.FAKE)
    assert 2.0 < first <= 7.0
    assert not [s for s in states if s.hints and s.hints[0].code is live.HintCode.RECAPTURE]
    models = session.finish().models
    scored = {m.id: m.scored for m in models}
    assert scored["videomae"] > 3 and scored["texture"] > 60
    assert 5 <= scored["clip"] <= 8
    votes = {m.id: m.weight > 0 for m in registry.manifest().models}
    assert all(m.counted == votes[m.id] for m in models)
    engine.close()


def test_by_default_no_model_of_windows_or_sound_runs():
    engine = live.LiveEngine(threaded=False, detector=MadeDetector(), load=made())
    session = engine.open()
    engine.drain()
    shown = {*session.state.every}
    engine.close()
    usual = {s.id for s in registry.choose() if s.kind == "frame"}
    assert shown == usual and {"clip", "texture"} <= shown


def test_the_same_scores_as_an_analysis_of_the_file(gallery):
    from detector.pipeline import Analyzer
    from detector.schema.analysis import Settings

    path = gallery["untouched"].path
    settings = Settings(models=["texture", "clip"], sampling="fps", fps=2.0, end=3.0)
    whole = Analyzer(device="cpu").analyze(path, settings, scores_only=True)
    engine = live.LiveEngine(threaded=False)
    compared = Counter()
    for face in whole.judged[0].frames:
        # Each is the first look at its own session, so that nothing is followed.
        session = engine.open(live.LiveSettings(models=("texture", "clip")))
        engine.drain()
        (rgb,) = frames_of(path, face.time, 1 / FPS)
        session.push(rgb, 0.0)
        engine.drain()
        (seen,) = session._display.history._samples[0].frames.values()
        assert seen.box == face.box and seen.logits.keys() == {"texture", "clip"}
        # An analysis scores some of its moments by some models alone.
        same = {id: seen.logits[id] for id in face.logits}
        assert same == pytest.approx(face.logits, abs=1e-4)
        compared.update(same.keys())
        session.close()
    engine.close()
    assert compared["texture"] == 6 and compared["clip"] >= 3


def short_clip(gallery, folder, seconds):
    """The beginning of a manipulated sample as MPEG-TS, which can be watched as it comes."""
    frames = frames_of(gallery["manipulated"].path, 2.0, seconds)
    return write_clip(
        folder / "clip.ts", seconds=seconds, size=(640, 360), gop=12,
        options={"tune": "zerolatency"}, picture=frames.__getitem__,
    )  # fmt: skip


def test_the_command_watches_a_file(gallery, tmp_path, capsys):
    clip = short_clip(gallery, tmp_path, 2.0)
    out = tmp_path / "out.json"
    status = main(["live", str(clip), "--models", "texture,clip", "--json", "-", "--out", str(out)])
    captured = capsys.readouterr()
    assert status == 0
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert len(lines) >= 15  # 16.7 a second
    times = [line["time"] for line in lines]
    assert times == sorted(set(times)) and all(0 <= line["score"] <= 1 for line in lines)
    assert lines[-1]["faces"][0]["id"] == "A" and lines[-1]["frames"]["dropped"] == 0
    assert "Can’t tell" in captured.err
    analysis = Analysis.model_validate_json(out.read_text())
    assert analysis.media.live and analysis.media.name == "clip.ts"
    assert analysis.judged[0].frames


def test_an_interrupt_ends_with_what_was_seen(gallery, tmp_path, capsys, monkeypatch):
    def frames():
        for n, rgb in enumerate(frames_of(gallery["manipulated"].path, 2.0, 0.8)):
            yield n / FPS, rgb
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.live._file", lambda path, real: ("clip.mp4", frames()))
    out = tmp_path / "out.json"
    assert main(["live", "clip.mp4", "--models", "texture", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert "unmask: Stopped." in captured.err and captured.out.startswith("clip.mp4: ")
    assert len(Analysis.model_validate_json(out.read_text()).judged[0].frames) >= 8


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("/dev/video77", "There is no camera /dev/video77"),
        ("http://127.0.0.1:9/x.ts", "127.0.0.1:9/x.ts refused the connection"),
        ("rtsp://me:secret@127.0.0.1:9/cam", "rtsp://127.0.0.1:9/cam refused the connection"),
        ("gopher://host/x", "gopher:// is not an address"),
        ("nothing.mp4", "There is no such file"),
        (__file__, "is text, not a video"),
    ],
)
def test_what_can_not_be_watched_is_said_in_one_line(source, sentence, capsys):
    status = main(["live", source, "--models", "texture"])
    error = capsys.readouterr().err
    assert status == 2 and sentence in error, error
    assert "secret" not in error and "Traceback" not in error


@pytest.mark.parametrize(
    "options",
    [["--seconds", "-1"], ["--alarm", "120"], ["--min-face", "3"], ["--alarm-seconds", "-2"]],
)
def test_impossible_options_are_refused(options, capsys):
    assert main(["live", "x.mp4", *options]) == 2
    assert options[0] in capsys.readouterr().err


def breaks_off(clip):
    """Send a clip without saying how long it is, and half of it the first time."""
    data = clip.read_bytes()

    def answer(handler):
        handler.begin(Content_Type="video/mp2t")
        part = data[: len(data) // 2] if len(handler.server.came) == 1 else data
        for start in range(0, len(part), 4096):
            handler.wfile.write(part[start : start + 4096])
            time.sleep(0.005)

    return answer


@pytest.fixture
def server(gallery, tmp_path):
    clip = short_clip(gallery, tmp_path, 2.0)
    with serving(PRIVATE, {"/live.ts": breaks_off(clip)}) as started:
        yield started


def test_a_lost_stream_is_opened_again(server):
    url = server.url(PRIVATE, "/live.ts")
    lost: list[tuple[str, float]] = []
    stop = threading.Event()
    stream = Stream(
        url, lost=lambda *said: lost.append(said), stop=stop, pauses=(0.05,), reading=3.0
    )
    times = []
    for t, rgb in stream.frames():
        assert rgb.shape == (360, 640, 3)
        times.append(t)
        if len(server.came) >= 2 and len(times) >= 60:
            stop.set()
    assert len(server.came) >= 2 and lost[0] == (f"The connection to {url} broke.", 0.05)
    assert times == sorted(times) and times[0] == 0.0


def test_a_stream_that_never_comes_back_ends(server, monkeypatch):
    monkeypatch.setattr("detector.media.stream.MAX_RETRIES", 2)
    waits: list[float] = []
    url = server.url(PRIVATE, "/live.ts")
    stream = Stream(url, lost=lambda _, wait: waits.append(wait), pauses=(0.01, 0.02))
    frames = stream.frames()
    next(frames)
    server.shutdown()
    server.server_close()
    with pytest.raises(MediaError, match="did not come back") as error:
        for _ in frames:
            pass
    assert error.value.code == "lost" and waits[-2:] == [0.01, 0.02]


def test_the_command_watches_a_stream_and_stops_in_time(server, tmp_path, capsys):
    out, url = tmp_path / "out.json", server.url(PRIVATE, "/live.ts")
    status = main(["live", url, "--models", "texture", "--seconds", "3", "--out", str(out)])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert "Trying again in 1 s" in captured.err
    assert captured.out.startswith(f"{url}: ")
    assert Analysis.model_validate_json(out.read_text()).media.frame_count >= 10


def test_the_console_is_quiet_where_nobody_types(engine, capsys):
    # The default models: only their threshold was measured, so only it raises an alarm unasked.
    usual = tuple(spec.id for spec in registry.choose() if spec.kind == "frame")
    session = engine.open(live.LiveSettings(models=usual, alarm_seconds=1.0))
    console = _Console()
    for state in feed(engine, session, 6, FAKE):
        console.write(state)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 12 and not any("\r" in line for line in lines)
    assert sum(line.startswith("unmask: Alarm 1: ") for line in lines) == 1
    assert any("likely manipulated" in line.lower() for line in lines)
