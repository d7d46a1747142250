"""`python -m research.voice`: from labelled speech to the file that ships, and what it is worth."""

from __future__ import annotations

import csv
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from detector import paths
from detector.evaluation import metrics
from detector.models.families import timbre
from detector.perturbation import sounds
from detector.perturbation.robustness import USUAL
from research.voice import __main__ as command
from research.voice import corrupt, head, measure, store
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


def test_a_group_is_degraded_alike() -> None:
    x = speech(1.0).astype(np.float64)
    a, b, other = (clip(name, group=group) for name, group in (("a", "g"), ("b", "g"), ("c", "h")))
    first, second, third = (
        corrupt.packed(corrupt.degraded(x, corrupt.generator(each, 1))) for each in (a, b, other)
    )
    assert np.array_equal(first, second)
    assert len(first) != len(third) or not np.array_equal(first, third)


@pytest.mark.parametrize("name", corrupt.CONDITIONS)
def test_a_condition_takes_away_what_it_says(name: str) -> None:
    x = speech(2.0).astype(np.float64)
    y = corrupt.CONDITIONS[name](x, np.random.default_rng(0))
    assert y.shape == x.shape
    power = np.abs(np.fft.rfft(y)) ** 2
    high = float(power[len(power) // 2 :].sum() / power.sum())
    untouched = np.abs(np.fft.rfft(x)) ** 2
    was = float(untouched[len(untouched) // 2 :].sum() / untouched.sum())
    if name == "8 kHz telephone":
        assert high < 0.1 * was
    elif name == "noise 10 dB":
        assert high > 3 * was
    else:
        assert not np.allclose(x, y, atol=1e-3)


def test_robustness_tries_what_the_card_tells_of() -> None:
    x = speech(2.0).astype(np.float64)
    usual = [c for c in USUAL if c.fits("audio") and c.kind != "quiet"]
    assert len(usual) == len(corrupt.CONDITIONS)
    of_card = [made(x, np.random.default_rng(0)) for made in corrupt.CONDITIONS.values()]
    for condition in usual:
        ours = sounds.change(condition)(x, np.random.default_rng(0))
        assert any(np.array_equal(ours, theirs) for theirs in of_card), condition


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
    scores = measure.Scores(tuple(clips), np.zeros(len(clips), int), found(x))
    assert measure.won(scores)[0] > 0.95
    assert measure.line("made", scores).startswith("| made | 60 / 60 | 0.9")


def test_a_ctranslate2_file_is_read(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    name, kind = b"encoder/a\0", b"WhisperSpec\0"
    content = struct.pack("<IH", 6, len(kind)) + kind + struct.pack("<II", 3, 1)
    content += struct.pack("<H", len(name)) + name + bytes([2]) + struct.pack("<II", 2, 3)
    content += bytes([4]) + struct.pack("<I", values.nbytes) + values.tobytes()
    (tmp_path / "model.bin").write_bytes(content)
    assert store.read_ctranslate2(tmp_path / "model.bin")["encoder/a"].tolist() == values.tolist()


def test_large_tensors_lose_little_in_bytes() -> None:
    torch.manual_seed(0)
    state = {
        "encoder.wide.weight": torch.randn(600, 100),
        "convolutions.x.weight": torch.ones(2, 2),
    }
    small = store.shrunk(state)
    assert small["encoder.wide.weight"].dtype == torch.int8
    again = timbre.whole(small)
    assert float((again["encoder.wide.weight"] - state["encoder.wide.weight"]).abs().max()) < 0.03
    assert torch.equal(again["convolutions.x.weight"].float(), state["convolutions.x.weight"])


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
    scores = command.left_out(read_clips(labels), out / "folds.json", "0")
    assert metrics.auc(scores.logits, scores.fake) > 0.9
    capsys.readouterr()
    run(monkeypatch, "report", str(labels), "--out", str(out))
    said = capsys.readouterr().out
    assert "| all | 12 / 12 |" in said
    assert "bandwidth alone" in said
    assert "| m0 | 6 |" in said


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
