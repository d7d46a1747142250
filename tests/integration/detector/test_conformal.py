"""Thresholds by one's own untouched clips."""

from datetime import UTC, datetime

import numpy as np
import pytest

import cli
from detector.decision import conformal, decide
from detector.decision.conformal import OwnCalibration, ThresholdStore
from detector.errors import InputError, UsageError
from detector.evaluation import own_calibration
from detector.pipeline import initial_results
from detector.presentation import own_threshold
from detector.schema.analysis import (
    Analysis,
    CustomEnsemble,
    Label,
    OwnThreshold,
    Question,
    Settings,
)
from tests.support import speech
from tests.unit.detector.test_verdict import analysis, model, track, with_scores

FACE, WHOLE = Question.MANIPULATION, Question.SYNTHESIS
pytestmark = pytest.mark.usefixtures("data")


def made(clips, **changes):
    values: dict[str, object] = {
        "id": "abc123",
        "created": datetime(2026, 11, 20, tzinfo=UTC),
        "rate": 0.05,
        "sources": 2,
        "models": {"one": "1"},
        "clips": clips,
    }
    return OwnCalibration.model_validate(values | changes)


@pytest.mark.parametrize(("rate", "clips"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.5, 1), (0.3, 3)])
def test_how_many_clips_a_rate_takes(rate, clips):
    assert conformal.least(rate) == clips
    conformal.quantile(range(clips), rate)
    with pytest.raises(InputError, match=f"at least {clips} clips") as refused:
        conformal.quantile(range(clips - 1), rate)
    assert refused.value.code == "too_few_clips"


@pytest.mark.parametrize(("count", "rate"), [(19, 0.05), (40, 0.05), (40, 0.1), (150, 0.01)])
@pytest.mark.parametrize("heavy", [False, True])
def test_new_clips_exceed_the_threshold_as_often_as_promised(count, rate, heavy):
    """Over many choices of clips, whatever their distribution: not more, and not far less."""
    rng = np.random.default_rng(count)
    draw = (lambda n: rng.standard_cauchy(n)) if heavy else (lambda n: rng.normal(size=n))
    exceeded = []
    for _ in range(400):
        threshold = conformal.quantile(draw(count), rate)
        exceeded.append(float((draw(500) > threshold).mean()))
    error = np.std(exceeded) / np.sqrt(len(exceeded))
    assert np.mean(exceeded) <= rate + 3 * error
    assert np.mean(exceeded) >= rate - 1 / (count + 1) - 3 * error


def test_the_promise_is_said_with_its_condition():
    said = own_threshold.guarantee(40, 0.05)
    assert "at most 5 %" in said and "40 such clips" in said and "only for clips like these" in said
    # With 40 clips the rate itself follows Beta(2, 39).
    assert "up to 11 %" in said
    assert "1 %" in str(conformal.too_few(40, 0.01).message)
    assert "2.4 % or more is possible" in conformal.too_few(40, 0.01).hint


def test_cuts_of_a_few_recordings_are_warned_of():
    clips = [float(i) for i in range(40)]
    assert own_threshold.alike(made(clips, sources=20)) == ""
    few = own_threshold.alike(made(clips, sources=3))
    assert "40 clips are of only 3 recordings" in few and "takes 19 different recordings" in few
    many = own_threshold.alike(made([*clips, *clips], sources=30))
    assert "only 30 recordings" in many and "takes" not in many


ONE = model("one").identity


def with_own(high, **models):
    made = analysis([track("A", with_scores(*[0.75] * 5))])
    made.own = OwnThreshold(
        high=high, rate=0.05, clips=40, sources=3, domain="phone",
        created=datetime(2026, 11, 20, tzinfo=UTC),
        models=models,
    )  # fmt: skip
    return made


