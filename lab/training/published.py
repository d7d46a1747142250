"""Fine-tune a published or bundled detector, or a user's own file of one (recipe `finetune`).

Only its weights change. Crop, normalization and label order stay those of its entry, and the result
has the tensor names of the published file, so that it loads strictly as the same architecture
(`unmask models add`). A round trip to the file is tested before the first step.

Batch norms are frozen: a few dozen faces of a few people give worse statistics than the original
training data.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_forward_hook

from detector import weights as store
from detector.errors import InputError, UnmaskError, UsageError, WeightsError
from detector.evaluation import metrics
from detector.evaluation.labels import pairs, read_labels
from detector.models import registry
from detector.models.base import CropRecipe, Model, ModelSpec
from detector.models.network import TokenModel, TorchFrameModel
from detector.models.registry import with_files
from detector.schema.analysis import Box
from detector.sentences import _
from detector.vision import box_for, cut
from lab.evaluation.groups import held_out_people
from lab.training import augment
from lab.training.augment import h264
from lab.training.cache import CacheSpec, Faces, open_cache
from lab.training.fit import TrainingOptions, fit, half_precision
from lab.training.recipe import FinetuneRecipe

ROOM = 1.15
"""Side of a cached crop, in sides of the network's input, so that training can shift it."""
MOST = 640  # Maximum side of a cached crop, px


class PretrainedInput:
    """Input of a published detector by its entry."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.recipe = model.spec.crop

    def cached(self, kind: str) -> CacheSpec:
        """Return the cache of a kind with the field of view and the resolution of the crop."""
        margin = round(reach(self.recipe) * ROOM, 2)
        side = min(MOST, round((self.recipe.size or MOST) * ROOM))
        return CacheSpec(f"{kind}-{margin:g}-{side}", CropRecipe(scale=margin, size=side), 3.0)

    def cut(self, entry: Faces, index: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """Cut a cached face as at inference, or with `rng` displaced like a detection error: uint8
        [S, S, 3]."""
        shift, zoom, flip = np.zeros(2), 1.0, False
        if rng is not None:
            shift = rng.normal(0, 0.02, 2).clip(-0.04, 0.04)
            zoom, flip = rng.uniform(0.93, 1.05), rng.random() < 0.5
        place = entry.places[index]
        middle = place[:2].mean(0)
        longer = float(np.ptp(place[:2], axis=0).max())
        moved = (place - middle) * zoom + middle + shift * longer
        box: Box = (*moved[0].tolist(), *moved[1].tolist())
        shown = cut(entry.crop(index), box_for(self.recipe, box), self.recipe, moved[2:].tolist())
        return np.ascontiguousarray(shown[:, ::-1]) if flip else shown

    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Preprocess pictures as the model does."""
        return np.stack([self.model.preprocess(picture).numpy() for picture in pictures])


def reach(recipe: CropRecipe) -> float:
    """Return the side of a square about a face box that covers the crop of an average face, in
    longer sides of the box."""
    if recipe.kind == "square":
        return recipe.scale
    if recipe.kind == "box":
        # Those in shares of the height are about boxes of BlazeFace, which are smaller.
        return 1 + max(recipe.margins) * (1 if recipe.margin_of == "height" else 2)
    return 1.3 * recipe.scale


Couple = tuple[Faces, Faces]  # An original and a fake of it


class PairSource(NamedTuple):
    """Faces of one kind of file, with pairs by person, so that people are drawn equally often."""

    kind: str
    groups: list[list[Couple]]


def gather(
    kind: str, faces: Sequence[Faces], people: set[str], *, held: bool = False
) -> PairSource:
    """Return the pairs of a kind: of persons outside `people`, or with `held` of these."""
    entries = [entry for entry in faces if (entry.person in people) == held]
    by_person: dict[str, list[Couple]] = {}
    for first, second in pairs(entries):
        by_person.setdefault(entries[first].person, []).append((entries[first], entries[second]))
    return PairSource(kind, list(by_person.values()))


