"""The result view as Streamlit draws it, without a browser: words, numbers, the linked moment, and
that thresholds and models run no network."""

from __future__ import annotations

import csv
import itertools
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import evidence_view, series
from dashboard.result import (
    agreement,
    details,
    downloads,
    pictures,
    player,
    question,
    timeline,
    title,
    verdict_card,
)
from detector import explain, pipeline
from detector.decision import decide
from detector.models import registry
from detector.results import (
    Analysis,
    Label,
    OwnThreshold,
    Question,
    ReasonCode,
    Tally,
    Thresholds,
)
from tests import pages
from tests.pages import texts
from tests.result_sample import make_analysis, make_clip, make_picture

HOSTILE = '<img src=x onerror="alert(1)"> [a](javascript:b).webm'


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "made.webm")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Anything that would run a network raises; a heatmap is made up, and counted."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the result view ran a network")

    monkeypatch.setattr(pipeline.Analyzer, "analyze", refuse)
    monkeypatch.setattr(registry, "load_model", refuse)
    drawn: list[str] = []

    def heatmap(*args: Any, **kwargs: Any) -> explain.Heatmap | None:
        drawn.append(args[4])
        if args[4] == "clip":
            return None
        gray = np.full((32, 32, 3), 128, np.uint8)
        return explain.Heatmap(gray, np.zeros((32, 32), np.float32), "what raised the score")

    monkeypatch.setattr(explain, "heatmap", heatmap)
    ways = [explain.METHODS["gradcam"], explain.METHODS["occlusion"]]
    monkeypatch.setattr(explain, "methods_of", lambda id: ways)
    pictures.heatmap.clear()
    pictures.methods.clear()
    return drawn


def show(path: Path, analysis: Analysis | None = None, name: str = "a.webm") -> AppTest:
    return pages.result(path, analysis or make_analysis(path), name)


def button(at: AppTest, label: str) -> Any:
    return next(b for b in at.button if b.label == label)


def moment(at: AppTest) -> tuple[float, str]:
    return at.session_state["result.k.time"], at.session_state["result.k.person"]


# --- the page


def test_the_verdict_is_said_in_words_with_its_number_and_its_limits(clip: Path) -> None:
    page = texts(show(clip))
    assert "<span>Likely manipulated</span></h2>" in page
    assert "The face of <b>Person B</b> (right), 00:01 to 00:13." in page
    assert "No sign of manipulation found for Person A (left)." in page
    assert re.search(r"<b>74 %</b> likelihood; Person B alone 85 %", page)
    assert "2 of 3 models agree" in page
    assert "What this can’t tell" in page and "Who changed it, or why." in page
    assert "MesoNet-4" in page and "not downloaded" in page


def test_a_name_from_outside_is_only_text(clip: Path) -> None:
    analysis = make_analysis(clip, name=HOSTILE)
    page = texts(show(clip, analysis, HOSTILE))
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_the_page_opens_at_the_first_reason(clip: Path) -> None:
    at = show(clip)
    reason = make_analysis().verdict.reasons[0]
    assert moment(at) == (reason.time, "B")
    assert f"Frame at {series.words.clock(reason.time or 0)}" in texts(at)


def test_reasons_and_peaks_move_the_moment(clip: Path) -> None:
    at = show(clip)
    second = make_analysis().verdict.reasons[1]
    button(at, "00:05").click().run()
    assert moment(at) == (second.time, "B")
    lane = series.lane(make_analysis(), make_analysis().tracks[0])
    later = min(t for t in series.peaks(lane) if t > (second.time or 0))
    button(at, "Later peak").click().run()
    assert moment(at) == (later, "B")
    assert at.session_state["result.k.seek"] == 2


def test_a_point_chosen_in_a_lane_moves_the_moment_in_the_same_run(clip: Path) -> None:
    at = show(clip)
    at.session_state["result.k.widget.lane.A"] = {"selection": {"points": [{"x": 10.0}]}}
    at.run()
    assert moment(at) == (10.0, "A")
    assert "Frame at 00:10.0" in texts(at) and "Person A · moment" in texts(at)


