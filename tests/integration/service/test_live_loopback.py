"""The Live page's end of the video link without a browser."""

import asyncio
import inspect
import threading
import time
from fractions import Fraction
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import av
import numpy as np
import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection, VideoStreamTrack
from aiortc.contrib.media import MediaRelay
from scipy import signal
from streamlit_webrtc import AudioSinkTrack, WebRtcMode
from streamlit_webrtc.webrtc import WebRtcWorker

from dashboard.pages.live.state import (
    CONNECT,
    PAUSE,
    TRIES,
    ConnectionProblem,
    LivePageState,
    Phase,
)
from detector import media
from detector.errors import UnmaskError, UsageError
from detector.live import LiveEngine, LiveSettings, LiveVoice
from detector.live.recorder import Recorder, Ring
from service.live import viewers as room
from service.live.viewers import (
    CORES,
    LiveOptions,
    SessionRetention,
    TooManyViewers,
    Viewer,
    Viewers,
)
from tests.conftest import camera
from tests.support import speech as made
from tests.support.live_stand_in import StandInEngine, colored, gray
from tests.support.tasks import make_tasks
from tests.support.waiting import PATIENT, Clock, at_once, until

GRAY = np.full((240, 320, 3), 128, np.uint8)


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def engine():
    return StandInEngine()


@pytest.fixture
def crowd(engine, clock):
    # The reaper is the test itself: it sweeps when it wants to.
    return Viewers(lambda: engine, 2, clock=clock)


def frame(rgb=GRAY):
    return av.VideoFrame.from_ndarray(rgb, format="rgb24")


class MadeCamera(VideoStreamTrack):
    """Pictures by their number, as fast as a camera's."""

    def __init__(self, picture):
        super().__init__()
        self.picture, self.number = picture, 0

    async def recv(self):
        pts, base = await self.next_timestamp()
        made = frame(self.picture(self.number))
        self.number += 1
        made.pts, made.time_base = pts, base
        return made


