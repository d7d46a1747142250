"""The Live page in each of its states, drawn by Streamlit without a browser."""

import asyncio
import io
import re
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import av
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard import labels, server, session
from dashboard.charts import live
from dashboard.pages.live import cards, choices, link
from dashboard.pages.live import view as page
from dashboard.pages.live.state import ConnectionProblem
from dashboard.theme import DARK, LIGHT
from detector.decision import decide
from detector.live import Alarm, Dot, LiveVoice
from detector.messages.format import limit_percent
from detector.models import registry
from detector.presentation import live as presented
from detector.presentation import series
from detector.presentation.verdict import LIKELIHOOD
from detector.schema.analysis import Label, Question, SpanSegment, SpeechMeasurement, Thresholds
from detector.schema.live import TooSlow
from detector.schema.summary import FoundFootage
from service.application import Application
from service.config import Config
from service.context import Principal, PrincipalKind, Role
from service.live import viewers
from service.live.viewers import SessionRetention, Viewers, padded
from tests.support.live_stand_in import LIMITS, StandInEngine, made_state, reading
from tests.support.pages import APP, OWNER, buttons, come_as, html, quiet, turn_to
from tests.support.result_sample import make_analysis
from tests.support.waiting import PATIENT, until


def frame():
    return av.VideoFrame.from_ndarray(np.full((480, 640, 3), 90, np.uint8), format="rgb24")


class Browser:
    """What link.js does: reports what it sees, answers when it is asked."""

    def __init__(self):
        self.said: dict[str, dict[str, Any] | None] = {
            "seen": {"secure": True, "api": True, "display": True, "permission": "prompt",
                     "cameras": []},
            "answer": None,
            "tested": None,
        }  # fmt: skip
        self.error = ""
        self.silent = False
        self.shares = True
        self.data: dict[str, Any] = {}
        self.streamer: dict[str, Any] = {}

    def mount(self, *, data, on_answer, **_):
        """Answers at once: what it says comes while only a part of the page is drawn."""
        before, self.data = self.data, data
        if data["ask"] > before.get("ask", 0) and not self.silent:
            self.said["answer"] = {"ask": data["ask"], "error": self.error}
            on_answer()
        elif data["busy"] and not self.shares:
            self.said["answer"] = {"ask": data["ask"], "error": "ended"}
            on_answer()
        if data["test"] > before.get("test", 0):
            found = {"camera": self.error, "kinds": ["host"], "errors": []}
            self.said["tested"] = {"test": data["test"], **found}

    def report(self, key, name):
        return self.said[name]

    def see(self, **changes):
        self.said["seen"] = {**(self.said["seen"] or {}), **changes}

    def stream(self, **arguments):
        self.streamer = arguments

    def send(self, count=1):
        """Send frames into the page's callback, as WebRTC does."""
        for _ in range(count):
            self.streamer["video_frame_callback"](frame())


@pytest.fixture
def browser(monkeypatch):
    made = Browser()
    monkeypatch.setattr(link, "mount", made.mount)
    monkeypatch.setattr(link, "report", made.report)
    monkeypatch.setattr(page, "webrtc_streamer", made.stream)
    return made


@pytest.fixture
def engine(jobs):
    made = StandInEngine()
    app = session.application()
    app.viewers = Viewers(
        lambda: made, 1, lambda viewer: viewers.ended(viewer, app.keep_live), new_film=app.films.new
    )
    return made


@pytest.fixture(autouse=True)
def jobs(tmp_path):
    with quiet(tmp_path) as queue:
        yield queue


@pytest.fixture
def at(browser, engine):
    return turn_to(AppTest.from_file(APP, default_timeout=PATIENT), "live").run()


def started(at, browser, seconds=0):
    """Press Start; the session is then so many seconds old."""
    at.button(key="live-start").click().run()
    browser.send(2)
    at.run()
    viewer = at.session_state["live-visit"].viewer
    if seconds:
        viewer._first -= seconds
        browser.send()
    return viewer


def opened(**options):
    settings = choices.settings(choices.LiveOptions())
    return session.application().viewers.open(settings, choices.LiveOptions(**options))


def text(at):
    return html(at).replace(labels.NBSP, " ")


def cover(at):
    """What stands in the camera's place; empty while there is a picture."""
    found = re.search(r'<div class="um-cover.*?</div>', html(at), re.S)
    return re.sub(r"<[^>]+>", " ", found[0]) if found else ""


def likelihood_shown(at):
    """The number of the reading's card; None without one."""
    found = re.search(rf"<b>([^<]+)</b> {LIKELIHOOD}<", text(at))
    return found and found[1]