def test_models_and_thresholds_are_decided_again_without_a_network(
    clip: Path, no_network: list[str]
) -> None:
    at = show(clip)
    drawn = len(no_network)
    at.slider(key="result.k.widget.thresholds.manipulation").set_value((30, 95)).run()
    page = texts(at)
    assert "<span>Inconclusive</span></h2>" in page and "with your thresholds" in page
    assert "Drawn with your thresholds" in page
    at.button(key="result.k.widget.reset").click().run()
    assert "with your" not in texts(at)
    assert at.slider(key="result.k.widget.thresholds.manipulation").value == (30, 70)

    at.pills(key="result.k.widget.models").set_value(["clip"]).run()
    page = texts(at)
    assert "with your models" in page
    assert "<b>46 %</b> likelihood" in page
    assert "switched off" in page
    assert len(no_network) == drawn


def test_switching_all_models_off_goes_back_to_ours(clip: Path) -> None:
    at = show(clip)
    at.pills(key="result.k.widget.models").set_value([]).run()
    assert at.pills(key="result.k.widget.models").value == ["sbi", "xcep", "clip"]
    assert "with your" not in texts(at)


def test_a_model_without_a_heatmap_says_so(clip: Path) -> None:
    at = show(clip)
    at.segmented_control(key="result.k.widget.heatmap").set_value("clip").run()
    assert "VideoMAE can’t show where it looked" in texts(at)


def test_the_table_says_what_the_lanes_say(clip: Path) -> None:
    at = show(clip)
    at.segmented_control(key="result.k.widget.shown").set_value("table").run()
    table = at.dataframe[0].value
    assert list(table.columns) == ["Person", "Time", "All models", "SBI", "Xception", "VideoMAE",
                                   "Reading"]  # fmt: skip
    assert len(table) == 64
    assert (table["Reading"] == "– not in frame").sum() == 3
    assert table["All models"].isna().sum() == 3 + 3
    at.session_state["result.k.widget.table"] = {"selection": {"rows": [40]}}
    at.run()
    assert moment(at) == (make_analysis().moments[8], "A")


def test_the_simple_player_keeps_all_information(clip: Path) -> None:
    at = show(clip)
    at.toggle(key="result.k.widget.simple").set_value(True).run()
    assert not at.exception
    tile = next(b for b in at.button if (b.key or "").startswith("result.k.widget.tile.A."))
    tile.click().run()
    assert moment(at)[1] == "A"
    tiles = [b for b in at.button if (b.key or "").startswith("result.k.widget.tile.B.")]
    assert len(tiles) == 7 and tiles[0].label == "▲ 74"
    assert re.fullmatch(r"Person B, 00:\d\d\.\d, likely manipulated", tiles[0].help)


def test_a_person_out_of_frame_is_said_and_the_nearest_moment_offered(clip: Path) -> None:
    at = show(clip)
    at.session_state["result.k.time"] = 0.2
    at.run()
    assert "Person B is not in frame here." in texts(at)
    nearest = make_analysis().tracks[0].faces[0].time
    button(at, f"Nearest moment, {series.words.clock(nearest)}").click().run()
    assert moment(at) == (nearest, "B")


def test_a_picture_has_no_timeline(tmp_path: Path) -> None:
    from PIL import Image
    from skimage.data import astronaut

    path = tmp_path / "portrait.png"
    Image.fromarray(astronaut()).save(path)
    at = show(path, make_picture())
    page = texts(at)
    assert "No sign of manipulation found</span></h2>" in page
    assert "Score over time" not in page and "Frame at" not in page
    assert not [b for b in at.button if b.label.endswith("peak")]


def test_scores_without_a_face_are_of_the_whole_picture(clip: Path) -> None:
    analysis = make_analysis(clip)
    analysis.tracks = analysis.tracks[:1]
    analysis.tracks[0].whole, analysis.tracks[0].side = True, None
    at = show(clip, decide(analysis))
    page = texts(at)
    assert "The whole picture" in page
    assert "Person" not in page and "people" not in page and "1 person" not in page