class MadeMicrophone(AudioStreamTrack):
    """Sound, int16 [n] at 48 kHz, around and around, at the speed at which it was spoken."""

    def __init__(self, sound):
        super().__init__()
        self.sound, self.number = np.resize(sound, len(sound) // 960 * 960), 0

    async def recv(self):
        await asyncio.sleep(0.02)
        at = 960 * self.number % len(self.sound)
        made = av.AudioFrame.from_ndarray(self.sound[None, at : at + 960], "s16", "mono")
        made.sample_rate, made.pts = 48_000, 960 * self.number
        made.time_base = Fraction(1, 48_000)
        self.number += 1
        return made


def patch(number):
    """Gray, with white on its left."""
    rgb = GRAY.copy()
    rgb[:, :60] = 255
    return rgb


@pytest.fixture
def loop():
    """The server's event loop, in a thread, as under Streamlit."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, daemon=True)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


def linked(viewer, loop):
    """The page's end, as `webrtc_streamer` makes it."""

    async def relay():
        return MediaRelay()

    given = {
        "mode": WebRtcMode.SENDRECV,
        "video_frame_callback": viewer.receive,
        "async_processing": True,
        "video_receiver_size": 4,
        "audio_receiver_size": 4,
        "sendback_video": True,
        "sendback_audio": False,
        "sink_audio_track": AudioSinkTrack(viewer.hear) if viewer.voice is not None else None,
        "loop": loop,
        "relay": asyncio.run_coroutine_threadsafe(relay(), loop).result(PATIENT),
    }
    unused = inspect.signature(WebRtcWorker).parameters.keys() - given.keys()
    return WebRtcWorker(**given, **dict.fromkeys(unused))


async def connect(worker, picture, sound=None):
    """The browser's end: sends the made camera, receives what comes back."""
    theirs = RTCPeerConnection()
    came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    theirs.on("track", lambda track: came.done() or came.set_result(track))
    theirs.addTrack(MadeCamera(picture))
    if sound is not None:
        theirs.addTrack(MadeMicrophone(sound))
    await theirs.setLocalDescription(await theirs.createOffer())
    offer = theirs.localDescription
    answer = await asyncio.to_thread(worker.process_offer, offer.sdp, offer.type, PATIENT)
    await theirs.setRemoteDescription(answer)
    return theirs, came


def watch(viewer, loop, picture, wanted):
    """Look at what comes back until it is as wanted; the last frame, uint8 [H, W, 3]."""
    worker = linked(viewer, loop)

    async def look():
        theirs, came = await connect(worker, picture)
        track = await asyncio.wait_for(came, PATIENT)
        end = time.monotonic() + PATIENT
        while True:
            rgb = (await asyncio.wait_for(track.recv(), PATIENT)).to_ndarray(format="rgb24")
            if wanted(rgb) or time.monotonic() > end:
                await theirs.close()
                return rgb

    try:
        return asyncio.run(look())
    finally:
        worker.stop()


def test_the_microphone_of_the_same_link_is_heard(loop, unwatched):
    engine = StandInEngine()
    heard = LiveVoice([], lambda id: pytest.fail("no model is asked for"), threaded=False)
    engine.listen = lambda: heard
    crowd = Viewers(lambda: engine, 1)
    viewer = crowd.open(LiveSettings(), LiveOptions(microphone=True))
    worker = linked(viewer, loop)
    spoken = signal.resample_poly(made.speech(3), 3, 1)

    def said():
        """How many seconds of speech were heard, and how loud they are, dB."""
        heard.drain()
        sound = heard.state.analysis and heard.state.analysis.media.audio
        found = sound and sound.speech
        return (found.speech_seconds, found.level_dbfs or -99) if found else (0.0, -99)

    async def speak():
        theirs, came = await connect(worker, patch, (spoken * 32_000).astype(np.int16))
        track, end = await asyncio.wait_for(came, PATIENT), time.monotonic() + PATIENT
        asked = 2.5
        while time.monotonic() < end:
            await asyncio.wait_for(track.recv(), PATIENT)
            if (heard.state.time or 0.0) >= asked:
                # A link of a busy machine loses packets, and with them loudness: speak on.
                asked += 1
                seconds, level = said()
                if seconds > 1 and level > -30:
                    break
        await theirs.close()

    try:
        asyncio.run(speak())
        seconds, level = said()
        assert seconds > 1 and level > -30
        assert len(engine.opened[0].frames) >= 2, "the picture goes on beside it"
    finally:
        worker.stop()
        viewer.end()
    assert heard.state.analysis is None and not heard.drain()


def test_frames_go_in_and_come_back_drawn_upon(engine, loop, unwatched):
    crowd = Viewers(lambda: engine, 1)
    viewer = crowd.open(LiveSettings(), LiveOptions(mirror=True))
    last = watch(viewer, loop, patch, lambda rgb: bright(rgb) == "right")
    session = engine.opened[0]
    assert bright(last) == "right", "shown as in a mirror"
    assert viewer.frames >= 2 and len(session.frames) == viewer.frames
    assert session.frames == sorted(session.frames) and session.frames[0] == 0.0
    assert session.seen is not None and bright(session.seen) == "left", "scored as it came"
    shown = viewer.picture()
    assert np.abs(shown.astype(int) - last).mean() < 12, "but for the codec, what was drawn"
    crowd.close()
    assert session.closed == 1


def test_a_face_is_boxed_and_scored_and_every_frame_counted(loop, unwatched):
    real = LiveEngine()
    crowd = Viewers(lambda: real, 1)
    viewer = crowd.open(LiveSettings(), LiveOptions(mirror=False))
    picture = gray(camera((640, 480)))
    scored: list[int] = []

    def enough(rgb):
        scored.append(viewer.state.rates.scored)
        return scored[-1] >= 3 and colored(rgb) > 150

    assert colored(watch(viewer, loop, picture, enough)) > 150, "no box in what comes back"
    state = viewer.state
    (face,) = state.faces
    left, top, right, bottom = face.box
    assert 120 < right - left < 320 and 120 < bottom - top < 400
    assert scored[-1] >= 3 and state.reading.thresholds.high > state.reading.thresholds.low
    rates = state.rates
    assert rates.pushed == viewer.frames >= rates.looked > 0
    # Newest wins: what is neither looked at nor left out waits, and that is two at most.
    assert 0 <= rates.pushed - rates.looked - rates.dropped <= 2
    analysis = viewer.session.finish()
    assert analysis.media.live and not analysis.media.sha256 and analysis.judged
    crowd.close()
    real.close()


@pytest.fixture
def unwatched(monkeypatch):
    """Streamlit's session isn't there to be watched."""
    monkeypatch.setattr("streamlit_webrtc.webrtc.SessionShutdownObserver", Mock())


def bright(rgb):
    """On which side the white patch is."""
    edge = 40
    return "left" if rgb[:, :edge].mean() > rgb[:, -edge:].mean() + 40 else "right"


def test_viewers_are_apart_and_no_more_than_there_are_places(crowd, engine):
    first = crowd.open(LiveSettings(models=("a",)), LiveOptions())
    second = crowd.open(LiveSettings(models=("b",)), LiveOptions())
    with pytest.raises(TooManyViewers, match="2 cameras are on already"):
        crowd.open(LiveSettings(), LiveOptions())
    assert len(engine.opened) == 2, "who is refused costs the engine nothing"
    first.receive(frame())
    assert [len(session.frames) for session in engine.opened] == [1, 0]
    assert [session.settings.models for session in engine.opened] == [("a",), ("b",)]
    first.end()
    assert engine.opened[0].closed == 1 and not second.ended
    crowd.open(LiveSettings(), LiveOptions())
    crowd.close()
    assert all(session.closed for session in engine.opened)


def test_a_lost_session_waits_and_is_then_let_go(crowd, engine, clock):
    viewer = crowd.open(LiveSettings(), LiveOptions())
    clock.now += room.RECONNECT_SECONDS + 1
    assert crowd.sweep() == 1, "a first frame may take its time"
    viewer.receive(frame())
    clock.now += room.RECONNECT_SECONDS - 1
    assert crowd.sweep() == 1
    viewer.receive(frame())
    times = [0.0, room.RECONNECT_SECONDS - 1]
    assert engine.opened[0].frames == times, "it goes on as the same session"
    clock.now += room.RECONNECT_SECONDS + 1
    assert crowd.sweep() == 0 and viewer.ended and crowd.running == 0
    late = frame()
    assert viewer.receive(late) is late, "a late frame passes untouched"
    assert engine.opened[0].closed == 1


def test_the_reaper_comes_by_itself(engine, monkeypatch):
    monkeypatch.setattr(room, "WATCH_SECONDS", 0.01)
    clock = Clock()
    crowd = Viewers(lambda: engine, 1, clock=clock)
    for _ in range(2):  # the second time, a new one has to come
        viewer = crowd.open(LiveSettings(), LiveOptions())
        clock.now += room.FIRST_FRAME_SECONDS + 1
        until(lambda: crowd.running == 0)
        assert viewer.ended


def test_ending_twice_keeps_once_and_a_failure_is_said(engine, clock):
    keep = Mock(side_effect=OSError("disk"))
    crowd = Viewers(lambda: engine, 2, keep, clock=clock)
    viewer = crowd.open(LiveSettings(), LiveOptions())
    viewer.receive(frame())
    at_once(lambda _: viewer.end(), range(4))
    keep.assert_called_once_with(viewer)
    assert engine.opened[0].closed == 1
    assert viewer.problem == "", "and nothing of what only the log may say"


def test_a_camera_takes_cores_from_the_budget_and_gives_them_back_whatever_ends_it(
    engine, clock, tmp_path
):
    tasks = make_tasks(tmp_path)
    fails = Mock(side_effect=OSError("disk"))
    crowd = Viewers(lambda: engine, 2, fails, reserve=lambda: tasks.reserve(CORES), clock=clock)
    viewers = [crowd.open(LiveSettings(), LiveOptions()) for _ in range(2)]
    with pytest.raises(UnmaskError):
        crowd.open(LiveSettings(), LiveOptions())  # no place, and nothing reserved for it
    assert tasks._scheduler.reserved == [CORES] * 2
    viewers[0].end()
    viewers[0].end()
    assert tasks._scheduler.reserved == [CORES]
    clock.now += 1000  # nobody is there any more
    crowd.sweep()
    assert tasks._scheduler.reserved == []
    crowd.close()
    tasks.close()


def test_how_many_places_there_are(monkeypatch):
    monkeypatch.setenv("UNMASK_LIVE_VIEWERS", "3")
    assert room.max_viewers() == 3
    monkeypatch.delenv("UNMASK_LIVE_VIEWERS")
    assert room.max_viewers() >= 2


class Person(SimpleNamespace):
    """A visit with its clock, and the viewer it was given."""

    visit: LivePageState
    clock: Clock
    viewer: Viewer

    def after(self, seconds, *, frames=False):
        """Time passes in steps of half a second, with frames or without."""
        for _ in range(round(seconds * 2)):
            self.clock.now += 0.5
            if frames:
                self.viewer.receive(frame())
            self.visit.tick()
        return self.visit.phase


@pytest.fixture
def person(crowd, clock):
    viewer = crowd.open(LiveSettings(), LiveOptions())
    return Person(visit=LivePageState(clock=clock), clock=clock, viewer=viewer)


def started(person):
    person.visit.start()
    person.visit.answered({"ask": person.visit.ask, "error": ""}, lambda: person.viewer)
    assert person.visit.phase is Phase.CONNECTING and person.visit.wanted
    return person.visit


def test_a_visit_from_start_to_stop(person):
    visit = person.visit
    assert not visit.wanted
    visit.start()
    assert visit.phase is Phase.ASKING and not visit.wanted
    visit.answered({"ask": 0, "error": ""}, lambda: person.viewer)
    assert visit.phase is Phase.ASKING, "an answer to an earlier question"
    visit.answered({"ask": 1, "error": ""}, lambda: person.viewer)
    assert person.after(2) is Phase.CONNECTING
    assert person.after(1, frames=True) is Phase.LIVE
    assert person.after(60, frames=True) is Phase.LIVE
    visit.stop()
    assert visit.phase is Phase.ENDED and person.viewer.ended and not visit.wanted


def test_a_page_that_is_drawn_while_a_session_is_stored_waits_for_its_result(person):
    """Streamlit draws the page in another thread while the callback of Stop still runs."""
    visit, storing, go_on = started(person), threading.Event(), threading.Event()
    person.after(3, frames=True)

    def store(viewer):
        storing.set()
        go_on.wait(PATIENT)
        viewer.result = "stored"

    person.viewer._on_end = store
    threads = [threading.Thread(target=work) for work in (visit.stop, visit.tick)]
    threads[0].start()
    storing.wait(PATIENT)
    threads[1].start()
    threads[1].join(0.3)
    assert visit.phase is Phase.LIVE
    go_on.set()
    for thread in threads:
        thread.join(PATIENT)
    assert visit.phase is Phase.ENDED and person.viewer.result == "stored"


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        ("NotAllowedError", ConnectionProblem.DENIED),
        ("NotFoundError", ConnectionProblem.NO_CAMERA),
        ("OverconstrainedError", ConnectionProblem.NO_CAMERA),
        ("NotReadableError", ConnectionProblem.BUSY),
        ("insecure", ConnectionProblem.INSECURE),
        ("unsupported", ConnectionProblem.NO_API),
        ("SomethingNew", ConnectionProblem.BUSY),
    ],
)
def test_why_a_browser_gives_no_camera(person, error, trouble):
    person.visit.start()
    person.visit.answered({"ask": 1, "error": error}, pytest.fail)
    assert (person.visit.phase, person.visit.trouble) == (Phase.IDLE, trouble)
    person.visit.start()
    assert person.visit.trouble is None, "the next Start begins afresh"


