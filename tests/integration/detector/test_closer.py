"""Shots, how much of a clip was looked at, and the closer look."""

import threading
from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage import data

from cli.analyze import summary
from detector import media
from detector.decision import people
from detector.errors import Canceled
from detector.media import sampling
from detector.pipeline import CLOSER, Progress, estimate, planning
from detector.pipeline.analyzer import refine
from detector.presentation.measured import covered
from detector.schema.analysis import Analysis, Coverage, Settings
from detector.vision import FaceSearch
from tests.conftest import camera, write_clip
from tests.support.searches import searches

SIZE = (320, 180)
CUTS = (0.0, 30.0, 47.0, 49.0, 80.0)
"""s; where `film` cuts. The shortest shot lies between two moments of a usual analysis of `END`"""
END = 110.0
ONE = ["texture"]  # a model, where what is asked is none of any model's
MOMENTS = 48  # of a closer look


def film(cuts=CUTS, fps=10.0):
    """Frame number -> picture of a clip of several scenes: a face, and pictures without one."""
    face = camera(SIZE)
    scenes = [data.chelsea(), data.coffee(), data.rocket(), data.cat()[:, ::-1]]
    others = [cv2.resize(scene, SIZE, interpolation=cv2.INTER_AREA) for scene in scenes]

    def picture(number):
        shot = sum(number / fps >= cut - 1e-6 for cut in cuts) - 1
        if shot % 2 == 0:
            return face(number)
        return np.roll(others[shot // 2 % len(others)], number % 7, axis=1)

    return picture


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return write_clip(path, seconds=END, fps=10, size=SIZE, picture=film())


@pytest.fixture(scope="module")
def usual(analyzer, long_clip):
    return analyzer.analyze(long_clip)


@pytest.mark.parametrize("thorough", [False, True])
def test_shots_are_found_where_the_clip_cuts(long_clip, thorough):
    found = media.shots(long_clip, media.probe(long_clip), (0.0, END), 32, thorough=thorough)
    assert [start for start, _ in found] == pytest.approx(list(CUTS), abs=0.3)
    assert found[-1][1] == pytest.approx(END)
    for (start, end), (following, _) in pairwise(found):
        assert start <= end <= following


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm"])
def test_shots_without_an_index(make_clip, name):
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = make_clip(
        name, seconds=12, fps=10, size=SIZE, picture=film((0, 4, 9)), codec=codec, gop=20
    )
    found = media.shots(path, media.probe(path), (0.0, 12.0), 32)
    # A codec that does not place key frames at cuts shows them at its next one.
    assert [start for start, _ in found] == pytest.approx([0.0, 4.0, 9.0], abs=2.01)


def test_one_shot_and_a_part_of_a_clip(make_clip, long_clip):
    path = make_clip("one.mp4", seconds=6, fps=25, size=SIZE)
    assert media.shots(path, media.probe(path), (0.0, 6.0), 32) == [(0.0, pytest.approx(6.0))]
    found = media.shots(long_clip, media.probe(long_clip), (35.0, 60.0), 32)
    assert [start for start, _ in found] == pytest.approx([35.0, 47.0, 49.0], abs=0.3)
    assert found[-1][1] == 60.0


def test_shots_are_not_searched_where_that_would_cost_much(make_clip):
    # Every frame is a key frame, and nothing says which to look at.
    quick = {"preset": "ultrafast"}
    path = make_clip("keys.mp4", seconds=3, fps=25, size=(1280, 720), gop=1, options=quick)
    about = media.probe(path)
    assert media.shots(path, about, (0.0, 3.0), 32) is None
    assert media.shots(path, about, (0.0, 3.0), 32, thorough=True) is not None


def test_early_key_frames_are_enough_where_all_would_cost_much(long_clip, monkeypatch):
    about = media.probe(long_clip)
    everything = media.shots(long_clip, about, (0.0, END), 32)
    # Eight key frames, six of them early or before an early one: as much as is allowed.
    size = about.width * about.height / 1e6
    monkeypatch.setattr(sampling, "SHARE", 1.0)
    monkeypatch.setattr(sampling, "MOMENT_COSTS", 7 * size / 32)
    monkeypatch.setattr(sampling, "PREDICTED_COSTS", 0.0)
    assert media.shots(long_clip, about, (0.0, END), 32) == everything
    monkeypatch.setattr(sampling, "MOMENT_COSTS", 5 * size / 32)
    assert media.shots(long_clip, about, (0.0, END), 32) is None


def test_key_frames_far_apart_say_nothing(make_clip):
    options = {"sc_threshold": "0"}
    path = make_clip("far.mp4", seconds=40, fps=10, size=SIZE, gop=1000, options=options)
    assert media.shots(path, media.probe(path), (0.0, 40.0), 32) is None


def test_a_search_for_shots_can_be_stopped(long_clip):
    cancel = threading.Event()
    cancel.set()
    for thorough in (False, True):
        with pytest.raises(Canceled):
            media.shots(
                long_clip, media.probe(long_clip), (0.0, END), 32, thorough=thorough, cancel=cancel
            )


def test_every_shot_gets_a_moment_and_no_more_than_asked_for():
    even = [1.0, 3.0, 5.0, 7.0, 9.0]
    shots = [(0.0, 5.5), (5.5, 6.0), (6.2, 6.2), (6.5, 10.0)]
    moments = media.with_every_shot(even, shots, 5)
    assert len(moments) == 5
    assert list(moments) == sorted(moments)
    assert all(media.seen(shots, moments))
    assert {5.75, 6.2} <= set(moments)
    assert media.with_every_shot(even, [(0.0, 10.0)], 5) == tuple(even)
    # More shots than moments: the longest ones first, and still no more than asked for.
    many = [(float(n), n + 0.5) for n in range(40)]
    assert len(media.with_every_shot(even, many, 8)) == 8


def test_coverage_of_parts_and_pictures(long_clip):
    about = media.probe(long_clip)
    seen = planning.coverage(about, Settings(), [10.0, 50.0], [(0.0, 30.0), (30.0, 40.0)])
    assert seen == Coverage(sampled=2, frames=1100, longest_gap=60.0, shots=2, shots_seen=1)
    part = planning.coverage(about, Settings(start=10, end=20), [15.0], None)
    assert part == Coverage(sampled=1, frames=100, longest_gap=5.0)
    picture = about.model_copy(update={"kind": "image", "duration": None, "frame_count": None})
    assert planning.coverage(picture, Settings(), [0.0], None) == Coverage(
        sampled=1, frames=1, longest_gap=0.0
    )


def test_a_long_clip_has_every_shot_seen_and_says_so(usual):
    evenly = [(n + 0.5) * END / 32 for n in range(32)]
    out = usual
    assert out.coverage.shots == len(CUTS)
    assert out.coverage.shots_seen == out.coverage.shots
    assert not any(47.0 <= t < 49.0 for t in evenly)  # what an even spread would have missed
    assert any(47.0 <= t < 49.0 for t in out.timestamps)
    sampled = len(out.timestamps)
    assert out.coverage.sampled == sampled >= planning.samples(out.media, Settings()) > 32
    assert covered(out.coverage) == f"{sampled} of 1,100 frames, every shot seen (5)"
    assert f"{sampled} of 1,100 frames" in summary(out)
    assert Analysis.model_validate_json(out.model_dump_json()).coverage == out.coverage


@pytest.mark.parametrize(
    ("minutes", "most", "gap"), [(1, 32, 2.0), (5, 60, 6.0), (27, 180, 10.0), (120, 720, 12.0)]
)
def test_moments_grow_with_the_length_of_a_film(long_clip, minutes, most, gap):
    about = media.probe(long_clip).model_copy(update={"duration": 60.0 * minutes})
    settings = Settings(frames=planning.samples(about, Settings()))
    assert 32 <= settings.frames <= most
    assert (
        planning.coverage(
            about, Settings(), media.plan(about, settings).timestamps, None
        ).longest_gap
        <= gap
    )
    assert planning.samples(about, Settings(frames=16)) == 16, "what a person chose stays"


def test_a_closer_look_goes_on_from_a_result(analyzer, long_clip, usual, monkeypatch):
    """Faces that were found are not searched again, and the result has all their moments."""
    searched: list[float] = []
    find = FaceSearch.find

    def found(self, time, rgb):
        searched.append(round(time, 4))
        return find(self, time, rgb)

    monkeypatch.setattr(FaceSearch, "find", found)
    closer = Settings(sampling="closer", frames=MOMENTS + 8)
    assert analyzer._earlier(long_clip, closer) is not None
    out = analyzer.analyze(long_clip, closer, scores_only=True)
    assert set(usual.timestamps) <= set(out.timestamps)
    assert len(out.timestamps) == MOMENTS + 8
    assert not set(searched) & set(usual.timestamps)


def test_a_short_clip_is_looked_at_as_before(analyzer, make_clip):
    path = make_clip("short.mp4", seconds=6, fps=10, size=SIZE, picture=film((0.0, 3.0)))
    out = analyzer.analyze(path, Settings(frames=6))
    assert out.timestamps == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.5])
    assert (out.coverage.shots, out.coverage.shots_seen) == (2, 2)
    assert Analysis.model_validate(out.model_dump(exclude={"coverage"})).coverage is None