def caption(at):
    found = re.search(r'<h1>Live</h1><p class="um-caption">(.*?)</p>', html(at))
    assert found
    return found[1].replace(labels.NBSP, " ")


def test_the_page_before_start(at, browser, engine):
    assert not at.exception
    assert "The camera is off" in cover(at)
    assert browser.streamer["desired_playing_state"] is False
    assert browser.streamer["rtc_configuration"] == {"iceServers": []}, "nothing leaves the machine"
    assert browser.streamer["media_stream_constraints"]["audio"] is False
    assert engine.opened == [], "looking at the page takes no place"
    page = text(at)
    assert "No reading yet" in page and "None in this session." in page
    assert at.button(key="live-keep-frames").disabled


@pytest.mark.parametrize(
    ("seen", "said", "startable"),
    [
        ({"secure": False}, "Browsers give cameras and windows only to pages over HTTPS", False),
        ({"api": False}, "This browser can’t send video", False),
        ({"permission": "denied"}, "The browser blocked the camera. Allow it in the", True),
    ],
)
def test_what_stands_in_the_way_is_said_before_start(at, browser, seen, said, startable):
    browser.see(**seen)
    at.run()
    assert said in cover(at)
    assert at.button(key="live-start").disabled is not startable


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("NotAllowedError", "The browser blocked the camera. Allow it in the address bar, then"),
        ("NotFoundError", "No camera found"),
        ("NotReadableError", "Another program uses the camera"),
        (
            "insecure",
            "Browsers give cameras and windows only to pages over HTTPS or on this computer",
        ),
    ],
)
def test_a_camera_that_does_not_come(at, browser, engine, error, said):
    browser.error = error
    at.button(key="live-start").click().run()
    assert said in cover(at) and not at.exception
    assert browser.streamer["desired_playing_state"] is False and not engine.opened
    browser.error = ""
    started(at, browser)
    assert not cover(at), "Start again, and it works"


def test_waiting_for_the_persons_permission(at, browser):
    browser.silent = True
    at.button(key="live-start").click().run()
    assert "choose Allow" in cover(at)
    at.button(key="live-stop").click().run()
    assert "The camera is off" in cover(at)
    at.segmented_control(key="live-source").set_value("shared").run()
    at.button(key="live-start").click().run()
    assert "choose the meeting" in cover(at)


def test_every_trouble_has_words():
    for trouble in ConnectionProblem:
        said = page.problem(trouble)
        assert said.head and said.text.endswith(".")


def test_no_place_left_is_said(at, browser, monkeypatch):
    opened()
    at.button(key="live-start").click().run()
    assert "Enough for now" in cover(at) and "1 camera is on already" in cover(at)
    assert "Clips can be analyzed as usual." in cover(at)


def test_a_reader_starts_nothing(at, browser, engine, monkeypatch):
    come_as(monkeypatch, Principal("someone", PrincipalKind.USER, Role.VIEWER))
    at.button(key="live-start").click().run()
    assert "Your account reads results and starts no analysis." in cover(at)
    assert not engine.opened


def test_a_server_without_live(browser, engine, monkeypatch):
    monkeypatch.setattr(session.application().viewers, "capacity", 0)
    at = turn_to(AppTest.from_file(APP, default_timeout=PATIENT), "live").run()
    assert "Live is switched off here" in cover(at) and not browser.streamer
    assert not [b for b in at.button if b.key == "live-start"]


def test_the_line_under_the_picture_says_which_models_score_seldom():
    state = made_state(every={"tex": 1.31, "sur": 1.3, "mesh": 0.0})
    assert "tex, sur: every 1.3 s" in cards.foot(state, 9.0)
    assert "mesh" not in cards.foot(state, 9.0)
    assert "every" not in cards.foot(made_state(), 9.0)
    bundled = made_state(every={"texture": 2.0})
    assert "Texture of the face: every 2.0 s" in cards.foot(bundled, 9.0), "its name elsewhere"


