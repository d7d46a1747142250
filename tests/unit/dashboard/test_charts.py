"""Lanes and figures: what is drawn where, from numbers alone."""

import gettext
import itertools
import math
import re
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import plotly.graph_objects as go
import pytest

import dashboard.charts  # noqa: F401 -- which hides it
from dashboard import charts
from dashboard.charts import sections
from dashboard.components import lanes
from dashboard.result.inspector import _frequency_figure
from dashboard.theme import DARK, LIGHT
from detector import sentences
from detector.messages.format import time_ticks
from detector.presentation import Curve, CurveChart, series
from detector.schema.analysis import Label, Thresholds
from tests.support.result_sample import DURATION, make_analysis

LIMITS = Thresholds(low=0.3, high=0.7)


@pytest.fixture(scope="module")
def analysis():
    return make_analysis()


def lane_of(analysis, person):
    return series.lane(analysis, next(t for t in analysis.judged if t.id == person))


def test_a_moment_without_a_face_is_a_gap_with_its_reason(analysis):
    late, turned = lane_of(analysis, "B"), lane_of(analysis, "A")
    assert [g.word for g in late.gaps] == ["not in frame"]
    assert late.gaps[0].start == 0.0
    assert [g.word for g in turned.gaps] == ["turned away"]
    for lane in (late, turned):
        for time, score in zip(lane.times, lane.score, strict=True):
            assert any(g.start <= time <= g.end for g in lane.gaps) == (score is None)


def test_between_scored_moments_the_line_is_thin_and_nothing_is_hatched(analysis):
    """Every fourth moment is scored, as by a model that is made for few of them."""
    person = next(t for t in analysis.judged if t.id == "A")
    frames = [
        face if n % 4 == 1 else face.model_copy(update={"score": None, "scores": {}})
        for n, face in enumerate(person.frames)
    ]
    lane = series.lane(analysis, person.model_copy(update={"frames": frames}))
    (gap,) = lane.gaps
    assert gap.word == "turned away"
    assert len(lane.scored) >= 6
    ends = [time for pair in lane.bridges for time, _ in pair]
    assert set(ends) <= {time for time, _ in lane.scored} and len(lane.bridges) >= 4
    assert not [1 for (a, _), (b, _) in lane.bridges if a < gap.start and b > gap.end]
    palette, size = LIGHT, charts.lane_sizes(1)[0]
    figure = charts.lane_figure(
        lane, thresholds=LIMITS, end=DURATION, size=size, palette=palette,
        titles={id: id for id in lane.models},
    )  # fmt: skip
    drawn = [t for t in figure.data if t.mode == "lines" and t.line.color == palette.text]
    assert sorted(t.line.width for t in drawn) == [1, 2.6]
    thin = min(drawn, key=lambda t: t.line.width)
    assert sum(y is not None for y in thin.y) == 2 * len(lane.bridges)
    assert sum(t.fillpattern.shape is not None for t in figure.data) == 1
    assert series.finding(lane, LIMITS).count("No score") == 1
    words = dict(zip(lane.times, lane.gap_at, strict=True))
    assert {words[t] for t in lane.times} == {"", "turned away", "between scored moments"}


def test_moments_after_the_present_one_are_not_scored_yet(analysis):
    lane = series.lane(analysis, analysis.judged[0], until=7.0)
    assert lane.gaps[-1].why is series.Missing.NOT_YET
    assert lane.gaps[-1].end == DURATION
    assert all(s is None for t, s in zip(lane.times, lane.score, strict=True) if t > 7.0)


class German(gettext.NullTranslations):
    def info(self):
        return {"language": "de"}


def test_numbers_of_a_chart_are_written_as_the_reader_does():
    points = [(0.0, -33.42), (1.5, None), (2.5, 12.34)]
    with sentences.use(German()):
        ticks = ((-33.42, sentences.numeral(-33.42, ".3g")),)
        chart = CurveChart((Curve(points),), 3.0, -50.0, 2000.0, ticks)
        drawn = sections.figure(chart, LIGHT)
        spectrum = _frequency_figure([-33.42, 2.0], None, LIGHT)
    assert drawn.layout.separators == spectrum.layout.separators == ",."
    assert drawn.layout.yaxis.ticktext == ("−33,4",)
    assert drawn.data[0].text == ("0,0\u00a0s: −33,4", "", "2,5\u00a0s: 12,3")
    assert spectrum.data[0].text == ("−33\u00a0dB", "2\u00a0dB")


def test_a_part_above_a_level_ends_at_the_exact_crossings():
    (part,) = series.above([(0.0, 0.5), (1.0, 0.9), (2.0, 0.9), (3.0, 0.3)], 0.7)
    assert part[0] == (pytest.approx(0.5), 0.7)
    assert part[-1] == (pytest.approx(2 + 0.2 / 0.6), 0.7)
    assert part[1:-1] == [(1.0, 0.9), (2.0, 0.9)]
    assert series.above([(0.0, 0.1), (1.0, 0.2)], 0.7) == []
    assert series.above([(0.0, 0.8), (1.0, 0.9)], 0.7) == [[(0.0, 0.8), (1.0, 0.9)]]


