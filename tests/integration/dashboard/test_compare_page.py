"""The Compare page: what it says of made scores, and the page itself on a real analysis."""

import json
import re

import pytest

from dashboard import labels, session
from dashboard.components.markup import written
from dashboard.pages.compare import agree, lanes, state
from dashboard.pages.compare.lanes import column_times
from dashboard.pages.compare.state import Selection
from detector import paths
from detector.decision import decide
from detector.models import registry
from detector.presentation import Cell, agreement, models, series
from detector.presentation.agreement import ModelLine
from detector.presentation.series import Lane
from detector.schema.analysis import (
    FileKind,
    Label,
    Likelihood,
    Modality,
    ModelResult,
    ModelScore,
    Question,
    SpanSegment,
    Subject,
    Thresholds,
)
from detector.schema.comparison import (
    ComparedMoment,
    ComparedPerson,
    Comparison,
    ComparisonFinding,
    FaceDifference,
    MovementTrace,
    SharedMovement,
    Span,
    TimeAlignment,
)
from service.records.model import State
from tests.support import pages, voice_sample
from tests.support.kept import put
from tests.support.pages import OWNER, html
from tests.support.result_sample import make_analysis, make_clip, make_picture
from tests.support.scopes import local
from tests.support.tasks import ended


def lane(values):
    track = make_analysis().judged[0]
    times = tuple(float(i) for i in range(len(values)))
    return Lane(track, times, tuple(values), {"m": tuple(values)}, ())


FAKE = Label.FAKE


def test_the_strip_says_a_reading_in_the_words_of_its_question():
    limits = Thresholds(low=0.3, high=0.7)
    one, asked = make_analysis().models[0], [Question.MANIPULATION, *[Question.SYNTHESIS] * 2]
    models = [
        one.model_copy(update={"id": id, "plain": "", "title": id, "task": of.spec.task})
        for id, of in zip("ABC", asked, strict=True)
    ]
    scores = [0.9, 0.9], [0.1, 0.9], [0.9, 0.1]
    lines = [ModelLine(m, lane(values), limits) for m, values in zip(models, scores, strict=True)]
    cells = re.findall(r'<i class="(.*?)" title="(.*?)">', agree.strip(lines, 0.0, "said"))
    assert cells[0] == ("fake now", "A at 00:00.0: Likely manipulated")
    assert cells[3] == ("fake", "B at 00:01.0: Likely AI-generated")
    assert agree.second([lines[1], lines[0], lines[2]]) == 2 and agree.second(lines) == 1


@pytest.fixture
def job(tmp_path, jobs):
    found = jobs.find(
        put(tmp_path, make_clip(tmp_path / "clip.webm"), make_analysis()), local(jobs)
    )
    assert found.state is State.DONE
    return found


def view(job):
    analysis = job.analysis
    track = analysis.judged[0]
    models = [m for m in analysis.models if m.scored]
    return Selection(job, analysis, models, track, track.frames[0].time)


def test_the_moments_of_the_heatmaps_are_spread_over_the_clip(job):
    shown = view(job)
    lines = agreement.lines(shown.analysis, shown.track, shown.models)
    columns = column_times(lines, series.length(shown.analysis))
    assert columns == sorted(columns) and 1 < len(columns) <= 8


def test_all_that_scored_are_compared_where_nobody_chose(job):
    analysis = make_analysis(whole=0.0)
    scored = state.able(analysis, analysis.judged[0])
    assert [m.id for m in state.at_first(scored)] == [m.id for m in scored]
    many = [scored[0].model_copy(update={"id": str(n), "counted": n > 2}) for n in range(8)]
    assert [m.id for m in state.at_first(many)] == ["0", "3", "4", "5", "6", "7"]
    assert state.at_first([]) == []