def test_a_session_from_start_to_its_analysis(at, browser, engine, jobs):
    assert "No picture is recorded." in caption(at) and "the scores are kept" in caption(at)
    viewer = started(at, browser)
    assert browser.streamer["desired_playing_state"] is True and not cover(at)
    page = text(at)
    assert "24 frames a second" in page and "scored 8 a second" in page and "delay 110" in page
    assert "Can’t tell" in page and "52 %" in page and "interval 41 to 63" in page
    assert "Light low" in page and "Face size good" in page and "180 px" in page
    viewer._first -= 5  # five seconds have passed
    browser.send()
    at.button(key="live-stop").click().run()
    assert "Session ended" in cover(at) and "The scores are kept, and no picture." in cover(at)
    assert "00:05 watched" in text(at) and "No reading yet" not in text(at)
    assert not len(viewer.ring) and viewer.picture() is None, "no frame stays in memory"
    assert at.button(key="live-keep-frames").disabled
    assert browser.streamer["desired_playing_state"] is False
    assert engine.opened[0].finished == engine.opened[0].closed == 1
    kept = session.application().find(OWNER, viewer.result)
    assert kept.analysis is not None and kept.record.source == "live"
    assert not kept.has_media
    assert kept.name.startswith("live-")
    assert at.button(key="live-open")
    frames = len(kept.analysis.timestamps)
    assert frames != viewer.state.rates.scored, "which counts on until the session is closed"
    assert f"00:05 long, {frames} frames." in cover(at).replace(labels.NBSP, " ")


def test_a_camera_that_shows_known_footage(at, browser):
    viewer = started(at, browser)
    viewer.known = FoundFootage(
        match_sha256="0" * 64, name="<b>rally</b>.mp4", source="/press", start=2.0, mirrored=False,
        matched=9, asked=12,
    )  # fmt: skip
    at.run()
    said = "The camera shows known footage: &lt;b&gt;rally&lt;/b&gt;.mp4."
    assert said in text(at) and "It is in your library; 9 of 12 frames match." in text(at)
    at.button(key="live-stop").click().run()
    assert said.replace("shows", "showed") in text(at)


def test_a_camera_whose_name_comes_late_keeps_its_link(at, browser):
    started(at, browser)
    key = browser.streamer["key"]
    # Names are known from the first permission on.
    browser.see(cameras=[{"id": "c1", "label": "Built-in camera"}])
    at.run()
    assert at.selectbox(key="live-device").options == ["Built-in camera"]
    assert browser.streamer["key"] == key and browser.streamer["desired_playing_state"]
    at.button(key="live-stop").click().run()
    assert browser.streamer["key"] == key, "the link that is to stop is still there to hear of it"
    at.button(key="live-start").click().run()
    video = browser.streamer["media_stream_constraints"]["video"]
    assert browser.streamer["key"] != key and video["deviceId"] == {"exact": "c1"}


def test_nothing_is_recorded_means_nothing(at, browser, engine, tmp_path):
    at.segmented_control(key="live-keep").set_value(SessionRetention.NOTHING).run()
    turn_to(turn_to(at, "history").run(), "live").run()
    assert caption(at) == "Nothing is recorded. Frames are scored on this computer and forgotten."
    started(at, browser, seconds=5)
    at.button(key="live-stop").click().run()
    assert "Nothing of it was kept." in cover(at)
    assert engine.opened[0].finished == 0 and engine.opened[0].closed == 1
    uploads = tmp_path / "uploads"
    assert not uploads.exists() or not list(uploads.iterdir())
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_video_is_kept_where_it_was_asked_for(at, browser, tmp_path):
    at.session_state["live-keep"] = SessionRetention.VIDEO
    at.run()
    assert "The video will be recorded on this computer" in caption(at)
    viewer = started(at, browser)
    assert "The video is recorded on this computer" in caption(at)
    viewer._first -= 5
    browser.send(3)
    at.button(key="live-stop").click().run()
    assert "The scores and the video are kept." in cover(at)
    kept = session.application().find(OWNER, viewer.result)
    assert kept.has_media and kept.analysis is not None
    media = kept.analysis.media
    assert media.live and media.codec == "h264" and (media.width, media.height) == (640, 480)
    assert media.sha256 and not list((tmp_path / "live").iterdir()), "its draft is gone"


def test_a_slip_of_the_finger_keeps_nothing(at, browser, engine):
    started(at, browser)
    at.button(key="live-stop").click().run()
    assert "Nothing of it was kept." in cover(at) and engine.opened[0].finished == 0


def test_choices_reach_the_engine(at, browser, engine):
    at.session_state["live-above"] = 80
    at.session_state["live-seconds"] = 5.0
    at.run()
    assert "after 5 s above 80" in text(at)
    started(at, browser)
    settings = engine.opened[0].settings
    assert (settings.alarm_above, settings.alarm_seconds) == (0.8, 5.0)


def test_the_picture_is_mirrored_by_choice_alone_and_the_choice_is_kept(at, browser):
    viewer = started(at, browser)
    assert viewer.mirror is False, "what is written in the picture can be read"
    at.toggle(key="live-mirror").set_value(True).run()
    assert viewer.mirror, "the mirror may be turned while it runs"
    at.button(key="live-stop").click().run()
    later = turn_to(AppTest.from_file(APP, default_timeout=PATIENT), "live").run()
    assert later.toggle(key="live-mirror").value is True