def test_runs_never_cross_a_gap(analysis):
    lane = lane_of(analysis, "A")
    (gap,) = lane.gaps
    runs = lane.runs
    assert len(runs) == 2
    assert runs[0][-1][0] < gap.start and runs[1][0][0] > gap.end


def test_each_stretch_of_a_strip_is_stood_for_by_its_highest_score(analysis):
    lane = lane_of(analysis, "B")
    tiles = series.tiles(lane, 7, DURATION)
    assert len(tiles) == 7
    for tile in tiles:
        inside = [
            lane.score[i] or -1.0 for i, t in enumerate(lane.times) if tile.start <= t < tile.stop
        ]
        assert (lane.score[tile.index] or -1.0) == max(inside)
    best = max(s for s in lane.score if s is not None)
    assert any(lane.score[t.index] == best for t in tiles)


def test_few_moments_have_a_tile_each():
    analysis = make_analysis(frames=5)
    tiles = series.tiles(series.lane(analysis, analysis.judged[0]), 11, DURATION)
    assert [t.index for t in tiles] == [0, 1, 2, 3, 4]
    assert tiles[0].start == 0.0 and tiles[-1].stop == DURATION
    assert all(a.stop == b.start for a, b in itertools.pairwise(tiles))


def test_peaks_are_higher_than_their_neighbors(analysis):
    lane = lane_of(analysis, "B")
    peaks = series.peaks(lane)
    assert peaks
    scored = dict(lane.scored)
    times = list(scored)
    for peak in peaks:
        at = times.index(peak)
        around = times[max(0, at - 2) : at + 3]
        assert scored[peak] == max(scored[t] for t in around)


def test_a_finding_says_who_and_when(analysis):
    fake = series.finding(lane_of(analysis, "B"), LIMITS)
    assert fake.startswith("Person B is above 70 from 00:01.")
    assert "No score: not in frame 00:00.0 to" in fake
    assert series.finding(lane_of(analysis, "A"), LIMITS).startswith("Person A stays below 30.")
    empty = series.lane(analysis, analysis.judged[0].model_copy(update={"frames": []}))
    assert series.finding(empty, LIMITS).startswith("Person B has no score: not in frame")


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.71, Label.FAKE),
        (0.7, Label.INCONCLUSIVE),
        (0.3, Label.INCONCLUSIVE),
        (0.29, Label.REAL),
        (None, Label.NOT_APPLICABLE),
    ],
)
def test_a_score_is_read_as_the_verdict_reads_it(score, label):
    assert series.label_at(score, LIMITS) is label


def figure_of(analysis, person, **more):
    arguments = {
        "thresholds": LIMITS, "end": DURATION, "size": charts.lane_sizes(1)[0], "palette": LIGHT,
        "titles": {"sbi": "SBI", "xcep": "Xception", "clip": "VideoMAE"}, **more,
    }  # fmt: skip
    return charts.lane_figure(lane_of(analysis, person), **arguments)


def test_a_lane_draws_the_ensemble_bold_and_the_models_thin(analysis):
    lines = [t for t in figure_of(analysis, "B").data if t.mode == "lines" and t.line.width]
    assert [t.line.width for t in lines] == [1, 1, 1, 2.6]
    assert [t.line.dash for t in lines[:3]] == ["solid", "dash", "dot"]
    assert {t.line.color for t in lines[:3]} == {LIGHT.muted}
    assert lines[3].line.color == LIGHT.text
    assert all(t.connectgaps is False for t in lines)


def test_thresholds_and_band_are_drawn_and_numbered(analysis):
    figure = figure_of(analysis, "B", palette=DARK)
    band = [s for s in figure.layout.shapes if s.type == "rect"]
    assert [(s.y0, s.y1, s.fillcolor) for s in band] == [(0.3, 0.7, DARK.band)]
    assert [s.y0 for s in figure.layout.shapes if s.line.dash == "dot"] == [0.3, 0.7]
    assert list(figure.layout.yaxis.ticktext) == ["0", "<b>30</b>", "<b>70</b>", "100"]


def test_a_click_can_land_on_every_moment_also_in_a_gap(analysis):
    figure = figure_of(analysis, "A")
    picker = next(t for t in figure.data if t.name == "moments")
    assert list(picker.x) == analysis.timestamps
    assert not any(y is None or math.isnan(y) for y in picker.y)
    assert picker.marker.size == 11 and picker.marker.opacity == 0
    assert picker.selected.marker.opacity == 0 and picker.unselected.marker.opacity == 0
    layout = figure.layout
    assert (layout.hovermode, layout.dragmode, layout.clickmode, layout.hoverdistance) == (
        "closest", False, "event+select", -1,
    )  # fmt: skip
    texts = dict(zip(picker.x, picker.text, strict=True))
    assert any("turned away" in text for text in texts.values())


