"""How a processor of transformers prepares pictures, as a recipe of ours."""

from collections.abc import Mapping
from typing import Any

from detector.errors import ModelError
from detector.models.base import CropRecipe, Normalization

LARGEST = 4096  # px of a side, at most: a configuration is a stranger's
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
            raise ModelError(f"Its processor resizes in a way that Unmask has not ({way}).")
        recipe["resize"] = _RESAMPLE[way]
        if "shortest_edge" in size:
            short = size["shortest_edge"]
            if steps.get("crop_pct"):  # ConvNeXt's own way to say both at once
                recipe |= {"fit": "cover", "size": short, "short": int(short / steps["crop_pct"])}
                if short >= 384:
                    recipe |= {"fit": "stretch", "short": short}
            else:
                # Without a crop the picture would keep its shape, which these networks do not take.
                middle = crop.get("height") if steps.get("do_center_crop") else side
                recipe |= {"fit": "cover", "size": middle or short, "short": short}
            if recipe["short"] == recipe["size"]:
                del recipe["short"]  # which is what 0 says
        elif size.get("height") and size["height"] == size.get("width"):
            recipe |= {"fit": "stretch", "size": size["height"]}
            if steps.get("do_center_crop") and crop.get("height") not in (None, size["height"]):
                raise ModelError(
                    "Its processor cuts the middle out of a square, which Unmask can't."
                )
        else:
            raise ModelError(f"Its processor resizes to {size}, and Unmask only to squares.")
    elif steps.get("do_center_crop"):
        recipe |= {"fit": "middle", "size": crop.get("height")}
    else:
        recipe |= {"fit": "stretch", "size": side, "resize": "antialias"}
    if not recipe["size"] or recipe["size"] > LARGEST:
        raise ModelError("Its configuration does not say how large its pictures are.")
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
        raise ModelError("Nothing says how its pictures are prepared.", code="not_supported")
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
    """{"height", "width"} or {"shortest_edge"} of the ways in which a size is written."""
    if isinstance(size, int):
        return {"height": size, "width": size} if square else {"shortest_edge": size}
    if size is None:
        return {}
    sides = size if isinstance(size, Mapping) else vars(size)
    return {key: int(value) for key, value in sides.items() if value}
