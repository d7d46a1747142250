"""Interpolate the weights of two networks of one architecture on the sphere (SLERP).

Nothing is trained. Several ratios are evaluated on labelled files that neither network was trained
on, and the chosen one is added to the user's models.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from detector import weights
from detector.errors import InputError, UsageError
from detector.evaluation.labels import read_labels
from detector.evaluation.metrics import Interval
from detector.evaluation.report import Column
from detector.evaluation.scores import Scoring, score_files
from detector.models import registry, user_models
from detector.models.base import Measured, ModelSpec
from detector.models.registry import with_files
from detector.schema.analysis import Calibration
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.evaluation import fitting
from lab.training.fit import AddedModel, TrainingOptions

RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""shares of the second network that are evaluated beside the chosen one"""
PARALLEL = 1e-6  # 1 - |cosine| below which the arc between two tensors is taken for a line
FEWEST = 4  # originals, and fakes, for a figure and a calibration
_SAME = {
    "family": _("are different networks"),
    "options": _("are different networks"),
    "kind": _("judge different things"),
    "crop": _("are fed differently"),
    "normalization": _("are fed differently"),
    "sound": _("are fed differently"),
    "fake_index": _("name different outputs fake"),
    "real_index": _("name different outputs fake"),
}
"""Fields that both entries must have in common, and the message where they differ."""


def slerp(first: Tensor, second: Tensor, at: float) -> Tensor:
    """Interpolate two tensors at a share `at`: directions on the sphere, lengths linearly; linearly
    throughout if they are parallel or one is zero. The ends are exact."""
    if at in (0.0, 1.0):
        return (second if at else first).clone()
    a, b = first.double().flatten(), second.double().flatten()
    lengths = float(a.norm()), float(b.norm())
    cosine = float(a @ b) / (lengths[0] * lengths[1]) if all(lengths) else 1.0
    if 1 - abs(cosine) < PARALLEL:
        mixed = (1 - at) * a + at * b
    else:
        angle = math.acos(cosine)
        shares = math.sin((1 - at) * angle), math.sin(at * angle)
        mixed = shares[0] * a / lengths[0] + shares[1] * b / lengths[1]
        mixed *= ((1 - at) * lengths[0] + at * lengths[1]) / math.sin(angle)
    return mixed.reshape(first.shape).to(first.dtype)


def interpolate(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], at: float
) -> dict[str, Tensor]:
    """Interpolate two networks' tensors of the same names and shapes.

    Integers (counts of batches) are the nearer network's. Raise UsageError for a mismatch."""
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in (first, second)]
    if shapes[0] != shapes[1]:
        other = next(n for n in {**first, **second} if shapes[0].get(n) != shapes[1].get(n))
        raise UsageError(
            _("The two networks differ in {other}: their weights can't be interpolated.").format(
                other=other
            )
        )
    nearer = second if at > 0.5 else first
    return {
        name: slerp(tensor, second[name], at)
        if tensor.is_floating_point()
        else nearer[name].clone()
        for name, tensor in first.items()
    }


class FuseRecipe(StrictModel):
    """Settings of the fusion."""

    at: float = Field(0.5, ge=0, le=1, description="share of the second network")


