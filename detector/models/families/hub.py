"""Picture and video classifiers as Hugging Face's `transformers` publishes them.

Whatever `AutoModelForImageClassification` and `AutoModelForVideoClassification` can build: the
network follows from a `config.json` beside the weights or, for the models of our catalog, from
`options`, which hold the same settings. Weights are read by us and handed over, so that nothing of
a repository runs and nothing is downloaded; `from_pretrained` renames what older versions wrote.

How a picture is prepared follows from a `preprocessor_config.json` (`recipe`), which output means
fake from the names of the classes (`detector.models.labels`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from detector.errors import LabelOrderError, ModelError, WeightsError
from detector.models.base import CropRecipe, Files, ModelSpec, Normalization
from detector.models.labels import FAKE, fake_index, require_agreement
from detector.models.vit import TokenClipModel, TokenModel
from detector.weights import load_state, load_strict, require_fractions

CONFIG = "config.json"
STRIDE = 4
"""Frames of the file between two frames of a clip, as in transformers' recipe for videos."""

MOST = {"num_hidden_layers": 128, "num_frames": 128, "image_size": 4096, "hidden_size": 16384}
"""A configuration is a stranger's: what it asks for at most."""

OVERRIDE = "label_map_override"
"""Option that says that the configuration's own names are known to be wrong."""
_SETTINGS_OF_OURS = frozenset({OVERRIDE})
# What a configuration holds for code that is never run here, and for training.
_IGNORED = frozenset(
    {"auto_map", "quantization_config", "architectures", "_name_or_path", "torch_dtype", "dtype"}
    | {"attn_implementation", "_attn_implementation", "transformers_version", "problem_type"}
    | {"custom_pipelines"}
)
_GENERATED = frozenset(
    {"ai", "aigc", "artificial", "computer", "dalle", "diffusion", "flux", "gan", "generated"}
    | {"machine", "midjourney", "sd", "sdxl", "synthesized", "synthetic"}
)
"""Names of classes that speak of pictures made as a whole, rather than altered."""
_RESAMPLE = {0: "nearest", 2: "antialias", 3: "bicubic"}


class Classifier(nn.Module):
    """A network of transformers that gives its logits alone: pixels -> [N, classes]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(pixel_values=x).logits

    @property
    def target_layer(self) -> nn.Module | None:
        """The block before the last, where there is one list of blocks."""
        lists = [m for m in self.model.modules() if isinstance(m, nn.ModuleList) and len(m) > 1]
        blocks = max(lists, key=len, default=None)
        return blocks[-2] if blocks is not None else None


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel | TokenClipModel:
    """Load weights beside their `config.json`, or with the settings in `spec.options`.

    Raises
    ------
    WeightsError
        A tensor is missing, left over or of another shape.
    LabelOrderError
        The configuration beside the weights says that another output means fake.
    ModelError
        It asks for a network that can't be built, or for another number of frames.
    """
    weights = next(path for path in files if path.suffix != ".json")
    config = _config_of(spec, files, weights)
    frames = _frames(config)
    if spec.kind == "clip" and frames != spec.clip_frames:
        raise ModelError(
            f"The configuration of {spec.id} is for clips of {frames} frames, its entry says "
            f"{spec.clip_frames}."
        )
    model = build(config, load_state(weights, spec), spec.id)
    network = Classifier(model)
    made = TokenClipModel if spec.kind == "clip" else TokenModel
    return made(spec, network, device, network.target_layer)


def build(config: Mapping[str, Any], state: Mapping[str, Tensor], name: str) -> nn.Module:
    """A classifier of transformers with these weights, every one of them.

    Raises
    ------
    ModelError, WeightsError
        As `load`.
    """
    import transformers

    settings = transformers.AutoConfig.for_model(**_checked(config))
    made = _names("Video" if _of_videos(config) else "Image")[settings.model_type]
    # Some architectures have several classifiers; the first is the plain one.
    kind = getattr(transformers, made if isinstance(made, str) else made[0])
    with _quiet():
        model, told = kind.from_pretrained(
            None,
            config=settings,
            state_dict=dict(state),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to be named with the others
        )
    wrong = {
        kind: sorted(name if isinstance(name, str) else name[0] for name in names)
        for kind, names in told.items()
        if names
    }
    if wrong:
        said = "; ".join(
            f"{len(names)} {_WORDS.get(k, k)} ({names[0]})" for k, names in wrong.items()
        )
        raise WeightsError(
            f"The weights of {name} do not fit the network: {said}.", code="weights_misfit"
        )
    # transformers would make fractions of them; counters and indices are whole in the network too.
    counters = {n.rpartition(".")[2] for n, b in model.named_buffers() if not b.is_floating_point()}
    counted = (n for n in state if n.rpartition(".")[2] not in counters)
    require_fractions({n: state[n] for n in counted}, name)
    load_strict(model, model.state_dict(), name)  # where only the fit is asked for, it ends here
    return model.float()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bar and report on the terminal: what it says is raised."""
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
    """What an entry says of how a classifier is fed, as fields of `ModelSpec`.

    Models that tell altered faces get faces, as their training sets hold them; those that tell
    generated pictures, and all video classifiers, get whole pictures. Then comes what their
    processor does.

    Parameters
    ----------
    config, preprocessor : mapping
        `config.json` and `preprocessor_config.json`; without the latter, the defaults of the
        architecture's own processor.

    Raises
    ------
    ModelError
        It is no classifier of pictures or videos, or its processor does what Unmask can't.
    """
    config = _checked(config)
    clip = _of_videos(config)
    names = " ".join(str(name) for name in (config.get("id2label") or {}).values()).lower()
    told = {word for word in FAKE if word in names.replace("-", " ").replace("_", " ").split()}
    generated = bool(told) and told <= _GENERATED
    whole = clip or generated
    crop, normalization = prepared(config, preprocessor, "whole" if whole else "square")
    fields: dict[str, Any] = {
        "kind": "clip" if clip else "image" if whole else "frame",
        "task": "whole-image synthesis" if generated else "face manipulation",
        "crop": crop,
        "normalization": normalization,
    }
    if clip:
        fields |= {"clip_frames": _frames(config), "clip_stride": STRIDE}
    return fields