def test_many_people_are_four_and_a_button(clip: Path) -> None:
    analysis = make_analysis(clip)
    base = analysis.tracks[1]
    for number in range(6):
        analysis.tracks.append(base.model_copy(deep=True, update={"id": f"P{number}"}))
    at = show(clip, decide(analysis))
    assert "Person P5" not in texts(at).replace("more people", "")
    at.button(key="result.k.widget.more.lanes").click().run()
    assert not at.exception
    assert "<b>Person P5</b>" in texts(at)
    assert [b.label for b in at.button if b.label.startswith("Show f")] == ["Show fewer"] * 2


def test_a_file_too_poor_shows_its_number_only_when_asked(clip: Path) -> None:
    analysis = make_analysis(clip)
    for face in analysis.tracks[0].faces:
        face.quality.width = 41.0
    at = show(clip, decide(analysis))
    page = texts(at)
    assert "The file is too poor for a reading." in page and "um-scale" not in page
    button(at, "Show the scores anyway").click().run()
    assert "um-scale" in texts(at)


def test_a_deleted_file_leaves_the_result_readable(clip: Path, tmp_path: Path) -> None:
    analysis = make_analysis(clip)
    analysis.media.container, analysis.media.sha256 = "avi", "1" * 64  # shown as a still frame
    page = texts(show(tmp_path / "gone.avi", analysis))
    assert "The file is not kept any more" in page and "Likely manipulated" in page


# --- pieces


def test_a_track_that_was_not_judged_is_in_strips_boxes_and_words(clip: Path) -> None:
    analysis = make_analysis(clip)
    for face in analysis.tracks[1].faces:
        face.logits, face.quality.problem = {}, ReasonCode.TOO_BLURRED
    analysis.tracks[1].windows = []
    analysis = decide(analysis)
    unjudged = analysis.tracks[1]
    assert unjudged.label is Label.NOT_APPLICABLE
    lanes = [series.lane(analysis, t) for t in analysis.tracks]
    data = evidence_view.view_data(
        analysis, lanes, [], time=0.0, seek=0, pictures={("A", 3): "data:x"}
    )
    person = data["people"][1]
    assert person["chip"] == "Not judged · too blurred" and person["state"] == "na"
    assert {t["text"] for t in person["tiles"]["wide"]} == {"–"}
    assert "too blurred" in person["tiles"]["wide"][0]["name"]
    assert {f["word"] for f in data["faces"][1]["faces"]} == {"too blurred"}
    assert "Could not be judged: Person A (left, too blurred)." in verdict_card.head(
        analysis
    ).replace("\u00a0", " ")


def test_only_the_moment_may_change_without_a_new_version(clip: Path) -> None:
    analysis = make_analysis(clip)
    lanes = [series.lane(analysis, t) for t in analysis.tracks]
    one, two = (
        evidence_view.view_data(analysis, lanes, [], time=t, seek=s, pictures={})
        for t, s in ((1.0, 1), (2.0, 2))
    )
    assert one["version"] == two["version"]
    other = decide(analysis, thresholds=Thresholds(low=0.1, high=0.2, custom=True))
    three = evidence_view.view_data(other, lanes, [], time=1.0, seek=1, pictures={})
    assert three["version"] != one["version"]


def test_tile_names_are_whole_sentences_for_a_screen_reader(clip: Path) -> None:
    analysis = make_analysis(clip)
    lanes = [series.lane(analysis, t) for t in analysis.tracks]
    data = evidence_view.view_data(analysis, lanes, [], time=0, seek=0, pictures={})
    names = [tile["name"] for tile in data["people"][0]["tiles"]["wide"]]
    assert len(names) == 11
    assert names[0].startswith("Person B, 00:0") and names[0].endswith("not in frame")
    assert re.fullmatch(r"Person B, 00:\d\d\.\d, \d+ percent, likely manipulated", names[3])


def test_faces_are_cut_for_the_strips(clip: Path) -> None:
    analysis = make_analysis(clip)
    pictures._strips.clear()
    wanted = {("B", 0), ("B", 10), ("A", 10)}
    cut: dict[pictures.Key, str] = {}
    for _ in range(20):
        cut, ready = pictures.strip_pictures(clip, analysis, wanted)
        if ready:
            break
    assert set(cut) == {("B", 10), ("A", 10)}  # B is not in the first frame
    assert all(url.startswith("data:image/jpeg;base64,") for url in cut.values())


