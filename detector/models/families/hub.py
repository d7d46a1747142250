"""Classifiers of pictures, videos and voices as Hugging Face's `transformers` publishes them.

Everything that `AutoModelForImageClassification` and `AutoModelForVideoClassification` can build,
and of `AutoModelForAudioClassification` the models of raw samples (wav2vec 2.0, HuBERT, WavLM). The
network follows from a `config.json` beside the weights or, for catalog entries, from `options`,
which hold the same settings. Weights are read here and passed to `from_pretrained`, which renames
keys of older versions: no code of a repository runs, and nothing is downloaded.

Preprocessing follows from a `preprocessor_config.json` (`recipe`), the fake output from the class
names (`detector.models.labels`)."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector import runtime
from detector.errors import LabelOrderError, ModelError, WeightsError
from detector.models.base import CropRecipe, Files, ModelSpec, Normalization, SoundRecipe
from detector.models.labels import FAKE, fake_index, require_agreement
from detector.models.network import TokenModel, TokenVideoModel, TorchSoundModel
from detector.sentences import _
from detector.weights import load_state, load_strict, require_fractions

CONFIG = "config.json"
STRIDE = 4  # Frames of the file between two frames of a clip, as in transformers' recipe for videos

LARGEST = 4096  # maximum px of a side: configurations are untrusted
MOST = {"num_hidden_layers": 128, "num_frames": 128, "image_size": LARGEST, "hidden_size": 16384}
MOST |= {"conv_dim": 4096, "conv_kernel": 128, "tdnn_dim": 4096, "num_conv_pos_embeddings": 1024}
"""Upper limits of an untrusted configuration."""

_JUDGED = ("Video", "Image", "Audio")
OVERRIDE = "label_map_override"
"""Option of an entry whose configuration has wrong class names."""
# Settings for remote code, which is never run, and for training.
_IGNORED = frozenset(
    {"auto_map", "quantization_config", "architectures", "_name_or_path", "torch_dtype", "dtype"}
    | {"attn_implementation", "_attn_implementation", "transformers_version", "problem_type"}
    | {"custom_pipelines"}
)
_GENERATED = frozenset(
    {"ai", "aigc", "artificial", "computer", "dalle", "diffusion", "flux", "gan", "generated"}
    | {"machine", "midjourney", "sd", "sdxl", "synthesized", "synthetic"}
)
"""Class names of fully generated pictures, rather than altered ones."""


class Classifier(nn.Module):
    """A transformers network reduced to its logits: pixels -> [N, classes]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(**{self.model.main_input_name: x}).logits

    @property
    def target_layer(self) -> nn.Module | None:
        """Return the block before the last, if there is a list of blocks."""
        lists = [m for m in self.model.modules() if isinstance(m, nn.ModuleList) and len(m) > 1]
        blocks = max(lists, key=len, default=None)
        return blocks[-2] if blocks is not None else None


def load(
    spec: ModelSpec, files: Files, device: str
) -> TokenModel | TokenVideoModel | TorchSoundModel:
    """Load weights beside their `config.json`, or with the settings in `spec.options`. Raise
    WeightsError for a misfit, LabelOrderError if the configuration states another fake output,
    ModelError for a network that can't be built or another number of frames."""
    weights = next(path for path in files if path.suffix != ".json")
    config = _config_of(spec, files, weights)
    frames = _frames(config)
    if spec.kind == "video" and frames != spec.clip_frames:
        raise ModelError(
            _(
                "The configuration of {id} is for clips of {frames} frames, its entry says "
                "{clip_frames}."
            ).format(id=spec.id, frames=frames, clip_frames=spec.clip_frames)
        )
    model = build(config, load_state(weights, spec), spec.id)
    network = Classifier(model)
    if spec.kind == "audio":
        return TorchSoundModel(spec, network, device)
    run = None
    if spec.bundled:
        side = spec.crop.size
        example = torch.zeros(2, spec.clip_frames, 3, side, side, device=device)
        run = runtime.compile(network.eval(), example, device)
    model_class = TokenVideoModel if spec.kind == "video" else TokenModel
    return model_class(spec, network, device, network.target_layer, run)