def test_a_gap_is_hatched_and_named(analysis):
    figure = figure_of(analysis, "A")
    (hatched,) = [t for t in figure.data if t.fillpattern.shape]
    (gap,) = lane_of(analysis, "A").gaps
    assert (min(hatched.x), max(hatched.x)) == (gap.start, gap.end)
    assert [a.text for a in figure.layout.annotations] == ["turned away"]


def test_a_moment_between_gaps_is_seen_as_a_dot(analysis):
    track = analysis.judged[0].model_copy(deep=True)
    track.frames = [track.frames[4]]
    lane = series.lane(analysis, track)
    figure = charts.lane_figure(
        lane, thresholds=LIMITS, end=DURATION, size=charts.lane_sizes(1)[0], palette=LIGHT,
        titles={},
    )  # fmt: skip
    dots = [t for t in figure.data if t.mode == "markers" and t.marker.opacity != 0]
    assert [list(t.x) for t in dots] == [[track.frames[0].time]]


def test_names_of_models_can_not_bring_markup_into_a_figure(analysis):
    figure = figure_of(analysis, "B", titles={"sbi": "<a href='x'>SBI</a>"})
    picker = next(t for t in figure.data if t.name == "moments")
    assert "<a " not in "".join(picker.text)


@pytest.mark.parametrize("end", [0.4, 2.1, 14.2, 61.0, 600.0, 7200.0, 40_000.0])
def test_a_time_axis_has_few_round_ticks(end):
    values, texts = time_ticks(end)
    assert 2 <= len(values) <= 7
    assert values[0] == 0 and values[-1] <= end
    assert len(set(texts)) == len(texts)


def test_ticks_that_would_touch_are_put_together():
    assert charts.score_ticks(Thresholds(low=0.45, high=0.5))[1] == ["0", "<b>45–50</b>", "100"]
    assert charts.score_ticks(Thresholds(low=0.05, high=0.95))[1] == ["<b>5</b>", "<b>95</b>"]


def test_limits_near_an_end_leave_it_its_number():
    limits = Thresholds(low=0.17, probably_low=0.27, probably_high=0.87, high=0.94)
    values, texts = charts.score_ticks(limits)
    assert texts == ["0", "<b>17–27</b>", "<b>87–94</b>", "100"]
    tenths = Thresholds(low=0.167, probably_low=0.273, probably_high=0.867, high=0.944)
    assert charts.score_ticks(tenths)[1] == ["0", "<b>16.7–27.3</b>", "<b>86.7–94.4</b>", "100"]
    assert values[2] == pytest.approx(1 - charts.ROOM), "moved away from 90.5"
    limits = Thresholds(low=0.25, high=0.3)
    assert series.ticks(series.chart([], 4.0, limits), 0.2)[0][0] == pytest.approx(0.275)


def test_the_highest_zone_has_its_name():
    size = charts.lane_sizes(1)[0]
    limits = Thresholds(low=0.17, probably_low=0.27, probably_high=0.81, high=0.92)
    words = re.findall(r'top:(\d+)px">([^<]+)', lanes.zone_words(limits, size))
    assert [word for _top, word in words] == ["likely manipulated", "can’t tell", "no sign"]
    tops = [int(top) for top, _word in words]
    assert all(b - a >= lanes.WORD for a, b in itertools.pairwise(tops))
    assert tops[0] == round(size.y(0.96))


def test_lanes_leave_room_for_the_tag_and_the_times():
    first, middle, last = charts.lane_sizes(3)
    assert first.top == charts.TAG and middle.top == last.top == charts.PAD
    assert last.bottom == charts.FOOT and first.bottom == charts.PAD
    assert first.y(1.0) == first.top and first.y(0.0) == first.top + first.plot


@pytest.mark.parametrize("loading", [True, False])
def test_half_of_pandas_is_none(monkeypatch, loading):
    half = ModuleType("pandas")
    half.__spec__ = ModuleSpec("pandas", None)
    half.__spec__._initializing = loading
    monkeypatch.setitem(sys.modules, "pandas", half)

    def drawn():
        figure = go.Figure(go.Scatter(x=np.arange(3.0), y=[1.0, 2.0, None], text=["a", "b", "c"]))
        return str(figure.to_json())

    if loading:
        assert '"text":["a","b","c"]' in drawn()
    else:  # as it was: what is said to be whole is asked
        with pytest.raises(AttributeError, match="pandas"):
            drawn()


def test_whole_modules_are_seen():
    from _plotly_utils import basevalidators

    assert basevalidators.get_module("numpy", should_load=False) is np
    assert basevalidators.get_module("json").dumps([1]) == "[1]"
    assert basevalidators.get_module("no_such_module", should_load=False) is None


def test_texts_at_an_axis_do_not_touch():
    limits = Thresholds(low=0.02, probably_low=0.19, probably_high=0.76, high=0.94)
    chart = series.chart([], 4.0, limits)
    assert [text for _value, text in series.ticks(chart, 0.15)] == ["2", "19", "76", "94"]
    assert [text for _value, text in series.ticks(chart, 0.2)] == ["2–19", "76–94", "0", "100"]
    assert len(series.ticks(chart, 0.01)) == len(chart.ticks) == 6
