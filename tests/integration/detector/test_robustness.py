"""Conditions really change a file, and only as they say; trials of a verdict under them.

Changes of a sound go through real encoders, its trials through a real model of voices.
"""

import os
import tempfile
import threading
from threading import Event
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from cli import main
from dashboard import session, theme
from dashboard.charts import sections
from detector import explain, media, messages
from detector.decision import decide
from detector.errors import Canceled, MediaError, UsageError
from detector.perturbation import corruptions, sounds
from detector.perturbation.conditions import ALL, FEW, NONE, Condition, parse
from detector.perturbation.robustness import FRAMES, HEARD, PART, part, try_out
from detector.pipeline import RunOptions
from detector.presentation.robustness import outcome, section
from detector.presentation.verdict import limits
from detector.schema.analysis import (
    Analysis,
    FileKind,
    Label,
    Likelihood,
    Question,
    ReasonCode,
    Robustness,
    Settings,
    SpanSegment,
    SpeechMeasurement,
    Thresholds,
)
from detector.vision import Detection
from tests.conftest import write_clip
from tests.support import pages, speech
from tests.support.pages import texts
from tests.support.result_sample import make_analysis, make_clip, make_picture, trial
from tests.support.searches import searches
from tests.support.voice_sample import make_analysis as voice_analysis
from tests.support.voice_sample import write_clip as write_voice

MANIPULATION = Question.MANIPULATION


def tried(*trials, unchanged=0.8):
    return Robustness(
        question=MANIPULATION, start=1, end=7, sampled=12, seconds=3.0,
        unchanged=trial("as it is", unchanged), trials=list(trials),
    )  # fmt: skip