def test_moments_go_where_scores_move_or_are_high():
    moments = [5.0, 15.0, 25.0, 35.0, 45.0]
    rising = {5.0: 0.1, 15.0: 0.1, 25.0: 0.1, 35.0: 0.9, 45.0: 0.1}
    chosen = refine(moments, [rising, {}], (0.0, 50.0), 45)
    assert len(chosen) == 45
    assert set(moments) <= set(chosen)
    about_the_peak = sum(25.0 < t < 45.0 for t in chosen)
    elsewhere = sum(0.0 < t < 20.0 for t in chosen)
    assert about_the_peak > 3 * elsewhere > 0
    gaps = [b - a for a, b in pairwise(sorted({0.0, *refine([1.0], [], (0.0, 2.0), 500), 2.0}))]
    assert min(gaps) >= 0.1 - 1e-9
    # Nothing scored: they go where the gaps are.
    even = refine([5.0], [], (0.0, 10.0), 8)
    assert max(b - a for a, b in pairwise([0.0, *even, 10.0])) <= 2.5


def test_a_closer_look_keeps_what_it_knows_and_adds_to_it(analyzer, long_clip):
    settings = Settings(sampling="closer", frames=MOMENTS)
    seen: list[Progress] = []
    with searches(analyzer.detector()) as searched:
        out = analyzer.analyze(long_clip, settings, observe=seen.append)
    assert len(out.timestamps) == MOMENTS
    assert out.timestamps == sorted(out.timestamps)
    assert out.coverage.shots_seen == out.coverage.shots
    assert out.coverage.shots == len(CUTS)
    # No face was searched twice: the moments, those of the windows, and smaller faces in a few.
    windows = {w.start for track in out.judged for w in track.spans}
    searched_whole = [search for search in searched if search.way == "detect"]
    limit = MOMENTS + 5 * len(windows) + 24
    assert len(searched_whole) < limit, "32 more where all were searched twice"
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    looked = [p.sampled for p in seen]
    assert looked == sorted(looked)
    assert seen[-1].sampled == MOMENTS
    # Where the face is, more is looked at than where there is none.
    share = sum(any(a <= t < b for a, b in ((0, 30), (47, 49), (80, 110))) for t in out.timestamps)
    assert share / MOMENTS > 62 / 110
    for model in out.models:
        assert model.error is None
        scored = [f for t in out.judged for f in t.frames if model.id in f.logits]
        if model.kind == "frame":
            assert model.scored == len(scored)
    again = analyzer.analyze(long_clip, settings)
    assert [t.models for t in again.judged] == [t.models for t in out.judged]
    assert again.id == out.id