def test_own_thresholds_stand_in_the_place_of_ours_and_are_named():
    ours = decide(analysis([track("A", with_scores(*[0.75] * 5))])).verdict
    assert ours.label is Label.FAKE and not ours.thresholds.own
    verdict = decide(with_own(2.0, one=ONE)).verdict
    assert verdict.label is Label.INCONCLUSIVE
    assert verdict.thresholds.own and verdict.thresholds.low == 0.3
    assert verdict.thresholds.high == pytest.approx(0.881, abs=0.001)
    assert verdict.thresholds.data == "your own 40 clips of 3 recordings (phone), 2026-11-20"
    assert verdict.thresholds.false_positive_rate == 0.05
    lower = decide(with_own(-2.0, one=ONE)).verdict
    assert lower.label is Label.FAKE and lower.thresholds.low <= lower.thresholds.high


def test_own_thresholds_hold_only_for_their_models_weights_and_maps():
    assert not decide(with_own(2.0, one="other weights")).verdict.thresholds.own
    moved = with_own(2.0, one=ONE)
    moved.models[0].calibration.offset += 0.5
    assert not decide(moved).verdict.thresholds.own
    assert not decide(with_own(2.0, one=ONE, two=ONE)).verdict.thresholds.own
    assert not decide(with_own(2.0, one=ONE), models=[]).verdict.thresholds.own
    mix = CustomEnsemble(models=["one"], aggregation="top")
    assert not decide(with_own(2.0, one=ONE), ensemble=mix).verdict.thresholds.own


def test_a_threshold_of_the_calibrated_models_is_found_beside_one_that_was_not_measured():
    one = model("one")
    gend = model("gend", calibration=None, operating_point=0.5, label_order="documented")
    ours, both = ({m.id: m.identity for m in models} for models in ([one], [one, gend]))
    clips = [float(i) for i in range(40)]
    for stored, found in (([ours], ours), ([both], both), ([ours, both], both)):
        kept = [made(clips, id=str(len(ids)), models=ids) for ids in stored]
        store = ThresholdStore(calibrations=kept)
        assert initial_results.rules([one, gend], store, [FACE]).own.models == found
    only = ThresholdStore(calibrations=[made(clips, models=both)])
    assert initial_results.rules([one], only, [FACE]).own is None


def test_they_are_kept_replaced_switched_and_deleted(data):
    assert conformal.load() == ThresholdStore()
    clips = [float(i) for i in range(40)]
    conformal.keep(made(clips))
    conformal.keep(made(clips, id="new", rate=0.1))
    conformal.keep(made(clips, id="gend", models={"gend": "a" * 64}))
    shelf = conformal.load()
    assert [c.id for c in shelf.calibrations] == ["gend", "new"]
    found = shelf.threshold({"one": "1"})
    assert found.rate == 0.1 and found.clips == 40
    assert found.high == conformal.quantile(range(40), 0.1)
    assert shelf.threshold({"one": "x"}) is None and shelf.threshold({}) is None
    assert shelf.threshold({"one": "1", "two": "2"}) is None
    conformal.switch(False)
    assert conformal.load().threshold({"one": "1"}) is None
    with pytest.raises(UsageError):
        conformal.delete("nobody")
    conformal.delete("new")
    assert [c.id for c in conformal.load().calibrations] == ["gend"]
    conformal.delete(None)
    assert conformal.load().calibrations == []
    (data / conformal.FILE).write_text("{broken")
    assert conformal.load() == ThresholdStore()