def prepared(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None, kind: str
) -> tuple[CropRecipe, Normalization]:
    """The recipe of a processor of transformers.

    Raises
    ------
    ModelError
        It does what Unmask can't.
    """
    does = _processor(config, preprocessor)
    size, crop = does["size"], does["crop_size"]
    recipe: dict[str, Any] = {"kind": kind}
    side = _image_size(config)
    if does.get("do_resize", True):
        way = int(does.get("resample", 2))
        if way not in _RESAMPLE:
            raise ModelError(f"Its processor resizes in a way that Unmask has not ({way}).")
        recipe["resize"] = _RESAMPLE[way]
        if "shortest_edge" in size:
            short = size["shortest_edge"]
            if does.get("crop_pct"):  # ConvNeXt's own way to say both at once
                recipe |= {"fit": "cover", "size": short, "short": int(short / does["crop_pct"])}
                if short >= 384:
                    recipe |= {"fit": "stretch", "short": short}
            else:
                # Without a crop the picture would keep its shape, which these networks do not take.
                middle = crop.get("height") if does.get("do_center_crop") else side
                recipe |= {"fit": "cover", "size": middle or short, "short": short}
            if recipe["short"] == recipe["size"]:
                del recipe["short"]  # which is what 0 says
        elif size.get("height") and size["height"] == size.get("width"):
            recipe |= {"fit": "stretch", "size": size["height"]}
            if does.get("do_center_crop") and crop.get("height") not in (None, size["height"]):
                raise ModelError(
                    "Its processor cuts the middle out of a square, which Unmask can't."
                )
        else:
            raise ModelError(f"Its processor resizes to {size}, and Unmask only to squares.")
    elif does.get("do_center_crop"):
        recipe |= {"fit": "middle", "size": crop.get("height")}
    else:
        recipe |= {"fit": "stretch", "size": side, "resize": "antialias"}
    if not recipe["size"] or recipe["size"] > MOST["image_size"]:
        raise ModelError("Its configuration does not say how large its pictures are.")
    return CropRecipe(**recipe), _normalization(does)


def _normalization(does: Mapping[str, Any]) -> Normalization:
    # Ours starts at x / 255; a processor may scale otherwise: (x f - offset - mean) / std.
    factor = float(does.get("rescale_factor") or 1 / 255) if does.get("do_rescale", True) else 1.0
    plain = not does.get("do_normalize", True)
    mean = [0.0] * 3 if plain else list(does.get("image_mean") or [0.5] * 3)
    std = [1.0] * 3 if plain else list(does.get("image_std") or [0.5] * 3)
    shift = 1.0 if does.get("offset") else 0.0
    if abs(factor * 255 - 1) < 1e-6:
        factor = 1 / 255
    scale = 255 * factor
    return Normalization.model_validate(
        {"mean": [(m + shift) / scale for m in mean], "std": [s / scale for s in std]}
    )


