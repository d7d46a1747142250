"""`unmask benchmark` on a few files: run, stopped, run on, and checked."""

import csv
import json
import shutil
import sys
from types import ModuleType

import cv2
import pytest

from cli import main
from detector.evaluation.scores import Scoring
from lab.evaluation import benchmark
from tests.conftest import write_clip


@pytest.fixture(autouse=True)
def _main(monkeypatch):
    """A main module that a spawned process can do without: pages that ran here left theirs."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))


@pytest.fixture(scope="module")
def labels(tmp_path_factory, astronaut):
    """Two clips of each label from two sources, a picture of each, one that is none, and a copy."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = [["file", "label", "group", "source", "method"]]
    for number, source in enumerate(("one", "two")):
        for label, quality in (("real", 20 + number), ("fake", 40 + number)):
            name = f"{source}-{label}.mp4"
            write_clip(folder / name, seconds=1, fps=10, options={"crf": str(quality)})
            rows.append([name, label, source, source, "face swap" if label == "fake" else "none"])
    cv2.imwrite(str(folder / "real.png"), astronaut[..., ::-1])
    cv2.imwrite(str(folder / "fake.png"), cv2.GaussianBlur(astronaut, (0, 0), 1.2)[..., ::-1])
    (folder / "none.png").write_text("no picture")
    shutil.copy(folder / "one-real.mp4", folder / "copy.mp4")
    rows.append(["copy.mp4", "real", "copy", "two", "none"])
    rows += [[f"{name}.png", name, "still", "one", ""] for name in ("real", "fake")]
    rows.append(["none.png", "fake", "none", "two", ""])
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder / "labels.csv"


def test_models_are_ranked_resumed_and_checked(labels, tmp_path, capsys):
    out = tmp_path / "out"

    def stop(done, total):
        assert total == 11  # all files by Texture, four clips by LRCN
        if done == 2:
            raise KeyboardInterrupt

    models = ["texture", "lrcn"]
    with pytest.raises(KeyboardInterrupt):
        benchmark.run(labels, out, models=models, scoring=Scoring(frames=4, on_progress=stop))
    stored = {path: path.stat().st_mtime_ns for path in out.rglob("*.jsonl")}
    assert len(stored) == 2
    call = ["benchmark", str(labels), "--out", str(out), "--models", "texture,lrcn"]
    assert main([*call, "--frames", "4"]) == 0
    said = capsys.readouterr()
    names = ("leaderboard.md", "leaderboard.html", "submission.json")
    assert said.out.split() == [str(out / name) for name in names]
    assert "11 of 11 scored" in said.err and "not signed" in said.err
    assert {path: path.stat().st_mtime_ns for path in stored} == stored, "scored again"

    made = json.loads((out / "submission.json").read_text())
    assert len(made["files"]) == 7 and len({file["name"] for file in made["files"]}) == 7
    rows = {(row["kind"], row["name"]): row["figures"] for row in made["rows"]}
    assert set(rows) == {
        ("video", "texture"), ("video", "lrcn"), ("video", "pixel-free"), ("video", "sharpness"),
        ("image", "texture"), ("image", "sharpness"),
    }  # fmt: skip
    pictures = rows["image", "texture"]
    assert (pictures["judged"], pictures["fakes"], pictures["pairs won"]["of"]) == (2, 2, 1)
    assert rows["video", "texture"]["pairs won"]["of"] == 2
    assert rows["video", "texture"]["ECE"]["value"] is not None
    for model in made["models"]:
        assert model["seconds"]["video"] > 0 and len(model["weights_sha256"]) == 64
        assert model["peak_memory"] is None or model["peak_memory"] > 100e6

    check = ["benchmark", "--check", str(out / "submission.json"), str(labels)]
    assert main(check) == 0
    assert "6 rows of figures, each file once, labels.csv, 7 of 7 files" in capsys.readouterr().out
    made["files"][0]["highest"]["texture"] += 9
    (out / "submission.json").write_text(json.dumps(made))
    assert main(check) == 2
    assert "these do NOT: seal (changed: files)" in capsys.readouterr().out


def test_what_can_not_be_ranked_is_said(labels, tmp_path, capsys):
    assert main(["benchmark", str(labels)]) == 2
    assert main(["benchmark", str(labels), "--out", str(tmp_path), "--models", "timbre"]) == 2
    assert "No model scores files of these kinds." in capsys.readouterr().err
    (labels.parent / "missing.csv").write_text("file,label\nmissing.mp4,real\n")
    assert main(["benchmark", str(labels.parent / "missing.csv"), "--out", str(tmp_path)]) == 2
    assert "which is not there" in capsys.readouterr().err