def test_box_card_and_line_show_one_reading_until_the_page_is_drawn_anew(at, browser, monkeypatch):
    viewer = started(at, browser)
    boxes = []
    monkeypatch.setattr(
        viewers.overlay, "draw", lambda rgb, state, **_: boxes.append(state.faces[0]) or rgb
    )
    for probability, label in ((0.93, Label.FAKE), (0.65, Label.INCONCLUSIVE)):
        state = made_state(
            faces=(replace(made_state().faces[0], probability=probability, label=label),),
            reading=reading(label, probability),
        )
        viewer.session.shown = replace(
            state, series=(*state.series, Dot(60.0, probability, probability, label))
        )
        if label is Label.FAKE:
            at.run()
        browser.send()
        assert likelihood_shown(at) == "93 %" and presented.share(boxes[-1].probability) == "93 %"
        assert boxes[-1].label is Label.FAKE
        assert viewer.drawn.series[-1].mean == 0.93
    at.run()
    browser.send()
    assert likelihood_shown(at) == "65 %" == presented.share(boxes[-1].probability)
    viewer._drawn = (viewer._drawn[0] - viewers.SHOWN_SECONDS, viewer._drawn[1])
    viewer.session.shown = replace(viewer.session.shown, faces=made_state().faces)
    browser.send()
    assert presented.share(boxes[-1].probability) == "52 %", (
        "without a page the picture follows the engine"
    )


def test_a_session_that_is_too_slow_has_that_as_its_headline(at, browser):
    viewer = started(at, browser)
    slow = TooSlow(scored=1, seconds=8.0, since=50.0)
    unread = replace(
        reading(Label.NOT_APPLICABLE, None),
        text=presented.scored(slow),
        too_slow=slow,
        interval=None,
    )
    none = Thresholds(low=0.0, high=1.0)  # of a part of the models
    viewer.session.shown = made_state(reading=replace(unread, thresholds=none), mostly_slow=True)
    at.run()
    usual = limit_percent(choices.thresholds().high)
    assert f"after 3 s above {usual}" in text(at)
    assert ">Too slow here: don’t rely on this session<" in html(at)
    assert "1 frame in 8 s was scored." in text(at)
    assert likelihood_shown(at) is None and 'class="um-number"' not in html(at)
    assert browser.data["say"] == "Too slow here: don’t rely on this session"
    at.button(key="live-stop").click().run()
    assert ">Too slow here: don’t rely on this session<" in html(at)
    assert "01:00 watched" in text(at) or "watched" in text(at)


def test_the_microphone_is_off_until_it_is_switched_on(at, browser, engine):
    started(at, browser)
    assert browser.data["microphone"] is False and browser.streamer["sink_audio_track"] is None
    assert browser.streamer["media_stream_constraints"]["audio"] is False
    assert not engine.voices and "Voice" not in text(at) and "Sound" not in caption(at)


def test_a_voice_beside_the_face(at, browser, engine):
    at.toggle(key="live-microphone").set_value(True).run()
    assert browser.data["microphone"] is True, "the browser is asked for both at once"
    assert caption(at).endswith("Sound is never kept.")
    viewer = started(at, browser)
    sound = browser.streamer["media_stream_constraints"]["audio"]
    changes = ("echoCancellation", "noiseSuppression", "autoGainControl")
    assert sound == dict.fromkeys(changes, False)
    assert at.toggle(key="live-microphone").disabled
    (voice,) = engine.voices
    assert "No sound of the microphone has come yet." in text(at)
    browser.streamer["sink_audio_track"]._callback(object())
    assert len(voice.heard) == 1, "it has the clock of the picture"
    voice.shown = replace(voice.shown, time=2.0)
    at.run()
    assert "It comes about 4 s after the first words." in text(at)
    for sample, expected in (
        (spoken(3.0), ("Can’t tell", "Measured on recordings", "up to 7.4 kHz")),
        (spoken(3.0, band=3_400.0), ("Can’t tell", "Phone quality: everything over")),
        (spoken(None, seconds=1.1), ("Not judged", "1.1 s of speech; these models need 2 s.")),
        (spoken(None, seconds=0.0), ("Not judged", "No speech in this sound")),
    ):
        voice.shown = replace(voice.shown, analysis=sample, series=(Dot(2.0, 0.8, 0.86, MIDDLE),))
        at.run()
        assert not at.exception
        likely = sample.verdict.answers[Question.VOICE].probability
        number = "" if likely is None else f"<b>{labels.percent(likely)}</b> likelihood"
        for words in (*expected, number):
            assert words in text(at), words
    viewer._first -= 20
    browser.send()
    at.run()
    assert "This microphone stopped sending audio." in text(at)
    at.button(key="live-stop").click().run()
    assert voice.closed == 1 and "No sound" not in text(at)
    viewer.hear(object())
    assert len(voice.heard) == 1, "what comes late is dropped"
    assert not session.application().find(OWNER, viewer.result).has_media