def test_from_a_folder_to_a_verdict(analyzer, make_clip, tmp_path, capsys):
    folder = tmp_path / "mine"
    for number in range(4):
        (folder / f"day {number % 2}").mkdir(parents=True, exist_ok=True)
        clip = make_clip(f"{number}.mp4", seconds=0.8, size=(320, 240 + 8 * number))
        clip.rename(folder / f"day {number % 2}" / clip.name)
    (folder / "day 0" / "notes.txt").write_text("no video")
    (folder / "day 1" / "broken.mp4").write_bytes(b"no video either")
    twice = folder / "day 1" / "again.mp4"
    twice.write_bytes((folder / "day 0" / "0.mp4").read_bytes())

    options = ["--models", "texture,clip", "--rate", "0.3", "--domain", "my phone"]
    assert cli.main(["calibrate", "--real", str(folder), *options]) == 0
    said = capsys.readouterr().out
    assert "4 clips of 2 recordings (my phone)" in said and "30 % false alarms" in said
    assert "at most 30 %" in said and "Warning" not in said
    assert "broken.mp4" in said and "There is another copy" in said

    pair = analyzer.analyze(folder / "day 0" / "2.mp4", Settings(models=["texture", "clip"]))
    used = pair.verdict.thresholds
    assert used.own and "your own 4 clips of 2 recordings (my phone)" in used.data
    assert Analysis.model_validate_json(pair.model_dump_json()) == pair
    alone = analyzer.analyze(folder / "day 0" / "2.mp4", Settings(models=["texture"]))
    assert not alone.verdict.thresholds.own
    assert own_calibration.holds(conformal.load().calibrations[0])
    # Taken from the clips themselves: as many lie above as the rate allows.
    shelf = conformal.load().calibrations[0]
    high, scores = shelf.threshold.high, sorted(shelf.clips)
    # The clip that set it lies on it, but for the last bit of a sum.
    assert sum(score > high + 1e-9 for score in scores) == 0, (scores, high)

    assert cli.main(["calibrate", "--real", str(folder), *options, "--sources", "1"]) == 0
    assert "Warning: These 4 clips are of only 1 recording." in capsys.readouterr().out

    assert cli.main(["calibrate", "--switch", "off"]) == 0
    assert "switched off" in capsys.readouterr().out
    assert cli.main(["calibrate", "--delete", "all"]) == 0
    assert "no thresholds of your own" in capsys.readouterr().out


def test_real_voices_set_the_threshold_of_the_voice_alone(analyzer, make_clip, tmp_path, capsys):
    folder = tmp_path / "voices"
    folder.mkdir()
    for number in range(4):
        sound = speech.speech(4, pitch=100 + 30 * number, seed=number)
        speech.write(folder / f"{number}.wav", sound)
    options = ["--rate", "0.3", "--sources", "4", "--domain", "my phone"]
    assert cli.main(["calibrate", "--real", str(folder), *options]) == 0
    said = capsys.readouterr().out
    assert "4 clips of 4 recordings (my phone)" in said and "for timbre" in said
    (own,) = conformal.load().calibrations
    assert list(own.models) == ["timbre"]

    known = analyzer.analyze(folder / "0.wav")
    assert known.verdict.thresholds.own and known.verdict.label is Label.INCONCLUSIVE
    assert known.verdict.thresholds.high < 1 and not known.verdict.thresholds.never_decide
    # A voice that is surer to be cloned than all of them is said to be.
    above = known.model_copy(deep=True)
    (subject,) = above.subjects
    for span in subject.spans:
        span.logits["timbre"] += 20
    assert decide(above).verdict.label is Label.FAKE
    assert decide(above).verdict.question is Question.VOICE

    clip = make_clip("face.mp4", seconds=0.8, size=(320, 240))
    assert not analyzer.analyze(clip).verdict.thresholds.own
    clip.rename(folder / "face.mp4")
    with pytest.raises(InputError, match="videos and sounds"):
        own_calibration.calibrate_own(own_calibration.OwnClips(folder), rate=0.3)


def test_a_folder_that_can_not_do_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        own_calibration.calibrate_own(own_calibration.OwnClips(tmp_path / "nothing"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="no videos"):
        own_calibration.calibrate_own(own_calibration.OwnClips(tmp_path / "mine"))
    for number in range(18):
        (tmp_path / "mine" / f"{number}.mp4").touch()
    with pytest.raises(InputError, match="at least 19 clips"):
        own_calibration.calibrate_own(own_calibration.OwnClips(tmp_path / "mine"))


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--rate", "0"],
        ["--real", "x", "--sources", "0"],
        ["--rate", "5", "--real", "x"],
        ["a.csv", "--real", "x"],
    ],
)
def test_the_command_says_what_is_missing(options, capsys):
    assert cli.main(["calibrate", *options]) == 2
    assert capsys.readouterr().err.startswith("unmask: ")
