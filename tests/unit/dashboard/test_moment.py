"""The one moment of a result: the words, the chosen frame and the report's picture show it."""

import pytest

from dashboard.result.linked import opening
from detector import live
from detector.decision import decide
from detector.live.score_history import ScoreHistory
from detector.messages.format import clock, stretch
from detector.models import registry
from detector.presentation import lead, looks
from detector.schema.analysis import FrameSegment, Quality
from tests.support.result_sample import make_analysis


def record(texture, clip, seconds=60):
    """A live record of one person; logits over time of the two models."""
    specs = [registry.get_spec(id) for id in ("clip", "texture")]
    history = ScoreHistory(specs, live.LiveSettings(("clip", "texture")))
    quality = Quality(width=160, sharpness=99, brightness=99, yaw=0, confidence=1)
    for n in range(seconds * 8):
        time = n / 8
        logits = {"texture": texture(time)} | ({} if n % 8 else {"clip": clip(time)})
        face = FrameSegment(index=0, time=time, box=(0, 0, 99, 99), quality=quality, logits=logits)
        history.add(time, {0: face})
    return decide(history.session())


@pytest.mark.parametrize("suspicious", [-2.0, 6.0], ids=["undecided", "manipulated"])
def test_all_times_of_a_live_record_are_one_moment(suspicious):
    """All models score highest at 48 s, which is before the seconds that the verdict is on; in
    them one is highest at 55 s, and all together at 57 s."""
    analysis = record(
        lambda t: 9.0 if 47.5 < t < 49 else suspicious + (2.0 if 56.5 < t < 57.5 else 0.0),
        lambda t: 9.0 if 47.5 < t < 49 else suspicious + (0.4 if t == 55 else 0.0),
    )
    (moment, person) = lead.moment(analysis)
    assert person == "A" and 52 < moment <= 60
    assert opening(analysis) == (moment, person)
    (whose, frame) = looks.shown(analysis)
    assert (whose.id, frame.time) == (person, moment)
    (top,) = analysis.judged
    start, *rest = lead.strongest(analysis, top).split(" to ")
    assert start <= clock(moment) <= (rest or [start])[0]
    for said in (lead.sentence(analysis), lead.trace(analysis)):
        assert "00:48" not in said and "00:55" not in said.replace(
            lead.strongest(analysis, top), ""
        )
    if trace := lead.trace(analysis):
        assert f"look at {clock(moment)}" in trace


def test_all_times_of_a_clip_are_one_moment():
    analysis = make_analysis()
    moment, person = lead.moment(analysis)
    assert opening(analysis) == (moment, person) and person == analysis.verdict.subject
    top, frame = looks.shown(analysis)
    assert (top.id, frame.time) == (person, moment)
    assert max(face.score for face in top.frames if face.score) == frame.score
    trace = lead.trace(analysis)
    assert f"look at {clock(moment)}" in trace


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (3.0, 8.4, "00:03 to 00:08"),
        (0.0, 0.9, "00:00.0 to 00:00.9"),
        (0.2, 0.2, "00:00"),
        (0.2, 0.21, "00:00"),
    ],
)
def test_a_stretch_of_a_short_clip_has_an_end(start, end, said):
    assert stretch(start, end) == said


def test_tenths_are_rounded_as_a_browser_rounds_them():
    assert [clock(t, tenths=True) for t in (0.25, 0.35, 59.96)] == ["00:00.3", "00:00.4", "01:00.0"]


@pytest.mark.parametrize(("seconds", "said"), [(7.94, "00:07"), (7.96, "00:08"), (59.96, "01:00")])
def test_a_time_without_tenths_is_never_before_that_with_tenths(seconds, said):
    """A lead that says 00:07 over a frame at 00:08.0 would name another moment."""
    assert clock(seconds) == said == clock(seconds, tenths=True)[:5]