def test_no_microphone_is_said(at, browser, engine):
    at.toggle(key="live-microphone").set_value(True).run()
    browser.error = "microphone"
    at.button(key="live-start").click().run()
    assert "No microphone" in cover(at) and "switch it off under Options" in cover(at)
    assert not engine.voices


MIDDLE = Label.INCONCLUSIVE


def spoken(logit, seconds=9.0, band=7_400.0):
    """What is said of the bundled model's logit on so much speech; None: it was not asked."""
    timbre = next(spec for spec in registry.list_models() if spec.id == "timbre")
    voice = LiveVoice([timbre], lambda id: pytest.fail("no model is loaded"), threaded=False)
    if logit is not None:
        voice._spans.append(SpanSegment(start=8, end=12, logits={"timbre": logit}))
    speech = [(0.0, seconds)] if seconds else []
    measured = SpeechMeasurement(seconds=12, spans=speech, bandwidth_hz=band, snr=30)
    return decide(voice._undecided(measured))


def test_keeping_the_last_seconds(at, browser, jobs, monkeypatch):
    instant = Mock()
    instant.analyze.return_value = make_analysis()
    monkeypatch.setattr(jobs, "_analyzer", instant)
    at.session_state["live-keep"] = SessionRetention.NOTHING
    at.run()
    started(at, browser)
    browser.send(3)
    at.button(key="live-keep-frames").click().run()
    assert "The last seconds are being analyzed." in text(at)
    job = session.application().find(OWNER, at.session_state["live-kept"])
    assert job.name.endswith("-last.mp4") and job.has_media
    assert "Nothing is recorded but the seconds you kept." in caption(at.run())


def test_a_failure_to_keep_is_said(at, browser, monkeypatch):
    started(at, browser, seconds=5)
    full = Mock(side_effect=OSError("/secret/path is full"))
    monkeypatch.setattr(Application, "keep_live", full)
    at.button(key="live-stop").click().run()
    assert "Something went wrong here; the log says more." in cover(at)
    assert "secret" not in text(at)


def test_leaving_the_page_and_coming_back(at, browser):
    started(at, browser)
    turn_to(at, "analyze").run()
    turn_to(at, "live").run()
    assert browser.streamer["desired_playing_state"] is True, "the same session goes on"
    at.session_state["live-visit"].viewer.end()  # the reaper does, when nobody came back
    at.run()
    assert "Session ended" in cover(at)
    assert browser.streamer["desired_playing_state"] is False


def test_a_server_that_stops_keeps_what_runs(monkeypatch):
    made = StandInEngine()
    monkeypatch.setattr("service.application.engine", lambda: made)
    app = session.application()
    app.stop()  # nobody came: nothing is loaded for it
    assert "viewers" not in vars(app)
    viewer = opened(scope=app.scope(OWNER))
    for _ in range(2):
        viewer.receive(frame())
        viewer._first -= 5
    app.stop()
    assert viewer.ended and viewer.result and app.find(OWNER, viewer.result)


def clock(seconds):
    return f"10:{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def test_an_alarm_is_spoken_once_when_it_begins_and_once_when_it_ends():
    quiet = made_state(alarms=())
    begun = made_state(alarms=(Alarm(1, "manipulated", 32.0, None, 0.8),))
    later = made_state(66.0, alarms=(Alarm(1, "manipulated", 32.0, None, 0.93),))
    over = made_state(alarms=(Alarm(1, "manipulated", 32.0, 46.0, 0.93),))
    said = [presented.spoken(state, clock) for state in (None, quiet, begun, later, over)]
    assert said[:2] == ["", ""]
    assert said[2] == said[3] == "Alarm 1: likely manipulated since 10:00:32."
    assert said[4] == f"Alarm 1 over: likely manipulated for 14{labels.NBSP}seconds."


def test_alarms_as_rows_and_as_a_log():
    state = made_state()
    rows = cards.alarms(state.alarms, state.time, clock).replace(labels.NBSP, " ")
    assert rows.index("No face") < rows.index("Likely manipulated"), "the newest first"
    assert "14 s" in rows and "93 %" in rows and "10:00:32" in rows and "Person A" in rows
    going = (Alarm(3, "manipulated", 50.0, None, 0.8),)
    assert f"10{labels.NBSP}s so far" in cards.alarms(going, 60.0, clock)
    many = tuple(Alarm(n, "no_face", n, n + 0.5) for n in range(9, 0, -1))
    assert "5 earlier in the log." in cards.alarms(many, 60.0, clock)
    log = cards.log(state.alarms, state.time, clock)
    assert [row[0] for row in log] == ["1", "2"] and log[0][5] == "93" and log[1][5] == ""
    assert [row[1] for row in log] == ["manipulated", "no_face"], "in no language"