def _processor(config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None) -> dict[str, Any]:
    """A processor's settings with the defaults of its class."""
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    told = dict(preprocessor or {})
    name = str(told.get("image_processor_type") or told.get("feature_extractor_type") or "")
    name = name.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast")
    usual = IMAGE_PROCESSOR_MAPPING_NAMES.get(config["model_type"])
    names = list(usual.values()) if isinstance(usual, Mapping) else list(usual or ())
    candidates = [name if name.endswith("ImageProcessor") else "", *names]
    made = next((getattr(transformers, n, None) for n in candidates if n), None)
    try:
        own = vars(made()) if made else {}
    except TypeError:  # one that needs the settings of another library
        own = {}
    if not own and not told:
        raise ModelError("Nothing says how its pictures are prepared.", code="not_supported")
    does = {k: v for k, v in {**own, **told}.items() if k in _KEYS and v is not None}
    square = getattr(made, "default_to_square", True) if made else True
    if "size" not in told and (side := _image_size(config)):
        does |= {"size": side, "crop_size": side}  # the class's own is of another model
    return does | {
        "size": _sides(does.get("size"), square),
        "crop_size": _sides(does.get("crop_size"), True),
    }


def _image_size(config: Mapping[str, Any]) -> int | None:
    """Side of the pictures that the network itself was made for, if it says so."""
    size = config.get("image_size")
    size = size[0] if isinstance(size, list) and size else size
    return size if isinstance(size, int) else None


_KEYS = frozenset(
    {"do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct"}
    | {"do_rescale", "rescale_factor", "offset", "do_normalize", "image_mean", "image_std"}
)


def _sides(size: Any, square: bool) -> dict[str, int]:
    """{"height", "width"} or {"shortest_edge"} of the ways in which a size is written."""
    if isinstance(size, int):
        return {"height": size, "width": size} if square else {"shortest_edge": size}
    if size is None:
        return {}
    sides = size if isinstance(size, Mapping) else vars(size)
    return {key: int(value) for key, value in sides.items() if value}


def _config_of(spec: ModelSpec, files: Files, weights: Path) -> dict[str, Any]:
    """The configuration: among the files, beside the weights, or in the entry."""
    path = next((path for path in files if path.name == CONFIG), weights.with_name(CONFIG))
    if not path.is_file():
        own = {k: v for k, v in spec.options.items() if k not in _SETTINGS_OF_OURS}
        if "model_type" not in own:
            raise ModelError(f"{spec.id} needs the {CONFIG} that was published with its weights.")
        return own
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no settings.")
    _agree(spec, config)
    return config


def _agree(spec: ModelSpec, config: Mapping[str, Any]) -> None:
    """Raise LabelOrderError when the names of the classes say another order than the entry."""
    names = config.get("id2label")
    if not names or spec.options.get(OVERRIDE):
        return
    require_agreement(config, spec.title, option="--fake-index")
    try:
        said = fake_index(names)
    except LabelOrderError:
        return  # LABEL_0, LABEL_1: the entry knows more
    if said != spec.fake_index:
        raise LabelOrderError(
            f"The configuration beside the weights of {spec.id} says that output {said} means "
            f"fake, its entry says {spec.fake_index}.",
            hint="Find out which of the two is right before a score of it is believed.",
        )


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that describe a network, within bounds."""
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ModelError(f"transformers has no architecture {kind!r}.", code="not_supported")
    if kind not in {*_names("Image"), *_names("Video")}:
        raise ModelError(f"{kind} is no classifier of pictures or videos.", code="not_supported")
    settings = {key: value for key, value in config.items() if key not in _IGNORED}
    for key, most in MOST.items():
        if isinstance(value := settings.get(key), int) and value > most:
            raise ModelError(f"Its configuration asks for {key} = {value:,}; {most:,} is the most.")
    return settings


def _names(what: str) -> Mapping[str, Any]:
    from transformers.models.auto import modeling_auto

    names: Mapping[str, Any] = getattr(
        modeling_auto, f"MODEL_FOR_{what.upper()}_CLASSIFICATION_MAPPING_NAMES"
    )
    return names


def _of_videos(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") in _names("Video")


def _frames(config: Mapping[str, Any]) -> int:
    """Frames of a clip. VideoMAE's default is not written into every configuration."""
    from transformers import CONFIG_MAPPING

    if not _of_videos(config):
        return 0
    own = config.get("num_frames") or config.get("frames_per_clip")
    default = CONFIG_MAPPING[config["model_type"]]()
    usual = getattr(default, "num_frames", None) or getattr(default, "frames_per_clip", None)
    return int(own or usual or 0)