@pytest.mark.timeout(400)  # four runs of a real model
def test_trials_of_the_manipulated_sample(gallery, analyzer, tmp_path, monkeypatch):
    """A real model on the bundled clip, whatever its weights make of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    clip = gallery["manipulated"].path
    analysis = analyzer.analyze(clip, Settings(models=["texture"], frames=8), scores_only=True)
    assert analysis.provenance is None
    assert not analysis.signals
    told: list[tuple[int, int, str]] = []
    found = try_out(
        clip,
        analysis,
        analyzer,
        conditions=[Condition("mirror"), Condition("blur", 5), Condition("jpeg", 50)],
        on_progress=lambda *what: told.append(what),
    )
    assert found.question is MANIPULATION
    assert found.end - found.start == pytest.approx(PART, abs=0.01)
    names = [t.condition for t in found.trials]
    assert names == ["mirror", "blur-5"]  # JPEG is for pictures
    mirror, blur = found.trials
    assert set(mirror.models) == {"texture"}
    assert mirror.probability is not None
    assert found.unchanged.probability is not None
    assert blur.probability is not None
    assert len({found.unchanged.probability, mirror.probability, blur.probability}) == 3
    # A trial is no more than the changed copy, analyzed: by hand it comes out the same, but for
    # what writing the copy with an encoder and finding the face in it again change.
    copy = corruptions.apply(clip, Condition("mirror"), tmp_path, part=(found.start, found.end))
    again = analyzer.analyze(copy, Settings(models=["texture"], frames=FRAMES), scores_only=True)
    assert again.verdict.answers[MANIPULATION].probability == pytest.approx(
        mirror.probability, abs=0.1
    )
    assert [done for done, _, _ in told] == [0, 1, 2, 3]
    assert all(total == 3 for _, total, _ in told)
    left = [name for name in os.listdir(tmp_path) if name.startswith("unmask-")]
    assert left == []  # every changed copy is gone


def test_compression_is_tried_on_a_copy_with_the_faces_where_they_were(
    gallery, analyzer, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    clip = gallery["manipulated"].path
    analysis = analyzer.analyze(clip, Settings(models=["texture"], frames=8), scores_only=True)
    with searches(analyzer.detector()) as searched:
        found = try_out(clip, analysis, analyzer, conditions=[Condition("crf", 40)])
    # different ones, all in the unchanged part
    assert len({search.frame for search in searched}) == FRAMES
    (harsh,) = found.trials
    copy = corruptions.apply(clip, Condition("crf", 40), tmp_path, part=(found.start, found.end))
    again = analyzer.analyze(copy, Settings(models=["texture"], frames=FRAMES), scores_only=True)
    assert harsh.probability is not None
    assert harsh.probability != found.unchanged.probability
    assert again.verdict.answers[MANIPULATION].probability == pytest.approx(
        harsh.probability, abs=0.05
    )
    assert not [name for name in os.listdir(tmp_path) if name.startswith("unmask-")]


@pytest.mark.parametrize(
    "condition",
    [Condition("mirror"), Condition("crop", 0.1), Condition("resize", 0.75), Condition("blur", 1)],
    ids=lambda c: c.name,
)
def test_faces_are_where_a_change_puts_them(analyzer, condition):
    rgb = np.ascontiguousarray(data.astronaut()[:301, 60:])
    before = analyzer.detector().detect(rgb, 40)
    changed = np.ascontiguousarray(corruptions.change(condition, "clip.mp4")(rgb))
    size = rgb.shape[1], rgb.shape[0]
    assert corruptions.size_after(condition, size) == (changed.shape[1], changed.shape[0])
    (searched,) = analyzer.detector().detect(changed, 30)
    (moved,) = corruptions.moved(condition, before, size)
    near = 0.06 * (searched.box[2] - searched.box[0])
    assert moved.box == pytest.approx(searched.box, abs=2 * near)
    assert np.array(moved.landmarks) == pytest.approx(np.array(searched.landmarks), abs=near)


def test_a_face_that_is_cut_off_is_gone():
    face = Detection((0.0, 0.0, 20.0, 30.0), ((5.0, 9.0),) * 5, 0.99)
    assert corruptions.moved(Condition("crop", 0.2), [face], (200, 100)) == []
    (kept,) = corruptions.moved(Condition("crop", 0.05), [face], (200, 100))
    assert kept.box == (-10.0, -5.0, 10.0, 25.0)


def test_a_picture_is_tried_too_and_on_the_command_line(gallery, tmp_path, capsys):
    out = tmp_path / "a.json"
    command = ["robustness", str(gallery["picture"].path), "--models", "texture"]
    command += ["--device", "cpu", "--conditions", "jpeg-50,crf-32", "--json", str(out)]
    assert main(command) == 0
    analysis = Analysis.model_validate_json(out.read_text())
    assert [t.condition for t in analysis.robustness.trials] == ["jpeg-50"]
    assert analysis.robustness.end is None
    said = capsys.readouterr().out
    assert "JPEG quality 50" in said
    assert ("Fragile" in said) == analysis.robustness.fragile


def test_a_file_without_a_score_is_refused(analyzer, tmp_path):
    empty = decide(make_analysis().model_copy(update={"subjects": []}))
    with pytest.raises(UsageError, match="no score"):
        try_out(tmp_path / "x", empty, analyzer)


class Told:
    """An analyzer that answers with made results, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[Settings] = []
        self.looks: list[RunOptions] = []

    def answer(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def rerun(self, path, settings, options, **more):
        self.asked.append(settings)
        self.looks.append(options)
        return self.answer(), {}


def test_what_cannot_be_read_is_a_result_and_a_cancel_is_not(tmp_path):
    analysis = make_analysis()
    several = [Condition("mirror"), Condition("crop", 0.1)]
    told = Told(analysis, MediaError("damaged"), analysis)
    found = try_out(tmp_path, analysis, told, conditions=several)
    assert [t.error for t in found.trials] == ["damaged", None]
    assert not found.fragile  # no score is no flip
    assert told.asked[0].start == found.start
    assert told.asked[1].start == found.start  # the same part of the same file
    about = [look.media for look in told.looks[1:]]
    assert [m.width for m in about if m] == [analysis.media.width, analysis.media.width * 4 // 5]
    assert told.asked[0].models == ["sbi", "xcep", "clip"]
    with pytest.raises(Canceled):
        try_out(tmp_path, analysis, Told(analysis, Canceled()), conditions=several)


def test_the_part_is_where_the_score_is_highest():
    analysis = make_analysis()
    start, end = part(analysis)
    top = analysis.judged[0]
    peak = max((f for f in top.frames if f.score is not None), key=lambda f: f.score or 0).time
    assert start <= peak <= end
    assert end - start == pytest.approx(PART)
    assert part(make_picture()) == (0.0, None)
    short = analysis.model_copy(
        update={"media": analysis.media.model_copy(update={"duration": 2.0})}
    )
    assert part(short) == (0.0, 2.0)
    inside = analysis.model_copy(update={"settings": Settings(start=4.0, end=8.0)})
    start, end = part(inside)
    assert (start, end) == (4.0, 8.0)


def decided(*trials, fake=True):
    analysis = make_analysis(fake=fake)
    found = tried(*trials, unchanged=0.8 if fake else 0.1)
    return decide(analysis.model_copy(update={"robustness": found}))


@pytest.mark.parametrize("fake", [True, False])
def test_a_verdict_that_turns_around_is_none(fake):
    assert make_analysis(fake=fake).verdict.label is (Label.FAKE if fake else Label.REAL)
    after = decided(trial("crf-32", 0.1 if fake else 0.9), fake=fake)
    assert after.verdict.label is Label.INCONCLUSIVE
    assert after.verdict.vetoed_by is ReasonCode.FRAGILE
    assert after.verdict.reasons[0].code is ReasonCode.FRAGILE
    assert "crf-32" in messages.detail(after.verdict.reasons[0])
    assert after.robustness.fragile


@pytest.mark.parametrize("fake", [True, False])
def test_a_verdict_that_weakens_says_so(fake):
    after = decided(trial("blur-2", 0.5), trial("mirror", 0.8 if fake else 0.1), fake=fake)
    assert after.verdict.label is (Label.FAKE if fake else Label.REAL)
    assert "blur-2" in limits(after)
    assert "mirror" not in limits(after)


def test_a_verdict_that_holds_is_as_before():
    before = make_analysis().verdict
    after = decided(trial("blur-2", 0.75), trial("crop-0.1", None, "no face"))
    assert after.verdict == before
    assert not after.robustness.fragile


def test_other_thresholds_judge_the_trials_again():
    analysis = decided(trial("blur-2", 0.6))
    assert analysis.robustness.fragile
    lower = analysis.verdict.thresholds.model_copy(update={"high": 0.5, "custom": True})
    assert not decide(analysis, thresholds=lower).robustness.fragile


def test_the_tab_starts_trials_and_shows_their_outcome(tmp_path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    application = session.application()
    monkeypatch.setattr(application, "find", lambda context, key: SimpleNamespace(key=key))
    monkeypatch.setattr(
        application, "try_robustness", lambda context, job, analysis: asked.append(job.key)
    )
    monkeypatch.setattr(explain, "heatmap", lambda *args, **more: None)
    clip = make_clip(tmp_path / "a.webm", fps=2)
    at = pages.result(clip, make_analysis())
    next(b for b in at.button if b.label == "Try it").click().run()
    assert asked == ["k"]

    tried_out = decided(trial("blur-2", 0.5), trial("mirror", None, "no <face>"))
    shown = texts(pages.result(clip, tried_out))
    assert "Fragile: the verdict of this part changes under blur-2 (1 of 2)." in shown
    assert "−30 points" in shown
    assert "no &lt;face&gt;" in shown


def test_the_chart_has_a_dot_for_each_score_and_says_it_in_words():
    found = tried(trial("blur-2", 0.5), trial("mirror", None, "no face"))
    limits = make_analysis().verdict.thresholds
    chart = section(make_analysis(), found).blocks[-1]
    drawn = sections.figure(chart, theme.LIGHT)
    assert [list(dots.x) for dots in drawn.data if dots.mode == "markers"] == [[0.8], [0.5]]
    assert list(drawn.data[2].x) == [0.8, 0.5]  # from the unchanged score to the one that moved
    assert chart.said == "As it is: 80 %; Blur-2: 50 %; Mirror: no face"
    said = outcome(tried(trial("blur-2", 0.75)), limits)
    assert said == (
        "The verdict of this part is the same under this change. The likelihood moves by up to "
        "5\u00a0points under blur-2."
    )
    failed = outcome(tried(trial("blur-2", 0.8), trial("crop", None, "no")), limits)
    assert failed == (
        "The verdict of this part is the same under 1 of 2 changes; the others gave no result. "
        "The likelihood does not move."
    )
    far = outcome(tried(trial("noise", 0.72), unchanged=0.95), limits)
    assert far == "The likelihood moves by up to 23\u00a0points under noise: fragile."


def test_where_nothing_is_ever_decided_the_furthest_move_is_said():
    never = make_analysis().verdict.thresholds.model_copy(update={"low": 0.0, "high": 1.0})
    assert never.never_decide
    found = tried(trial("blur-2", 0.75), trial("room", 0.4), trial("mirror", None, "no face"))
    said = outcome(found, never).replace("\u00a0", " ")
    assert said == "What moves the likelihood of this part most: room (−40 points)."
    still = outcome(tried(trial("blur-2", 0.8)), never)
    assert still == "The likelihood of this part stays the same under all changes."


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """2 s on its side, with sound."""
    folder = tmp_path_factory.mktemp("conditions")
    return write_clip(folder / "a.mp4", seconds=2, size=(640, 360), audio=True, rotation=90)


@pytest.fixture(scope="module")
def picture(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.fromarray(astronaut).save(path)
    return path


def pictures(path, times=(0.0, 0.52, 1.6)):
    return [frame.rgb for frame in media.decode(path, media.probe(path), times, notes=[])]


def detail(rgb):
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


@pytest.mark.parametrize("condition", [c for c in FEW[1:] if c.fits("video")], ids=lambda c: c.name)
def test_a_clip_keeps_its_times_its_sound_and_its_colors(clip, tmp_path, condition):
    before, after = media.probe(clip), media.probe(corruptions.apply(clip, condition, tmp_path))
    assert after.duration == pytest.approx(before.duration, abs=0.05)
    assert after.fps == pytest.approx(before.fps)
    assert after.frame_count == before.frame_count
    assert after.notes == []
    assert (before.rotation, after.rotation) == (90, 0)
    share = condition.level if condition.kind == "resize" else 1.0
    assert (after.width, after.height) == (360 * share, 640 * share)
    assert before.audio is not None and after.audio is not None
    assert after.audio.codec == before.audio.codec
    first, second = pictures(clip), pictures(next(tmp_path.iterdir()))
    for a, b in zip(first, second, strict=True):
        off = np.abs(a.mean((0, 1)) - b.mean((0, 1)))
        assert off.max() < 2.5, "colors shift where BT.601 and BT.709 are mixed up"


def test_high_definition_keeps_its_colors(tmp_path):
    """From 720 lines on, colors without a label are read in another way."""
    source = write_clip(tmp_path / "hd.mp4", seconds=0.2, size=(1280, 720))
    for share in (0.75, 0.5):
        changed = corruptions.apply(source, Condition("resize", share), tmp_path)
        a, b = (pictures(path, (0.0,))[0].mean((0, 1)) for path in (source, changed))
        assert np.abs(a - b).max() < 2.5


def test_all_the_sound_is_kept(clip, tmp_path):
    def samples(path):
        with av.open(str(path)) as container:
            return sum(frame.samples for frame in container.decode(audio=0))

    changed = corruptions.apply(clip, Condition("crf", 40), tmp_path)
    assert abs(samples(changed) - samples(clip)) <= 1024, "at most the encoder's delay"


def test_stronger_compression_is_smaller(clip, picture, tmp_path):
    sizes = []
    for crf in (23, 32, 40):
        changed = corruptions.apply(clip, Condition("crf", crf), tmp_path)
        with av.open(str(changed)) as container:
            sizes.append(sum(p.size for p in container.demux(video=0)))
    assert sizes[0] > 1.3 * sizes[1] > 1.3**2 * sizes[2]
    fine, coarse = (corruptions.apply(picture, Condition("jpeg", q), tmp_path) for q in (95, 30))
    assert fine.stat().st_size > 3 * coarse.stat().st_size
    assert media.probe(fine).codec == "jpeg" or fine.suffix == ".jpg"


def test_blur_takes_detail_and_noise_adds_it(picture, tmp_path):
    plain = detail(pictures(picture, (0.0,))[0])

    def after(kind, level):
        return detail(
            pictures(corruptions.apply(picture, Condition(kind, level), tmp_path), (0.0,))[0]
        )

    assert plain > after("blur", 1) > after("blur", 3) > after("blur", 5)
    assert plain < after("noise", 1) < after("noise", 3) < after("noise", 5)


def test_noise_is_as_strong_as_it_says_and_the_same_each_time(tmp_path):
    path = tmp_path / "gray.png"
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(path)
    first = pictures(corruptions.apply(path, Condition("noise", 3), tmp_path), (0.0,))[0]
    again = pictures(corruptions.apply(path, Condition("noise", 3), tmp_path), (0.0,))[0]
    np.testing.assert_array_equal(first, again)
    luma = cv2.cvtColor(first, cv2.COLOR_RGB2YCrCb)[..., 0].astype(float)
    assert luma.std() == pytest.approx(255 * 0.005**0.5 * 255 / 219, rel=0.08)


def test_a_part_of_a_clip(clip, tmp_path):
    changed = corruptions.apply(clip, Condition("crf", 23), tmp_path, part=(0.5, 1.5))
    assert media.probe(changed).duration == pytest.approx(1.0, abs=0.1)
    there, here = pictures(clip, (0.52, 1.2)), pictures(changed, (0.02, 0.7))
    for a, b in zip(there, here, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 4


def test_cropped_and_mirrored(picture, tmp_path):
    plain = pictures(picture, (0.0,))[0]
    cut = pictures(corruptions.apply(picture, Condition("crop", 0.1), tmp_path), (0.0,))[0]
    np.testing.assert_array_equal(cut, plain[51:461, 51:461])
    turned = pictures(corruptions.apply(picture, Condition("mirror"), tmp_path), (0.0,))[0]
    np.testing.assert_array_equal(turned, plain[:, ::-1])


def test_odd_sizes_and_silence(tmp_path):
    source = write_clip(tmp_path / "odd.mp4", seconds=0.4, size=(322, 242))
    info = media.probe(corruptions.apply(source, Condition("resize", 0.75), tmp_path))
    assert (info.width, info.height) == (242, 182)
    assert info.audio is None


def test_it_can_be_stopped(clip, tmp_path):
    stop = Event()
    stop.set()
    with pytest.raises(Canceled):
        corruptions.apply(clip, Condition("crf", 32), tmp_path, cancel=stop)


def test_what_is_no_media_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_text("no")
    with pytest.raises(MediaError):
        corruptions.apply(tmp_path / "a.mp4", Condition("crf", 32), tmp_path)


def test_names_are_read_back():
    assert parse("few") == FEW
    assert parse("all") == ALL
    assert parse(",".join(c.name for c in ALL)) == ALL
    assert parse("crf-28") == (NONE, Condition("crf", 28))
    assert parse("none") == (NONE,)
    assert parse("mirror, crop-0.1") == (NONE, Condition("mirror"), Condition("crop", 0.1))
    assert len({c.title for c in ALL}) == len(ALL)
    assert not Condition("crf", 32).fits("image")
    assert parse("phone,snr-12.5") == (NONE, Condition("phone"), Condition("snr", 12.5))
    unknown = ("crf", "crf-10", "blur-2.5", "jpeg-x", "rain-2", "mirror-2", "few,crf-32", "mp3-33")
    for wrong in unknown:
        with pytest.raises(UsageError, match="no condition"):
            parse(wrong)


RATE = 16_000
OF_SOUNDS = [c for c in ALL if c.fits("audio") and c.kind != "none"] + [Condition("quiet", 12)]


def above(hz, samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[int(len(power) * hz / (RATE / 2)) :].sum() / power.sum())


@pytest.mark.parametrize("condition", OF_SOUNDS, ids=lambda c: c.name)
def test_a_changed_sound_is_as_long_and_says_the_same(condition, tmp_path):
    path = speech.write(tmp_path / "a.wav", speech.speech(3))
    changed = corruptions.apply(path, condition, tmp_path)
    before, after = sounds.decoded(str(path)), sounds.decoded(str(changed))
    assert media.probe(changed).duration == pytest.approx(3, abs=0.01)
    assert len(after) == len(before)
    assert not np.allclose(before, after, atol=1e-3)
    # What was loud is loud at the same time: nothing was shifted by more than 10 ms, and in a room
    # by no more than half of its echo's energy needs, 80 ms in the largest.
    loud = [np.abs(x).reshape(-1, 80).mean(1) for x in (before, after)]
    alike = [np.corrcoef(loud[0], np.roll(loud[1], lag))[0, 1] for lag in range(-40, 41)]
    late = 5 * (40 - int(np.argmax(alike)))
    latest, least = (80, 0.4) if condition.kind == "room" else (10, 0.7)
    assert -10 <= late <= latest and max(alike) > least
    again = corruptions.apply(path, condition, tmp_path).read_bytes()
    assert again == changed.read_bytes()  # the same each time


def test_each_takes_away_what_it_says():
    x = speech.speech(3).astype(np.float64)

    def changed(kind, level=0.0):
        return sounds.change(Condition(kind, level))(x, sounds.generator("a.wav"))

    assert above(4_100, changed("phone")) < 0.1 * above(4_100, x)
    for snr in (10.0, 20.0):
        noise = changed("snr", snr) - x
        ratio = 10 * np.log10(np.mean(x**2) / np.mean(noise**2))
        assert ratio == pytest.approx(snr, abs=0.1)
    quieter = 20 * np.log10(np.std(changed("quiet", 12)) / np.std(x))
    assert quieter == pytest.approx(-12, abs=0.01)
    errors = [np.std(changed("mp3", rate) - x) for rate in (24, 48)]
    assert errors[0] > errors[1] > 0


def test_what_would_clip_is_written_quieter(tmp_path):
    loud = 3 * np.sin(np.arange(RATE) / 10)
    written = sounds.decoded(str(sounds.write(tmp_path / "a.wav", loud)))
    assert np.abs(written).max() == pytest.approx(1, abs=1e-3)
    assert np.allclose(written, loud / 3, atol=1e-3)


def test_a_part_is_changed_alone_and_a_clip_has_a_sound(tmp_path):
    path = speech.write(tmp_path / "a.mp3", speech.speech(4))
    changed = corruptions.apply(path, Condition("quiet", 6), tmp_path, part=(1.0, 2.5))
    assert media.probe(changed).duration == pytest.approx(1.5, abs=0.05)
    clip = write_clip(tmp_path / "face.mp4", seconds=1, audio=True)
    assert media.probe(corruptions.apply(clip, Condition("phone"), tmp_path)).kind == "audio"
    silent = write_clip(tmp_path / "silent.mp4", seconds=1, audio=False)
    with pytest.raises(MediaError, match="no sound"):
        corruptions.apply(silent, Condition("phone"), tmp_path)


def test_a_cancel_stops_it(tmp_path):
    stop = threading.Event()
    stop.set()
    path = speech.write(tmp_path / "a.wav", speech.speech(2))
    with pytest.raises(Canceled):
        corruptions.apply(path, Condition("phone"), tmp_path, cancel=stop)


def test_the_part_is_around_the_highest_window_and_holds_enough_speech(tmp_path):
    analysis = voice_analysis(write_voice(tmp_path / "a.wav"))
    assert part(analysis) == (0.0, HEARD[0])  # 13 s, highest at 4 s
    audio = analysis.media.audio
    assert audio.speech is not None

    def of(length, *spoken, top=50.0):
        heard = SpeechMeasurement(seconds=length, spans=list(spoken))
        heard_of = audio.model_copy(update={"speech": heard, "duration": length})
        about = analysis.media.model_copy(update={"duration": length, "audio": heard_of})
        span = SpanSegment(start=top - 1, end=top + 1, logits={"voice": 3.0})
        voice = analysis.subjects[0].model_copy(update={"spans": [span]})
        return decide(analysis.model_copy(update={"media": about, "subjects": [voice]}))

    assert part(of(100, (40, 60))) == (44, 56)
    assert part(of(100, (48, 52), (60, 70))) == (38, 62)  # little is said near it
    assert part(of(100, (49, 51))) == (26, 74)
    assert part(of(100, (80, 100), top=99.0)) == (88, 100)


@pytest.mark.timeout(400)  # seven runs of a real model
def test_trials_of_made_speech(analyzer, tmp_path, monkeypatch):
    path = write_voice(tmp_path / "a.ogg")
    analysis = analyzer.analyze(path, scores_only=True)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    told: list[tuple[int, int, str]] = []
    tried = try_out(path, analysis, analyzer, on_progress=lambda *what: told.append(what))
    names = [t.condition for t in tried.trials]
    assert names == ["mp3-32", "opus-16", "phone", "snr-10", "room", "quiet-12"]
    assert [done for done, _, _ in told] == list(range(8)) and told[1][2] == "MP3 at 32 kbit/s"
    assert (tried.question, tried.start, tried.end) == (Question.VOICE, *part(analysis))
    assert tried.sampled >= 2
    scores = [t.probability for t in (tried.unchanged, *tried.trials)]
    assert None not in scores and len(set(scores)) == 7
    assert all(set(t.models) == {"timbre"} for t in tried.trials)
    assert tried.unchanged.label is Label.FAKE
    assert tried.furthest in tried.trials
    # The whole file holds little more than the part: unchanged, it says nearly the same.
    whole = analysis.verdict.answers[Question.VOICE].probability
    assert tried.unchanged.probability == pytest.approx(whole, abs=0.1)
    # A trial is no more than the changed copy, analyzed.
    copy = corruptions.apply(path, Condition("opus", 16), tmp_path, part=(tried.start, tried.end))
    by_hand = analyzer.analyze(copy, scores_only=True).verdict.answers[Question.VOICE]
    assert by_hand.probability == pytest.approx(tried.trials[1].probability, abs=0.1)
    assert not os.listdir(folder)  # every changed copy is gone


def test_the_sound_of_a_clip_is_tried_alone(analyzer, tmp_path):
    path = write_clip(tmp_path / "a.mp4", seconds=6, fps=5, audio=speech.speech(6))
    analysis = analyzer.analyze(path, Settings(models=["timbre"], frames=4), scores_only=True)
    assert analysis.media.kind == "video" and analysis.verdict.question is Question.VOICE
    tried = try_out(path, analysis, analyzer, conditions=[Condition("crf", 32), Condition("phone")])
    (phone,) = tried.trials
    assert phone.condition == "phone" and phone.probability is not None
    assert set(phone.models) == {"timbre"}


def test_on_the_command_line(tmp_path, capsys):
    path = speech.write(tmp_path / "a.flac", speech.speech(5))
    out = tmp_path / "a.json"
    command = ["robustness", str(path), "--device", "cpu", "--json", str(out)]
    assert main([*command, "--conditions", "opus-16,jpeg-50"]) == 0
    analysis = Analysis.model_validate_json(out.read_text())
    assert [t.condition for t in analysis.robustness.trials] == ["opus-16"]
    said = capsys.readouterr().out
    assert "Opus at 16 kbit/s" in said and "The likelihood" in said
    assert "The verdict of this part is the same under this change." in said
    assert main([*command, "--conditions", "jpeg-50"]) == 2
    assert "None of these changes can be made to a sound." in capsys.readouterr().err


def heard(analysis, **about):
    audio = analysis.media.audio
    other = audio.model_copy(update={"speech": audio.speech.model_copy(update=about)})
    return decide(
        analysis.model_copy(update={"media": analysis.media.model_copy(update={"audio": other})})
    )


def test_a_telephone_is_no_flip_because_nothing_is_decided_over_it(tmp_path):
    path = write_voice(tmp_path / "a.wav")
    analysis = voice_analysis(path)
    phone = heard(analysis, bandwidth_hz=3_400.0)
    assert phone.verdict.label is Label.INCONCLUSIVE
    conditions = [Condition("phone"), Condition("snr", 10)]
    told = Told(analysis, phone, MediaError("damaged"))
    tried = try_out(path, analysis, told, conditions=conditions)
    assert tried.unchanged.label is tried.trials[0].label is Label.FAKE
    assert tried.trials[1].error == "damaged" and not tried.fragile
    # A recording that is a telephone's already has no verdict that could change.
    told = Told(phone, phone)
    tried = try_out(path, phone, told, conditions=conditions[:1])
    assert tried.unchanged.label is tried.trials[0].label is Label.INCONCLUSIVE
    # What a change does to the score is one.
    low = {FileKind.SOUND: Likelihood(thresholds=Thresholds(low=0.97, high=0.98))}
    other = decide(phone.model_copy(update={"likelihoods": low}))
    tried = try_out(path, analysis, Told(analysis, other), conditions=conditions[:1])
    assert tried.trials[0].label is Label.REAL and tried.fragile


def test_a_cancel_and_silence_are_no_outcome(tmp_path, analyzer):
    path = write_voice(tmp_path / "a.wav")
    analysis = voice_analysis(path)
    with pytest.raises(Canceled):
        try_out(path, analysis, Told(analysis, Canceled()))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Canceled):
        try_out(path, analysis, analyzer, cancel=stop)
    analysis = analyzer.analyze(path, scores_only=True)
    speech.write(path, np.zeros(13 * RATE))  # somebody put another file in its place
    with pytest.raises(UsageError, match="Too little is spoken"):
        try_out(path, analysis, analyzer)