def test_a_model_is_read_in_the_words_of_its_question(job):
    analysis = make_analysis(whole=2.0, fake=False)
    shown = Selection(job, analysis, analysis.models, analysis.judged[0], 1.0)
    synth = next(m for m in analysis.models if m.id == "synth")
    assert models.reading(analysis, synth, FAKE) == Cell("Likely AI-generated", state=FAKE)
    assert models.reading(analysis, analysis.models[0], FAKE).text == "Likely manipulated"
    # A single moment over the threshold says no more than its whole clip.
    lines = [
        ModelLine(m, lane([0.99]), analysis.verdict.thresholds) for m in (synth, analysis.models[0])
    ]
    said = [str(lanes._score(line, shown)) for line in lines]
    assert "Likely AI-generated" in said[0] and "Likely manipulated" in said[1]


def test_a_model_that_was_left_out_is_scored_when_it_is_added(job, monkeypatch):
    at, asked = page(job), []
    add = at.selectbox(key=f"compare-add-{job.key}")
    assert "VideoMAE" in add.options and "SBI" not in add.options
    monkeypatch.setattr(
        session.application().jobs,
        "rerun",
        lambda *call, **more: asked.append(call[:2]),  # as where the file is gone
    )
    add.select("videomae").run()
    ((key, settings),) = asked
    assert key == job.key
    assert settings.models == [*(model.id for model in job.analysis.models), "videomae"]
    assert "no longer stored" in html(at)


def page(job, **more):
    return pages.page("compare", **({"a": job.key} if job else {}), **more)


def test_what_was_analyzed_before_need_not_be_brought_again(job, tmp_path):
    other = put(tmp_path, make_clip(tmp_path / "other.webm"), make_analysis(whole=2.0))
    at = page(None)
    offered = at.selectbox(key="earlier-a")
    assert {one.split(" · ")[0] for one in offered.options} == {"clip.webm", "other.webm"}
    offered.select(job.key).run()
    assert not at.exception and "Scores side by side" in html(at)
    assert at.query_params["a"] in (job.key, [job.key])

    assert at.query_params["m"]

    # Two files.
    at = page(None, w="clips")
    assert at.button(key="bring-compare").disabled
    at.selectbox(key="earlier-first").select(job.key).run()
    left = at.selectbox(key="earlier-second")
    assert [one.split(" · ")[0] for one in left.options] == ["other.webm"]
    left.select(other).run()
    at.button(key="bring-compare").click().run()
    assert not at.exception
    assert at.query_params["a"] in (job.key, [job.key])
    assert at.query_params["b"] in (other, [other])

    # Beside one that is open, the others are offered.
    at = page(job, w="clips")
    assert [one.split(" · ")[0] for one in at.selectbox(key="earlier-b").options] == ["other.webm"]


def test_where_nothing_was_analyzed_nothing_is_offered(jobs):
    assert "earlier-a" not in {box.key for box in page(None).selectbox}


def test_models_side_by_side_and_the_link_that_reopens_them(job):
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
    assert not any(f" {title}</b>" in lanes_drawn for title in other)
    assert at.query_params["m"] in (",".join(ids), [",".join(ids)])


def test_the_models_that_were_chosen_are_shown(tmp_path, jobs):
    analysis = make_analysis(whole=0.0)
    job = jobs.find(put(tmp_path, make_clip(tmp_path / "clip.webm"), analysis), local(jobs))
    ids = ["sbi", "xcep", "synth"]
    assert [m.id for m in state.at_first(state.able(analysis, analysis.judged[0]))] != ids
    text = html(page(job, m=",".join([*ids, "texture"])))
    for id in ids:
        (model,) = [m for m in job.analysis.models if m.id == id]
        assert f" {labels.plain(model)}</b>" in text.split("Where each model looked")[0]
    assert re.search(r"\d of 3 models say fake; scores from \d+ to \d+\.", text)
    (texture,) = labels.plain_names([registry.get_spec("texture")]).values()
    assert f"No score in this file: {texture}." in text and "Choose a second" not in text


def test_one_model_asks_for_a_second(job):
    assert "Choose a second model to compare." in html(page(job, m=view(job).models[0].id))


def test_sliders_change_the_verdict_at_once_and_a_preset_keeps_them(job):
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