@pytest.mark.parametrize("label", list(Label))
def test_the_reading_in_each_state(label):
    scored = label is not Label.NOT_APPLICABLE
    state = made_state(reading=reading(label, 0.52 if scored else None))
    page = cards.now(state, running=True)
    assert "for 00:20" in page, "how long the word has held"
    assert ("likelihood" in page) is scored and ("um-scale" in page) is scored
    assert "No reading" in page or scored


def test_words_from_outside_are_escaped():
    bad = "<b onclick=x>"
    state = made_state(reading=replace(reading(), text=bad, person=bad))
    assert bad not in cards.now(state, running=True)
    assert bad not in cards.connection([link.Finding("camera", "bad", bad)], bad)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("state", [None, made_state(0.5), made_state(60.0), made_state(500.0)])
def test_the_figure_has_fixed_axes(state, palette):
    drawn = live.figure(state, LIMITS, palette).to_dict()
    assert drawn["layout"]["xaxis"]["range"] == [-60.0, 0]
    assert drawn["layout"]["yaxis"]["range"] == [0, 1]
    for trace in drawn["data"]:
        assert min(trace["x"], default=-60) >= -60.01 and max(trace["x"], default=0) <= 0.01


@pytest.mark.parametrize(
    ("end", "times"),
    [(54.0, ["00:00", "00:20", "00:40", "00:54"]), (85.0, ["00:40", "01:00", "01:25"])],
)
def test_the_axis_of_a_session_that_ended_counts_from_its_start(end, times):
    axis = live.figure(made_state(end), LIMITS, LIGHT, ended=True).to_dict()["layout"]["xaxis"]
    assert "now" not in axis["ticktext"] and axis["ticktext"][: len(times)] == times
    assert axis["tickvals"][-1] == 0


def test_what_a_session_was_is_said_when_it_has_ended():
    page = cards.ended(made_state(), 54.0).replace(labels.NBSP, " ")
    assert "00:54 watched" in page and "1 alarm, 14 s in all." in page
    assert "No face was in view for 4.0 s." in page, "or its silence reads as all clear"
    assert "No alarm." in cards.ended(made_state(alarms=()), 54.0)


def test_the_line_breaks_where_nothing_was_scored():
    dots = [d for d in made_state().series if not 20 < d.time < 25]
    runs = series.runs(((dot.time, dot.mean) for dot in dots), live.GAP)
    assert len(runs) == 2 and runs[0][-1][0] <= 20 and runs[1][0][0] >= 25
    assert "above 70 %" in presented.likelihoods(made_state(), LIMITS)
    assert presented.likelihoods(None, LIMITS) == "Nothing was scored in the last 60 seconds."


AWAY = "https://unmask.example/live"
STUN = [{"urls": link.PUBLIC_STUN}]
TURN = {"turn_url": "turn:t.example:3478", "turn_username": "u"}


@pytest.mark.parametrize(
    ("where", "env", "urls"),
    [
        ("http://localhost:8501/live", {}, []),
        ("http://127.0.0.1:8501", {"cloudflare_turn_key_id": "a"}, []),
        ("http://localhost:8501", TURN, ["turn:t.example:3478"]),
        (AWAY, {}, [link.PUBLIC_STUN]),
        (AWAY, {"stun": "none"}, []),
        (AWAY, {"stun": "stun:a, stun:b"}, ["stun:a", "stun:b"]),
        (AWAY, {"stun": "stun:a", **TURN}, ["stun:a", "turn:t.example:3478"]),
        (AWAY, {"hf_token": "hf_x"}, [link.PUBLIC_STUN]),
    ],
)
def test_which_servers_help(where, env, urls):
    assert link.server_urls(link.ice_servers(where, Config.model_validate(env))) == urls


def test_a_providers_relay(monkeypatch):
    lent = [{"urls": ["turn:lent.example"], "username": "u", "credential": "c"}]
    cloudflare = Mock(return_value=lent)
    monkeypatch.setattr(link, "get_cloudflare_ice_servers", cloudflare)
    keys = {"cloudflare_turn_key_id": "id", "cloudflare_turn_key_api_token": "token"}
    env = Config.model_validate(keys)
    assert link.ice_servers(AWAY, env) == lent
    cloudflare.assert_called_once_with("id", "token")
    assert link.has_relay(lent) and not link.has_relay(STUN)
    assert link.ice_servers("http://localhost:8501", env) == [] and cloudflare.call_count == 1
    cloudflare.side_effect = ValueError("Failed")
    assert link.server_urls(link.ice_servers(AWAY, env)) == [link.PUBLIC_STUN], (
        "the page goes on without"
    )