def test_a_box_is_burned_in_where_the_face_is(clip: Path) -> None:
    analysis = make_analysis(clip)
    time = analysis.moments[10]
    boxes = pictures.boxes_at(analysis, time)
    plain = pictures.whole_frame(clip, analysis, time, {})
    drawn = pictures.whole_frame(clip, analysis, time, boxes)
    changed = np.argwhere((plain != drawn).any(axis=2))
    x0 = min(b[0] for b, _ in boxes.values())
    x1 = max(b[2] for b, _ in boxes.values())
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
def test_only_what_a_browser_plays_gets_a_player(
    container: str, codec: str, kind: str, expected: bool
) -> None:
    media = make_analysis().media.model_copy(
        update={"container": container, "codec": codec, "kind": kind}
    )
    assert player.plays(media) is expected


def test_downloads_hold_the_analysis_the_notes_and_every_moment(clip: Path) -> None:
    analysis, wishes = make_analysis(clip), downloads.Wishes()
    wishes.notes = "Received by mail."
    made = json.loads(downloads.make("json", clip, analysis, wishes))
    assert Analysis.model_validate(made["analysis"]) == analysis
    assert made["notes"] == "Received by mail."
    assert made["sha256_at_export"] == analysis.media.sha256
    table = downloads.make("csv", clip, analysis, wishes).decode().splitlines()
    rows = list(csv.DictReader(table[:-1]))
    assert len(rows) == len(analysis.tracks) * len(analysis.moments)
    first = rows[0]
    assert (first["person"], first["score"], first["why"]) == ("B", "", "not_in_frame")
    face = analysis.tracks[0].faces[0]
    row = next(r for r in rows if r["time_s"] == f"{face.time:.3f}" and r["person"] == "B")
    assert float(row["score"]) == pytest.approx(face.score, abs=1e-4)
    assert float(row["sbi"]) == pytest.approx(face.scores["sbi"], abs=1e-4)
    assert downloads.make("pdf", clip, analysis, wishes).startswith(b"%PDF")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.mp4", "clip.unmask.json"),
        ("../../etc/passwd", "passwd.unmask.json"),
        ('a<b>"c".mp4', "a_b__c_.unmask.json"),
        ("...", "result.unmask.json"),
    ],
)
def test_a_download_has_a_safe_name(name: str, expected: str) -> None:
    assert downloads.file_name(name, "json") == expected


def test_the_scale_has_its_marks_where_the_numbers_are() -> None:
    html = verdict_card.scale(make_analysis()).replace("\u00a0", " ")
    assert "class='pointer' style='left:74.2%'" in html
    assert "style='left:30.0%'>30<" in html and "style='left:70.0%'>70<" in html
    assert "The models range from 59 % to 93 %." in html


def test_moved_thresholds_do_not_claim_our_error_rates() -> None:
    ours = title.meaning(make_analysis().verdict.thresholds, "likely manipulated").replace(
        "\u00a0", " "
    )
    assert "5 % of untouched clips land above 70 %" in ours
    theirs = title.meaning(Thresholds(low=0.2, high=0.6, custom=True), "likely manipulated")
    assert "not measured" in theirs and "untouched clips" not in theirs


def test_a_rate_is_said_by_its_count_and_by_what_such_a_count_leaves_likely() -> None:
    limits = Thresholds(
        low=0.3, high=0.7, false_positive_rate=0.0, false_negative_rate=0.1818,
        false_positives=Tally(count=0, clips=45), false_negatives=Tally(count=6, clips=33),
        data="78 clips",
    )  # fmt: skip
    said = title.meaning(limits, "likely manipulated").replace("\u00a0", " ")
    none = "None of 45 untouched clips landed above 70 % (so at most 8 % of such, 95 % sure)."
    assert none in said
    assert "6 of 33 manipulated clips landed below 30 % (so at most 35 % of such" in said
    assert "Measured on 78 clips." in said and " 0 %" not in said
    made = make_analysis()
    made.verdict.thresholds = limits
    note = agreement.note(made).replace("\u00a0", " ")
    assert f"thresholds of the ensemble (78 clips). {none}" in note


