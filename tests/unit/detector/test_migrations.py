"""Results of older versions open and say what they said; readers of 1.2 still find their keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from detector import report
from detector.decision import decide
from detector.schema.analysis import Analysis, Label, Modality, Question
from detector.schema.migrations import migrate, tracks_1_2
from tests.support.result_sample import make_analysis
from tests.unit.detector.test_verdict import LIMITS, analysis, track, with_scores

RESULTS = Path(__file__).parents[2] / "goldens" / "results"
"""Written by the last commit of schema 1.2: a clip with a face and models of full frames, a clip
without a face, and a sealed report of a picture."""
FROM_1_2 = ("full-frame-1.2.json", "no-face-1.2.json")


def load(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def as_1_2(analysis: Analysis) -> dict[str, Any]:
    """A result as schema 1.2 wrote it."""

    def without(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: without(v) for k, v in node.items() if k not in ("subject", "subjects")}
        return [without(item) for item in node] if isinstance(node, list) else node

    old = without(analysis.exported())
    del old["timestamps"]
    for model in old["models"]:
        del model["modality"]
    for ensemble in old["ensembles"].values():
        ensemble["doubt"] = ensemble.pop("uncertainty")
        ensemble["caution"] = ensemble.pop("multiple_testing_penalty")
    for one in old["tracks"]:
        for answer in one["answers"].values():
            answer["doubt"] = answer.pop("uncertainty")
    if old["coverage"]:
        old["coverage"]["moments"] = old["coverage"].pop("sampled")
    for answer in old["verdict"]["answers"].values():
        for part in answer["contributions"]:
            if part["kind"] == "probit_shrink":
                part["kind"] = "held_back"
    return old | {"schema_version": "1.2"}


def test_results_of_schema_1_0_can_still_be_read() -> None:
    new = decide(analysis([track("A", with_scores(*[0.9] * 5)), track("B", with_scores(0.1, 0.1))]))
    old = as_1_2(new)
    old["schema_version"] = "1.0"
    old["ensemble"] = old.pop("ensembles")["manipulation"]
    for key in ("doubt", "own", "caution", "auc", "odds"):
        del old["ensemble"][key]
    old.pop("robustness", None)
    of_1_0 = ("code", "text", "detail", "time", "track", "model")
    for reason in old["verdict"]["reasons"]:
        del reason["params"]
        assert set(reason) == set(of_1_0)
    for key in ("caveats", "lean"):
        del old["verdict"][key]
    old["evidence"] = [{k: e[k] for k in ("name", "value", "rating")} for e in old["evidence"]]
    del old["verdict"]["answers"], old["verdict"]["question"]
    for one in old["tracks"]:
        del one["answers"], one["question"]
        for seen in one["faces"]:
            del seen["answers"]
    read = Analysis.model_validate(old)
    assert read.schema_version == "2.0"
    # What was said stays as it was said.
    assert [r.text for r in read.verdict.reasons] == [r.text for r in new.verdict.reasons]
    assert read.verdict.limits == new.verdict.limits
    assert [(e.name, e.value) for e in read.evidence] == [(e.name, e.value) for e in new.evidence]
    assert read.verdict.probability == new.verdict.probability
    answer = read.verdict.answers[Question.MANIPULATION]
    assert answer.label is Label.FAKE and answer.subject == "A" and answer.reasons
    assert read.judged[0].question is Question.MANIPULATION
    assert read.judged[0].frames[0].answers[Question.MANIPULATION] == pytest.approx(0.9)
    assert read.ensembles[Question.MANIPULATION].thresholds == LIMITS
    again = decide(read)
    assert again.verdict.label is new.verdict.label
    assert again.verdict.probability == pytest.approx(new.verdict.probability)
    with pytest.raises(ValidationError):
        Analysis.model_validate(old | {"schema_version": "0.9"})


@pytest.mark.parametrize("name", FROM_1_2)
def test_results_of_1_2_say_what_they_said(name: str) -> None:
    old = load(name)
    read = Analysis.model_validate(old)
    assert read.schema_version == "2.0" and read.id == old["id"]
    assert [tree["probability"] for tree in tracks_1_2(read.model_dump(mode="json"))] == [
        track["probability"] for track in old["tracks"]
    ]
    assert read.verdict.probability == old["verdict"]["probability"]
    assert [r.text for r in read.verdict.reasons] == [
        reason["text"] for reason in old["verdict"]["reasons"]
    ]
    again = decide(read)
    for seen in (read, again):
        assert seen.verdict.label == old["verdict"]["label"]
        assert seen.verdict.subject == old["verdict"]["track"]
        for subject, was in zip(seen.judged, old["tracks"], strict=True):
            assert {id: m.logit for id, m in subject.models.items()} == {
                id: m["logit"] for id, m in was["models"].items()
            }
            assert [f.scores for f in subject.frames] == [f["scores"] for f in was["faces"]]
            spans = {(s.start, id): x for s in subject.spans for id, x in s.logits.items()}
            windows = {(w["start"], w["model"]): w["logit"] for w in was["windows"]}
            assert spans == windows and windows


def test_a_result_of_1_2_is_decided_again_by_measured_models_alone() -> None:
    """It counted published models beside ours; where there are no others they still are."""
    both = Analysis.model_validate(load("full-frame-1.2.json"))
    ours = [m.id for m in both.models if m.calibration]
    again = decide(both)
    assert {m.id for m in again.models if m.counted} == {"pairs", "detail", "synthesis"}
    assert again.verdict.probability == decide(both, models=ours).verdict.probability
    theirs = Analysis.model_validate(load("no-face-1.2.json"))
    again = decide(theirs)
    assert again.verdict.probability == theirs.verdict.probability
    assert (theirs.verdict.thresholds.low, again.verdict.thresholds.low) == (0.2, 0.0)


def test_a_whole_picture_of_1_2_was_no_face() -> None:
    (subject,) = Analysis.model_validate(load("no-face-1.2.json")).subjects
    assert subject.modality is Modality.FULL_FRAME
    assert {frame.quality.yaw for frame in subject.frames} == {None}
    modalities = {m.modality for m in Analysis.model_validate(load("no-face-1.2.json")).models}
    assert modalities == {Modality.FULL_FRAME}


def test_of_a_person_and_full_frames_in_1_2() -> None:
    read = Analysis.model_validate(load("full-frame-1.2.json"))
    modality = {m.id: m.modality for m in read.models}
    assert modality["whole"] is Modality.FULL_FRAME and modality["pairs"] is Modality.FACE
    (person,) = read.judged
    assert person.modality is Modality.FACE and "whole" in person.frames[0].logits


def test_results_of_1_1_keep_their_sentences() -> None:
    new = decide(make_analysis())
    old = as_1_2(new) | {"schema_version": "1.1", "combined": {"probability": 0.4}}
    del old["verdict"]["caveats"]
    everything = [old["verdict"], *old["verdict"]["answers"].values()]
    for reason in [reason for node in everything for reason in node["reasons"]]:
        del reason["params"]
        reason["text"] = "As it was put then."
    old["verdict"]["limits"] = ["What it could not tell then."]
    old["evidence"] = [{k: e[k] for k in ("name", "value", "rating")} for e in old["evidence"]]
    old["verdict"]["probability"] = 0.4  # of all questions together
    read = Analysis.model_validate(old)
    assert {r.text for r in read.verdict.reasons} == {"As it was put then."}
    assert read.verdict.limits == ["What it could not tell then."]
    assert [(e.name, e.value) for e in read.evidence] == [(e.name, e.value) for e in new.evidence]
    assert read.verdict.question is not None
    answer = read.verdict.answers[read.verdict.question]
    assert read.verdict.probability == answer.probability == new.verdict.probability
    assert {r.text for r in answer.reasons} == {"As it was put then."}


def test_the_seal_of_an_old_report_holds_and_it_opens(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes((RESULTS / "report-1.2.json").read_bytes())
    assert report.verify(path).intact
    tree = json.loads(path.read_text(encoding="utf-8"))
    read = Analysis.model_validate(tree["analysis"])
    assert read.verdict.label == tree["analysis"]["verdict"]["label"]
    tree["analysis"]["tracks"][0]["probability"] = 0.01
    path.write_text(json.dumps(tree), encoding="utf-8")
    found = report.verify(path)
    assert not found.intact and found.changed == ("tracks",)


def test_what_is_exported_has_the_keys_of_1_2_and_opens() -> None:
    made = decide(make_analysis())
    tree = made.exported()
    (first, *_), tracks = tree["subjects"], tree["tracks"]
    assert tree["moments"] == tree["timestamps"] == made.timestamps
    assert [t["id"] for t in tracks] == [s.id for s in made.judged]
    assert {"whole", "faces", "windows"} <= set(tracks[0]) and not tracks[0]["whole"]
    assert [f["time"] for f in tracks[0]["faces"]] == [f["time"] for f in first["frames"]]
    verdict = tree["verdict"]
    assert verdict["track"] == verdict["subject"] == made.verdict.subject
    assert all(r["track"] == r["subject"] for r in verdict["reasons"])
    assert Analysis.model_validate(tree) == made
    assert Analysis.model_validate(as_1_2(made)).model_dump() == made.model_dump()


def test_what_is_stored_says_nothing_twice() -> None:
    stored = json.loads(make_analysis().model_dump_json())
    assert stored.keys().isdisjoint({"tracks", "moments"}) and stored["timestamps"]


def test_an_unknown_version_is_left_to_be_refused() -> None:
    assert migrate({"schema_version": "9.9"}) == {"schema_version": "9.9"}


def test_old_names_in_python_warn_and_work() -> None:
    made = make_analysis()
    with pytest.warns(DeprecationWarning, match="Analysis.judged"):
        assert made.tracks == made.judged
    with pytest.warns(DeprecationWarning, match="Subject.frames"):
        assert made.judged[0].faces == made.judged[0].frames
    with pytest.warns(DeprecationWarning, match="Subject.modality"):
        assert not made.judged[0].whole
