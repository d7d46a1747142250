"""XLS-R + AASIST and AntiDeepfake on made files with the published names.

AASIST with its real weights is held against the original's outputs.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from detector.errors import WeightsError
from detector.models import registry
from detector.models.network import RenamedState
from published import aasist, antideepfake, ssl_aasist

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "goldens/voice/ssl_aasist.json").read_text()
)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"intermediate_size": 32, "conv_dim": 8}
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)


def front(width, layers, inner, conv):
    """fairseq's names and shapes of a pretrained wav2vec 2.0 with normalized convolutions."""
    shapes: dict[str, tuple[int, ...]] = {"mask_emb": (width,)}
    for n, kernel in enumerate(KERNELS):
        start = f"feature_extractor.conv_layers.{n}"
        shapes[f"{start}.0.weight"] = (conv, conv if n else 1, kernel)
        shapes |= {f"{start}.{part}": (conv,) for part in ("0.bias", "2.1.weight", "2.1.bias")}
    linear = {
        "post_extract_proj": (width, conv),
        "quantizer.weight_proj": (640, conv),
        "project_q": (768, 768),
        "final_proj": (768, width),
    }
    norms = ["encoder.layer_norm"]
    for n in range(layers):
        start = f"encoder.layers.{n}"
        linear |= {f"{start}.self_attn.{p}_proj": (width, width) for p in ("q", "k", "v", "out")}
        linear |= {f"{start}.fc1": (inner, width), f"{start}.fc2": (width, inner)}
        norms += [f"{start}.self_attn_layer_norm", f"{start}.final_layer_norm"]
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    shapes |= {"layer_norm.weight": (conv,), "layer_norm.bias": (conv,)}
    shapes["quantizer.vars"] = (1, 640, 384)
    shapes |= {"encoder.pos_conv.0.bias": (width,), "encoder.pos_conv.0.weight_g": (1, 1, 128)}
    shapes["encoder.pos_conv.0.weight_v"] = (width, width // 16, 128)
    return shapes


def backend(width):
    """The original's own names and shapes, for features of a width."""
    shapes = {name: tuple(shape) for name, shape in GOLDEN["shapes"].items()}
    return shapes | {"LL.weight": (128, width)}


def test_the_published_names_and_shapes_fill_the_whole_network():
    """5 s: transformers is imported."""
    theirs = {f"ssl_model.model.{n}": s for n, s in front(1024, 24, 4096, 512).items()}
    assert len(theirs) == 429 and len(theirs | backend(1024)) == 674
    state = {
        name: torch.empty(shape, device="meta") for name, shape in (theirs | backend(1024)).items()
    }
    with torch.device("meta"):
        network = ssl_aasist.SslAasist(ssl_aasist.XLS_R)
    ours = {name: tensor.shape for name, tensor in network.state_dict().items()}
    named = RenamedState(state, ssl_aasist.rules(24))
    assert {name: tensor.shape for name, tensor in named.items()} == ours
    assert sum(t.numel() for t in network.parameters()) == pytest.approx(316e6, rel=0.01)


def filled(shapes):
    """Weights by the golden's formula."""
    state = {}
    for number, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(shape, dtype=torch.long)
            continue
        count = torch.arange(int(np.prod(shape)), dtype=torch.float64)
        values = torch.sin(0.7 * count + number)
        norm = (
            name.endswith(("bn.weight", "bn1.weight", "bn2.weight")) or name == "attention.2.weight"
        )
        if name.endswith("running_var"):
            values = 1 + 0.5 * values**2
        elif norm:
            values = 1 + 0.2 * values
        else:
            values = values / (int(np.prod(shape[1:])) if len(shape) > 1 else 16) ** 0.5
        state[name] = values.view(shape).float()
    return state


def made(path, **lacking):
    """A small file with the published names, as it was published: of a network in parallel."""
    torch.manual_seed(0)
    shapes = front(16, 2, 32, 8)
    tuned = {name: 0.3 * torch.randn(shape) for name, shape in shapes.items()}
    state = {f"ssl_model.model.{n}": t for n, t in tuned.items()} | filled(backend(16))
    state = {f"module.{name}": tensor for name, tensor in state.items() if name not in lacking}
    torch.save(state, path)
    return path, tuned


def small():
    spec = next(s for s in registry.list_models() if s.id == "ssl_aasist")
    return spec.model_copy(update={"options": SMALL})


def placed(x, w):
    """Add what the convolution over positions gives."""
    g, v = (w[f"encoder.pos_conv.0.weight_{part}"] for part in "gv")
    kernel = g * v / v.norm(dim=(0, 1), keepdim=True)
    place = F.conv1d(x.transpose(1, 2), kernel, w["encoder.pos_conv.0.bias"], padding=64, groups=16)
    return x + F.gelu(place[..., :-1]).transpose(1, 2)


def attended(x, w, name, heads=4):
    q, k, v = (
        linear(x, w, f"{name}.{p}_proj").unflatten(2, (heads, -1)).transpose(1, 2) for p in "qkv"
    )
    attention = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(3) @ v
    return linear(attention.transpose(1, 2).flatten(2), w, f"{name}.out_proj")


def heard(x, w):
    """What fairseq computes with `features_only`, layer norms first: [N, 201, width]."""
    x = x[:, None]
    for n, stride in enumerate(STRIDES):
        start = f"feature_extractor.conv_layers.{n}"
        x = F.conv1d(x, w[f"{start}.0.weight"], w[f"{start}.0.bias"], stride)
        x = F.gelu(norm(x.transpose(1, 2), w, f"{start}.2.1").transpose(1, 2))
    x = linear(norm(x.transpose(1, 2), w, "layer_norm"), w, "post_extract_proj")
    x = placed(x, w)
    for n in range(2):
        start = f"encoder.layers.{n}"
        x = x + attended(norm(x, w, f"{start}.self_attn_layer_norm"), w, f"{start}.self_attn")
        y = F.gelu(linear(norm(x, w, f"{start}.final_layer_norm"), w, f"{start}.fc1"))
        x = x + linear(y, w, f"{start}.fc2")
    return norm(x, w, "encoder.layer_norm")


def norm(x, w, name):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def linear(x, w, name):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def test_front_and_back_end_are_the_originals(tmp_path):
    path, tuned = made(tmp_path / "small.pth")
    model = ssl_aasist.load(small(), [path], "cpu")
    network = model.network
    t = torch.arange(2 * 201 * 16, dtype=torch.float64).view(2, 201, 16)
    x = (torch.sin(0.013 * t) + 0.5 * torch.cos(0.31 * t)).float()
    x[1] = 3 * x[1].abs()
    sound = 0.1 * torch.randn(2, 64_600, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(
            network.judge(x), torch.tensor(GOLDEN["outputs"]), atol=1e-5, rtol=1e-5
        )
        wanted = heard(sound, tuned)
        assert wanted.shape == (2, 201, 16) and wanted.std() > 0.1
        torch.testing.assert_close(
            network.front(sound).last_hidden_state, wanted, atol=1e-4, rtol=1e-4
        )
        logits = network.judge(wanted)
    torch.testing.assert_close(model.forward(sound), logits, atol=1e-4, rtol=1e-4)
    short = sound[0, :20_000].numpy()
    assert model.preprocess(short).shape == (64_600,), "repeated, and as it is"
    assert float(model.preprocess(short)[20_000]) == pytest.approx(float(short[0]), abs=1e-7)
    odds = float(logits[0, 0] - logits[0, 1])
    assert model.score(sound[:1].numpy())[0] == pytest.approx(odds, abs=1e-3), "spoof is the first"


def test_what_is_missing_is_named_as_the_file_would_name_it(tmp_path):
    lacking = "ssl_model.model.encoder.layers.1.self_attn.k_proj.bias"
    path, _tuned = made(tmp_path / "small.pth", **{lacking: None})
    with pytest.raises(WeightsError, match=lacking):
        ssl_aasist.load(small(), [path], "cpu")


IDS = ("antideepfake", "antideepfake:small")


def spec_of(id):
    return next(s for s in registry.list_models() if s.id == id)


def published(id, width, layers, inner, conv):
    """Random weights under the published names."""
    shapes = front(width, layers, inner, conv)
    if id.endswith("small"):  # one norm after the first convolution, and no biases
        parts = ("0.bias", "2.1.weight", "2.1.bias")
        for n in range(7):
            for part in parts:
                del shapes[f"feature_extractor.conv_layers.{n}.{part}"]
        start = "feature_extractor.conv_layers.0.2"
        shapes |= {f"{start}.weight": (conv,), f"{start}.bias": (conv,)}
    state = {f"m_ssl.model.{n}": 0.3 * torch.randn(s) for n, s in shapes.items()}
    return state | {"proj_fc.weight": torch.randn(2, width), "proj_fc.bias": torch.randn(2)}


def base_heard(x, w):
    """fairseq's base kind with `features_only`: norms after each part. [N, T, width]"""
    x = x[:, None]
    for n, stride in enumerate(STRIDES):
        start = f"feature_extractor.conv_layers.{n}"
        x = F.conv1d(x, w[f"{start}.0.weight"], stride=stride)
        if n == 0:
            x = F.group_norm(x, x.shape[1], w[f"{start}.2.weight"], w[f"{start}.2.bias"])
        x = F.gelu(x)
    x = linear(norm(x.transpose(1, 2), w, "layer_norm"), w, "post_extract_proj")
    x = norm(placed(x, w), w, "encoder.layer_norm")
    for n in range(2):
        start = f"encoder.layers.{n}"
        x = norm(x + attended(x, w, f"{start}.self_attn"), w, f"{start}.self_attn_layer_norm")
        y = linear(F.gelu(linear(x, w, f"{start}.fc1")), w, f"{start}.fc2")
        x = norm(x + y, w, f"{start}.final_layer_norm")
    return x


@pytest.mark.parametrize("id", IDS)
def test_a_published_file_gives_what_fairseq_gives(id, tmp_path):
    torch.manual_seed(0)
    state = published(id, 16, 2, 32, 8)
    path = tmp_path / "made.pth"
    torch.save(state, path)
    spec = spec_of(id)
    spec = spec.model_copy(update={"options": spec.options | SMALL})
    model = antideepfake.load(spec, [path], "cpu")
    sound = 0.1 * torch.randn(2, 64_600) + 0.02
    plain = {n.removeprefix("m_ssl.model."): t for n, t in state.items()}
    even = (sound - sound.mean(1, keepdim=True)) / (
        sound.var(1, unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    last = (base_heard if id.endswith("small") else heard)(even, plain)
    logits = linear(last.mean(1), state, "proj_fc")
    assert logits.std() > 0.1
    torch.testing.assert_close(model.forward(sound), logits, atol=1e-4, rtol=1e-4)
    odds = float(logits[0, 0] - logits[0, 1])
    assert model.score(sound[:1].numpy())[0] == pytest.approx(odds, abs=1e-3), "fake is the first"
    lacking = "m_ssl.model.encoder.layers.1.fc1.bias"
    del state[lacking]
    torch.save(state, path)
    with pytest.raises(WeightsError, match=lacking):
        antideepfake.load(spec, [path], "cpu")


@pytest.mark.parametrize(("id", "millions"), [(IDS[0], 317), (IDS[1], 95)])
def test_the_published_names_fill_the_whole_network(id, millions):
    sizes = ssl_aasist.sizes_of(spec_of(id))
    with torch.device("meta"):
        network = antideepfake.AntiDeepfake(
            sizes, norm_first=bool(spec_of(id).options.get("norm_first", True))
        )
        width, layers = sizes["hidden_size"], sizes["num_hidden_layers"]
        state = published(id, width, layers, sizes["intermediate_size"], sizes["conv_dim"])
    named = RenamedState(state, ssl_aasist.rules(layers, antideepfake.FRONT))
    ours = {name: tensor.shape for name, tensor in network.state_dict().items()}
    assert {name: tensor.shape for name, tensor in named.items()} == ours
    assert sum(t.numel() for t in network.parameters()) == pytest.approx(1e6 * millions, rel=0.01)


AASIST: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "goldens/voice/aasist.json").read_text()
)
PUBLISHED = {"AASIST": "aasist", "AASIST-L": "aasist:l"}


def sounds():
    """The golden's inputs before they are brought to length: its formula, `input`."""
    t = np.arange(100_000) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (120 * t + 40 * t * t))
    tone = 0.1 * np.sin(2 * np.pi * 1333 * t) * np.sin(2 * np.pi * 3 * t)
    high = 0.05 * np.sin(2 * np.pi * 5210 * t + 2 * np.sin(2 * np.pi * 7 * t))
    sound = chirp + tone + high
    made = [sound[:64_600], sound[:20_000], sound * np.linspace(1, 0.2, 100_000), np.zeros(64_600)]
    return [x.astype(np.float32) for x in made]


@pytest.mark.shared
@pytest.mark.parametrize("name", PUBLISHED)
def test_aasist_is_the_original(name, shared, tmp_path):
    golden = AASIST["variants"][name]
    file = Path(shutil.copy(shared / f"weights/aasist/{name}.pth", tmp_path))
    model = registry.load_model(PUBLISHED[name], weights=file)
    x = torch.stack([model.preprocess(sound) for sound in sounds()])
    for item, output in zip(x, golden["outputs"].values(), strict=True):
        wanted = output["input"]
        np.testing.assert_allclose(item[wanted["at"]], wanted["values"], atol=1e-5)
    # One that is whole and silence: what the others would add is how they are brought to length.
    at = [0, -1]
    found = model.forward(x[at])
    outputs = [list(golden["outputs"].values())[i] for i in at]
    wanted = torch.tensor([output["output"][0] for output in outputs])
    assert float(((found - wanted).abs().amax(1) / wanted.abs().amax(1)).max()) < 1e-4
    scores = [output["P(spoof) softmax[:,0]"] for output in outputs]
    assert model.p_fake(found).tolist() == pytest.approx(scores, abs=1e-5)
    assert model.score(x[:1].numpy())[0] == pytest.approx(float(wanted[0, 0] - wanted[0, 1]), 1e-4)


def test_the_filters_are_the_originals():
    wanted = AASIST["variants"]["AASIST"]["filters"]
    found = aasist.filters()[:, 0]
    assert list(found.shape) == wanted["shape"]
    np.testing.assert_allclose(found.flatten()[wanted["at"]], wanted["values"], atol=1e-6)


@pytest.mark.shared
def test_what_is_no_mono_sound_is_refused(shared):
    model = registry.load_model("aasist:l", weights=shared / "weights/aasist/AASIST-L.pth")
    with pytest.raises(ValueError, match=r"takes float32 .N, 64600., got uint8"):
        model.score(np.zeros((1, 224, 224, 3), np.uint8))
    with pytest.raises(ValueError, match="takes mono sound"):
        model.preprocess(np.zeros((2, 64_600), np.float32))
