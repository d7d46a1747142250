"""The bench for ablations: what a variant changes, and what its table says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from detector.training import augment
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import read_recipe
from research import ablation
from research.ablation import AS_IS, COPIES, VARIANTS, Ablation
from research.learning_curve import CHOICES
from research.sources import FOLDS, Bench


def faces(fold: str, person: int, label: int) -> Faces:
    return Faces(
        name=f"{fold}-{person}-{label}", label=label, kind="video",
        method="face swap" if label else "none", group=str(person), source=FOLDS[fold][0],
        person=f"{fold}:{person}", start=0, count=1, points=[], face=100.0,
    )  # fmt: skip


CLIPS = [faces(fold, person, label) for fold in CHOICES for person in range(8) for label in (0, 1)]
LABELS = np.array([entry.label for entry in CLIPS])


def said(right: float, seed: int) -> dict[str, np.ndarray]:
    """Scores that tell fakes from originals the better, the larger `right` is."""
    noise = np.random.default_rng(seed).normal(0, 1, len(CLIPS))
    scores = noise + right * LABELS
    return {"clips": scores, "stills": scores} | dict.fromkeys(COPIES, scores)


def rows(found: dict[tuple[str, int], dict[str, np.ndarray]]) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in ablation.table(found, CLIPS, CLIPS)]
    return {row[0]: row[1:] for row in cells[2:]}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_the_recipe_but_for_one_thing(name: str) -> None:
    plan = read_recipe("pairs")
    changed = ablation.variant(plan, name, seed=6).model_dump()
    same = plan.model_copy(update={"seed": 6}).model_dump()
    differing = {key for key in same if same[key] != changed[key]}
    if name == AS_IS:
        assert not differing
    elif name == "none of the five":
        assert differing == {"without", "h264"}
    elif name == "alignment and uniformity":
        assert differing == {"align_weight", "uniform_weight"}
    else:
        assert len(differing) == 1


def test_a_change_left_out_leaves_the_others_as_they_were() -> None:
    for change in ("color", "size", "blur", "noise", "jpeg"):
        fields = set(augment._UNCHANGED[change])  # type: ignore[index]
        touched = 0
        for seed in range(40):
            every, less = (
                augment.draw_augmentation(np.random.default_rng(seed), 0.4, without)
                for without in ([], [change])  # type: ignore[list-item]
            )
            for field in vars(every):
                if field not in fields:
                    assert getattr(every, field) == getattr(less, field)
                else:
                    assert getattr(less, field) == augment._UNCHANGED[change][field]  # type: ignore[index]
            touched += every != less
        assert touched > 0


def test_a_row_is_compared_with_the_recipe_at_the_same_seeds() -> None:
    found = {
        (AS_IS, 5): said(0.5, 5),
        (AS_IS, 6): said(0.5, 6),
        ("no JPEG", 5): said(0.5, 5),
        ("no blur", 5): said(9.0, 5),
        ("no blur", 6): said(9.0, 6),
        ("no grain", 7): said(9.0, 7),
    }
    table = rows(found)
    assert list(table) == [AS_IS, "no blur", "no JPEG"]
    assert [row[0] for row in table.values()] == ["5 and 6", "5 and 6", "5"]
    assert all("(+0.000 [+0.00, +0.00])" in cell for cell in table["no JPEG"][3:])
    assert table["no blur"][1].startswith("1.000 (+0.")
    assert table["no blur"][2] == "1.00"
    alone = rows({key: value for key, value in found.items() if key[1] == 5})
    assert alone[AS_IS][1] != table[AS_IS][1]


def test_the_mean_is_over_sources_and_not_over_clips() -> None:
    """Right about one source, wrong about another and without a word about the third."""
    right, wrong, _ = CHOICES
    folds = np.array([entry.name.rpartition("-")[0].rpartition("-")[0] for entry in CLIPS])
    scores = np.where(folds == right, LABELS, np.where(folds == wrong, -LABELS, 0)).astype(float)
    figure = ablation.by_fold(CLIPS)
    every = np.arange(len(CLIPS))
    assert figure(scores[:, None], every) == pytest.approx(0.5)
    some = every[folds == right]
    assert figure(scores[some, None], some) == 1.0


def test_who_is_asked_teaches_nothing_and_nobody_else_is_asked() -> None:
    assert all(ablation.new(entry) for entry in CLIPS)
    assert not ablation.new(replace(CLIPS[0], source=FOLDS["talking heads"][0]))


def test_what_was_scored_is_not_trained_again(tmp_path: Path) -> None:
    bench = SimpleNamespace(kept=set(), cache=SimpleNamespace(entries=CLIPS))
    stills = SimpleNamespace(entries=[])
    made = Ablation(cast(Bench, bench), read_recipe("pairs"), cast(FaceCache, stills), tmp_path)
    assert made.scores("no H.264", 5, train=False) is None
    (tmp_path / "no-h264-seed-5.json").write_text('{"clips": [1.0], "stills": []}')
    kept = made.scores("no H.264", 5)
    assert kept is not None
    assert kept["clips"].tolist() == [1.0]
