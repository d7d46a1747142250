"""`python -m research.held_out`: every fold learned, judged and calibrated in one command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detector.evaluation import groups
from detector.evaluation.calibration import fit_clips
from detector.evaluation.labels import Item
from detector.evaluation.scores import Scored
from detector.evaluation.subjects import Clip
from detector.schema.analysis import Question
from detector.training.recipe import Recipe
from research import against, held_out
from research.held_out import Bench
from tests.integration.detector.test_calibration import clips

FACE, WHOLE = Question.MANIPULATION, Question.SYNTHESIS


def item(name: str, source: str) -> Item:
    return Item(Path(name), name, 0, "video", "", name, source)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    sources = {groups.fold_of(item("", source)): source for source in groups._table()}
    items = [item(f"{fold}.mp4", source) for fold, source in sources.items()]
    return Bench(tmp_path / "labels.csv", items, tmp_path / "lite0.safetensors", tmp_path / "kept")


def test_each_fold_is_learned_once_from_all_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[str, str, bool]] = []

    def noted(plan: Recipe, labels: Path, run: Path, *, cache: Path, begin: Path | None) -> None:
        assert labels == bench.labels and cache == bench.work / "faces"
        learned.append((plan.name, plan.leave_out, begin == bench.begin))
        run.mkdir(parents=True)
        (run / "model.safetensors").write_bytes(b"")

    monkeypatch.setattr(held_out, "train", noted)
    bench.learn("kinds")
    assert sorted(learned) == sorted(
        (name, fold, name == "texture") for name in held_out.LEARNED for fold in groups.names()
    )
    learned.clear()
    bench.learn("kinds")
    assert not learned
    bench.learn("sources")
    assert {fold for _, fold, _ in learned} == set(groups.source_names())


def test_a_clip_is_judged_by_what_never_saw_its_fold(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: dict[str, list[str]] = {}
    placed: list[tuple[str, str]] = []

    def scored(items: list[Item], *, models: tuple[str, ...], scoring: object) -> list[Scored]:
        assert set(models) == {"detail", "synthesis"} and items == bench.items
        bench.work.mkdir()
        (bench.work / "others.jsonl").write_text("what the others say")
        return []

    def by_run(items: list[Item], run: Path, recipe: dict[str, object]) -> list[Scored]:
        assert recipe["family"] == {"texture": "texture", "grain": "cooccurrence"}[run.parent.name]
        judged.setdefault(run.name, []).extend(one.name for one in items)
        return []

    monkeypatch.setattr(held_out.scores, "score_files", scored)
    monkeypatch.setattr(held_out.folds, "score", by_run)
    monkeypatch.setattr(
        held_out.left_out, "put", lambda runs, id, store: placed.append((runs.name, id))
    )
    store = bench.judge("kinds")
    assert judged == {fold: [f"{fold}.mp4"] * 2 for fold in groups.names()}
    assert placed == [("texture", "texture"), ("texture", "surface"), ("grain", "grain")]
    # What the others say is kept apart, so that it need not be asked again for another way.
    assert store != bench.work / "others.jsonl" and store.read_text() == "what the others say"


def test_the_table_has_a_column_for_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    models = ["pairs", "detail", "synthesis"]
    monkeypatch.setattr(held_out, "MODELS", models)
    made = clips(np.random.default_rng(0))
    methods = {None: "none", FACE: "SimSwap", WHOLE: "SadTalker"}
    scored = [
        Scored(
            name=f"{n}", label=clip.label, kind="video", method=methods[clip.question],
            group=f"g{n // 2}x", source=clip.source, person=f"p{n // 2}",
        )
        for n, clip in enumerate(made)
    ]  # fmt: skip

    def one_by_one() -> Iterator[Clip]:
        yield from made

    told = one_by_one()
    monkeypatch.setattr(against, "clip_of", lambda _: next(told))
    monkeypatch.setattr(against.groups, "fold_of", lambda clip: clip.source)
    fitted = fit_clips(made, {FACE: models[:2], WHOLE: models[2:]}, "made")
    cells = held_out.rows(scored, fitted)
    said = against.ours(made, models)
    labels = np.array([clip.label for clip in made])
    own = np.array([clip.question in (None, FACE) for clip in made])
    auc = held_out.metrics.auc(said[FACE][own], labels[own])
    assert cells["**altered faces** (40 fakes)"].startswith(f"{auc:.2f} [")
    assert {"of these talking head (40)", "of these face swap (40)"} < set(cells)
    assert "originals below the altered faces of them (40 pairs)" in cells
    assert cells["right of these"] == f"{fitted.summary.right:.0%}"
    text = held_out.table({"kinds": cells, "sources": {"right of these": "9%"}})
    lines = text.splitlines()
    assert lines[0] == "|  | kinds left out | sources left out |"
    assert len(lines) == 2 + len(cells) and all(one.count("|") == 4 for one in lines)
    assert lines[-2].startswith("| right of these | ") and lines[-2].endswith("| 9 % |")


def test_what_was_found_is_written_and_nothing_else_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ["pairs", "detail", "synthesis"]
    monkeypatch.setattr(held_out, "MODELS", models[1:])
    made = clips(np.random.default_rng(0))
    fitted = fit_clips(made, {FACE: models[:2], WHOLE: models[2:]}, "160 made clips")
    files = ["README.md", "weights/manifest.toml", "weights/detail.md", "weights/synthesis.md"]
    (tmp_path / "weights").mkdir()
    for file in files:
        (tmp_path / file).write_bytes((held_out.ROOT / file).read_bytes())
    held_out.write(tmp_path, {"kinds": {"right of these": "97 %"}}, fitted)
    first, last = (f"<!-- {mark}left out -->" for mark in ("", "/"))
    told = {}
    for file in files:
        before, after = (
            (root / file).read_text(encoding="utf-8") for root in (held_out.ROOT, tmp_path)
        )
        if file.endswith(".md"):
            told[file] = after.split(first)[1].split(last)[0]
            old = before.split(first)[1].split(last)[0]
            assert after == before.replace(f"{first}{old}{last}", f"{first}{told[file]}{last}")
    assert "| right of these | 97 % |" in told["README.md"]
    card, of = told["weights/detail.md"], fitted.models["detail"]
    assert "160 made clips" in card and "Platt" in card and f"offset {of.offset:.3f}" in card
    assert f"added {fitted.weights['detail']:.2f} times" in card
    assert f"{fitted.summary.decided:.1%}".replace("%", " %") in card
    assert '"160 made clips' in (tmp_path / "weights" / "manifest.toml").read_text()