def test_a_server_that_refuses_says_so_itself(person):
    refuse = Mock(side_effect=UsageError("No such model.", hint="Choose another."))
    person.visit.start()
    person.visit.answered({"ask": 1, "error": ""}, refuse)
    assert person.visit.trouble is ConnectionProblem.REFUSED and person.visit.refusal is not None
    assert person.visit.refusal.message == "No such model."


def test_a_link_that_does_not_come_up_is_tried_again(person, crowd):
    visit = started(person)
    for _ in range(TRIES - 1):
        assert person.after(CONNECT + 0.5) is Phase.RESTARTING and not visit.wanted
        assert person.after(PAUSE + 0.5) is Phase.CONNECTING and visit.wanted
    assert crowd.sweep() == 1, "the place is held for all tries"
    assert person.after(CONNECT + 0.5) is Phase.IDLE
    assert visit.trouble is ConnectionProblem.NO_LINK and visit.viewer is None
    assert person.viewer.ended, "its place is free"


def test_the_second_try_may_work(person):
    started(person)
    person.after(CONNECT + PAUSE + 1)
    assert person.after(1, frames=True) is Phase.LIVE


def test_a_lost_picture_comes_back_to_the_same_session(person):
    visit = started(person)
    person.after(3, frames=True)
    assert person.after(3) is Phase.LOST and visit.wanted, "the browser connects again by itself"
    assert person.after(1, frames=True) is Phase.LIVE and visit.viewer is person.viewer
    person.after(3)
    assert person.after(6.5) is Phase.RESTARTING, "it has not noticed: a nudge"
    assert person.after(2) is Phase.CONNECTING
    assert person.after(1, frames=True) is Phase.LIVE and not person.viewer.ended