def test_file_facts_say_what_was_done_to_the_picture() -> None:
    analysis = make_analysis()
    analysis.media.rotation, analysis.media.variable_frame_rate = 90, True
    facts = dict(details.file_facts(analysis))
    assert facts["Rotation"] == "turned 90° to stand upright"
    assert "on average" in facts["Video"]
    assert analysis.media.sha256 in facts["SHA-256"]


def test_names_at_line_ends_stand_apart() -> None:
    places = timeline.spread([10.0, 11.0, 12.0, 60.0], 14, 0, 62)
    assert all(b - a >= 14 for a, b in itertools.pairwise(places))
    assert places[-1] <= 62


# --- two questions


def test_both_answers_stand_in_the_card_and_one_that_was_not_asked_says_so(clip: Path) -> None:
    page = texts(show(clip))
    assert "Face manipulated?" in page and "Not asked: no model for it" in page
    at = show(clip, make_analysis(clip, whole=3.0, fake=False))
    page = texts(at)
    assert "<span>Likely made by a machine</span></h2>" in page
    assert "Judged by the face of <b>Person" in page
    assert "Not asked" not in page and "Likely machine-made" in page
    assert "inconclusive, 20 to 80 %" in page  # that question's thresholds are drawn


def test_the_view_below_follows_the_chosen_question(clip: Path) -> None:
    at = show(clip, make_analysis(clip, whole=-2.0))
    page = texts(at)
    assert "Likely manipulated" in page and "inconclusive, 30 to 70 %" in page
    at.segmented_control(key="result.k.widget.question").set_value(Question.SYNTHESIS).run()
    page = texts(at)
    assert "<span>Likely manipulated</span></h2>" in page  # the verdict stays
    assert "inconclusive, 20 to 80 %" in page
    lanes = [e.proto.body for e in at.get("html") if "um-who" in e.proto.body]
    assert len(lanes) == 2 and all("No sign found" in lane for lane in lanes)
    assert "SBI" in page  # the table of models has all of them


def test_thresholds_are_moved_for_each_question(clip: Path) -> None:
    at = show(clip, make_analysis(clip, whole=-2.0))
    at.slider(key="result.k.widget.thresholds.synthesis").set_value((2, 5)).run()
    page = texts(at)
    assert "Likely machine-made" in page and "with your thresholds" in page
    assert at.slider(key="result.k.widget.thresholds.manipulation").value == (30, 70)


def test_a_view_of_one_question_changes_no_verdict() -> None:
    made = make_analysis(whole=3.0)
    assert question.asked(made) == [Question.SYNTHESIS, Question.MANIPULATION]
    seen = question.viewed(made, Question.MANIPULATION)
    assert seen.verdict.label is made.verdict.label
    assert [t.id for t in seen.tracks] == [t.id for t in made.tracks]
    assert {m.id for m in seen.models} == {"sbi", "xcep", "clip", "meso4"}
    assert seen.verdict.thresholds.high == 0.7
    alone = make_analysis()
    assert question.viewed(alone, Question.MANIPULATION) is alone


# --- thresholds from one's own clips


def test_own_thresholds_are_named_and_can_be_left_aside(clip: Path) -> None:
    made = make_analysis(clip)
    made.ensembles[Question.MANIPULATION].own = OwnThreshold(
        high=2.0, rate=0.05, clips=40, sources=3, domain="phone",
        created=datetime(2026, 11, 20, tzinfo=UTC),
        models={m.id: m.identity for m in made.models if m.scored},
    )  # fmt: skip
    at = show(clip, decide(made))
    page = texts(at)
    assert "with thresholds from your own 40 clips of 3 recordings (phone), 2026-11-20" in page
    assert "<span>Inconclusive</span></h2>" in page
    assert "At most 5 % of untouched clips like yours land above 88 %" in page
    at.toggle(key="result.k.widget.own").set_value(False).run()
    page = texts(at)
    assert "your own" not in page and "<span>Likely manipulated</span></h2>" in page
    at.button(key="result.k.widget.reset").click().run()
    assert "your own 40 clips" in texts(at)
