"""Recordings in a labelled CSV: a kind of their own, with figures in words of sounds."""

from detector.evaluation.evaluate import FileSelection, evaluate
from detector.evaluation.labels import read_labels
from detector.evaluation.tables import reliability_svg, to_markdown
from detector.perturbation.conditions import ALL, Condition
from tests.support import speech


def test_recordings_are_sounds_and_not_clips(tmp_path):
    rows = ["file,label"]
    for number, label in enumerate(("real", "fake") * 2):
        voice = speech.speech(5, pitch=110 + 30 * number, seed=number)
        speech.write(tmp_path / f"{number}.wav", voice)
        rows.append(f"{number}.wav,{label}")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    assert {item.kind for item in read_labels(labels)} == {"audio"}
    tried = (*ALL[:3], Condition("mp3", 32))
    made = evaluate(labels, selection=FileSelection(kind="audio"), conditions=tried)
    (sounds,) = made.kinds
    assert (sounds.kind, sounds.files) == ("audio", 4)
    (worse,) = sounds.conditions  # JPEG is for pictures
    assert (worse.name, worse.title) == ("mp3-32", "MP3 at 32 kbit/s")
    assert [model.id for model in sounds.models] == ["ensemble", "timbre"]
    assert all(model.ranking.judged == 4 for model in sounds.models)
    written = to_markdown(made)
    assert "## Sounds" in written and "Clips" not in written
    assert "4 sounds" in reliability_svg(sounds)