def test_a_picture_that_stays_away_ends_the_session(person, crowd):
    visit = started(person)
    person.after(3, frames=True)
    assert person.after(9) is Phase.RESTARTING
    for number in range(TRIES):
        assert crowd.sweep() == 1, "the place is held for all tries"
        assert person.after(PAUSE + 0.5) is Phase.CONNECTING
        last = number == TRIES - 1
        assert person.after(CONNECT + 0.5) is (Phase.ENDED if last else Phase.RESTARTING)
    assert person.viewer.ended and not visit.wanted


def test_the_last_try_may_bring_the_same_session_back(person, crowd):
    visit = started(person)
    person.after(3, frames=True)
    person.after(9 + (TRIES - 1) * (PAUSE + CONNECT + 1))
    crowd.sweep()
    assert person.viewer.silent > room.RECONNECT_SECONDS
    person.after(PAUSE + 0.5)
    assert person.after(1, frames=True) is Phase.LIVE and visit.viewer is person.viewer


def test_a_page_that_is_gone_calls_nobody_back(person, crowd):
    visit = started(person)
    person.after(3, frames=True)
    person.clock.now += room.RECONNECT_SECONDS + 1
    assert crowd.sweep() == 0 and person.viewer.ended
    person.after(0.5)  # it is looked at again
    assert visit.phase is Phase.ENDED and not visit.wanted