def build(config: Mapping[str, Any], state: Mapping[str, Tensor], name: str) -> nn.Module:
    """Return a transformers classifier with all of these weights; raise as `load`."""
    import transformers

    settings = transformers.AutoConfig.for_model(**_checked(config))
    names = _names(_judged(config))[settings.model_type]
    # Some architectures have several classifiers; the first is the plain one.
    model_class = getattr(transformers, names if isinstance(names, str) else names[0])
    if settings.model_type == "videomae":
        from transformers.models.videomae import modeling_videomae

        modeling_videomae.get_sinusoid_encoding_table = positions
    with quiet():
        model, report = model_class.from_pretrained(
            None,
            config=settings,
            state_dict=dict(state),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported with the others
        )
    wrong = [
        f"{len(keys)} {_WORDS.get(kind, kind)} "
        f"({min(key if isinstance(key, str) else key[0] for key in keys)})"
        for kind, keys in report.items()
        if keys
    ]
    if wrong:
        text = _("The weights of {name} do not fit the network: {wrong}.")
        raise WeightsError(text.format(name=name, wrong="; ".join(wrong)), code="weights_misfit")
    # transformers would make fractions of them; counters and indices are whole in the network too.
    counters = {n.rpartition(".")[2] for n, b in model.named_buffers() if not b.is_floating_point()}
    counted = (n for n in state if n.rpartition(".")[2] not in counters)
    require_fractions({n: state[n] for n in counted}, name)
    load_strict(model, model.state_dict(), name)  # ends here while probing
    return model.float()


