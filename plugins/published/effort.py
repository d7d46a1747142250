"""Effort: CLIP ViT-L/14 with attention tuned in the orthogonal complement of its own weights.

Yan et al.: "Orthogonal Subspace Decomposition for Generalizable AI-Generated Image Detection",
ICML 2025, arXiv:2411.15633; github.com/YZY-stack/Effort-AIGI-Detection (CC BY-NC 4.0).

Each of the four projections of an attention was split by singular value decomposition into a frozen
main part and a tuned residual of rank one. Files store both, and vectors that only training needs
(0.8 GB of 2 GB); here the parts are merged into an ordinary CLIP.

The repository has two layouts: its face detector (`backbone.`, `head.` with two classes), and its
code for the benchmark of UniversalFakeDetect (`model.vision_model.`, `fc.` with one logit)."""

import torch
from torch import Tensor, nn

from detector.errors import WeightsError
from detector.models.base import Files, ModelSpec
from detector.models.network import RenamedState, Rule, TokenModel, clip_vision, skip_init
from detector.sentences import _
from detector.weights import load_state, load_strict, require_fractions

PARTS = ("weight_main", "U_residual", "S_residual", "V_residual")
PROJECTIONS = 24 * 4

RULES: tuple[Rule, ...] = (
    # For the training loss only; older files lack it.
    (r".*\.[SUV]_r$", None),
    (r"(backbone|model\.vision_model)\.embeddings\.position_ids$", None),
    (r"backbone\.", "vision."),
    # The benchmark's code stores all of CLIP; text tower and projections are not used.
    (r"model\.(text_model|text_projection|visual_projection|logit_scale)\b.*", None),
    (r"model\.vision_model\.", "vision."),
    (r"fc\.", "head."),
)


class Effort(nn.Module):
    """float [N, 3, 224, 224] -> logits, [N, outputs]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.vision = clip_vision()
        self.head = nn.Linear(1024, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.vision(x).pooler_output)


def merge(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Merge each projection's main part and residual; raise WeightsError."""
    merged: dict[str, Tensor] = {}
    split: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        stem, leaf = name.rpartition(".")[::2]
        if leaf in PARTS:
            split.setdefault(stem, {})[leaf] = tensor
        else:
            merged[name] = tensor
    lacking = [f"{stem}.{p}" for stem, parts in split.items() for p in PARTS if p not in parts]
    if lacking or len(split) != PROJECTIONS:
        missing = _(" ({lacking} is missing)").format(lacking=lacking[0]) if lacking else ""
        raise WeightsError(
            _(
                "These are no weights of Effort: it has {projections} split projections, the file "
                "{split}{missing}."
            ).format(projections=PROJECTIONS, split=len(split), missing=missing),
            code="weights_misfit",
        )
    for stem, parts in split.items():
        require_fractions({f"{stem}.{part}": parts[part] for part in PARTS}, "Effort")
        main, left, values, right = (parts[part].float() for part in PARTS)
        if left.shape[-1:] != values.shape or right.shape[:1] != values.shape:
            text = _("The parts of {stem} do not fit together.")
            raise WeightsError(text.format(stem=stem), code="weights_misfit")
        merged[f"{stem}.weight"] = torch.addmm(main, left * values, right)
    return merged


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel:
    """Load one published file; `options.outputs` is the number of outputs of its layout (2 or
    1)."""
    state = load_state(files[0], spec)
    # The original removes "module." anywhere in a name.
    state = {name.replace("module.", ""): tensor for name, tensor in state.items()}
    state = merge(RenamedState(state, RULES))
    with skip_init():
        network = Effort(int(spec.options["outputs"]))
    load_strict(network, state, spec.id)
    return TokenModel(spec, network, device, network.vision.encoder.layers[-2])
