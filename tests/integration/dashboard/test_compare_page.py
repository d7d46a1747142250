"""The Compare page: what it says of made scores, and the page itself on a real analysis."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import labels, series, session
from dashboard.pages.compare import agree, pair
from dashboard.pages.compare.heatmaps import moments
from dashboard.pages.compare.lanes import lanes, limits
from dashboard.pages.compare.state import Chosen
from dashboard.series import Lane
from detector import paths
from detector.errors import InputError
from detector.schema.analysis import CustomEnsemble, Label
from service.context import Principal, PrincipalKind, RequestContext
from service.tasks.jobs import Job, Jobs, State
from tests.support.kept import put
from tests.support.pages import APP, OWNER, html
from tests.support.result_sample import make_analysis, make_clip, make_picture
from tests.support.scopes import local
from tests.support.waiting import PATIENT


def lane(values: list[float | None]) -> Lane:
    track = make_analysis().judged[0]
    times = tuple(float(i) for i in range(len(values)))
    return Lane(track, times, tuple(values), {"m": tuple(values)}, ())


# --- agreement -----------------------------------------------------------------------------------

FAKE, REAL, UNSURE, NONE = Label.FAKE, Label.REAL, Label.INCONCLUSIVE, Label.NOT_APPLICABLE


def test_pairs_count_only_moments_that_both_scored() -> None:
    said = {"a": [FAKE, FAKE, REAL, NONE], "b": [FAKE, REAL, REAL, FAKE]}
    drawn = {"a": lane([0.9, 0.5, 0.1, None]), "b": lane([0.5, 0.1, 0.3, 0.9])}
    (found,) = agree.pairs(said, drawn)
    assert (found.both, found.same, found.opposite) == (3, 2, 1)
    assert found.correlation == pytest.approx(0.5)
    flat = agree.pairs(said, {"a": lane([0.5] * 4), "b": drawn["b"]})
    assert flat[0].correlation is None


def test_differences_name_stretches_longest_first() -> None:
    said = {
        "a": [FAKE, FAKE, FAKE, REAL, FAKE, FAKE],
        "b": [REAL, REAL, FAKE, REAL, UNSURE, UNSURE],
    }
    times = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    found = agree.differences(said, times, {"a": "A", "b": "B"})
    assert [(d.start, d.end) for d in found] == [(0.0, 1.0), (4.0, 5.0)]
    assert found[0].text == "B finds no sign where A says likely manipulated"
    assert "inconclusive" in found[1].text


def test_two_clips_meet_at_the_times_they_share() -> None:
    times, first, second = pair.difference(
        lane([0.0, 0.5, 1.0, 0.0, 0.0]), lane([1.0, 0.0, 1.0]), "m"
    )
    assert times == [0.0, 1.0, 2.0]
    assert first == [0.0, 0.5, 1.0] and second == [1.0, 0.0, 1.0]
    assert pair.difference(lane([None]), lane([0.5]), "m") == ([], [], [])


# --- presets -------------------------------------------------------------------------------------


def test_presets_are_kept_for_who_made_them(jobs: Jobs) -> None:
    scope = session.application().scope(OWNER)
    store, owner = scope.store, scope.owner
    assert store.presets(owner) == {}
    mine = CustomEnsemble(name="mine", models=["a", "b"], weights={"a": 2.0}, aggregation="top")
    store.save_preset(owner, mine)
    store.save_preset(owner, mine.model_copy(update={"min_models": 2}))
    assert store.presets(owner)["mine"].min_models == 2 and len(store.presets(owner)) == 1
    with pytest.raises(InputError, match="name"):
        store.save_preset(owner, CustomEnsemble(models=["a"]))
    guest = RequestContext(Principal("guest:a", PrincipalKind.GUEST))
    theirs = session.application().scope(guest)
    assert theirs.store.presets(theirs.owner) == {}
    store.delete_preset(owner, "mine")
    store.delete_preset(owner, "mine")
    assert store.presets(owner) == {}


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path, jobs: Jobs) -> Job:
    """A finished job with two people and several models, on a server without background work."""
    found = jobs.find(
        put(tmp_path, make_clip(tmp_path / "clip.webm"), make_analysis()), local(jobs)
    )
    assert found is not None and found.state is State.DONE
    return found


def view(job: Job) -> Chosen:
    analysis = job.analysis
    assert analysis is not None
    track = analysis.judged[0]
    models = [m for m in analysis.models if m.scored]
    return Chosen(job, analysis, models, track, track.frames[0].time)


def test_each_model_has_its_own_lane_and_gaps(job: Job) -> None:
    shown = view(job)
    drawn = lanes(shown)
    assert set(drawn) <= {m.id for m in shown.models} and len(drawn) > 1
    for id, one in drawn.items():
        scored = [t for t, v in zip(one.times, one.score, strict=True) if v is not None]
        assert scored
        for gap in one.gaps:
            assert not any(gap.start < t < gap.end for t in scored), id
    columns = moments(drawn, series.length(shown.analysis))
    assert columns == sorted(columns) and 1 < len(columns) <= 8
    assert limits(shown, shown.models[0]).high > 0


def page(job: Job | None, **more: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=PATIENT)
    at.run()
    at.switch_page("pages/compare.py")
    if job is not None:
        at.query_params["a"] = job.key
    for name, value in more.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def test_the_empty_page_asks_for_a_clip(job: Job) -> None:
    text = html(page(None))
    assert "Put models on one time axis" in text


def test_models_side_by_side_and_the_link_that_reopens_them(job: Job) -> None:
    shown = view(job)
    ids = [m.id for m in shown.models][:2]
    at = page(job, m=",".join(ids), p=shown.analysis.judged[-1].id)
    text = html(at)
    assert "Scores side by side" in text and "Where each model looked" in text
    assert "Agreement" in text and "Put an ensemble together" in text
    titles = [m.title for m in shown.models if m.id in ids]
    assert all(title in text for title in titles)
    other = [m.title for m in shown.models if m.id not in ids]
    lanes_drawn = text.split("Where each model looked")[0]
    assert not any(f"<b>{title}</b>" in lanes_drawn for title in other)
    assert at.query_params["m"] in (",".join(ids), [",".join(ids)])


def test_one_model_asks_for_a_second(job: Job) -> None:
    first = view(job).models[0].id
    assert "Choose a second model to compare." in html(page(job, m=first))


def test_sliders_change_the_verdict_at_once_and_a_preset_keeps_them(job: Job) -> None:
    at = page(job)
    ids = [m.id for m in view(job).models]
    for id in ids:
        at.slider(key=f"builder-{id}-").set_value(0.0)
    at.run()
    assert "Give at least one model a weight." in html(at)
    at.slider(key=f"builder-{ids[0]}-").set_value(1.0)
    at.run()
    assert "With your ensemble" in html(at)
    at.text_input(key="builder-name").set_value("just one").run()
    at.button(key="builder-save").click().run()
    scope = session.application().scope(OWNER)
    assert scope.store.presets(scope.owner)["just one"].models == [ids[0]]


def built(at: AppTest) -> list[tuple[str, str]]:
    """What the builder says: (chip, number) of both ensembles."""
    found = re.findall(
        r'um-built.*?<span class="um-chip[^>]*>.*?</span>([^<]+)</span><b>([^<]+)</b>', html(at)
    )
    assert len(found) == 2
    return found


def test_an_untouched_builder_says_what_the_verdict_says(job: Job) -> None:
    at = page(job)
    analysis = view(job).analysis
    sliders = {s.key: s.value for s in at.slider if (s.key or "").startswith("builder-")}
    assert sliders == {f"builder-{m.id}-": float(m.counted) for m in view(job).models}
    mine, before = built(at)
    assert mine == before
    assert analysis.verdict.probability is not None
    assert mine[1] == labels.percent(analysis.verdict.probability)
    at.slider(key=f"builder-{view(job).models[0].id}-").set_value(2.0).run()
    mine, after = built(at)
    assert after == before and mine != before
    at.slider(key=f"builder-{view(job).models[0].id}-").set_value(1.0).run()
    assert built(at)[0] == before


def test_a_second_clip_is_asked_for_and_held_beside_the_first(job: Job) -> None:
    second = put(paths.data(), job.path, make_analysis(), name="copy.webm")
    at = page(job, b=second)
    text = html(at)
    assert "Is it the same footage?" in text and "0 of 64 bits differ" in text
    assert "0 points apart" in text
    gone = page(job, b="A" * 22)
    assert "not kept here" in html(gone)


@pytest.mark.parametrize("still", [False, True])
def test_scores_are_compared_when_the_files_are_gone(job: Job, still: bool) -> None:
    analysis = make_picture() if still else make_analysis()
    second = put(paths.data(), job.path, analysis, name="copy.webm")
    for id in (job.key, second):
        session.application().jobs.uploads.path(id).unlink()
    pair._held.clear()  # another test held the same clips against each other
    alone = html(page(job))
    assert "so nothing can be drawn of it" in alone and "Scores side by side" in alone
    assert "could not be drawn" not in alone
    text = html(page(job, b=second))
    assert "The file is not kept here any more." in text and "could not be drawn" not in text
    assert "could not be held against each other" in text