def test_a_closer_look_of_a_picture_is_a_look(analyzer, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), data.astronaut()[..., ::-1])
    closer = analyzer.analyze(path, Settings(sampling="closer", frames=CLOSER))
    usual = analyzer.analyze(path)
    assert closer.verdict.probability == usual.verdict.probability
    assert closer.coverage == usual.coverage


@pytest.mark.parametrize("wanted", [3, 40], ids=["the first time through", "the second"])
def test_a_closer_look_can_be_stopped(analyzer, long_clip, wanted):
    cancel = threading.Event()

    def stop(progress):
        if progress.sampled >= wanted:
            cancel.set()

    settings = Settings(sampling="closer", frames=72)
    with pytest.raises(Canceled):
        analyzer.analyze(long_clip, settings, observe=stop, cancel=cancel)


def test_a_moment_counts_for_the_time_it_stands_for(analyzer, long_clip):
    closer = Settings(sampling="closer", frames=40, models=ONE)
    out = analyzer.analyze(long_clip, closer, scores_only=True)
    assert len(people.stands_for(out)) == len(out.timestamps)
    assert people.stands_for(analyzer.analyze(long_clip, Settings(frames=8, models=ONE))) == []
    assert people.over_time([0.0, 4.0], [], "mean", [3.0, 1.0]) == 1.0
    # Ten looks at one second weigh as much as one look at it.
    crowd = [1.0] * 10
    assert people.over_time([0.0, *crowd], [], "mean", [1.0, *[0.1] * 10]) == pytest.approx(0.5)
    assert people.over_time([0.0, 4.0, 2.0, 1.0], [], "top", [1.0] * 4) == 4.0
    assert people.over_time([0.0, 4.0], [1.0, 1.0], "motion", [3.0, 1.0]) == pytest.approx(1.0)


def test_how_long_a_closer_look_takes(usual):
    seconds = estimate(usual)
    assert seconds > usual.timings["total"]
    more = estimate(usual, 2 * CLOSER)
    assert more > seconds
    assert estimate(usual, 16) is None
    assert estimate(usual.model_copy(update={"timings": {}})) is None