def train(
    plan: FuseRecipe, data: Path, run: TrainingOptions, *, parents: Sequence[str] = ()
) -> AddedModel:
    """Add the interpolated network at the share `plan.at` of the second parent to the user's
    models; return it with the AUC of each ratio on labelled files.

    Raise UsageError for different architectures, InputError for too few files."""
    if len(parents) != 2:
        raise UsageError(_("Fusing is `unmask train fuse A B --at 0.3 --data FOLDER --out DIR`."))
    at, specs = plan.at, [registry.get_spec(id) for id in parents]
    first, second = specs
    for field, told in _SAME.items():
        if getattr(first, field) != getattr(second, field):
            raise UsageError(
                _(
                    "{id} and {id_} {told}: only weights of one architecture can be interpolated."
                ).format(id=first.id, id_=second.id, told=told),
                hint=_("Different networks vote together: `unmask calibrate` fits their weights."),
            )
    paths = []
    for spec in specs:
        weights.require_license(spec)
        paths.append(weights.resolve(spec))
    items = [
        item for item in read_labels(data) if (item.kind == "audio") == (first.kind == "audio")
    ]
    if min(sum(item.label == label for item in items) for label in (0, 1)) < FEWEST:
        raise InputError(
            _("{data} needs {fewest} originals and {fewest_} fakes to judge ratios on.").format(
                data=data, fewest=FEWEST, fewest_=FEWEST
            )
        )
    run.out.mkdir(parents=True, exist_ok=True)
    entry = _entry(specs, paths, at, run.out.name)
    pairs = _pairs(specs, paths)
    trials: dict[float, str] = {}
    try:
        with tempfile.TemporaryDirectory(dir=run.out) as folder:
            for ratio in sorted({*RATIOS, at}):
                files = _write(pairs, ratio, Path(folder) / f"{ratio:g}")
                trial = with_files(entry, files).model_copy(
                    update={"id": user_models.new_id(f"{entry.id}-at-{ratio:g}", taken_ok=True)}
                )
                trials[ratio] = user_models.keep(trial, files, move=True).id
        scored = score_files(
            items,
            models=list(trials.values()),
            scoring=Scoring(
                device=run.device,
                on_progress=lambda done, total: run.on_progress("files", done, total, {}),
            ),
        )
    finally:
        for id in trials.values():
            user_models.remove(id)
    figures = {
        ratio: Column.of([file.highest.get(id) for file in scored], scored).auc()
        for ratio, id in trials.items()
    }
    areas = {f"{ratio:g}": [f.value, f.low, f.high] for ratio, f in figures.items()}
    (run.out / "figures.json").write_text(json.dumps(areas, indent=1))
    judged = [file for file in scored if trials[at] in file.highest]
    logits = np.array([file.highest[trials[at]] for file in judged])
    scale, offset = fitting.platt(logits, np.array([file.label for file in judged]))
    data_text = f"{len(judged)} of your own files"
    calibration = Calibration(scale=scale, offset=offset, data=data_text, clips=len(judged))
    entry = entry.model_copy(
        update={
            "measured": [_measured(at, figures[at], len(items), parents, "AUC")]
            + [
                _measured(ratio, figure, len(items), parents, f"AUC at {ratio:g}")
                for ratio, figure in figures.items()
                if ratio != at
            ],
            "calibration": calibration,
        }
    )
    spec = user_models.keep(entry, _write(pairs, at, run.out))
    lines = [f"{ratio:4g}  AUC {figure}" for ratio, figure in figures.items()]
    lines.append(_("Added {id}, at {at}.").format(id=spec.id, at=f"{at:g}"))
    values = {f"auc.at_{ratio:g}": figure.value for ratio, figure in figures.items()}
    return AddedModel(spec.id, values, lines)


def _entry(specs: list[ModelSpec], paths: list[list[Path]], at: float, name: str) -> ModelSpec:
    """Return the entry of the fused model, without figures."""
    first, second = specs
    hashes = [", ".join(weights.digest(path) for path in files) for files in paths]
    licenses = dict.fromkeys(spec.license_weights for spec in specs)
    return with_files(first, paths[0]).model_copy(
        update={
            "id": user_models.new_id(name, taken_ok=True),
            "title": f"{name} (fused here)",
            "plain": f"{name}, your own",
            "summary": f"{first.title} and {second.title}, their weights interpolated at {at:g}.",
            "source": f"SLERP at {at:g} from {first.id} (sha256 {hashes[0]}) to {second.id} "
            f"(sha256 {hashes[1]}), fused here; {first.source}",
            "label_order": first.label_order
            if first.label_order == second.label_order
            else "unverified",
            "license_weights": "; ".join(licenses),
            "research_only": first.research_only or second.research_only,
            "state": "",
        }
    )


def _pairs(
    specs: list[ModelSpec], paths: list[list[Path]]
) -> list[tuple[Path, list[dict[str, Tensor]]]]:
    """Return each file of the first network with the tensors of both; without any for equal
    files."""
    return [
        (files[0], [weights.load_state(*one) for one in zip(files, specs, strict=True)])
        if len(set(map(weights.digest, files))) > 1
        else (files[0], [])
        for files in zip(*paths, strict=True)
    ]


def _write(
    pairs: list[tuple[Path, list[dict[str, Tensor]]]], at: float, folder: Path
) -> list[Path]:
    """Write the files of the network at a ratio; files that both parents share are copied."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file, states in pairs:
        target = folder / file.name
        if states:
            target = target.with_suffix(".safetensors")
            first, second = states
            state = interpolate(first, second, at)
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, target)
        else:
            shutil.copyfile(file, target)
        written.append(target)
    return written


def _measured(
    at: float, figure: Interval, clips: int, parents: Sequence[str], metric: str
) -> Measured:
    return Measured(
        data=f"{clips} of your own files that, by your word, neither network was trained on",
        left_out=True,
        metric=metric,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        clips=clips,
        command=f"unmask train fuse {' '.join(parents)} --at {at:g}",
    )