def draw_pairs(
    sources: Sequence[PairSource], recipe: FinetuneRecipe, step: int, transform: PretrainedInput
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the network's inputs of one step, float32 [2 P, 3, S, S], and labels, float32 [2 P]:
    originals first, then their fakes in the same order. They depend on the seed and the step alone,
    so that resumed runs are reproducible."""
    rng = np.random.default_rng([recipe.seed, step])
    share = np.array([recipe.shares[source.kind] for source in sources])
    chosen = rng.choice(len(sources), recipe.pairs, p=share / share.sum())
    drawn = [draw_pair(sources[choice], recipe, rng, transform) for choice in chosen]
    originals, fakes = zip(*drawn, strict=True)
    labels = np.repeat(np.array([0, 1], np.float32), recipe.pairs)
    return transform.batch([*originals, *fakes]), labels


def draw_pair(
    source: PairSource, recipe: FinetuneRecipe, rng: np.random.Generator, transform: PretrainedInput
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an original and its fake with the same perturbations, uint8 [S, S, 3] each.

    Only originals are blurred: swaps are softer than their originals, a shortcut for a detector."""
    group = source.groups[rng.integers(len(source.groups))]
    first, second = group[rng.integers(len(group))]
    index = int(rng.integers(min(first.count, second.count)))
    seed = int(rng.integers(2**31))
    real, fake = (
        transform.cut(entry, index, np.random.default_rng(seed)) for entry in (first, second)
    )
    sigma = float(rng.uniform(0.4, 1.4)) * (rng.random() < recipe.soften)
    crf = int(rng.integers(20, 39)) if rng.random() < recipe.h264 else 0
    return degraded(real, seed + 1, crf, sigma), degraded(fake, seed + 1, crf)


def degraded(picture: np.ndarray, seed: int, crf: int = 0, sigma: float = 0.0) -> np.ndarray:
    """Change color, sharpness, noise and compression of a picture by `seed`, uint8 [S, S, 3]:
    blurred by `sigma` before, and after it encoded as H.264 unless `crf` is 0."""
    if sigma:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))
    out = augment.degraded(picture, np.random.default_rng(seed))
    return h264(out[None], crf)[0] if crf else out


TUNES = ("whole", "norms", "head")
"""Trained weights: all; those of normalizations and the last layer (as of LNCLIP-DF and GenD,
arXiv:2508.06248); those of the last layer."""
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, _BatchNorm)
SAME = 1e-4
"""Tolerance between logits of the written file and of the trained network."""
HELD_FRAMES = 3  # Pictures of a held-out clip
HELD_PAIRS = 250  # Held-out pairs of a kind at most


@dataclass(frozen=True)
class PretrainedDetector:
    """A loaded detector, and the origin of each of its tensors in its files."""

    spec: ModelSpec
    model: TorchFrameModel
    paths: list[Path]
    origins: dict[str, Origin]


def open_start(begin: str, weights: Sequence[Path] = ()) -> PretrainedDetector:
    """Load the detector to fine-tune: by the id of a model, or of an architecture with the user's
    files of it. Raise UsageError unless it scores single faces, WeightsError or ModelError if it is
    missing, does not fit, or lacks its license."""
    spec = registry.get_spec(begin)
    if weights:
        template = registry.architectures().get(begin) or spec
        spec = with_files(template, list(weights), known=registry.list_models())
        paths = [Path(file.path) for file in spec.files]
    else:
        store.require_license(spec)
        paths = store.resolve(spec)
    if spec.kind != "frame":
        raise UsageError(
            _("{title} does not judge single faces, and only such can be trained on from.").format(
                title=spec.title
            )
        )
    model = registry.load_family(spec, paths, "cpu")
    if not isinstance(model, TorchFrameModel):
        raise UsageError(
            _("{title} can't be trained: its file is a finished program.").format(title=spec.title)
        )
    return PretrainedDetector(spec, model, paths, _origins(model.network, spec, paths))


class Origin(NamedTuple):
    """Location of a tensor in the files."""

    file: int  # of the model's files, counted from 0
    name: str


def _origins(network: nn.Module, spec: ModelSpec, paths: Sequence[Path]) -> dict[str, Origin]:
    """Return the origin of each tensor: of stored ones with equal numbers, that with the longest
    common suffix of the name. Derived tensors have none."""
    own = network.state_dict()
    if paths[0].suffix == ".h5":
        # Keras's layers, under our names from now on.
        return {name: Origin(0, name) for name in own}
    stored: dict[str, list[Origin]] = defaultdict(list)
    for number, path in enumerate(paths):
        state = {} if path.suffix == ".json" else store.load_state(path, spec)
        for name, tensor in state.items():
            stored[_content(tensor)].append(Origin(number, name))

    def alike(name: str, origins: Sequence[Origin]) -> Origin:
        ends = [zip(reversed(name), reversed(one.name), strict=False) for one in origins]
        common = [sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], end)) for end in ends]
        return origins[common.index(max(common))]

    same = {name: stored.get(_content(tensor)) for name, tensor in own.items()}
    return {name: alike(name, origins) for name, origins in same.items() if origins}


def _content(tensor: Tensor) -> str:
    """Return a hash of the shape and the float32 numbers of a tensor."""
    numbers = tensor.detach().float().contiguous().numpy()
    return hashlib.sha256(repr(numbers.shape).encode() + numbers.tobytes()).hexdigest()


