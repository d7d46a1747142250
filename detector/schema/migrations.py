"""Results of older versions, brought to the present schema step by step: plain dicts in and out.

Scores, labels and sentences stay as they were written: nothing is decided again. A seal over an old
file is checked on its original bytes, before this. Each step takes one version to the next.

1.0  one question, one ensemble.
1.1  questions beside each other, and a number of all of them together; sentences as text.
1.2  codes with parameters in place of sentences; a face in a frame is the unit of everything.
2.0  subjects (`modality`) with frames and spans, `timestamps` for `moments`. Until 2.1 `tracks` and
     `moments`, as 1.2 had them, are written along in exports (`exported`), and `track` beside each
     `subject`; a name within a node that 1.2 had is read there (`schema.base.renamed`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]

CURRENT = "2.0"
_QUESTION = "manipulation"
"""the one that 1.0 knew"""
_OF_1_2 = ("tracks", "moments")
"""Keys that exports have for its readers."""
_ANSWER_OF_1_0 = ("label", "probability", "thresholds", "track", "agree", "counted", "reasons")


def migrate(data: Tree) -> Tree:
    """Return a result in the present schema; one of an unknown version as it is."""
    while (step := STEPS.get(data.get("schema_version", CURRENT))) is not None:
        data = step(data)
    if "moments" in data:
        data = {"timestamps": data["moments"]} | data
    return {key: value for key, value in data.items() if key not in _OF_1_2}


# --- 1.0 ------------------------------------------------------------------------------------------


def _from_1_0(old: Tree) -> Tree:
    new = {key: value for key, value in old.items() if key != "ensemble"}
    verdict = dict(old["verdict"])
    answer = {key: verdict[key] for key in _ANSWER_OF_1_0 if key in verdict}
    tracks = []
    for track in old["tracks"]:
        own = {key: track.get(key) for key in ("probability", "label", "reason")}
        faces = [
            face
            | ({"answers": {_QUESTION: score}} if (score := face.get("score")) is not None else {})
            for face in track["faces"]
        ]
        tracks.append(track | {"question": _QUESTION, "answers": {_QUESTION: own}, "faces": faces})
    return new | {
        "schema_version": "1.1",
        "ensembles": {_QUESTION: old["ensemble"]},
        "verdict": verdict | {"question": _QUESTION, "answers": {_QUESTION: answer}},
        "tracks": tracks,
    }


# --- 1.1 ------------------------------------------------------------------------------------------


def _from_1_1(old: Tree) -> Tree:
    new = {key: value for key, value in old.items() if key != "combined"}
    verdict = {key: value for key, value in old["verdict"].items() if key != "limits"}
    answers = verdict.get("answers") or {}
    if isinstance(answer := answers.get(verdict.get("question")), dict):
        verdict["probability"] = answer.get("probability")
    verdict["answers"] = {
        question: answer | {"reasons": [_as_written(r) for r in answer.get("reasons", [])]}
        for question, answer in answers.items()
    }
    verdict["reasons"] = [_as_written(reason) for reason in verdict.get("reasons", [])]
    if "limits" in old["verdict"]:
        verdict.setdefault(
            "caveats",
            [{"code": "written", "params": {"written": x}} for x in old["verdict"]["limits"]],
        )
    new["evidence"] = [_rated_as_written(item) for item in old.get("evidence", [])]
    return new | {"schema_version": "1.2", "verdict": verdict}


def _as_written(reason: Tree) -> Tree:
    """Keep a sentence as a parameter, where there is no other."""
    if "params" in reason:
        return reason
    written = {"written": reason.get("text", ""), "written_detail": reason.get("detail", "")}
    return reason | {"params": written}


def _rated_as_written(item: Tree) -> Tree:
    if "code" in item:
        return item
    written = {"written": item["name"], "written_detail": item["value"]}
    return item | {"code": str(item["name"]).lower().replace(" ", "_"), "params": written}


# --- 1.2 ------------------------------------------------------------------------------------------

_MODALITY_OF_KIND = {"image": "full_frame", "audio": "voice"}


def _from_1_2(old: Tree) -> Tree:
    """Faces and windows become frames and spans. What a model of full frames said then stood on
    every face, and stays there."""
    new = {key: value for key, value in old.items() if key != "tracks"}
    no_face = {id for track in old["tracks"] if track.get("whole") for id in track["models"]}

    def modality(model: Tree) -> str:
        usual = _MODALITY_OF_KIND.get(model["kind"], "face")
        return "full_frame" if model["id"] in no_face else usual

    verdict = dict(old["verdict"])
    verdict["answers"] = {
        question: _subject_for_track(answer) | {
            "reasons": [_subject_for_track(reason) for reason in answer.get("reasons", [])]
        }
        for question, answer in verdict.get("answers", {}).items()
    }  # fmt: skip
    verdict["reasons"] = [_subject_for_track(reason) for reason in verdict.get("reasons", [])]
    return new | {
        "schema_version": "2.0",
        "verdict": _subject_for_track(verdict),
        "signals": [_subject_for_track(signal) for signal in old.get("signals", [])],
        "models": [model | {"modality": modality(model)} for model in old["models"]],
        "subjects": [_subject(track) for track in old["tracks"]],
    }


def _subject_for_track(node: Tree) -> Tree:
    return {("subject" if key == "track" else key): value for key, value in node.items()}


def _subject(track: Tree) -> Tree:
    rest = {k: v for k, v in track.items() if k not in ("whole", "faces", "windows")}
    whole = track.get("whole", False)
    spans: dict[tuple[float, ...], Tree] = {}
    for window in track.get("windows", []):
        bounds = {"start": window["start"], "end": window["end"]}
        span = spans.setdefault(tuple(bounds.values()), bounds | {"logits": {}, "scores": {}})
        span["logits"][window["model"]] = window["logit"]
        if window.get("score") is not None:
            span["scores"][window["model"]] = window["score"]
    return rest | {
        "modality": "full_frame" if whole else "face",
        "frames": [_without_a_face(face) for face in track["faces"]] if whole else track["faces"],
        "spans": list(spans.values()),
    }


def _without_a_face(frame: Tree) -> Tree:
    """Take away the turn and the confidence that made a whole picture look like a face."""
    return frame | {"quality": frame["quality"] | {"yaw": None, "confidence": None}}


STEPS: dict[str, Callable[[Tree], Tree]] = {
    "1.0": _from_1_0,
    "1.1": _from_1_1,
    "1.2": _from_1_2,
}


# --- for readers of 1.2, until 2.1 ----------------------------------------------------------------


def exported(analysis: Tree) -> Tree:
    """Return a dumped result with what readers of 1.2 look for: `tracks` and `moments`."""
    return analysis | {"tracks": tracks_1_2(analysis), "moments": analysis["timestamps"]}


def tracks_1_2(analysis: Tree) -> list[Tree]:
    """Return subjects as the tracks of schema 1.2, in which the full frame's scores stood on each
    face."""
    subjects = analysis["subjects"]
    people = [s for s in subjects if s["modality"] == "face"]
    full = next((s for s in subjects if s["modality"] == "full_frame"), None)
    return [_track(s, full) for s in people] if people else [_track(full, None)] if full else []


def _track(subject: Tree, full: Tree | None) -> Tree:
    rest = {k: v for k, v in subject.items() if k not in ("modality", "frames", "spans")}
    seen = {frame["index"]: frame["logits"] for frame in full["frames"]} if full else {}
    spans = [*subject["spans"], *(full["spans"] if full else [])]
    windows = [
        {
            "model": id, "start": span["start"], "end": span["end"],
            "logit": logit, "score": span["scores"].get(id),
        }
        for span in spans
        for id, logit in span["logits"].items()
    ]  # fmt: skip
    return rest | {
        "whole": subject["modality"] == "full_frame",
        "faces": [
            frame | {"logits": frame["logits"] | seen.get(frame["index"], {})}
            for frame in subject["frames"]
        ],
        "windows": sorted(windows, key=lambda w: (w["model"], w["start"])),
    }
