"""`unmask train voice`: from labelled speech to the file that ships, and what it is worth."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cli import main
from detector import paths
from detector.evaluation import metrics
from detector.evaluation.labels import Item
from lab.evaluation import groups
from lab.training import voice
from lab.training.fit import TrainingOptions
from tests.support.speech import speech

REPOSITORIES = ("jik876/hifi-gan-demo", "sh-lee-prml/HierSpeechpp-demo")
"""Of the first fold, and of the second."""


def clip(name, **given):
    made: dict[str, object] = {
        "file": Path(name), "name": name, "label": 0, "kind": "audio", "method": "none",
        "group": name, "source": "some/where",
    }  # fmt: skip
    return Item(**(made | given))


def test_what_is_left_out_teaches_in_no_way():
    clips = [
        clip("a", label=1, method="hifi-gan", source=REPOSITORIES[0]),
        clip("b", named="ann", source=REPOSITORIES[0]),
        clip("c", label=1, method="hifi-gan", source=REPOSITORIES[1]),
        clip("d", named="ann", source=REPOSITORIES[1]),
        clip("e", label=1, method="vits", source=REPOSITORIES[1]),
    ]
    split = voice.split(clips, "voice-1")
    assert (split.taught, split.held) == ([4], [0, 1])


def test_the_layer_learns_what_tells_pairs_apart_and_not_what_tells_groups_apart():
    chance = np.random.default_rng(0)
    clips, rows = [], []
    for group in range(60):
        room = chance.normal(0, 3)
        for fake in (0, 1):
            clips.append(clip(f"{group}{fake}", label=fake, group=str(group)))
            rows.append([room + chance.normal(0, 0.1), fake + chance.normal(0, 0.3)])
    x = np.array(rows)
    found = voice.fit(clips, [x], voice.VoiceRecipe(decay=0.01), parts=[slice(2)])
    assert abs(found.weights[0]) < 0.1 * found.weights[1]
    said = found(x)
    assert np.mean(said[1::2] > said[::2]) > 0.95


def write_labels(folder):
    """Made talk of twelve voices: as it is, and what a vocoder without phases leaves of it. The
    last two fakes are of an old system."""
    rows = ["file", "label", "kind", "method", "year", "group", "source", "person"]
    path = folder / "voice.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(rows)
        for number in range(12):
            original = speech(2.0, pitch=100.0 + 8 * number, seed=number)
            for label, samples in (("real", original), ("fake", _flat(original))):
                name = f"{label}{number}.wav"
                _write(folder / name, samples)
                source = f"{REPOSITORIES[number % 2]}:{name}"
                year = 2024 if number < 10 else 2019
                table.writerow([name, label, "audio", f"m{number % 2}", year, number, source, ""])
    return path


def _flat(x):
    """The magnitudes of `x`, all phases the same: buzzing."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, 256), 512)[::128] * np.hanning(512)
    out = np.zeros(len(frames) * 128 + 512)
    for number, frame in enumerate(np.fft.irfft(np.abs(np.fft.rfft(frames)))):
        out[128 * number : 128 * number + 512] += np.roll(frame, 256) * np.hanning(512)
    return (0.5 * out / np.abs(out).max()).astype(np.float32)[: len(x)]


def _write(path, samples):
    from scipy.io import wavfile

    wavfile.write(path, 16_000, (samples * 32_767).astype(np.int16))


def test_the_recipe_runs_from_labels_to_figures(tmp_path, monkeypatch):
    recipe = tmp_path / "plain.toml"
    recipe.write_text('recipe = "voice"\ndrawn = []\nalways = []\njudged = []\ncounted = []\n')
    monkeypatch.setattr(groups, "names", lambda file: ("voice-1", "voice-2"))
    labels, out = write_labels(tmp_path), tmp_path / "run"
    words = ["train", str(recipe), "--data", str(labels), "-o", str(out), "--folds", "sources"]
    assert main(words) == 0
    written = load_file(out / "model.safetensors")
    bundled = load_file(paths.bundled() / "timbre.safetensors")
    assert written.keys() == bundled.keys()
    assert not torch.equal(written["head.weight"], bundled["head.weight"])
    with (out / "left_out.csv").open(newline="") as stream:
        kept = list(csv.DictReader(stream))
    assert [row["fold"] for row in kept] == ["voice-1"] * 11 + ["voice-2"] * 11
    fakes = np.array([row["label"] == "fake" for row in kept])
    assert metrics.auc(np.array([float(row["logit"]) for row in kept]), fakes) > 0.9
    assert "[ensembles.voice" in (out / "calibration.toml").read_text()
    table = (out / "left_out.md").read_text()
    assert "| as it is | 10 / 12 | " in table and "| loudness | 10 / 12 | " in table
    assert "| m0 | 5 of 1 | " in (out / "voices.md").read_text()


@pytest.mark.shared
def test_a_small_part_of_the_clips_teaches_something(shared, tmp_path):
    """Of the repositories' clips one in twenty."""
    clips = voice.read_speech(shared / "data/voice/voice.csv")[::20]
    network = voice.trunk(paths.bundled() / "timbre.safetensors")
    values = voice.statistics(clips, voice.AS_IS, network, TrainingOptions(tmp_path))
    said, fakes = [], []
    for fold in groups.names(groups.VOICES):
        split = voice.split(clips, fold)
        learned, out = split.taught, split.held
        found = voice.fit([clips[i] for i in learned], [values[learned]], voice.VoiceRecipe())
        logits = found(values[out])
        said.append((logits - logits.mean()) / logits.std())
        fakes.append([clips[i].label for i in out])
    assert metrics.auc(np.concatenate(said), np.concatenate(fakes)) > 0.65
