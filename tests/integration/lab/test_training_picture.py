"""The recipe of the model of whole pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from detector.evaluation.labels import Item
from detector.models.families.clip_vit import TokenLayer
from lab.training import picture
from lab.training.fit import TrainingOptions


def items() -> list[Item]:
    """Return 40 genuine and 40 generated pictures, ten of a source and of a generator."""
    one = Item(Path("a.png"), "a.png", 0, "image", "none", "g", "s")
    real = [replace(one, name=f"r{n}.png", source=f"site{n // 10}") for n in range(40)]
    fake = [
        replace(one, name=f"f{n}.png", label=1, source=f"page{n % 8}", method=f"generator{n // 10}")
        for n in range(40)
    ]
    return real + fake


def test_nothing_of_a_source_or_generator_is_on_both_sides() -> None:
    every = items()
    seen: list[int] = []
    for fold in range(picture.FOLDS):
        split = picture.split(every, fold)
        taught, out = split.taught, split.held
        seen += out
        assert not {every[i].source for i in taught} & {every[i].source for i in out}
        methods = [{every[i].method for i in side if every[i].label} for side in (taught, out)]
        assert not methods[0] & methods[1]
    assert sorted(seen) == list(range(len(every)))


@pytest.mark.parametrize("size", [(3000, 4000), (300, 260), (900, 1200)])
def test_copies_have_the_drawn_size_and_shape(size: tuple[int, int]) -> None:
    plan = picture.PictureRecipe().copies["copy"]
    rgb = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    for seed in range(4):
        chance = np.random.default_rng(seed)
        made = picture.copy(rgb, plan, chance, lossless=True).rgb
        assert min(made.shape[:2]) >= 224 and max(made.shape[:2]) <= plan.side[1]
        assert max(made.shape[:2]) <= 1.02 * plan.longest * min(made.shape[:2])


@pytest.mark.parametrize("condition", picture.CONDITIONS)
def test_conditions_show_what_pictures_showed(condition: str) -> None:
    rgb = np.full((600, 800, 3), 90, np.uint8)
    rgb[:, 400:] = 200
    changed = picture.CONDITIONS[condition](rgb)
    assert changed.dtype == np.uint8 and changed.shape[2] == 3
    middle = changed[changed.shape[0] // 2]
    assert all(np.abs(middle.astype(int) - gray).min() <= 3 for gray in (90, 200))


def test_the_layer_that_is_saved_gives_the_logits_of_the_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = items()
    labels = np.array([item.label for item in every], np.float32)
    noise = np.random.default_rng(0).normal(0, 1, (len(every), 18)).astype(np.float32)
    values = noise + labels[:, None]
    monkeypatch.setattr(picture, "read_labels", lambda data: every)
    monkeypatch.setattr(picture, "features", lambda *_args: {picture.COPY: values})
    saved = picture.train(picture.PictureRecipe(), tmp_path, TrainingOptions(tmp_path / "run"))
    layer = TokenLayer(18, 1)
    layer.load_state_dict(load_file(saved))
    # What `clip_vit` takes: all tokens of a picture as one vector of length 1.
    logits = layer.classify(torch.from_numpy(values) / np.sqrt(18)).detach().numpy()
    assert logits[labels == 1].min() > logits[labels == 0].max()
    assert np.sign(logits).mean() == 0


def test_figures_name_generators_and_material(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [replace(one, note="" if one.label else "photo") for one in items()]
    labels = np.array([item.label for item in every], np.float32)
    noise = np.random.default_rng(0).normal(0, 1, (len(every), 18)).astype(np.float32)
    known = {item.name: row for item, row in zip(every, noise + labels[:, None], strict=True)}
    monkeypatch.setattr(picture, "read_labels", lambda data: every)
    monkeypatch.setattr(
        picture,
        "features",
        lambda some, versions, *_args: dict.fromkeys(
            versions, np.stack([known[item.name] for item in some])
        ),
    )
    monkeypatch.setattr(
        picture, "without_pixels", lambda some, *_args: {"side alone": np.zeros((len(some), 1))}
    )
    run = TrainingOptions(tmp_path / "run")
    picture.train(picture.PictureRecipe(), tmp_path, run, folds=["sources"])
    told = (run.out / "pictures.md").read_text()
    assert "| as it is, pictures | 8 / 4 |" in told and "| side alone | 40 / 40 | 0.5" in told
    assert all(f"| {name} | 8 / 4 |" in told for name in ("as it is", *picture.CONDITIONS))
    assert "| all without a face | 40 of 8 |" in told and "| all without a face | 40 of 4 |" in told
    assert "| generator2 | 10 of" in told and "| photo | 40 of 4 |" in told
    rows = (run.out / "left_out.csv").read_text().splitlines()
    assert len(rows) == 1 + 80 + 12
