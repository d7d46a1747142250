"""What a running analysis tells: nothing that isn't known, and no time that jumps."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from dashboard.components.progress import bar
from dashboard.labels import NBSP
from dashboard.pages.analyze import running
from dashboard.pages.analyze.running import by_appearance, so_far
from detector.decision import provisional
from detector.decision.numbers import logit, sigmoid
from detector.pipeline import Progress
from detector.presentation import series
from detector.presentation.progress import TimeLeft, reading, words
from detector.schema.analysis import Label
from service.tasks.jobs import Job
from tests.support.result_sample import make_analysis


def test_time_left_waits_rounds_and_never_grows_without_a_word():
    left = TimeLeft()
    assert left.text(1.0, 0.1) == ""  # too early to know
    assert left.text(4.0, 0.2) == f"about 20{NBSP}s left"  # 16 s
    assert left.text(5.0, 0.2) == f"about 20{NBSP}s left"
    assert left.text(6.0, 0.2) == f"about 20{NBSP}s left"  # 24 s: within what was said
    assert left.text(15.0, 0.2) == f"slower than expected, about 60{NBSP}s left"
    assert left.text(15.0, 0.75) == f"about 5{NBSP}s left"


def test_time_left_survives_a_start_without_progress():
    assert TimeLeft().text(30.0, 0.0) == ""


def test_a_bar_stays_inside_itself_and_speaks_only_with_a_label():
    assert "width: 100%" in bar(1.7)
    assert "width: 0%" in bar(-1)
    assert "aria-hidden" in bar(0.5) and "progressbar" not in bar(0.5)
    assert 'aria-valuenow="50"' in bar(0.5, "Whole analysis")


def half_done():
    """Looked at half of the moments; the slow model has scored every second of these."""
    whole = make_analysis()
    seen = whole.timestamps[:16]
    tracks = []
    for track in whole.judged:
        kept = [face.model_copy(deep=True) for face in track.frames if face.index < 16]
        for face in kept:
            if face.index >= 8:
                face.scores.pop("xcep", None)
        tracks.append(track.model_copy(update={"frames": kept}))
    return whole.model_copy(update={"timestamps": seen, "subjects": tracks, "partial": True})


def test_the_bold_line_is_drawn_only_where_all_models_have_a_score():
    partial = half_done()
    for track in partial.judged:
        lane = so_far(partial, track)
        scored = {face.index for face in track.frames if "xcep" in face.scores}
        drawn = {i for i, score in enumerate(lane.score) if score is not None}
        assert drawn and drawn <= scored
        assert max(drawn) < 8
        assert any(value is not None for value in lane.models["sbi"][8:16])


def test_what_was_not_looked_at_is_not_scored_yet():
    partial = half_done()
    lane = so_far(partial, partial.judged[0])
    last = lane.gaps[-1]
    assert last.why is series.Missing.NOT_YET
    assert (last.start, last.end) == (partial.timestamps[-1], series.length(partial))
    assert series.Missing.NO_SCORE not in {gap.why for gap in lane.gaps}


def test_a_person_is_counted_in_frames_once_all_are_searched(monkeypatch):
    """The step beside counts them on; two counts of one thing would not agree."""
    monkeypatch.setattr(running, "thumbnail", lambda *any: "")
    partial, job = half_done(), cast(Job, SimpleNamespace(path=Path("a.webm")))
    details = [
        running._person(job, partial, partial.seen[0], searched=searched)[2]
        for searched in (False, True)
    ]
    assert "frame" not in details[0] and f"of 16{NBSP}frames" in details[1]


def test_people_stand_where_they_are_whoever_is_the_most_suspicious():
    analysis = make_analysis()
    (first, second) = by_appearance(analysis.seen)
    assert (first.id, second.id) == ("A", "B")
    assert first.start < second.start
    at_once = [one.model_copy(update={"start": 0.0}) for one in analysis.seen]
    last = at_once[0].model_copy(update={"id": "AA"})
    for people in ([*at_once, last], [last, *reversed(at_once)]):
        assert [person.id for person in by_appearance(people)] == ["A", "B", "AA"]


def after(moments, label, above=0.0):
    """A reading whose log odds are so far above the limit of the file."""
    whole = make_analysis()
    likelihood = sigmoid(logit(whole.verdict.thresholds.high) + above)
    changed = {"label": label, "probability": likelihood}
    verdict = whole.verdict.model_copy(update=changed)
    decided = whole.model_copy(update={"verdict": verdict})
    return Progress("score", 0.4, {}, reading=decided, moments=moments, moments_total=8)


def test_a_reading_says_of_how_many_moments_it_is():
    assert reading(None) is None and reading(Progress("score", 0.4, {})) is None
    found = reading(after(2, Label.REAL))
    assert (found.head, found.label) == ("No sign of manipulation found", Label.REAL)
    assert found.so_far == f"so far, 2 of 8{NBSP}moments"
    assert words(after(4, Label.INCONCLUSIVE)).endswith(f": so far, 4 of 8{NBSP}moments")


def test_an_accusation_is_shown_only_where_it_is_not_taken_back(monkeypatch):
    assert reading(after(2, Label.FAKE, provisional.MARGIN + 0.01)).label is Label.FAKE
    held = (
        after(4, Label.FAKE, provisional.MARGIN - 0.01),
        after(8, Label.PROBABLY_FAKE, 5.0),
        after(2, Label.NOT_APPLICABLE),
    )
    for progress in held:
        found = reading(progress)
        assert found.label is None and "manipulated" not in found.head
    monkeypatch.setattr(provisional, "MEASURED", ())
    assert reading(after(2, Label.FAKE, 5.0)).label is None, "a question that was not measured"
