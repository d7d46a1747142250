"""What the original code of published detectors answers, and weights to hold ours against it.

`tests/goldens/*.json` hold, for each family, the names and shapes of the original's state dict and
what it gave on fixed pictures when its weights are filled by a formula that anyone can repeat: a
tensor's values are drawn from a generator seeded by its name. A loader that gives the same numbers
is exact; only the weights themselves stay unproven then.

The pictures are crops of scikit-image's `data.astronaut()` (NASA, public domain).
"""

import hashlib
import json
import math
import zlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

FOLDER = Path(__file__).parents[1] / "goldens"


@lru_cache(maxsize=8)
def picture(name):
    """An input of the goldens by its file name: uint8 [H, W, 3] RGB."""
    portrait = data.astronaut()
    if name == "input_odd_313x277.png":
        return np.ascontiguousarray(portrait[:277, 70:383])
    size = int(name.removeprefix("input_face_").removesuffix(".png"))
    face = Image.fromarray(portrait[20:220, 125:325])
    return np.asarray(face.resize((size, size), Image.Resampling.LANCZOS))


def clip(name, frames):
    """A picture that moves by one pixel a frame: uint8 [T, H, W, 3]."""
    return np.stack([np.roll(picture(name), i, axis=1) for i in range(frames)])


def save(state, path):
    """Write weights as a training script would, but for checksums that nothing asks for."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, path)
    finally:
        torch.serialization.set_crc32_options(before)
    return path


def near(value, wanted):
    """Assert that a tensor is the golden's: its shape, some values, mean and deviation."""
    assert list(value.shape) == wanted["shape"] and value.dtype == torch.float32
    np.testing.assert_allclose(value.flatten()[wanted["at"]], wanted["values"], atol=1e-5)
    assert float(value.double().mean()) == pytest.approx(wanted["mean"], abs=1e-5)
    assert float(value.double().std(correction=0)) == pytest.approx(wanted["std"], abs=1e-5)


class Golden:
    """One file of `tests/goldens`."""

    def __init__(self, id):
        self.id = id
        self.data: dict[str, Any] = json.loads((FOLDER / f"{id}.json").read_text())

    @property
    def outputs(self):
        """By picture: `logits`, `p_fake` and more."""
        return self.data["outputs"]

    @property
    def inputs(self):
        """By picture: what goes into the network, as shape, mean, std and some values."""
        return self.data["preprocess"]["tensors"]

    @cached_property
    def shapes(self):
        """Name -> shape of every entry of the original's state dict."""
        spec = self.data["state_dict"]
        shapes = dict(spec["keys"])
        for run in spec.get("keys_repeat") or []:
            like = f"{run['prefix']}{run['like']}."
            for number in range(run["from"], run["to"] + 1):
                shapes |= {
                    f"{run['prefix']}{number}.{name[len(like) :]}": shape
                    for name, shape in spec["keys"].items()
                    if name.startswith(like)
                }
        assert len(shapes) == spec["entries"]
        return shapes

    @staticmethod
    def kind(name):
        """The type of an entry: floats, but for counters."""
        last = name.rsplit(".", 1)[-1]
        counters = ("num_batches_tracked", "relative_position_index", "position_ids")
        return torch.int64 if last in counters else torch.float32

    def state(self):
        """The state dict that the formula gives; its sums and names are those of the golden."""
        fill = self.data["fill"]
        norms = {"weight", *(fill.get("one_dimensional_filled_as_norm_weight") or [])}
        computed = constants(self.id)
        state: dict[str, Tensor] = {}
        for name, shape in self.shapes.items():
            if self.kind(name) == torch.int64:
                state[name] = torch.zeros(shape, dtype=torch.int64)
            elif name in computed:
                state[name] = computed[name]
            else:
                state[name] = _filled(name, shape, fill["gain"], norms)
        if "aliases" in self.data["state_dict"]:  # GenConViT reaches one network by two names
            for name in state:
                if name.startswith("embedder."):
                    twin = name.replace("embedder.", "backbone.patch_embed.backbone.", 1)
                    state[twin] = state[name]
        self._check(state)
        return state

    def _check(self, state):
        lines = sorted(
            f"{name} {str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
            for name, tensor in state.items()
        )
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        assert digest == self.data["state_dict"]["sorted_sha256"], lines[:3]
        floats = [t for t in state.values() if t.is_floating_point()]
        wanted = self.data["fill"]["checksum"]
        total = sum(_sum(t) for t in floats)
        absolute = sum(_sum(t.abs()) for t in floats)
        assert math.isclose(absolute, wanted["abs_sum"], rel_tol=1e-6)
        assert math.isclose(total, wanted["sum"], abs_tol=1e-6 * wanted["abs_sum"])


def _sum(tensor):
    """The sum of all values, exact to 1e-9 of that of their sizes."""
    flat = tensor.flatten()
    count = flat.numel() // 1024
    rows, rest = flat[: count * 1024].view(count, 1024).sum(1), flat[count * 1024 :]
    return float(rows.sum(dtype=torch.float64) + rest.sum(dtype=torch.float64))


def _filled(name, shape, gain, norms):
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_mean":
        return 0.1 * torch.randn(shape, generator=generator)
    if leaf == "running_var":
        return 1 + 0.1 * torch.rand(shape, generator=generator)
    if len(shape) >= 2:
        spread = gain * math.sqrt(shape[0] / math.prod(shape))
        return torch.randn(shape, generator=generator) * spread
    if len(shape) == 1 and leaf in norms:
        return 1 + 0.1 * torch.randn(shape, generator=generator)
    return 0.05 * torch.randn(shape, generator=generator)


def constants(id):
    """What a family's constructor computes, which the formula leaves alone."""
    if id == "dfb_f3net":
        row = torch.arange(256, dtype=torch.float64)
        cosines = torch.cos((row[None] + 0.5) * math.pi * row[:, None] / 256) * math.sqrt(2 / 256)
        cosines[0] = math.sqrt(1 / 256)
        cosines = cosines.float()
        diagonal = row[:, None] + row[None]
        limits = ((0, 90), (90, 128), (128, 512), (0, 512))
        return {
            "FAD_head._DCT_all": cosines,
            "FAD_head._DCT_all_T": cosines.T.contiguous(),
            **{
                f"FAD_head.filters.{i}.base": ((diagonal >= low) & (diagonal <= high)).float()
                for i, (low, high) in enumerate(limits)
            },
        }
    if id == "dfb_srm":
        values = Golden(id).data["fill"]["exception_values"]
        filters = torch.tensor(next(v for k, v in values.items() if "for every j" in k))[:, None]
        # Every channel the same Gaussian, which is the product of its middle row with itself.
        middle = torch.tensor(json.loads(values["blur.weight"].split("row 3: ")[1]))
        blur = middle[:, None] * middle / middle[3]
        return {
            "srm_conv0.kernel": filters.expand(3, 3, 5, 5).contiguous(),
            "srm_sa.srm.kernel": filters.expand(3, 3, 5, 5).contiguous(),
            "srm_conv1.kernel": filters.repeat_interleave(32, 0),
            "srm_conv2.kernel": filters.repeat_interleave(64, 0),
            "blur.weight": blur.expand(3, 1, 7, 7).contiguous(),
        }
    return {}