def test_offline_asks_nobody(monkeypatch):
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert link.ice_servers(AWAY) == []


@pytest.mark.parametrize(
    ("tested", "servers", "local", "said", "sentence"),
    [
        ({"kinds": ["host"]}, [], True, "Not needed on this computer.", "is there"),
        ({"kinds": ["host", "srflx"]}, STUN, False, "UDP gets out", "is there"),
        ({"kinds": ["host"]}, STUN, False, "seems to block UDP", "probably won’t"),
        ({"kinds": []}, STUN, False, "WebRTC is switched off", "can’t make a video link"),
        ({"camera": "NotAllowedError", "kinds": ["host"]}, [], True, "blocked", "the camera is"),
        ({"camera": "insecure", "kinds": []}, STUN, False, "only to pages over HTTPS", "camera is"),
        ({"kinds": ["host", "relay"]}, [*STUN, {"urls": "turn:t"}], False,
         "The TURN server passes video on.", "is there"),
        ({"kinds": ["host"], "errors": [{"url": "turn:t", "code": 401}]}, [{"urls": "turn:t"}],
         False, "refuses the user name or password", "probably won’t"),
        ({"kinds": ["host"], "errors": [{"url": "turn:t", "code": 701}]}, [{"urls": ["turn:t"]}],
         False, "doesn’t answer from this network", "probably won’t"),
    ],
)  # fmt: skip
def test_the_connection_test_says_what_is_wrong(tested, servers, local, said, sentence):
    found = link.findings(tested, servers, local)
    assert any(said in one.text for one in found)
    assert sentence in link.conclusion(found, local)


@pytest.fixture
def meeting(at):
    at.segmented_control(key="live-source").set_value("shared").run()
    return at


def test_a_window_is_shared_in_place_of_a_camera(at, meeting, browser, engine):
    assert "choose the window or tab of the meeting" in cover(at)
    assert "Everyone in the meeting must agree" in text(at) and "their consent" in text(at)
    assert not [box for box in at.selectbox if box.key == "live-device"]
    assert not [toggle for toggle in at.toggle if toggle.key == "live-mirror"]
    wanted = browser.data["display"]
    assert wanted["video"]["width"] == {"max": 1280} and wanted["audio"] is False
    viewer = started(at, browser)
    video = browser.streamer["media_stream_constraints"]["video"]
    assert video["deviceId"] == {"exact": "shared"}, "no camera is opened in its place"
    assert viewer.mirror is False and not cover(at)
    (opened,) = engine.opened
    assert opened.settings.most_faces == 9
    assert opened.settings.screen, "what it shows looks like a filmed screen"
    for shape in ((480, 640, 3), (720, 1280, 3), (900, 300, 3)):
        viewer.push(padded(np.full(shape, 90, np.uint8)))
        assert opened.seen.shape == (720, 1280, 3), "a window that is resized keeps its size"
        assert opened.seen[360, 640].tolist() == [90, 90, 90]
    assert at.segmented_control(key="live-source").disabled
    assert "Everyone in the meeting must agree" in text(at)


def test_sharing_that_ends_ends_the_session(at, meeting, browser, engine):
    viewer = started(at, browser, seconds=5)
    browser.shares = False
    at.run()
    assert "Session ended" in cover(at) and viewer.ended and viewer.result
    assert "Sharing was stopped, or the window was closed." in cover(at)
    assert browser.streamer["desired_playing_state"] is False and not browser.data["busy"]
    browser.shares = True
    started(at, browser)
    assert len(engine.opened) == 2 and not cover(at)
    at.button(key="live-stop").click().run()
    assert "Sharing was stopped" not in cover(at)


def test_who_left_the_page_shares_nothing_any_more(at, meeting, browser):
    viewer = started(at, browser)
    turn_to(at, "analyze").run()
    browser.shares = False  # it ends with the page
    turn_to(at, "live").run()
    assert viewer.ended and "Sharing was stopped" in html(at)
    assert browser.streamer["media_stream_constraints"]["video"]["deviceId"] == {"exact": "shared"}