def test_stop_before_the_camera_came_is_no_session(person):
    person.visit.start()
    person.visit.stop()
    assert person.visit.phase is Phase.IDLE
    visit = started(person)
    visit.stop()
    assert visit.phase is Phase.IDLE and person.viewer.ended


def test_the_ring_holds_the_last_seconds_at_their_own_times(tmp_path):
    ring = Ring(3.0)
    picture = camera((320, 240))
    for number in range(25 * 5):
        ring.add(picture(number), number / 25)
    assert 2.8 < ring.span <= 3.0
    count = ring.write(tmp_path / "last.mp4")
    found = media.probe(tmp_path / "last.mp4")
    assert found.duration == pytest.approx(ring.span, abs=0.2)
    assert found.codec == "h264" and 42 <= count <= 48
    (last,) = media.decode(tmp_path / "last.mp4", found, [found.duration or 0], notes=[])
    difference = np.abs(last.rgb.astype(int) - picture(124)).mean()
    assert difference < 12, "the last frame that came is the last that is kept"
    assert Ring().write(tmp_path / "none.mp4") == 0 and not (tmp_path / "none.mp4").exists()


def test_a_recording_lines_up_with_the_scores(engine, clock, tmp_path):
    film = tmp_path / "film.mp4"
    crowd = Viewers(lambda: engine, 1, clock=clock, new_film=lambda: film)
    options = LiveOptions(keep=SessionRetention.VIDEO, mirror=True)
    viewer = crowd.open(LiveSettings(), options)
    clock.now += 5  # the link takes its time: 0 s is the first frame
    picture = camera((320, 240))
    for number in range(30):
        small = number == 20  # a link may change its size
        viewer.receive(frame(picture(number)[::2, ::2] if small else picture(number)))
        clock.now += 0.1 if number != 9 else 3.0  # and it may pause
        time.sleep(0.002)
    viewer.end()
    found = media.probe(film)
    times = engine.opened[0].frames
    assert (found.width, found.height) == room.SIZE
    assert engine.opened[0].seen.shape == (480, 640, 3)
    assert found.duration == pytest.approx(times[-1], abs=0.15)
    (shown,) = media.decode(film, found, [times[12]], notes=[])
    came = room.letterbox(picture(12))
    assert np.abs(shown.rgb.astype(int) - came).mean() < 12, "as it came, not mirrored"


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_recorder_without_room_stops_and_says_so(tmp_path, failed_first):
    """Before or after its thread has met the error: `close` never waited for that end."""
    recorder = Recorder(tmp_path / "missing" / "film.mp4")
    times = iter(range(10**6))
    if failed_first:  # the file is opened with the first packet of the encoder
        until(lambda: recorder.add(GRAY, next(times) / 25) or recorder.error is not None)
    for _ in range(40):
        recorder.add(GRAY, next(times) / 25)
    assert not recorder.close() and recorder.error is not None
    assert not recorder.close(), "twice is as good as once"
    assert not Recorder(tmp_path / "empty.mp4").close()


def test_a_recorder_that_is_too_slow_leaves_frames_out(tmp_path, monkeypatch):
    go = threading.Event()
    waited: list[bool] = []

    def slow(path, frames):
        waited.append(go.wait(PATIENT))
        return sum(1 for _ in frames)

    monkeypatch.setattr("detector.live.recorder.write", slow)
    recorder = Recorder(tmp_path / "film.mp4")
    for number in range(40):
        recorder.add(GRAY, number / 25)
    assert not waited, "never waits for the one that writes"
    go.set()
    assert recorder.close() and recorder.written + recorder.dropped == 40 and recorder.dropped > 20
