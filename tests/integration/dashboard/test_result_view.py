"""The result view as Streamlit draws it, without a browser: words, numbers, the linked moment, and
that thresholds and models run no network."""

import csv
import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from dashboard import labels
from dashboard.components import blocks, status_cards, verdict
from dashboard.components.player import plays
from dashboard.components.timeline import evidence
from dashboard.result import downloads, pictures, question, verdict_card
from dashboard.result.linked import ExportOptions
from detector import explain, pipeline
from detector.decision import decide
from detector.decision.numbers import logit
from detector.messages.format import percent, whole_percent
from detector.models import registry
from detector.presentation import answers, file, lead, markdown, pulls, run, series
from detector.presentation.verdict import headline
from detector.schema.analysis import (
    Analysis,
    Calibration,
    FileKind,
    Label,
    Modality,
    OddsPoint,
    OwnThreshold,
    Question,
    ReasonCode,
    SpanSegment,
    Subject,
    Thresholds,
)
from detector.sentences import known
from service.records.model import ResultOrigin
from tests.support import pages
from tests.support.pages import button, texts
from tests.support.result_sample import HEIGHT, WIDTH, make_analysis, make_clip, make_picture

MEASURED_ON = known("{clips} clips of many sources").format(clips=479)  # As the manifest says it
HOSTILE = '<img src=x onerror="alert(1)"> [a](javascript:b).webm'


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "made.webm")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Anything that would run a network raises; a heatmap is made up, and counted."""

    refuse = Mock(side_effect=AssertionError("the result view ran a network"))
    monkeypatch.setattr(pipeline.Analyzer, "analyze", refuse)
    monkeypatch.setattr(registry, "load_model", refuse)
    drawn: list[str] = []

    def heatmap(*args, **kwargs):
        drawn.append(args[4])
        if args[4] == "clip":
            return None
        gray = np.full((32, 32, 3), 128, np.uint8)
        return explain.Heatmap(gray, np.zeros((32, 32), np.float32), "what raised the score")

    monkeypatch.setattr(explain, "heatmap", heatmap)
    ways = [explain.METHODS["gradcam"], explain.METHODS["occlusion"]]
    monkeypatch.setattr(explain, "methods_of", lambda id: ways)
    pictures._heatmaps.clear()
    pictures.methods.clear()
    return drawn


def show(path, analysis=None, name="a.webm"):
    return pages.result(path, analysis or make_analysis(path), name)


def change(analysis, question, **changes):
    analysis.ensembles[question] = analysis.ensembles[question].model_copy(update=changes)


def moment(at):
    return at.session_state["result.k.time"], at.session_state["result.k.person"]


@pytest.mark.parametrize("id", ["PJcr0onm__OCPs5HTiiJfw", "abc___", "_"])
def test_a_result_has_a_page_whatever_its_id(clip, id):
    """Streamlit refuses components whose key holds two underscores; ids are random letters."""
    page = texts(pages.result(clip, make_analysis(clip), key=id))
    assert "<span>Likely manipulated</span></h2>" in page and "SHA-256" in page


def test_the_verdict_is_said_in_words_with_its_number_and_its_limits(clip):
    page = texts(show(clip))
    assert "<span>Likely manipulated</span></h2>" in page
    assert "The face of <b>Person B</b> (right), 00:01 to 00:08 and 00:10 to 00:11." in page
    assert "No sign of manipulation found for Person A (left)." in page
    made = make_analysis()
    number = labels.percent(made.verdict.probability or 0).replace("\u00a0", " ")
    assert made.verdict.probability >= made.judged[0].probability, "the odds of both are summed"
    assert f"<b>{number}</b> likelihood" in page
    assert not re.search("agree|mean of|though none is|so at most", page)
    assert "What this can’t tell" in page and "Who changed it, or why." in page
    assert "MesoNet-4" in page and "not downloaded" in page
    # Statistics stand in one place.
    assert page.count("240 held-out clips") == page.count("Errors in our tests</th>") == 1


def test_a_name_from_outside_is_only_text(clip):
    page = texts(show(clip, make_analysis(clip, name=HOSTILE), HOSTILE))
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_the_page_opens_at_the_moment_that_its_words_name(clip):
    at = show(clip)
    time, person = lead.moment(make_analysis()) or (0.0, "")
    assert moment(at) == (time, person) and person == "B" and time > 0
    assert f"Frame at {labels.clock(time)}" in texts(at)


def test_models_and_thresholds_are_decided_again_without_a_network(clip, no_network):
    at = show(clip)
    drawn = len(no_network)
    at.slider(key="result.k.widget.thresholds").set_value((30, 99)).run()
    page = texts(at)
    assert "<span>Can’t tell</span></h2>" in page
    assert "with your thresholds" in page
    assert "Drawn with your thresholds" in page
    at.button(key="result.k.widget.reset").click().run()
    assert "with your" not in texts(at)
    assert at.slider(key="result.k.widget.thresholds").value == (30, 70)

    at.pills(key="result.k.widget.models").set_value(["clip"]).run()
    page = texts(at)
    assert "with your models" in page
    assert re.search(r"<b>\d+ %</b> likelihood", page)
    assert "switched off" in page
    assert len(no_network) == drawn


def test_switching_all_models_off_goes_back_to_ours(clip):
    at = show(clip)
    at.pills(key="result.k.widget.models").set_value([]).run()
    assert at.pills(key="result.k.widget.models").value == ["sbi", "xcep", "clip"]
    assert "with your" not in texts(at)


def test_a_model_without_a_heatmap_says_so(clip):
    at = show(clip)
    at.segmented_control(key="result.k.widget.heatmap").set_value("clip").run()
    assert "VideoMAE can’t show where it looked" in texts(at)


def test_the_table_says_what_the_lanes_say(clip):
    at = show(clip)
    table = at.dataframe[0].value
    assert " ".join(table.columns) == "Subject Time Combined SBI Xception VideoMAE Reading"
    assert len(table) == 64
    assert (table["Reading"] == "– not in frame").sum() == 3
    assert table["Combined"].isna().sum() == 3 + 3
    at.session_state["result.k.widget.table"] = {"selection": {"rows": [40]}}
    at.run()
    assert moment(at) == (make_analysis().timestamps[8], "A")


def test_the_simple_player_keeps_all_information(clip):
    at = show(clip)
    at.toggle(key="result.k.widget.simple").set_value(True).run()
    assert not at.exception
    tile = next(b for b in at.button if (b.key or "").startswith("result.k.widget.tile.A."))
    tile.click().run()
    assert moment(at)[1] == "A"
    tiles = [b for b in at.button if (b.key or "").startswith("result.k.widget.tile.B.")]
    assert len(tiles) == 7 and tiles[0].label == "▲ 74"
    said = unescape(tiles[0].help)
    assert re.fullmatch(r"Person B, 00:\d\d\.\d, score \d+, likely manipulated", said)


def test_the_id_of_a_person_is_only_text_in_the_simple_player(clip):
    analysis = make_analysis(clip)
    found = next(subject for subject in analysis.subjects if subject.id == "A")
    found.id = "![x](https://tracker.example/x.png)"
    at = show(clip, analysis)
    at.toggle(key="result.k.widget.simple").set_value(True).run()
    assert not at.exception
    tiles = [b.help for b in at.button if (b.key or "").startswith("result.k.widget.tile.")]
    drawn = [m.value for m in at.markdown if "Person" in m.value and "tracker" in m.value]
    assert any("tracker" in said for said in tiles) and drawn
    assert not any("](https" in said for said in [*tiles, *drawn])


def test_a_person_out_of_frame_is_said_and_the_nearest_moment_offered(clip):
    at = show(clip)
    at.session_state["result.k.time"] = 0.2
    at.run()
    assert "Person B is not in frame here." in texts(at)
    nearest = make_analysis().judged[0].frames[0].time
    button(at, f"Nearest moment, {labels.clock(nearest)}").click().run()
    assert moment(at) == (nearest, "B")


def test_a_picture_has_no_timeline(tmp_path, astronaut):
    path = tmp_path / "portrait.png"
    Image.fromarray(astronaut).save(path)
    at = show(path, make_picture())
    page = texts(at)
    assert "No sign of manipulation found</span></h2>" in page
    assert "Score over time" not in page and "Frame at" not in page
    assert not [b for b in at.button if b.label.endswith("peak")]


def test_the_film_behind_a_picture_is_analyzed_with_one_press(tmp_path, astronaut, monkeypatch):
    path, submitted = tmp_path / "photo.jpg", Mock(return_value=None)
    Image.fromarray(astronaut).save(path)
    monkeypatch.setattr(status_cards, "analyze_film", submitted)
    analysis = make_picture()
    analysis.media.film = 1.7
    button(show(path, analysis, "photo.jpg"), "Analyze the film").click().run()
    assert submitted.call_args.args == (path, "photo.jpg", analysis.settings)


def test_scores_without_a_face_are_of_the_whole_picture(clip):
    analysis = make_analysis(clip)
    analysis.subjects = analysis.judged[:1]
    analysis.judged[0].modality, analysis.judged[0].side = Modality.FULL_FRAME, None
    page = texts(show(clip, decide(analysis)))
    assert "The whole picture" in page
    assert "Person" not in page and "people" not in page and "1 person" not in page


def test_a_speaker_beside_people_takes_no_place_among_the_pictures(clip):
    analysis = make_analysis(clip)
    spans = [SpanSegment(start=n, end=n + 2.0, logits={"voice": -1.0}) for n in (0.0, 2.0, 4.0)]
    times = {"start": 0.0, "end": 6.0, "thumbnail_time": 0.0}
    analysis.subjects.append(Subject(id="1", modality=Modality.VOICE, spans=spans, **times))
    page = texts(show(clip, decide(analysis)))
    assert "2 people" in page and "3 people" not in page and "Speaker 1" in page


def test_many_people_are_four_and_a_button(clip):
    analysis = make_analysis(clip)
    base = analysis.judged[1]
    for number in range(6):
        analysis.subjects.append(base.model_copy(deep=True, update={"id": f"P{number}"}))
    at = show(clip, decide(analysis))
    assert "Person P5" not in texts(at).replace("more people", "")
    at.button(key="result.k.widget.more.lanes").click().run()
    assert not at.exception
    assert "<b>Person P5</b>" in texts(at)
    assert [b.label for b in at.button if b.label.startswith("Show f")] == ["Show fewer"] * 2


def test_a_file_too_poor_shows_its_number_only_when_asked(clip):
    analysis = make_analysis(clip)
    for face in analysis.judged[0].frames:
        face.quality.width = 41.0
    at = show(clip, decide(analysis))
    page = texts(at)
    assert "The file is too poor for a reading." in page and "um-scale" not in page
    button(at, "Show the likelihood anyway").click().run()
    assert "um-scale" in texts(at)


def test_a_deleted_file_leaves_the_result_readable(clip, tmp_path):
    analysis = make_analysis(clip)
    analysis.media.container, analysis.media.sha256 = "avi", "1" * 64  # shown as a still frame
    page = texts(show(tmp_path / "gone.avi", analysis))
    assert "The file is not kept any more" in page and "Likely manipulated" in page


def test_a_track_that_was_not_judged_is_in_strips_boxes_and_words(clip):
    analysis = make_analysis(clip)
    for face in analysis.judged[1].frames:
        face.logits, face.quality.problem = {}, ReasonCode.TOO_BLURRED
    analysis.judged[1].spans = []
    analysis = decide(analysis)
    assert analysis.judged[1].label is Label.NOT_APPLICABLE
    lanes = [series.lane(analysis, t) for t in analysis.judged]
    data = evidence.view_data(analysis, lanes, [], time=0.0, seek=0, pictures={("A", 3): "data:x"})
    _first, person = data["html"].split("<section")[1:]
    assert re.search(r'class="chip na">.*?>Not judged · too blurred<', person)
    assert set(re.findall(r'class="score">(.*?)<', person)) == {"–"}
    assert re.search(r'class="tile na" [^>]*aria-label="[^"]*too blurred"', person)
    boxes = data["boxes"]["people"][1]
    assert {face["why"] for face in boxes["faces"]} == {"too blurred"}
    assert " · too blurred<" in boxes["looks"]["too blurred"]["label"]
    head = verdict_card.head(analysis).replace("\u00a0", " ")
    assert "Could not be judged: Person A (left, too blurred)." in head


def test_only_the_moment_may_change_without_a_new_version(clip):
    analysis = make_analysis(clip)
    lanes = [series.lane(analysis, t) for t in analysis.judged]
    one, two = (
        evidence.view_data(analysis, lanes, [], time=t, seek=s, pictures={})
        for t, s in ((1.0, 1), (2.0, 2))
    )
    assert one["version"] == two["version"]
    other = decide(analysis, thresholds=Thresholds(low=0.1, high=0.2, custom=True))
    three = evidence.view_data(other, lanes, [], time=1.0, seek=1, pictures={})
    assert three["version"] != one["version"]


def test_a_box_is_burned_in_where_the_face_is(clip):
    analysis = make_analysis(clip)
    time = analysis.timestamps[10]
    boxes = series.boxes_at(analysis, time).values()
    plain = pictures.whole_frame(clip, analysis, time, [], 640)
    drawn = pictures.whole_frame(clip, analysis, time, boxes, 640)
    changed = np.argwhere((plain != drawn).any(axis=2))
    x0 = min(box.corners[0] for box in boxes)
    x1 = max(box.corners[2] for box in boxes)
    assert changed[:, 1].min() == pytest.approx(x0, abs=3)
    assert changed[:, 1].max() == pytest.approx(x1, abs=3)


@pytest.mark.parametrize(
    ("container", "codec", "kind", "expected"),
    [
        ("mp4", "h264", "video", True),
        ("matroska,webm", "vp9", "video", True),
        ("avi", "mjpeg", "video", False),
        ("mp4", "mpeg4", "video", False),
        ("gif", "gif", "animation", False),
    ],
)
def test_only_what_a_browser_plays_gets_a_player(container, codec, kind, expected):
    shown = {"container": container, "codec": codec, "kind": kind}
    assert plays(make_analysis().media.model_copy(update=shown)) is expected


def test_downloads_hold_the_analysis_the_notes_and_every_moment(clip):
    analysis, wishes = make_analysis(clip), ExportOptions()
    wishes.notes = "Received by mail."
    made = json.loads(downloads.maker("json", clip, analysis, ResultOrigin.HERE, wishes)())
    assert Analysis.model_validate(made["analysis"]) == analysis
    assert made["notes"] == "Received by mail."
    assert made["sha256_at_export"] == analysis.media.sha256
    table = downloads.maker("csv", clip, analysis, ResultOrigin.HERE, wishes)().decode()
    moments = len(analysis.judged) * len(analysis.timestamps)
    assert len(list(csv.DictReader(table.splitlines()[:-1]))) == moments
    assert downloads.maker("pdf", clip, analysis, ResultOrigin.HERE, wishes)().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.mp4", "clip.unmask.json"),
        ("../../etc/passwd", "passwd.unmask.json"),
        ('a<b>"c".mp4', "a_b__c_.unmask.json"),
        ("...", "result.unmask.json"),
    ],
)
def test_a_download_has_a_safe_name(name, expected):
    assert downloads.file_name(name, "json") == expected


def test_the_scale_has_its_marks_where_the_numbers_are():
    made = make_analysis()
    html = verdict_card.scale(made).replace("\u00a0", " ")
    assert f'class="pointer" style="left:{100 * made.verdict.probability:.1f}%"' in html
    assert 'style="left:30.0%">30<' in html and 'style="left:70.0%">70<' in html
    assert 'class="range"' not in html  # the models are no bracket around what they add up to


@pytest.mark.parametrize(
    ("likelihood", "said"),
    [
        (0.934, "93.4 %"), (0.926, "92.6 %"), (0.9302, "93.02 %"), (0.9299, "92.99 %"),
        (0.9, "90 %"), (0.76, "76 %"),
    ],
)  # fmt: skip
def test_a_likelihood_beside_a_limit_has_the_decimals_that_keep_it_on_its_side(likelihood, said):
    """ "93 %, over 93" reads as a contradiction."""
    limits = Thresholds(low=0.05, high=0.93)
    html = verdict.scale(likelihood, limits, Question.MANIPULATION).replace("\u00a0", " ")
    assert f'aria-label="{said},' in html
    assert "over 93: likely" in html


def test_five_zones_stand_at_the_scale():
    limits = Thresholds(low=0.05, probably_low=0.2, probably_high=0.75, high=0.93)
    html = verdict.scale(0.5, limits, Question.VOICE)
    names = re.findall(r"<span>((?:over|under|between)[^<]*)</span>", html)
    assert names == [
        "under 5: no sign", "under 20: probably a real voice", "between: can’t tell",
        "over 75: probably cloned", "over 93: likely cloned",
    ]  # fmt: skip
    assert re.findall(r'class="zone (\w+)"', html) == ["real", "preal", "inc", "pfake", "fake"]


@pytest.mark.parametrize(("low", "high"), [(0.33, 0.89), (0.3, 0.7), (0.03, 0.6)])
def test_all_three_names_stand_at_the_scale_whatever_the_room(low, high):
    html = verdict.scale(0.5, Thresholds(low=low, high=high), Question.MANIPULATION)
    assert f"over {100 * high:.0f}: likely manipulated" in html
    assert f"under {100 * low:.0f}: no sign" in html and "between: can’t tell" in html


def test_after_a_live_session_who_was_there_is_tested_and_reached(clip):
    analysis = make_analysis(whole=0.0)
    analysis.media.live = True
    said = texts(pages.result(clip, decide(analysis), "live-2026"))
    assert "Test them while they are on camera" in said and "Reach them another way" in said
    assert "Ask them to turn the head" in said and "on a number that you knew before" in said
    assert "camera original" not in said and "posted it first" not in said


def test_a_set_that_never_says_no_sign_has_no_green_zone():
    limits = Thresholds(low=0.0, high=0.8)
    html = verdict.scale(0.1, limits, Question.MANIPULATION).replace("\u00a0", " ")
    assert "zone real" not in html and ">no sign<" not in html
    assert "<span>between: can’t tell</span>" in html


def test_moved_thresholds_do_not_claim_our_error_rates():
    theirs = Thresholds(low=0.2, high=0.6, custom=True)
    assert "not measured" in " ".join(answers.meaning(theirs, None))
    decided = decide(make_analysis(), thresholds=theirs)
    said = "\n".join(markdown.of_sections([answers.how_we_know(decided)]))
    assert "not measured" in said and "untouched clips" not in said


def test_file_facts_say_what_was_done_to_the_picture():
    analysis = make_analysis()
    analysis.media.rotation, analysis.media.variable_frame_rate = 90, True
    facts = dict(map(blocks.pair, file.section(analysis).rows))
    assert facts["Rotation"] == "turned 90° to stand upright"
    assert "on average" in facts["Video"]
    assert analysis.media.sha256 in facts["SHA-256"]


def test_the_rate_of_a_live_session_has_one_decimal():
    analysis = make_analysis()
    analysis.settings.sampling, analysis.settings.fps = "fps", 7.11231
    analysis.media.live = True
    assert str(dict(map(blocks.pair, run.section(analysis).rows))["Looked at"]).count(
        ", 7.1 a second"
    )
    analysis.media.live, analysis.settings.fps = False, 0.25
    assert str(dict(map(blocks.pair, run.section(analysis).rows))["Looked at"]).count(
        ", 0.25 a second"
    )


def test_both_answers_stand_in_the_card_and_one_that_was_not_asked_says_so(clip):
    page = texts(show(clip))
    assert "Is a face fake?" in page and "Not asked by these models" in page
    at = show(clip, make_analysis(clip, whole=3.0, fake=False))
    page = texts(at)
    assert "<span>Likely AI-generated</span></h2>" in page
    # "face" is said of faces only
    head = next(e.proto.body for e in at.get("html") if "um-verdict" in e.proto.body)
    assert "The head" in head and "face of" not in head
    # of its sound and its picture alone: no model of those was asked
    assert page.count("Not asked") == 2 and "Likely AI-generated" in page
    assert "can’t tell, 30 to 70 %" in page


def test_each_question_is_a_row_with_its_share_of_the_evidence(clip):
    made = make_analysis(clip, whole=0.0)
    page = texts(show(clip, made))
    rows = question.rows(made).replace("\u00a0", " ")
    assert rows.index("Is a face fake?") < rows.index("AI-generated head?")
    assert rows.count("% of the evidence") == 2 and "not counted" not in rows
    assert "<span>Likely manipulated</span></h2>" in page


def test_the_chart_alone_follows_the_chosen_question(clip):
    at = show(clip, make_analysis(clip, whole=-2.0))
    page = texts(at)
    assert "Likely manipulated" in page and "can’t tell, 30 to 70 %" in page
    scale = next(e.proto.body for e in at.get("html") if "um-scale" in e.proto.body)
    at.segmented_control(key="result.k.widget.question").set_value(Question.SYNTHESIS).run()
    page = texts(at)
    assert "<span>Likely manipulated</span></h2>" in page  # the verdict stays
    assert scale in [e.proto.body for e in at.get("html")]  # and so does its number
    lanes = [e.proto.body for e in at.get("html") if "um-who" in e.proto.body]
    assert len(lanes) == 2 and "Likely manipulated" in lanes[0]
    assert "SBI" in page  # the table of models has all of them


def test_thresholds_are_moved_for_the_file(clip):
    made = make_analysis(clip, whole=-2.0, fake=False)
    at = show(clip, made)
    at.slider(key="result.k.widget.thresholds").set_value((1, 2)).run()
    page, moved = texts(at), Thresholds(low=0.01, high=0.02, custom=True)
    said = headline(decide(made, thresholds=moved))
    assert said.startswith("Likely ") and f"<span>{said}</span></h2>" in page
    assert "with your thresholds" in page


def test_a_view_of_one_question_changes_no_verdict():
    made = make_analysis(whole=3.0, fake=False)
    assert question.answered(made) == [Question.SYNTHESIS, Question.MANIPULATION]
    seen = question.viewed(made, Question.MANIPULATION)
    assert seen.verdict.label is made.verdict.label
    assert [t.id for t in seen.judged] == [t.id for t in made.judged]
    assert {m.id for m in seen.models} == {"sbi", "xcep", "clip", "meso4"}
    assert seen.verdict.thresholds.high == 0.7


@pytest.mark.parametrize("whole", [None, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("fake", [True, False])
@pytest.mark.parametrize("people", ["A", "AB"])
def test_the_bars_sum_to_the_combined_number_as_printed(whole, fake, people):
    made = make_analysis(whole=whole, fake=fake, people=people)
    calibration = Calibration(scale=1.0, offset=-0.37, data="x", clips=100)
    for asked in made.ensembles:
        change(made, asked, calibration=calibration)
    made = decide(made)
    rows, answer = pulls.rows(made), pulls.judged(made)
    assert sum(row.end for row in rows) == pulls.combined(answer).end
    assert pulls.combined(answer).end == round(10 * logit(answer.probability))
    assert {r.state for r in rows if not r.id} <= {None}
    # Nothing is printed a tenth away from what it is, but for the largest row.
    exact = {c.id: c.logit for c in answer.contributions if c.kind == "model"}
    largest = max(exact, key=lambda id: abs(exact[id]))
    assert all(r.end == round(10 * exact[r.id]) for r in rows if r.id and r.id != largest)


def test_a_model_without_a_score_keeps_its_row(clip):
    assert pulls.silent(make_analysis()) == [("MesoNet-4", "gave no score, not counted")]
    assert "gave no score, not counted" in texts(show(clip))
    off = decide(make_analysis(), models=["sbi", "xcep"])
    assert ("VideoMAE", "not counted: switched off") in pulls.silent(off)


def test_the_chart_marks_a_model_without_a_vote(clip):
    made = make_analysis(clip)
    videomae = made.models[2].model_copy(update={"id": "videomae", "plain": "Time", "weight": 0.0})
    for track in made.subjects:
        for span in track.spans:
            span.logits["videomae"] = span.logits["clip"]
    page = texts(show(clip, decide(made.model_copy(update={"models": [*made.models, videomae]}))))
    assert "Time (not counted)" in page and "VideoMAE (not counted)" not in page


def with_published(clip):
    """A result with a model that no threshold measured here judges."""
    made = make_analysis(clip, people="A", fake=False)
    gend = made.models[0].model_copy(update={"calibration": None, "operating_point": 0.5})
    made.models[0] = gend
    return made, gend


def test_a_published_model_is_said_to_be_judged_by_its_authors_point(clip):
    made, gend = with_published(clip)
    page = texts(show(clip, decide(made, models=[gend.id])))
    assert "by a threshold that was not measured here" in page
    assert "so they can’t clear a file" in page
    assert "of untouched clips score above" not in page  # those are other models'
    assert "interval" not in page


def test_beside_measured_models_it_is_shown_and_said_not_to_count(clip):
    made, gend = with_published(clip)
    made = decide(made)
    assert (gend.plain or gend.title, "not counted: not measured here") in pulls.silent(made)
    at = show(clip, made)
    assert "by a threshold that was not" not in texts(at)
    # It stays among the models that were asked, so that one that is switched off does not take it
    # along.
    pills = next(group for group in at.button_group if group.key.endswith("models"))
    assert gend.id in pills.value


def test_the_interval_of_the_likelihood_is_said_and_explained_once(clip):
    made = make_analysis(clip)
    table = [OddsPoint(logit=x, share=0.62, low=0.45, high=0.77, clips=60) for x in (-9, 9)]
    fit = made.likelihoods[FileKind.CLIP]
    made.likelihoods[FileKind.CLIP] = fit.model_copy(update={"odds": table})
    decided = decide(made)
    low, high = decided.verdict.interval or (0, 0)
    assert low == 0.45 and high == max(0.77, decided.verdict.probability or 0)
    page = texts(show(clip, decided))
    assert f"95 % interval 45 to {percent(high)}" in page
    said = f"45 to {whole_percent(high)} were manipulated in our tests"
    assert page.count(said) == 1 and "62" not in said
    assert page.count("as many manipulated as untouched clips") == 1
    few = [point.model_copy(update={"clips": 12}) for point in table]
    made.likelihoods[FileKind.CLIP] = fit.model_copy(update={"odds": few})
    assert decide(made).verdict.interval is None


def test_no_figure_stands_apart_from_its_unit(clip):
    bodies = [b.proto.body for b in show(clip, make_analysis(clip, whole=0.0)).get("html")]
    assert not [m for body in bodies for m in re.findall(r"\d (?:%|px\b).{0,20}", body)]


def test_own_thresholds_are_named_and_can_be_left_aside(clip):
    made = make_analysis(clip)
    made.own = OwnThreshold(
        high=2.0, rate=0.05, clips=40, sources=3, domain="phone",
        created=datetime(2026, 11, 20, tzinfo=UTC),
        models={m.id: m.identity for m in made.models if m.scored},
    )  # fmt: skip
    at = show(clip, decide(made))
    page = texts(at)
    assert "with thresholds from your own 40 clips of 3 recordings (phone), 2026-11-20" in page
    assert "over 88.1 %" in page and "at most 5 % of untouched clips like yours" in page
    at.toggle(key="result.k.widget.own").set_value(False).run()
    page = texts(at)
    assert "your own" not in page and "<span>Likely manipulated</span></h2>" in page
    at.button(key="result.k.widget.reset").click().run()
    assert "your own 40 clips" in texts(at)


def test_an_animation_moves_until_a_moment_is_chosen(tmp_path, monkeypatch):
    path = tmp_path / "made.gif"
    frames = [Image.new("RGB", (WIDTH, HEIGHT), (shade, 40, 50)) for shade in range(0, 150, 10)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=1000)
    analysis = make_analysis(path)
    analysis.media.kind, analysis.media.container = "animation", "gif"
    drawn: list[Any] = []
    monkeypatch.setattr(st, "image", lambda picture, **_how: drawn.append(picture))

    at = pages.result(path, analysis, "made.gif")
    assert path in drawn
    assert not any("can’t play" in caption.value for caption in at.caption)

    drawn.clear()
    pages.press(at, "Later peak")
    assert drawn and path not in drawn
    assert "The frame at 00:" in pages.texts(at)

    drawn.clear()
    pages.press(at, "Play the animation")
    assert path in drawn
