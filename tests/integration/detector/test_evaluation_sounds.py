"""Recordings in a labelled CSV: a kind of their own, with figures in words of sounds."""

from __future__ import annotations

from pathlib import Path

from detector.evaluation.evaluate import FileSelection, evaluate
from detector.evaluation.labels import read_labels
from detector.evaluation.plots import reliability_svg
from detector.evaluation.tables import to_markdown
from detector.perturbation.corruptions import ALL, NONE
from tests.support import speech


def test_recordings_are_sounds_and_not_clips(tmp_path: Path) -> None:
    rows = ["file,label"]
    for number, label in enumerate(("real", "fake") * 2):
        voice = speech.speech(5, pitch=110 + 30 * number, seed=number)
        speech.write(tmp_path / f"{number}.wav", voice)
        rows.append(f"{number}.wav,{label}")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    assert {item.kind for item in read_labels(labels)} == {"audio"}
    made = evaluate(labels, selection=FileSelection(kind="audio"), conditions=ALL[:3])
    (sounds,) = made.kinds
    assert (sounds.kind, sounds.files, sounds.conditions) == ("audio", 4, [])
    assert [model.id for model in sounds.models] == ["ensemble", "timbre"]
    assert all(model.ranking.judged == 4 for model in sounds.models)
    written = to_markdown(made)
    assert "## Sounds" in written and "Clips" not in written
    assert "4 sounds" in reliability_svg(sounds)


def test_nothing_that_changes_pictures_is_put_on_a_sound() -> None:
    assert [condition for condition in ALL if condition.fits("audio")] == [NONE]
