"""Vision transformers: key maps, merging, tokens, TorchScript archives, and GenD's crop."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from detector.errors import WeightsError
from detector.models.base import CropRecipe
from detector.models.network import RenamedState, layout, skip_init
from detector.vision import cut
from detector.weights.state_dicts import is_archive, read_archive
from published import effort, gend, univfd
from tests.support.golden import FOLDER, picture


@pytest.mark.parametrize(
    ("count", "frames", "wanted"),
    [
        (257, 1, (1, 1, 16)),  # CLIP: a class token
        (201, 1, (5, 1, 14)),  # DINOv3: and four registers
        (196, 1, (0, 1, 14)),
        (1568, 16, (0, 8, 14)),  # VideoMAE: tubelets of two frames
        (3136, 32, (0, 16, 14)),
    ],
)
def test_tokens_are_laid_out(count, frames, wanted):
    assert layout(count, frames) == wanted


def split(names, width=6):
    """Split projections as Effort's files have them, and the weights that they were."""
    torch.manual_seed(0)
    state, whole = {}, {}
    for number in range(names):
        stem = f"vision.encoder.layers.{number // 4}.self_attn.{'qkvo'[number % 4]}_proj"
        weight = torch.randn(width, width)
        left, values, right = torch.linalg.svd(weight)
        state |= {
            f"{stem}.weight_main": (left[:, :-1] * values[:-1]) @ right[:-1],
            f"{stem}.U_residual": left[:, -1:],
            f"{stem}.S_residual": values[-1:],
            f"{stem}.V_residual": right[-1:],
            f"{stem}.bias": torch.zeros(width),
        }
        whole |= {f"{stem}.weight": weight, f"{stem}.bias": torch.zeros(width)}
    return state, whole


def test_effort_is_put_together_again():
    state, whole = split(effort.PROJECTIONS)
    merged = effort.merge(state)
    assert set(merged) == set(whole)
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, whole[name], rtol=1e-4, atol=1e-5)


def test_effort_without_a_part_is_refused():
    state, _ = split(effort.PROJECTIONS)
    with pytest.raises(WeightsError, match="S_residual is missing"):
        effort.merge(
            {k: v for k, v in state.items() if not k.endswith("0.self_attn.q_proj.S_residual")}
        )
    with pytest.raises(WeightsError, match="96 split projections, the file 0"):
        effort.merge({"head.weight": torch.zeros(2, 4)})
    part = "vision.encoder.layers.0.self_attn.q_proj.weight_main"
    with pytest.raises(WeightsError, match=r"whole numbers .*q_proj\.weight_main int8"):
        effort.merge(state | {part: state[part].to(torch.int8)})
    state["vision.encoder.layers.0.self_attn.q_proj.S_residual"] = torch.zeros(2)
    with pytest.raises(WeightsError, match="do not fit together"):
        effort.merge(state)


def test_what_only_the_training_of_effort_needs_is_left_out():
    tensor = torch.zeros(1)
    names = ("backbone.encoder.layers.3.self_attn.k_proj.U_r", "model.text_model.a.weight")
    kept = ("backbone.encoder.layers.3.self_attn.k_proj.U_residual", "head.bias", "fc.bias")
    found = RenamedState(dict.fromkeys((*names, *kept), tensor), effort.RULES)
    assert set(found) == {"vision.encoder.layers.3.self_attn.k_proj.U_residual", "head.bias"}


def test_lnclip_takes_the_tuned_norms():
    stem = "feature_extractor.base_model.model.vision_model.encoder.layers.7.layer_norm1."
    state = {
        f"{stem}base_layer.weight": torch.tensor(1.0),
        f"{stem}ln_tuning_layers.default.weight": torch.tensor(2.0),
        "feature_extractor.base_model.model.vision_model.x.weight": torch.tensor(3.0),
    }
    found = RenamedState(state, gend._RULES["lnclip"])
    assert {name: float(value) for name, value in found.items()} == {
        "feature_extractor.vision_model.encoder.layers.7.layer_norm1.weight": 2.0,
        "feature_extractor.vision_model.x.weight": 3.0,
    }