def built(at):
    """What the builder says: (chip, number) of both ensembles."""
    found = re.findall(
        r'um-built.*?<span class="um-chip[^>]*>.*?</span>([^<]+)</span><b>([^<]+)</b>', html(at)
    )
    assert len(found) == 2
    return found


def test_an_untouched_builder_says_what_the_verdict_says(job):
    at = page(job)
    analysis = view(job).analysis
    sliders = {s.key: s.value for s in at.slider if (s.key or "").startswith("builder-")}
    assert sliders == {f"builder-{m.id}-": float(m.counted) for m in view(job).models}
    mine, before = built(at)
    assert mine == before
    assert mine[1] == written(labels.percent(analysis.verdict.probability))
    at.slider(key=f"builder-{view(job).models[0].id}-").set_value(2.0).run()
    mine, after = built(at)
    assert after == before and mine != before
    at.slider(key=f"builder-{view(job).models[0].id}-").set_value(1.0).run()
    assert built(at)[0] == before


def compared(job, other, *, face=True, roles="stated", scores=(0.9, 0.2)):
    """Keep a finding of two clips, as if they had been compared."""
    app = session.application()
    second = app.find(OWNER, other)
    media = make_analysis().media
    finding = ComparisonFinding.FACE_DIFFERS if face else ComparisonFinding.NOTHING_DIFFERS
    parts = [("A", "face" if face else "none", 13.0), ("B", "none", 1.2)]
    faces = [
        FaceDifference(
            person=p, box=(20, 40, 90, 120), difference=d, mouth=d, rim=d, noise_threshold=2.0,
            changed_region=part,
        )
        for p, part, d in parts
    ]  # fmt: skip
    unit = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    comparison = Comparison(
        copy_media=media.model_copy(update={"sha256": job.record.sha256, "name": job.name}),
        original_media=media.model_copy(
            update={"sha256": second.record.sha256, "name": second.name}
        ),
        finding=finding,
        role_source=roles,
        copy_score=scores[0],
        original_score=scores[1],
        time=TimeAlignment(compared=3, matched=3),
        face_difference=13.0,
        background_difference=1.1,
        noise_threshold=2.0,
        people=[
            ComparedPerson(
                id=p, changed_region=part, difference=d, noise_threshold=2.0, moments=3,
                spans=[Span(start=2.0, end=7.0)] if part == "face" else [],
            )
            for p, part, d in parts
        ],
        moments=[
            ComparedMoment(
                time=t, original_time=t, background_difference=1.1, noise_threshold=2.0,
                faces=faces, transform=unit,
            )
            for t in (2.0, 4.0, 6.0)
        ],
    )  # fmt: skip
    app.originals.comparisons.save(OWNER.principal.id, comparison)


def other_clip(job, folder):
    clip = make_clip(folder / "other.webm", duration=4.0)
    return put(paths.data(), clip, make_analysis(), name="press.webm")


def test_a_finding_heads_the_page_and_counts_nothing_for_the_detectors(job, tmp_path):
    second = other_clip(job, tmp_path)
    compared(job, second)
    text = html(page(job, b=second))
    assert "Manipulated copy of press.webm" in text
    assert "the face of Person A differs, from 00:02 to 00:07" in text
    assert (
        "13.0 of 255 gray levels" in text and written("clip.webm: 90 %; press.webm: 20 %") in text
    )
    assert "You said that press.webm is the original." in text
    assert "does not differ" in text and "Who changed it, or why" in text
    assert "0 points apart" in text


