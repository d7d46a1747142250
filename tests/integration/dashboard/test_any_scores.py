"""Score series of every shape reach the page, the PDF and the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.analyze import summary
from dashboard import charts, theme
from dashboard.charts import lane_figure
from dashboard.result import question, verdict_card
from detector import report
from detector.decision import decide
from detector.decision.next_steps import Facts, next_steps
from detector.presentation import lead, people, pulls, series
from detector.presentation import verdict as presented
from detector.schema.analysis import FrameSegment, Quality
from tests.support import pages
from tests.support.pages import texts
from tests.support.result_sample import make_analysis, make_clip

SCORED = ("sbi", "xcep")
Series = Sequence[float | None]
PATTERN = [-3.0, 4.0, 0.5, None, 2.0]
SHAPES: dict[str, Series] = {
    "constant": [0.7] * 32,
    "constant over the threshold": [3.0] * 32,
    "loop": PATTERN * 12,
    "gaps": [None, 2.0] * 16,
    "no score": [None] * 32,
    "one frame": [2.0],
    "two equal frames": [0.3, 0.3],
    "10,000 frames": [3.0 if n % 700 < 90 else -2.0 for n in range(10_000)],
}


def scored(people, seconds=240.0):
    """A decided analysis whose people have these logits, None where a frame has no score."""
    made = make_analysis(people="AB"[: len(people)])
    most = max(map(len, people))
    step = seconds / most
    pairs = zip(made.judged, people, strict=True)
    subjects = [_subject(subject, logits, step) for subject, logits in pairs]
    media = made.media.model_copy(update={"duration": seconds, "frame_count": most})
    times = [round(step * (n + 0.5), 3) for n in range(most)]
    scored = {"media": media, "subjects": subjects, "timestamps": times}
    return decide(made.model_copy(update=scored))


def _subject(subject, logits, step):
    quality = Quality(width=120.0, sharpness=60.0, brightness=120.0, confidence=0.99, yaw=0.1)
    frames = [
        FrameSegment(
            index=n, time=round(step * (n + 0.5), 3), box=subject.frames[0].box,
            landmarks=subject.frames[0].landmarks, quality=quality,
            logits={} if x is None else dict.fromkeys(SCORED, x),
        )
        for n, x in enumerate(logits)
    ]  # fmt: skip
    ends = {"start": frames[0].time, "end": frames[-1].time, "thumbnail_time": frames[0].time}
    return subject.model_copy(update={"frames": frames, "spans": [], **ends})


def render(analysis):
    """Make all that is said and drawn of a result, short of Streamlit's own elements."""
    assert summary(analysis) and lead.sentence(analysis)
    lead.others(analysis)
    lead.trace(analysis)
    next_steps(analysis, Facts())
    palette, end = theme.LIGHT, series.length(analysis)
    lanes = [series.lane(analysis, subject) for subject in analysis.judged]
    titles = people.lines(analysis)
    for lane, size in zip(lanes, charts.lane_sizes(len(lanes)), strict=True):
        lead.strongest(analysis, lane.track)
        assert series.finding(lane, analysis.verdict.thresholds)
        series.peaks(lane)
        series.tiles(lane, 12, end)
        lane_figure(
            lane, thresholds=analysis.verdict.thresholds, end=end, size=size, palette=palette,
            titles=titles,
        )  # fmt: skip
    assert people.scores(analysis, lanes)[1]
    assert verdict_card.head(analysis) and verdict_card.limits(analysis)
    question.rows(analysis)
    if pulls.judged(analysis) is not None:
        assert verdict_card.number(analysis) and verdict_card.scale(analysis)
        presented.confidence(analysis)
        pulls.rows(analysis)
        pulls.traces(analysis)
    exported = datetime(2026, 11, 27, tzinfo=UTC)
    assert report.as_pdf(report.collect(analysis, exported=exported)).startswith(b"%PDF")


LOGIT = st.one_of(st.none(), st.floats(-40, 40), st.sampled_from([0.0, 0.7, 0.7]))
ONE = st.one_of(
    st.builds(lambda x, n: [x] * n, LOGIT, st.sampled_from([1, 2, 3, 31, 32])),
    st.builds(lambda part, n: part * n, st.lists(LOGIT, min_size=1, max_size=6),
              st.integers(1, 12)),
    st.lists(LOGIT, min_size=1, max_size=48),
)  # fmt: skip


@settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(ONE, min_size=1, max_size=2))
def test_any_series_of_scores_is_said_and_drawn(people):
    render(scored(people))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_said_and_drawn(shape):
    render(scored([SHAPES[shape]]))


@pytest.mark.parametrize("shape", ["constant", "loop", "no score", "one frame"])
def test_each_shape_has_a_page(shape, tmp_path):
    clip = make_clip(tmp_path / "made.webm", duration=2.0)
    page = pages.result(clip, scored([SHAPES[shape]], 2.0), "looped.webm")
    assert not page.exception, page.exception
    assert "What this can’t tell" in texts(page)


def test_even_scores_are_highest_all_along():
    analysis = scored([SHAPES["constant"]])
    assert lead.strongest(analysis, analysis.judged[0]) == "00:03 to 03:56"