@pytest.mark.parametrize(
    ("seen", "startable", "error", "said"),
    [
        ({"display": False}, False, "", "Phones and tablets share no windows."),
        ({"secure": False}, False, "", "Browsers give cameras and windows only to pages over"),
        ({"permission": "denied"}, True, "unshared", "Nothing was shared"),
        ({}, True, "unshareable", "This browser can’t share a window"),
    ],
)
def test_a_window_that_does_not_come(at, meeting, browser, engine, seen, startable, error, said):
    browser.see(**seen)
    browser.error = error
    at.run()
    assert at.button(key="live-start").disabled is not startable
    if startable:
        assert "Nothing is shared yet" in cover(at), "the camera's permission is of no matter"
        at.button(key="live-start").click().run()
    assert said in cover(at) and not engine.opened


def test_the_sound_of_a_window(at, meeting, browser, engine):
    at.toggle(key="live-microphone").set_value(True).run()
    assert at.toggle(key="live-microphone").label == "Listen to its sound"
    assert browser.data["display"]["audio"] == choices.SOUND
    started(at, browser)
    assert "Share a tab or the screen, and its sound with it." in text(at)
    browser.streamer["sink_audio_track"]._callback(object())
    (voice,) = engine.voices
    voice.shown = replace(voice.shown, time=2.0)
    at.run()
    assert "It comes about 4 s after the first words." in text(at)


def test_the_connection_test_of_a_window_opens_no_camera(at, meeting, browser):
    assert "Nothing is shared." in text(at) and "Tries the camera" not in text(at)
    at.button(key="live-test-button").click().run()
    assert "The browser can share one." in text(at) and "is there." in text(at)
    browser.error = "unshareable"
    at.button(key="live-test-button").click().run()
    assert "this browser shares no window" in text(at)


@pytest.fixture
def by_address(monkeypatch, at):
    monkeypatch.setenv("UNMASK_CAMERAS", "1")
    monkeypatch.setenv("UNMASK_CAMERA_NETWORKS", "127.0.0.1/32")
    at.run()
    at.selectbox(key="live-device").select("address").run()
    return at


def test_cameras_by_address_are_off_unless_the_operator_says_otherwise(at):
    assert "By its address" not in at.selectbox(key="live-device").options


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "This is not the address of a camera."),
        ("rtsp://ann:s3cret/#@[cam", "This is not the address of a camera."),
        ("rtsp://ann:s3cret@127.0.0.1:9/key-7", "Port 9 is not one that cameras are watched at"),
        ("rtsp://10.1.2.3/key-7", "in a network that this server watches no cameras in"),
    ],
)
def test_an_address_that_is_refused_is_said_in_words(at, by_address, engine, url, said):
    at.text_input(key="live-address").input(url)
    at.button(key="live-start").click().run()
    for viewer in session.application().viewers._open:
        until(lambda viewer=viewer: viewer.ended)
    at.run()
    assert said in cover(at) and "s3cret" not in cover(at) and "key-7" not in cover(at)
    assert "s3cret" not in at.text_input(key="live-address").value
    assert not at.exception and not at.button(key="live-start").disabled


def test_an_insecure_page_watches_cameras_by_address_all_the_same(by_address, browser):
    browser.see(secure=False)
    by_address.run()
    assert not by_address.button(key="live-start").disabled


def test_the_pictures_of_a_camera_go_to_who_has_its_pass():
    viewer = opened()

    async def look():
        sent = server._pictures(viewer)
        first = await anext(sent)
        viewer.show(np.full((480, 640, 3), 200, np.uint8))
        second = await anext(sent)
        viewer.end()
        return [first, second, *[part async for part in sent]]

    viewer.show(np.full((240, 320, 3), 90, np.uint8))
    first, second = asyncio.run(look())
    for part, level in ((first, 90), (second, 200)):
        head, _, body = part.partition(b"\r\n\r\n")
        assert f"--{server.BOUNDARY}".encode() in head and b"image/jpeg" in head
        pixels = np.asarray(Image.open(io.BytesIO(body)))
        assert pixels.shape == (480, 640, 3) and abs(int(np.median(pixels)) - level) < 4


def test_three_moves_are_asked_and_what_was_seen_is_said(at, browser, engine):
    viewer = started(at, browser)
    engine.opened[0].shown = made_state(10.0)
    at.run()
    at.button(key="live-challenge").click().run()
    assert "Turn the head slowly" in text(at) and "Challenge 1 of 3" in text(at)
    for passed in (7.0, 13.0, 19.0):
        engine.opened[0].shown = made_state(10.0 + passed)
        at.run()
    at.run()  # what the page beside it has drawn is looked at in the next run
    assert viewer.state.time == 29.0
    said = text(at)
    assert "Hand" in said and "this move was not seen" in said and "no proof" in said
    assert "Highest score" in said
    assert "Ask again" in buttons(at)