def positions(count: int, width: int) -> Tensor:
    """Return VideoMAE's sinusoidal positions, float32 [1, count, width], vectorized: the loop of
    transformers takes six seconds for the large network."""
    angles = np.arange(count)[:, None] / np.power(10000, 2 * (np.arange(width) // 2) / width)
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return torch.from_numpy(angles).float().unsqueeze(0)


@contextmanager
def quiet() -> Iterator[None]:
    """Disable transformers' progress bar and report: errors are raised."""
    from transformers.utils import logging

    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()


_WORDS = {
    "missing_keys": "missing",
    "unexpected_keys": "unexpected",
    "mismatched_keys": "of another shape",
}


def recipe(config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a classifier's input as fields of `ModelSpec`; raise ModelError if unsupported.

    Models of altered faces get faces; those of generated pictures, and all video classifiers, get
    whole pictures. Without `preprocessor_config.json` the architecture's own defaults apply."""
    config = _checked(config)
    if _judged(config) == "Audio":
        return {"kind": "audio", "task": "voice", "sound": sound_recipe(preprocessor)}
    clip = _judged(config) == "Video"
    names = " ".join(str(name) for name in (config.get("id2label") or {}).values()).lower()
    fakes = FAKE.intersection(re.split(r"[-_\s]+", names))
    generated = bool(fakes) and fakes <= _GENERATED
    whole = clip or generated
    crop, normalization = picture_recipe(config, preprocessor, "whole" if whole else "square")
    fields: dict[str, Any] = {
        "kind": "video" if clip else "image" if whole else "frame",
        "task": "picture synthesis" if generated else "face manipulation",
        "crop": crop,
        "normalization": normalization,
    }
    if clip:
        fields |= {"clip_frames": _frames(config), "clip_stride": STRIDE}
    return fields


def _config_of(spec: ModelSpec, files: Files, weights: Path) -> dict[str, Any]:
    """Return the configuration; raise LabelOrderError if it contradicts the entry."""
    path = next((path for path in files if path.name == CONFIG), weights.with_name(CONFIG))
    if not path.is_file():
        own = {k: v for k, v in spec.options.items() if k != OVERRIDE}
        if "model_type" not in own:
            text = _("{id} needs the {config} that was published with its weights.")
            raise ModelError(text.format(id=spec.id, config=CONFIG))
        return own
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            _("{path} can't be read: {error}").format(path=path, error=error)
        ) from error
    if not isinstance(config, dict):
        raise ModelError(_("{path} holds no settings.").format(path=path))
    if not (names := config.get("id2label")) or spec.options.get(OVERRIDE):
        return config
    require_agreement(config, spec.title, option="--fake-index")
    try:
        index = fake_index(names)
    except LabelOrderError:
        return config  # LABEL_0, LABEL_1: the entry knows more
    if index != spec.fake_index:
        raise LabelOrderError(
            _(
                "The configuration beside the weights of {id} says that output {index} means "
                "fake, its entry says {fake_index}."
            ).format(id=spec.id, index=index, fake_index=spec.fake_index),
            hint=_("Find out which of the two is right before a score of it is believed."),
        )
    return config


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        text = _("transformers has no architecture {kind}.")
        raise ModelError(text.format(kind=repr(kind)), code="not_supported")
    if kind not in {name for what in _JUDGED for name in _names(what)}:
        text = _("{kind} is no classifier of pictures, videos or sounds.")
        raise ModelError(text.format(kind=kind), code="not_supported")
    settings = {key: value for key, value in config.items() if key not in _IGNORED}
    for key, most in MOST.items():
        value = settings.get(key)
        value = max(value, default=0) if isinstance(value, list | tuple) else value
        if isinstance(value, int) and value > most:
            text = _("Its configuration asks for {key} = {value}; {most} is the most.")
            raise ModelError(text.format(key=key, value=f"{value:,}", most=f"{most:,}"))
    return settings


def _names(what: str) -> Mapping[str, Any]:
    from transformers.models.auto import modeling_auto

    return dict(getattr(modeling_auto, f"MODEL_FOR_{what.upper()}_CLASSIFICATION_MAPPING_NAMES"))


def _judged(config: Mapping[str, Any]) -> str:
    """Return the kind of input, in transformers' word."""
    return next(what for what in _JUDGED if config.get("model_type") in _names(what))


def _frames(config: Mapping[str, Any]) -> int:
    # VideoMAE's default is not written into every configuration.
    from transformers import CONFIG_MAPPING

    if _judged(config) != "Video":
        return 0
    defaults = vars(CONFIG_MAPPING[config["model_type"]]())
    counts = (s.get(k) for s in (config, defaults) for k in ("num_frames", "frames_per_clip"))
    return int(next(filter(None, counts), 0))


_RESAMPLE = {0: "nearest", 2: "antialias", 3: "bicubic"}


def picture_recipe(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None, kind: str
) -> tuple[CropRecipe, Normalization]:
    """Return a transformers processor's recipe; raise ModelError if unsupported."""
    steps = _processor(config, preprocessor)
    size, crop = steps["size"], steps["crop_size"]
    recipe: dict[str, Any] = {"kind": kind}
    side = _image_size(config)
    if steps.get("do_resize", True):
        way = int(steps.get("resample", 2))
        if way not in _RESAMPLE:
            raise ModelError(
                _("Its processor resizes in a way that Unmask has not ({way}).").format(way=way)
            )
        recipe["resize"] = _RESAMPLE[way]
        if "shortest_edge" in size:
            short = size["shortest_edge"]
            if steps.get("crop_pct"):  # ConvNeXt's combination of both
                recipe |= {"fit": "cover", "size": short, "short": int(short / steps["crop_pct"])}
                if short >= 384:
                    recipe |= {"fit": "stretch", "short": short}
            else:
                # Uncropped, the picture would keep its aspect, which these networks don't accept.
                middle = crop.get("height") if steps.get("do_center_crop") else side
                recipe |= {"fit": "cover", "size": middle or short, "short": short}
            if recipe["short"] == recipe["size"]:
                del recipe["short"]  # the default
        elif size.get("height") and size["height"] == size.get("width"):
            recipe |= {"fit": "stretch", "size": size["height"]}
            if steps.get("do_center_crop") and crop.get("height") not in (None, size["height"]):
                raise ModelError(
                    _("Its processor cuts the middle out of a square, which Unmask can't.")
                )
        else:
            raise ModelError(
                _("Its processor resizes to {size}, and Unmask only to squares.").format(size=size)
            )
    elif steps.get("do_center_crop"):
        recipe |= {"fit": "middle", "size": crop.get("height")}
    else:
        recipe |= {"fit": "stretch", "size": side, "resize": "antialias"}
    if not recipe["size"] or recipe["size"] > LARGEST:
        raise ModelError(_("Its configuration does not say how large its pictures are."))
    return CropRecipe(**recipe), _normalization(steps)


def _normalization(steps: Mapping[str, Any]) -> Normalization:
    # Ours starts at x / 255; a processor may scale otherwise: (x f - offset - mean) / std.
    factor = float(steps.get("rescale_factor") or 1 / 255) if steps.get("do_rescale", True) else 1.0
    mean, std = [0.0] * 3, [1.0] * 3
    if steps.get("do_normalize", True):
        mean, std = steps.get("image_mean") or [0.5] * 3, steps.get("image_std") or [0.5] * 3
    shift = 1.0 if steps.get("offset") else 0.0
    if abs(factor * 255 - 1) < 1e-6:
        factor = 1 / 255
    scale = 255 * factor
    return Normalization.model_validate(
        {"mean": [(m + shift) / scale for m in mean], "std": [s / scale for s in std]}
    )


def _processor(config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None) -> dict[str, Any]:
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    given = dict(preprocessor or {})
    name = str(given.get("image_processor_type") or given.get("feature_extractor_type") or "")
    name = name.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast")
    usual = IMAGE_PROCESSOR_MAPPING_NAMES.get(config["model_type"])
    names = list(usual.values()) if isinstance(usual, Mapping) else list(usual or ())
    candidates = [name if name.endswith("ImageProcessor") else "", *names]
    processor = next((getattr(transformers, n, None) for n in candidates if n), None)
    try:
        defaults = vars(processor()) if processor else {}
    except TypeError:  # one that needs the settings of another library
        defaults = {}
    if not defaults and not given:
        raise ModelError(_("Nothing says how its pictures are prepared."), code="not_supported")
    steps = {k: v for k, v in {**defaults, **given}.items() if k in _KEYS and v is not None}
    square = getattr(processor, "default_to_square", True)
    if "size" not in given and (side := _image_size(config)):
        steps |= {"size": side, "crop_size": side}  # the class's own is of another model
    return steps | {
        "size": _sides(steps.get("size"), square),
        "crop_size": _sides(steps.get("crop_size"), True),
    }


def _image_size(config: Mapping[str, Any]) -> int | None:
    size = config.get("image_size")
    size = size[0] if isinstance(size, list) and size else size
    return size if isinstance(size, int) else None


_KEYS = frozenset(
    {"do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct"}
    | {"do_rescale", "rescale_factor", "offset", "do_normalize", "image_mean", "image_std"}
)


def _sides(size: Any, square: bool) -> dict[str, int]:
    """Normalize the notations of a size to {"height", "width"} or {"shortest_edge"}."""
    if isinstance(size, int):
        return {"height": size, "width": size} if square else {"shortest_edge": size}
    if size is None:
        return {}
    sides = size if isinstance(size, Mapping) else vars(size)
    return {key: int(value) for key, value in sides.items() if value}


SAMPLE_RATE, WINDOW = 16_000, 4
"""Hz, and s of a window: these networks take any length, and are trained on clips of about that."""
SAMPLES = "Wav2Vec2FeatureExtractor"
"""The processor that only normalizes samples."""


def sound_recipe(preprocessor: Mapping[str, Any] | None) -> SoundRecipe:
    """Return a sample processor's recipe; raise ModelError for spectrograms or other rates."""
    steps = preprocessor or {}
    kind = steps.get("feature_extractor_type", SAMPLES)
    if kind != SAMPLES or steps.get("sampling_rate", SAMPLE_RATE) != SAMPLE_RATE:
        raise ModelError(
            _(
                "Its processor is {kind} at {sample_rate} Hz, and Unmask "
                "feeds {sample_rate_} samples a second as they are."
            ).format(
                kind=kind,
                sample_rate=steps.get("sampling_rate", SAMPLE_RATE),
                sample_rate_=SAMPLE_RATE,
            ),
            code="not_supported",
        )
    normalize = bool(steps.get("do_normalize", True))
    return SoundRecipe(samples=WINDOW * SAMPLE_RATE, normalize=normalize)
