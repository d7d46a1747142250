"""`python -m research.traces`: a trunk that is taught by edits of originals."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from detector.models.families.texture import TextureNet
from detector.training.layer import _begin
from detector.training.recipe import FOLDER
from detector.weights import load_state
from research.traces import __main__ as teaching
from research.traces import edits, pictures
from tests.support.shelf import SIDE, shelf  # noqa: F401


@pytest.fixture
def some() -> torch.Tensor:
    """Smooth pictures, float [4, 3, SIDE, SIDE]."""
    torch.manual_seed(0)
    rough = torch.rand(4, 3, 8, 8) * 200 + 20
    return torch.nn.functional.interpolate(rough, (SIDE, SIDE), mode="bicubic").clamp(0, 255)


@pytest.mark.parametrize("jpeg", [True, False])
def test_an_encoder_takes_more_the_fewer_bits_it_has(some: torch.Tensor, jpeg: bool) -> None:
    strengths = (98, 60, 20) if jpeg else (4, 24, 38)
    lost = []
    for strength in strengths:
        every = torch.full((len(some),), float(strength))
        how = pictures.Encoder(torch.full((len(some),), jpeg), every, (3, 5))
        lost.append(float((pictures.encoded(some, how) - some).abs().mean()))
    assert lost[0] < 4 and lost == sorted(lost)


def test_each_picture_is_blurred_by_its_own_width(some: torch.Tensor) -> None:
    same = some[:1].repeat(3, 1, 1, 1)
    noisy = same + torch.randn(same.shape, generator=torch.Generator().manual_seed(1)) * 20
    spread = (pictures.blurred(noisy, torch.tensor([0.1, 0.8, 1.6])) - same).std((1, 2, 3))
    assert spread[0] > 19 and spread[0] > spread[1] > spread[2]


def test_an_original_and_its_fake_are_worn_alike(some: torch.Tensor) -> None:
    for seed in range(6):
        rng, nothing = random.Random(seed), torch.zeros(len(some), len(pictures.WORN))
        both, done = pictures.finished(some, some.clone(), rng, nothing)
        assert torch.equal(both[: len(some)], both[len(some) :])
        assert torch.equal(both, both.round()) and done.shape == nothing.shape


def test_regions_are_soft_and_mostly_about_the_middle() -> None:
    drawn = edits.regions(200, SIDE, random.Random(0), torch.zeros(0))
    assert drawn.shape == (200, 1, SIDE, SIDE)
    assert float(drawn.min()) >= 0 and float(drawn.max()) <= 1
    mean = drawn.mean((0, 1))
    assert float(mean[SIDE // 2, SIDE // 2]) > 0.5 > float(mean[2, 2])


def test_what_is_said_to_be_touched_is(some: torch.Tensor) -> None:
    decoders = [edits.Decoder(*how).eval() for how in edits.DECODERS]
    for seed in range(8):
        torch.manual_seed(seed)
        with torch.no_grad():
            changed, touched = edits.edited(some, some.flip(0), decoders, random.Random(seed))
        differs = (changed - some).abs().amax((1, 2, 3)) > 0
        assert torch.equal(differs, touched)


def test_a_trunk_is_taught_that_texture_begins_with(
    shelf: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    recipe, begin = tmp_path / "small.toml", tmp_path / "begin.safetensors"
    text = (FOLDER / "texture.toml").read_text().replace("size = 256", f"size = {SIDE}")
    recipe.write_text(text.replace('border = "mirror"\n', ""))
    torch.manual_seed(0)
    first = {f"features.{n}": t for n, t in TextureNet(SIDE).features.state_dict().items()}
    save_file(first, begin)
    out = tmp_path / "traces.safetensors"
    options = {
        "--recipe": recipe, "--cache": shelf / "faces", "--begin": begin, "--out": out,
        "--seconds": 1, "--pairs": 3, "--device": "cpu", "--leave-out": "heads",
    }  # fmt: skip
    given = ["traces", str(shelf / "labels.csv")]
    given += [str(part) for option in options.items() for part in option]
    monkeypatch.setattr(sys, "argv", given)
    teaching.main()
    _begin(TextureNet(SIDE), out)
    told = load_state(out)
    assert set(told) == set(first)
    assert any(not torch.equal(told[n], first[n]) for n in first if n.endswith("weight"))
    assert all(torch.isfinite(t).all() for t in told.values() if t.is_floating_point())
