"""Robustness: trials on the bundled sample with a real model, the rules, the tab and its worker."""

import os
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data

from cli import main
from dashboard import session, theme
from dashboard.charts import robustness
from dashboard.result import robustness_tab
from detector import explain
from detector.decision import decide
from detector.errors import Canceled, MediaError, UsageError
from detector.perturbation import corruptions
from detector.perturbation.conditions import Condition
from detector.perturbation.robustness import FRAMES, PART, part, try_out
from detector.pipeline import RunOptions
from detector.schema.analysis import Analysis, Label, Question, ReasonCode, Robustness, Settings
from detector.vision import Detection
from tests.support import pages
from tests.support.pages import texts
from tests.support.result_sample import make_analysis, make_clip, make_picture, trial
from tests.support.searches import searches

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
    assert after.verdict.answers[MANIPULATION].vetoed_by is ReasonCode.FRAGILE
    assert after.verdict.reasons[0].code is ReasonCode.FRAGILE
    assert "crf-32" in after.verdict.reasons[0].detail
    assert after.robustness.fragile


@pytest.mark.parametrize("fake", [True, False])
def test_a_verdict_that_weakens_says_so(fake):
    after = decided(trial("blur-2", 0.5), trial("mirror", 0.8 if fake else 0.1), fake=fake)
    assert after.verdict.label is (Label.FAKE if fake else Label.REAL)
    assert any("blur-2" in sentence for sentence in after.verdict.limits)
    assert not any("mirror" in sentence for sentence in after.verdict.limits)


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
    drawn = robustness.figure(found, limits, theme.LIGHT)
    assert list(drawn.data[-1].x) == [0.8, 0.5]
    assert len(drawn.data) == 2  # one line, from the unchanged score to the one that moved
    said = robustness.finding(found).replace("\u00a0", " ")
    assert said == "as it is: 80 %; blur-2: 50 %; mirror: no likelihood."
    said = robustness_tab.sentence(tried(trial("blur-2", 0.75)), limits)
    assert said == (
        "The verdict of this part is the same under all 1 changes. The likelihood moves by up to "
        "5\u00a0points under blur-2."
    )
    failed = robustness_tab.sentence(tried(trial("blur-2", 0.8), trial("crop", None, "no")), limits)
    assert failed == (
        "The verdict of this part is the same under 1 of 2 changes; the others gave no result. "
        "The likelihood does not move."
    )
    far = robustness_tab.sentence(tried(trial("noise", 0.72), unchanged=0.95), limits)
    assert far == "The likelihood moves by up to 23\u00a0points under noise: fragile."


def test_where_nothing_is_ever_decided_the_furthest_move_is_said():
    never = make_analysis().verdict.thresholds.model_copy(update={"low": 0.0, "high": 1.0})
    assert never.never_decide
    found = tried(trial("blur-2", 0.75), trial("room", 0.4), trial("mirror", None, "no face"))
    said = robustness_tab.sentence(found, never).replace("\u00a0", " ")
    assert said == "What moves the likelihood of this part most: room (−40 points)."
    still = robustness_tab.sentence(tried(trial("blur-2", 0.8)), never)
    assert still == "The likelihood of this part stays the same under all changes."