def test_openais_names_and_its_joined_projections():
    rows = torch.arange(6.0)
    state = {
        "visual.transformer.resblocks.2.attn.in_proj_bias": rows,
        "visual.transformer.resblocks.2.mlp.c_fc.bias": rows,
        "visual.proj": torch.eye(2, 3),
        "transformer.resblocks.2.ln_1.bias": rows,  # of the text half
    }
    found = univfd.from_openai(state)
    assert set(found) == {
        *(f"vision.encoder.layers.2.self_attn.{part}_proj.bias" for part in "qkv"),
        "vision.encoder.layers.2.mlp.fc1.bias",
        "projection.weight",
    }
    assert found["vision.encoder.layers.2.self_attn.k_proj.bias"].tolist() == [2.0, 3.0]
    assert found["projection.weight"].shape == (3, 2)


def test_a_network_without_random_weights():
    torch.manual_seed(0)
    with skip_init():
        bare = nn.Linear(3, 4)
    assert bare.weight.shape == (4, 3)
    torch.manual_seed(0)
    first = nn.Linear(3, 4)
    torch.manual_seed(0)
    torch.testing.assert_close(nn.Linear(3, 4).weight, first.weight)
    assert first.weight.abs().sum() > 0


def test_a_network_of_transformers_without_random_weights(monkeypatch):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    small = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        image_size=28, patch_size=14,
    )  # fmt: skip
    drawn: list[Tensor] = []
    monkeypatch.setattr(nn.init, "_no_grad_normal_", lambda tensor, *_: drawn.append(tensor))
    with skip_init():
        CLIPVisionModel(small)
    assert not drawn
    CLIPVisionModel(small)
    assert drawn


@pytest.mark.timeout(20)
def test_whatever_memory_held_a_truncated_normal_ends(monkeypatch):
    monkeypatch.setattr(torch, "empty_like", lambda like: torch.full_like(like, 1e9))
    held = torch.full((64,), 1e9)
    with skip_init():
        nn.init.trunc_normal_(held, std=0.02)
    assert held.abs().max() <= 2


@pytest.fixture
def archive(tmp_path):
    inner = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2).half())
    module = nn.Sequential(nn.Linear(3, 4), inner)
    torch.jit.script(module).save(tmp_path / "m.pt")
    return tmp_path / "m.pt", module.state_dict()


def test_an_archives_tensors_are_read(archive):
    path, state = archive
    found = read_archive(path)
    assert is_archive(path) and set(found) == set(state)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


def test_an_archive_calls_nothing(archive, tmp_path):
    class Evil:
        def __reduce__(self):
            return (eval, ("open('owned', 'w')",))

    path, evil = archive[0], tmp_path / "evil.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(evil, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, pickle.dumps(Evil()) if name.endswith("/data.pkl") else data)
    with pytest.raises(WeightsError, match=r"eval, which weights never need"):
        read_archive(evil)
    assert not Path("owned").exists()
    cut = tmp_path / "cut.pt"
    cut.write_bytes(path.read_bytes()[:-200])
    assert not is_archive(cut)
    with pytest.raises(WeightsError, match="damaged"):
        read_archive(cut)


def test_an_ordinary_file_is_no_archive(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    assert not is_archive(tmp_path / "a.pt")


GOLDEN = json.loads((FOLDER / "transformers" / "gend_aligner.json").read_text())
RECIPE = CropRecipe(kind="points", template="gend", native=True, size=0)
BOX = (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("case", GOLDEN["cases"].values(), ids=GOLDEN["cases"])
def test_the_crop_is_the_originals(case):
    crop = cut(picture("input_odd_313x277.png"), BOX, RECIPE, case["points"])
    wanted = case["native"]["crop"]
    assert list(crop.shape) == wanted["shape"]
    # Newer versions of OpenCV round a few pixels otherwise.
    np.testing.assert_allclose(crop.flatten()[wanted["at"]], wanted["values"], atol=1)
    assert float(crop.mean()) == pytest.approx(wanted["mean"], abs=0.02)
    assert float(crop.std()) == pytest.approx(wanted["std"], abs=0.02)
