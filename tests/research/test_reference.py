"""What is said of a coarse copy is taken off; nothing that looks at features is trained so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detector.errors import UsageError
from detector.explain import cam
from detector.models import registry
from detector.models.families import mobilenet
from detector.models.network import TorchFrameModel
from detector.training import run
from detector.training.fit import TrainingOptions
from detector.training.job import TrainingJob
from detector.training.recipe import read_recipe
from research.families import reference
from tests.unit.detector.test_mobilenet import SIDE, crops, network, spec  # noqa: F401


def test_what_a_coarse_copy_says_is_taken_off(
    network: mobilenet.MobileNetV2,  # noqa: F811
    crops: np.ndarray,  # noqa: F811
) -> None:
    """A picture that is its own coarse copy already is told by the rest alone; in training both
    go through as one batch and gradients reach both."""
    held = reference.build(network.state_dict(), "held", reference=0.5)
    x = torch.from_numpy(crops.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    flat = torch.full((2, 3, SIDE, SIDE), 0.25)
    torch.testing.assert_close(held(flat), 0.5 * network(flat))
    coarse = torch.nn.functional.interpolate(
        torch.nn.functional.avg_pool2d(x, 4), (SIDE, SIDE), mode="bilinear"
    )
    torch.testing.assert_close(held(x), network(x) - 0.5 * network(coarse))
    wanted = spec().model_copy(update={"family": "reference", "options": {"reference": 0.5}})
    shown = TorchFrameModel(wanted, held, target_layer=held.features[mobilenet.MIDDLE - 1])
    maps = cam.draw(shown, crops[:3])
    assert maps is not None and len(maps) == 3
    learning = reference.ReferenceNet(reference=1.0).train()
    learning(x[:4]).sum().backward()
    assert learning.classifier[1].weight.grad is not None


def test_it_is_loaded_by_an_entry(
    network: mobilenet.MobileNetV2,  # noqa: F811
    crops: np.ndarray,  # noqa: F811
    tmp_path: Path,
) -> None:
    save_file(network.state_dict(), tmp_path / "x.safetensors")
    entry = spec().model_copy(update={"family": "reference", "options": {"reference": 0.5}})
    model = registry.load_family(entry, [tmp_path / "x.safetensors"], "cpu")
    x = torch.from_numpy(crops.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = reference.build(network.state_dict(), "held", 0.5)(x).numpy()
    np.testing.assert_allclose(model.score(crops), expected, atol=5e-3)


def test_no_loss_looks_at_its_features(tmp_path: Path) -> None:
    plan = read_recipe("reference").model_copy(update={"align_weight": 1.0})
    job = TrainingJob(plan, [], [], set(), TrainingOptions(tmp_path))
    with pytest.raises(UsageError, match="no loss looks at features"):
        run.TRAINERS["reference"](job)
