"""`python -m research.folds`: each clip by the model that never saw its fold."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detector.evaluation import groups
from detector.training.fit import packed
from detector.training.recipe import read_recipe
from research import folds
from research.families.lite import LiteNet
from tests.conftest import write_clip

FOLDS = {"live-swaps": "iperov/DeepFaceLive", "heads,lip-sync": "yuangan/eat"}


def _moving(shown: np.ndarray, number: int) -> np.ndarray:
    """What never moves is taken for one picture that was sampled often."""
    return np.ascontiguousarray(np.roll(shown, 3 * number, 1))


@pytest.fixture()
def runs(tmp_path: Path, astronaut: np.ndarray) -> Path:
    """Two ended runs of untrained networks, one that is not ended, and a clip pair of each fold."""
    rows = ["file,label,group,source,method"]
    plan = read_recipe("surround")
    small = plan.crop.model_copy(update={"size": 64})
    face = cv2.resize(astronaut[:340, 60:400], (560, 560))
    for number, (fold, source) in enumerate(FOLDS.items()):
        torch.manual_seed(number)
        network = LiteNet()
        torch.nn.init.normal_(network.classifier[1].weight, std=0.1)
        (tmp_path / "runs" / fold).mkdir(parents=True)
        save_file(packed(network), tmp_path / "runs" / fold / "model.safetensors")
        recipe = plan.model_copy(update={"leave_out": fold, "crop": small}).model_dump()
        (tmp_path / "runs" / fold / "config.json").write_text(json.dumps({"recipe": recipe}))
        for label in ("real", "fake"):
            shown = face if label == "real" else cv2.GaussianBlur(face, (0, 0), 2.0 + number)
            name = f"{label}_{number}.mp4"
            write_clip(
                tmp_path / name,
                seconds=1.2,
                fps=10,
                size=(560, 560),
                picture=partial(_moving, shown),
            )
            rows.append(f"{name},{label},g{number}x,{source},{'none' if label == 'real' else 'x'}")
    (tmp_path / "runs" / "unended").mkdir()
    (tmp_path / "runs" / "unended" / "config.json").write_text(
        json.dumps({"recipe": plan.model_copy(update={"leave_out": "app-swaps"}).model_dump()})
    )
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def ask(runs: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> list[dict]:
    words = ["folds", str(runs / "labels.csv"), "--runs", str(runs / "runs")]
    monkeypatch.setattr("sys.argv", [*words, "--out", str(runs / "held.jsonl"), *more])
    folds.main()
    return [json.loads(line) for line in (runs / "held.jsonl").read_text().splitlines()]


def test_each_clip_is_judged_by_the_model_that_never_saw_its_fold(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNMASK_DATA", str(runs / "data"))
    lines = ask(runs, monkeypatch)
    assert folds.paths.data() == runs / "data"
    assert {line["name"]: line["fold"] for line in lines} == {
        "real_0.mp4": "live-swaps", "fake_0.mp4": "live-swaps",
        "real_1.mp4": "heads", "fake_1.mp4": "heads",
    }  # fmt: skip
    assert all(np.isfinite(line["logits"]["surround"]) for line in lines)
    assert len({line["logits"]["surround"] for line in lines}) == 4
    out = capsys.readouterr().out
    assert "unended left nothing out, or has not ended" in out
    assert "4 of 4 clips judged" in out and "pairs" in out

    # What was scored is not scored again; another model's logits come from its store.
    monkeypatch.setattr("detector.pipeline.Analyzer.analyze", None)
    store = runs / "runs" / "live-swaps" / "held.jsonl"
    again = ask(runs, monkeypatch, "--against", str(store))
    assert [line["logits"]["surround"] for line in again] == [
        line["logits"]["surround"] for line in lines
    ]
    assert [sorted(line["logits"]) for line in again] == [["surround"]] * 2 + [
        ["left-out", "surround"]
    ] * 2
    out = capsys.readouterr().out
    assert "on the 2 clips that left-out has scored" in out
    # The mean of a model with itself ranks as it does.
    rows = {text[:48].strip(): text[48:] for text in out.splitlines()}
    assert "+0.000" in rows["all: surround"] and "+0.000" in rows["all: mean of both"]


def test_cached_faces_are_judged_much_as_the_pipeline_judges_them(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNMASK_DATA", str(runs / "data"))
    usual = {line["name"]: line for line in ask(runs, monkeypatch)}
    monkeypatch.setattr("detector.pipeline.Analyzer.analyze", None)
    cached = ask(runs, monkeypatch, "--cache", str(runs / "faces"))
    assert "4 of 4 clips judged" in capsys.readouterr().out
    spread = np.ptp([line["logits"]["surround"] for line in usual.values()])
    for line in cached:
        other = usual[line["name"]]
        assert {**line, "frames": 0, "logits": 0} == {**other, "frames": 0, "logits": 0}
        assert line["frames"] == 3
        assert abs(line["logits"]["surround"] - other["logits"]["surround"]) < spread / 4


def test_a_fold_that_two_runs_leave_out_is_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((runs / "runs" / "heads,lip-sync" / "config.json").read_text())
    config["recipe"]["leave_out"] = "heads,live-swaps"
    (runs / "runs" / "heads,lip-sync" / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit):
        ask(runs, monkeypatch)


def test_within_sources_a_camera_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Fakes of one source above its originals, all of the other source above all of the first:
    of eight couples five are in order, of the four within sources three."""

    def line(name: str, label: int, source: str, logit: float) -> dict:
        return {
            "name": name, "label": label, "method": "swap" if label else "none", "group": name[0],
            "person": name, "source": source, "fold": groups.names()[0], "logits": {"m": logit},
        }  # fmt: skip

    lines = [
        line("a0", 0, "one", 0.0), line("a1", 1, "one", 1.0), line("b1", 1, "one", -1.0),
        line("c0", 0, "two", 2.0), line("c1", 1, "two", 3.0), line("d1", 1, "two", 4.0),
    ]  # fmt: skip
    folds.table(lines, "m")
    row = next(text for text in capsys.readouterr().out.splitlines() if text.startswith("all"))
    assert "2 real    4 fake  0.625" in row
    assert "within sources 0.750  pairs 2/2" in row


def test_the_mean_of_two_models_counts_both_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """Logits of one spread a hundred times as far as the other's: alone they err once each."""

    def line(name: str, label: int, one: float, other: float) -> dict:
        return {
            "name": name, "label": label, "method": "swap" if label else "none", "group": name,
            "person": name, "source": name, "fold": groups.names()[0],
            "logits": {"m": one, "o": other},
        }  # fmt: skip

    lines = [
        line("a", 0, 0.0, 1.0), line("b", 0, 1.0, 0.0),
        line("c", 1, 0.9, 4.0), line("d", 1, 4.0, 0.9),
    ]  # fmt: skip
    for each in lines:
        each["logits"]["o"] *= 100
    folds.table(lines, "m")
    rows = {t[:48].strip(): t[48:] for t in capsys.readouterr().out.splitlines()}
    assert "fake  0.750" in rows["all: m"] and "fake  0.750" in rows["all: o"]
    assert "fake  1.000" in rows["all: mean of both"] and "+0.250" in rows["all: mean of both"]