@pytest.mark.parametrize("swapped", [False, True])
def test_without_a_statement_the_page_accuses_neither_and_asks(job, tmp_path, swapped):
    """The genuine file is the second one, or the first."""
    second = other_clip(job, tmp_path)
    compared(job, second, roles="unknown", scores=(0.19, 0.87) if swapped else (0.87, 0.19))
    at = page(job, b=second)
    text = html(at)
    fake = "press.webm" if swapped else "clip.webm"
    assert "Same footage, another face; we can’t tell which is the original" in text
    assert f"The detectors suspect {fake} (87 against 19)." in text
    assert "Manipulated copy" not in text and "Suspected copy" not in text
    ids = [button.key for button in at.button if (button.key or "").startswith("near-roles-")]
    assert [id.split("-")[2] for id in ids] == ["copy", "original"]
    labels_of = [button.label for button in at.button if button.key in ids]
    assert labels_of == ["clip.webm is the original", "press.webm is the original"]
    # What a person says stands, unless the detectors say the opposite; it can be taken back.
    at.button(key=ids[1]).click().run()
    text = html(at)
    app = session.application()
    stated = app.originals.of_pair(OWNER.principal, job, app.find(OWNER, second)).comparison
    assert stated.role_source == "stated" and stated.accuses is not swapped
    if swapped:
        assert "press.webm was named the original, but the detectors suspect it" in text
        assert "Manipulated copy" not in text
    else:
        assert "Manipulated copy of press.webm" in text
    unknown = ids[1].replace("original", "unknown")
    at.button(key=unknown).click().run()
    assert "we can’t tell which is the original" in html(at)
    assert app.find(OWNER, job.key).analysis.proof is None


def test_swap_changes_the_view_alone(job, tmp_path):
    second = other_clip(job, tmp_path)
    compared(job, second)
    originals = session.application().originals
    original = session.application().find(OWNER, second)
    before = originals.of_pair(OWNER.principal, job, original)
    at = page(job, b=second)
    at.button(key="compare-swap").click().run()
    address = [at.query_params[name] for name in ("a", "b")]
    assert address in ([second, job.key], [[second], [job.key]])
    assert "Manipulated copy of press.webm" in html(at)
    assert originals.task(OWNER.principal, original, job) is None, "nothing is compared anew"
    assert originals.of_pair(OWNER.principal, original, job) == before
    assert original.analysis.comparison is None


def test_nothing_differs_is_no_proof(job, tmp_path):
    second = other_clip(job, tmp_path)
    compared(job, second, face=False)
    text = html(page(job, b=second))
    assert "Same footage, nothing differs" in text
    assert "the original may be manipulated itself" in text


def test_a_face_that_moves_alike_is_told_and_drawn(job, tmp_path):
    second = other_clip(job, tmp_path)
    compared(job, second)
    app = session.application()
    kept = app.originals.comparisons.find(
        OWNER.principal.id, job.record.sha256, app.find(OWNER, second).record.sha256
    )
    same = {"correlation": 0.9, "of_copy": [0.0, 1.0, -1.0], "of_original": [0.1, 1, -1]}
    traces = [MovementTrace(what=what, **same) for what in ("head", "features")]
    found = kept.comparison.model_copy(
        update={
            "finding": ComparisonFinding.SAME_MOVEMENT, "moments": [], "people": [],
            "face_difference": None, "background_difference": None, "noise_threshold": None,
            "movement": SharedMovement(
                score=13.1, needed=8.5, seconds=3.0, start=0.5, offset=0.0, step=0.04,
                traces=traces,
            ),
        }
    )  # fmt: skip
    app.originals.comparisons.save(OWNER.principal.id, found)
    at = page(job, b=second)
    text = html(at)
    assert "Another picture, but its face moves as the original’s" in text
    assert "two cameras" in text and "How the face moves" in text
    charts = [json.loads(chart.proto.spec)["data"] for chart in at.get("plotly_chart")[:2]]
    assert [[line["y"][1] for line in lines] for lines in charts] == [[1, 1.0]] * 2
    assert charts[0][0]["line"]["width"] > charts[0][1]["line"]["width"]  # told apart in gray
    shapes = {"finding": found.finding, "reason": "other_shapes", "movement": found.movement}
    anew = kept.comparison.model_copy(update=shapes)
    assert anew.moments
    app.originals.comparisons.save(OWNER.principal.id, anew)
    at = page(job, b=second)
    text = html(at)
    assert "The same scene and movement, but in other shapes" in text
    assert "two cameras" not in text and "How the face moves" in text
    assert "movement-0" in {chart.key for chart in at.get("plotly_chart")}