class HeldOut:
    """Computes AUC and paired ranking accuracy of a network on held-out pairs, by kind of file."""

    def __init__(self, sources: Sequence[PairSource], transform: PretrainedInput) -> None:
        self.transform = transform
        self.parts: dict[str, tuple[np.ndarray, int]] = {}
        for source in sources:
            count = 1 if source.kind == "image" else HELD_FRAMES
            couples = [couple for group in source.groups for couple in group]
            shown = [
                transform.cut(entry, int(i))
                for couple in couples[:: -(-len(couples) // HELD_PAIRS)]
                for entry in couple
                for i in np.linspace(0, entry.count - 1, count).round().astype(int)
            ]
            self.parts[source.kind] = np.stack(shown), count

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        device = next(network.parameters()).device
        figures: dict[str, float] = {}
        for name, (pictures, count) in self.parts.items():
            logits = []
            for start in range(0, len(pictures), 32):
                x = torch.from_numpy(self.transform.batch(list(pictures[start : start + 32])))
                with half_precision(device):
                    logits.append(network(x.to(device)).float().cpu().numpy())
            scores = np.concatenate(logits).reshape(-1, count).mean(1)
            couples = [(i, i + 1) for i in range(0, len(scores), 2)]
            figures |= {
                f"{name} auc": metrics.auc(scores, np.arange(len(scores)) % 2),
                f"{name} pairs won": metrics.paired_ranking_accuracy(scores, couples),
            }
        return figures


class LogOddsHead(nn.Module):
    """A detector as one logit of P(fake) a face: float [N, 3, S, S] -> [N]."""

    def __init__(self, model: TorchFrameModel, tune: str) -> None:
        super().__init__()
        self.network = model.network.requires_grad_(False)
        self.tune = tune
        # A function is not copied with it, as a method would be.
        self._read: Callable[[Tensor], Tensor] = lambda logits: model.log_odds(logits)
        for module in _tuned(model, tune):
            module.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        return self._read(self.network(x))

    def train(self, mode: bool = True) -> LogOddsHead:
        """Enable dropout if all weights are trained; keep the statistics of batch norms."""
        super().train(mode and self.tune == "whole")
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self


def train(
    plan: FinetuneRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    cache: Path | None = None,
    begin: str = "",
    weights: Sequence[Path] = (),
    tune: str | None = None,
) -> Path:
    """Fine-tune a detector on the pairs of labelled files; return `run.out`/model.safetensors (of
    one that is read from several files, their folder). Raise UsageError, InputError, WeightsError.

    `cache` is a folder of cut faces that runs share (default: `run.out`/faces). `begin` is the id
    of a model or architecture, of which `weights` are the person's own files. `tune`, one of
    `TUNES`, says what may change; by default the normalizations and the last layer of transformers,
    all of others."""
    if not begin:
        raise UsageError(_("Name the detector to fine-tune with --begin."))
    start = open_start(begin, weights)
    tune = tune or ("norms" if isinstance(start.model, TokenModel) else "whole")
    plan = plan.model_copy(update={"begun": start.spec.architecture, "tune": tune})
    items, spec = read_labels(data), PretrainedInput(start.model).cached
    people = held_out_people(items, plan)
    sources: dict[bool, list[PairSource]] = {True: [], False: []}  # held out, trained on
    for kind in plan.shares:
        if some := [item for item in items if item.kind == kind]:
            faces = open_cache(cache or run.out / "faces", spec(kind), some, run)
            for held, found in sources.items():
                source = gather(kind, faces, people, held=held)
                found += [source] if source.groups else []
    if not sources[False]:
        raise InputError(
            _("{data} has no pairs for the recipe {name}.").format(data=data, name="finetune"),
            hint=_(
                "Pairs are an original and a fake of it with the same word in the column group."
            ),
        )
    torch.manual_seed(plan.seed)
    network = tuned(start, plan, sources[False], sources[True], run)
    written = write(start, network.cpu(), run.out)
    return written[0] if len(written) == 1 else run.out


def tuned(
    start: PretrainedDetector,
    plan: FinetuneRecipe,
    sources: Sequence[PairSource],
    held: Sequence[PairSource],
    run: TrainingOptions,
) -> nn.Module:
    """Fine-tune a detector on pairs; return its network with averaged weights. Raise UsageError if
    it lacks a last layer to train alone, or can't be written back."""
    odds = LogOddsHead(start.model, plan.tune).to(run.device)
    lost = [
        name
        for name, weight in start.model.network.named_parameters()
        if weight.requires_grad and name not in start.origins
    ]
    if lost:
        raise UsageError(
            _(
                "{title} can't be trained so: {lost} of its tensors ({lost_}, …) "
                "are made of those in its file, and there is no way back."
            ).format(title=start.spec.title, lost=len(lost), lost_=lost[0]),
            hint=_("Train its last layer alone: --tune head."),
        )
    trial = run.out / "trial"
    try:
        write(start, start.model.network, trial)
    except UnmaskError as error:
        raise UsageError(
            _("{title} can't be trained on: its file could not be written again. {message}").format(
                title=start.spec.title, message=error.message
            )
        ) from error
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    transform = PretrainedInput(start.model)
    from timm.optim import param_groups_weight_decay  # type: ignore[attr-defined]

    def draw(step: int) -> tuple[Tensor, Tensor]:
        pictures, labels = draw_pairs(sources, plan, step, transform)
        return torch.from_numpy(pictures).to(run.device), torch.from_numpy(labels).to(run.device)

    def loss(network: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
        with half_precision(pictures.device):
            logits = network(pictures).float()
        return pair_loss(logits, labels, plan)

    averaged = fit(
        odds, plan, draw, loss, run,
        groups=param_groups_weight_decay(odds, plan.decay), check=HeldOut(held, transform),
    )  # fmt: skip
    return averaged.network


def pair_loss(logits: Tensor, labels: Tensor, plan: FinetuneRecipe) -> Tensor:
    """Return cross-entropy plus a pairwise ranking loss. Logits and labels, float [2 P], are of
    originals first, then of their fakes in the same order."""
    target = labels * (1 - 2 * plan.smoothing) + plan.smoothing
    loss = F.binary_cross_entropy_with_logits(logits, target)
    real, fake = logits.chunk(2)
    return loss + plan.pair_weight * F.softplus(real - fake).mean()


def write(start: PretrainedDetector, network: nn.Module, folder: Path) -> list[Path]:
    """Write the weights of a network, with the names of `start.model.network`, in the layout of the
    files that it was read from, and verify them.

    Unused tensors and files without weights are copied. A single file becomes `model.safetensors`.
    Raise WeightsError unless the scores are the same."""
    folder.mkdir(parents=True, exist_ok=True)
    state = network.state_dict()
    written = []
    for number, path in enumerate(start.paths):
        mine = {
            origin.name: state[name].cpu()
            for name, origin in start.origins.items()
            if origin.file == number
        }
        target = folder / ("model.safetensors" if len(start.paths) == 1 else path.name)
        written.append(target)
        if not mine:
            shutil.copyfile(path, target)
            continue
        unused = {} if path.suffix == ".h5" else store.load_state(path, start.spec)
        # Copies, since safetensors rejects tensors that share memory.
        whole = {name: tensor.contiguous().clone() for name, tensor in (unused | mine).items()}
        if target.suffix == ".safetensors":
            save_file(whole, target)
        else:
            torch.save(whole, target)
    again = registry.load_family(with_files(start.spec, written), written, "cpu")
    _same(start.model, network, again)
    return written


@torch.no_grad()
def _same(model: Model, network: nn.Module, again: Model) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    x = model.preprocess(picture)[None]
    device = next(network.parameters()).device
    before = model.log_odds(network(x.to(device)).cpu())
    after = again.log_odds(again.forward(x).cpu())
    if not torch.allclose(before, after, atol=SAME, rtol=SAME):
        raise WeightsError(_("Read again, the written file gives other scores."))


def _tuned(model: TorchFrameModel, tune: str) -> list[nn.Module]:
    """Return the modules with trained weights."""
    if tune not in TUNES:
        raise UsageError(
            _("There is no way {tune} to tune.").format(tune=repr(tune)),
            hint=_("Known: {tunes}.").format(tunes=", ".join(TUNES)),
        )
    if tune == "whole":
        return [model.network]
    head = _head(model)
    if head is None:
        raise UsageError(
            _("{title} has no last layer that could be trained by itself.").format(
                title=model.spec.title
            ),
            hint=_("Train all of it: --tune whole."),
        )
    norms = [m for m in model.network.modules() if isinstance(m, NORMS)] if tune == "norms" else []
    return [*norms, head]


@torch.no_grad()
def _head(model: TorchFrameModel) -> nn.Module | None:
    """Return the layer whose output is that of the network, if any."""
    layers: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, _given: object, out: Tensor) -> None:
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            layers.append((module, out))

    with register_module_forward_hook(note):
        x = model.preprocess(np.full((256, 256, 3), 128, np.uint8))[None]
        out = model.network(x).reshape(-1)
    same = (m for m, y in reversed(layers) if y.reshape(-1).equal(out))
    return next(same, None)
