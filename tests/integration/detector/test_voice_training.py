"""`python -m research.voice`: from labelled speech to the file that ships, and what it is worth."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from detector import paths
from detector.evaluation import metrics
from research.voice import __main__ as command
from research.voice import head
from research.voice.clips import FOLDS, Clip, read_clips, split
from research.voice.statistics import statistics, trunk
from tests.support.speech import speech


def clip(name: str, **given: object) -> Clip:
    made: dict[str, object] = {
        "path": Path(name), "fake": False, "method": "", "group": name, "repository": "some/where",
    }  # fmt: skip
    return Clip(**(made | given))  # type: ignore[arg-type]


def test_what_is_left_out_teaches_in_no_way() -> None:
    repository = FOLDS[0][0]
    clips = [
        clip("a", fake=True, method="hifi-gan", repository=repository),
        clip("b", person="ann", repository=repository),
        clip("c", fake=True, method="hifi-gan", repository="x/y"),
        clip("d", person="ann", repository="x/y"),
        clip("e", fake=True, method="vits", repository="x/y"),
    ]
    assert split(clips, 0) == ([4], [0, 1])


def test_the_layer_learns_what_tells_pairs_apart_and_not_what_tells_groups_apart() -> None:
    chance = np.random.default_rng(0)
    clips, rows = [], []
    for group in range(60):
        room = chance.normal(0, 3)
        for fake in (False, True):
            clips.append(clip(f"{group}{fake}", fake=fake, group=str(group)))
            rows.append([room + chance.normal(0, 0.1), fake + chance.normal(0, 0.3)])
    x = np.array(rows)
    found = head.fit(clips, [x], head.HeadRecipe(decay=0.01))
    assert abs(found.weights[0]) < 0.1 * found.weights[1]
    said = found(x)
    assert np.mean(said[1::2] > said[::2]) > 0.95


def write_labels(folder: Path) -> Path:
    """Made talk of twelve voices: as it is, and what a vocoder without phases leaves of it."""
    rows = ["file", "label", "kind", "method", "group", "source", "person", "language"]
    path = folder / "voice.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(rows)
        for number in range(12):
            original = speech(2.0, pitch=100.0 + 8 * number, seed=number)
            for label, samples in (("real", original), ("fake", _flat(original))):
                name = f"{label}{number}.wav"
                _write(folder / name, samples)
                source = f"{FOLDS[number % 2][0]}:{name}"
                table.writerow([name, label, "audio", f"m{number % 2}", number, source, "", "en"])
    return path


def _flat(x: np.ndarray) -> np.ndarray:
    """The magnitudes of `x`, all phases the same: buzzing."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, 256), 512)[::128] * np.hanning(512)
    out = np.zeros(len(frames) * 128 + 512)
    for number, frame in enumerate(np.fft.irfft(np.abs(np.fft.rfft(frames)))):
        out[128 * number : 128 * number + 512] += np.roll(frame, 256) * np.hanning(512)
    return (0.5 * out / np.abs(out).max()).astype(np.float32)[: len(x)]


def _write(path: Path, samples: np.ndarray) -> None:
    from scipy.io import wavfile

    wavfile.write(path, 16_000, (samples * 32_767).astype(np.int16))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["voice", *words])
    command.main()


def test_the_recipe_runs_from_labels_to_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PLAN", head.HeadRecipe(("0",), ("0",)))
    labels = write_labels(tmp_path)
    out = tmp_path / "run"
    monkeypatch.setattr(command, "FOLDS", FOLDS[:2])
    run(monkeypatch, "train", str(labels), "--out", str(out))
    run(monkeypatch, "folds", str(labels), "--out", str(out))
    written = load_file(out / "timbre.safetensors")
    bundled = load_file(paths.bundled() / "timbre.safetensors")
    assert written.keys() == bundled.keys()
    assert not torch.equal(written["head.weight"], bundled["head.weight"])
    kept = json.loads((out / "folds.json").read_text())["folds"]
    assert [len(part["clips"]) for part in kept] == [12, 12]
    clips = read_clips(labels)
    fakes = [clips[number].fake for part in kept for number in part["clips"]]
    logits = np.array([logit for part in kept for logit in part["logits"]["0"]])
    assert metrics.auc(logits, np.array(fakes)) > 0.9
    capsys.readouterr()
    run(monkeypatch, "calibrate", str(labels), "--out", str(out))
    assert "[ensembles.voice" in capsys.readouterr().out


@pytest.mark.shared
def test_a_small_part_of_the_clips_teaches_something(shared: Path, tmp_path: Path) -> None:
    """Of the repositories' clips one in twenty."""
    clips = read_clips(shared / "data/voice/voice.csv")[::20]
    network = trunk(paths.bundled() / "timbre.safetensors")
    values = statistics(clips, "0", network, tmp_path)[:, :-1]
    said, fakes = [], []
    for fold in range(len(FOLDS)):
        learned, out = split(clips, fold)
        found = head.fit([clips[i] for i in learned], [values[learned]], head.HeadRecipe())
        logits = found(values[out])
        said.append((logits - logits.mean()) / logits.std())
        fakes.append([clips[i].fake for i in out])
    assert metrics.auc(np.concatenate(said), np.concatenate(fakes)) > 0.65