def test_two_clips_are_compared_in_the_background(job, tmp_path):
    second = other_clip(job, tmp_path)
    at = page(job, b=second)
    app = session.application()
    other = app.find(OWNER, second)
    task = app.originals.task(OWNER.principal, job, other)
    assert task.owner == OWNER.principal.id
    app.tasks.cancel(task)
    ended(task)
    if task.state is State.CANCELED:
        at = page(job, b=second)
        assert "Canceled" in html(at) and "You stopped it." in html(at)
        assert app.originals.task(OWNER.principal, job, other) is task, "not begun again by itself"
        at.button(key="action-near-ended-0").click().run()
        begun = app.originals.task(OWNER.principal, job, other)
        assert begun is not None and begun is not task
        app.tasks.cancel(ended(begun) if not begun.active else begun)
        ended(begun)
    assert "no longer stored here" in html(page(job, b="A" * 22))


@pytest.mark.parametrize("still", [False, True])
def test_scores_are_compared_when_the_files_are_gone(job, tmp_path, still):
    analysis = make_picture() if still else make_analysis()
    second = put(
        paths.data(), make_clip(tmp_path / "o.webm", duration=4.0), analysis, name="copy.webm"
    )
    for id in (job.key, second):
        session.application().jobs.uploads.path(id).unlink()
    alone = html(page(job))
    assert "so nothing can be drawn of it" in alone and "Scores side by side" in alone
    assert "could not be drawn" not in alone
    text = html(page(job, b=second))
    assert "The file is not kept here any more." in text and "could not be drawn" not in text
    assert "could not be compared" in text


@pytest.fixture
def sounds(tmp_path, jobs):
    paths = [voice_sample.write_clip(tmp_path / name) for name in ("first.wav", "second.wav")]
    ids = [put(tmp_path, path, voice_sample.make_analysis(path)) for path in paths]
    return tuple(jobs.find(id, local(jobs)) for id in ids)


def test_voice_models_are_compared_on_a_sound(sounds):
    said = html(page(sounds[0]))
    assert "Scores side by side" in said and "voice model" in said and "windows over 86" in said
    assert "Where each model looked" not in said and "No model scored" not in said
    assert "Time and memory" in said and " px" not in said


def test_a_model_of_voices_that_is_alone_says_where_others_are(tmp_path, jobs):
    """And where no score ever decides, no count over a threshold is made."""
    path = voice_sample.write_clip(tmp_path / "alone.wav")
    analysis = voice_sample.make_analysis(path)
    never = analysis.verdict.thresholds.model_copy(update={"low": 0.0, "high": 1.0})
    analysis = analysis.model_copy(
        update={
            "models": analysis.models[:1],
            "likelihoods": {FileKind.SOUND: Likelihood(thresholds=never)},
        }
    )
    for span in analysis.subjects[0].spans:
        del span.logits["aasist:l"]
    found = jobs.find(put(tmp_path, path, decide(analysis)), local(jobs))
    said = html(page(found))
    assert "No other voice model is ready here. The Models page has more." in said
    assert "at most 97" in said and "over 100" not in said and "Choose a second" not in said


def test_two_sounds_are_heard_side_by_side(sounds):
    at = page(sounds[0], b=sounds[1].key)
    assert "points apart" in html(at) and "same footage" not in html(at)
    assert len(at.get("audio")) == 2 and not at.get("video")


def test_models_of_faces_and_voices_stand_apart(job):
    analysis = job.analysis
    voice = Subject(
        id="voice", modality=Modality.VOICE, start=0, end=2, thumbnail_time=0,
        spans=[SpanSegment(start=0, end=2, logits={"voice": 1.0})],
        models={"voice": ModelScore(logit=1.0, probability=0.7, label=Label.INCONCLUSIVE)},
    )  # fmt: skip
    heard = ModelResult(
        id="voice", title="V", kind="audio", task="voice", modality=Modality.VOICE, scored=1
    )
    both = analysis.model_copy(update={"models": [*analysis.models, heard]})
    assert [m.id for m in state.able(both, voice)] == ["voice"]
    assert "voice" not in [m.id for m in state.able(both, both.judged[0])]
