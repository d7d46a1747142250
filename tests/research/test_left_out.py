"""`python -m research.left_out`: left-out logits beside the others' of the same faces."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.evaluation import scores
from detector.evaluation.labels import read_labels
from detector.evaluation.scores import Scoring
from detector.models import registry
from research import left_out
from tests.research.test_folds import ask, runs  # noqa: F401


def test_left_out_logits_stand_beside_the_others_of_the_same_faces(
    runs: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UNMASK_DATA", str(runs / "data"))
    said = {line["name"]: line["logits"]["surround"] for line in ask(runs, monkeypatch)}
    items = [item for item in read_labels(runs / "labels.csv") if item.name != "fake_1.mp4"]
    store = runs / "store.jsonl"
    scored = scores.score_files(items, models=["detail"], scoring=Scoring(store=store))
    alone = {one.name: one.logits["detail"] for one in scored}
    words = ["left_out", str(runs / "runs"), "--id", "pairs", "--store", str(store)]
    monkeypatch.setattr("sys.argv", words)
    left_out.main()
    assert "pairs: 3 of 3 clips by a model that never saw their fold" in capsys.readouterr().out

    # Nothing is analyzed again: the store holds both models as they are today.
    monkeypatch.setattr("detector.pipeline.Analyzer.analyze", None)
    both = scores.score_files(items, models=["detail", "pairs"], scoring=Scoring(store=store))
    assert len(both) == 3
    for one in both:
        assert one.logits["detail"] == pytest.approx(alone[one.name], abs=1e-6)
        assert one.logits["pairs"] == pytest.approx(said[one.name], abs=1e-4)
        assert one.analysis is not None
        told = {model.id: model for model in one.analysis.models}
        assert told["pairs"].title == registry.get_spec("pairs").title and told["pairs"].scored > 5
