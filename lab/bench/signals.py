"""Measure the range of each signal on genuine clips, and its AUC on fakes.

    python -m lab.bench.signals run LABELS.csv FILE.jsonl [--lips] [--seconds N]
    python -m lab.bench.signals show LABELS.csv FILE.jsonl [--scores TABLE.csv] [--write]

The first measures the files that FILE lacks, for at most N seconds, with the signals on request
(with --lips blinks and lips alone, in a fifth of the time); the second prints a table: AUC of a
higher value for "fake", with an interval from resampling sources. Lips beside a voice have another
row for the two-sided score, cross-fitted by sixths of the sources, and with --scores (a table of
left-out logits, files matched by name) for its gain over the models. With --write, ranges, AUC and
the score go into `detector/signals/reference.json`.
"""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from typer import Option

from detector import media
from detector.evaluation import metrics
from detector.evaluation.labels import Item, hash_of, read_labels
from detector.evaluation.metrics import Interval
from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import FrameSegment, Media, Quality, Settings, Signal, Subject
from detector.signals import reference, watching
from detector.signals.measure import material
from detector.signals.measures import blinks, lips
from lab.bench import Row, command, read_rows, resume
from lab.evaluation.features import widest_faces
from lab.evaluation.tables import markdown
from lab.training.linear import source_weights

FOLDS = 6
LEVELS = 1, 5, 50, 95, 99  # Percentiles of genuine clips
MODELS = "clip", "clip-generated"  # Beside whose scores lips are tried
FEW = 4  # Frames in which faces are searched for blinks and lips alone
DECAY = 0.03  # Inverse, of the layer over the features of lips
MATERIALS = [f"{size}, {bits}" for size in ("small", "large") for bits in ("heavy", "light")]


def measure(path: Path, analyzer: Analyzer | None) -> Row:
    """Return signals, material and lip features of the first person of a clip; without an
    `Analyzer`, blinks and lips alone."""
    if analyzer is None:
        about, signals = media.probe(path), list[Signal]()
        person = _person(path, about)
    else:
        analysis = analyzer.analyze(path, Settings(models=["texture"]))
        about, signals = analysis.media, analysis.signals
        person = next(iter(analysis.people), None)
    if person is None:
        return {}
    seen = watching.watch(path, about, person)
    if analyzer is None:
        signals = [
            blinks.signal(seen.times, seen.eyes, person.id),
            lips.signal(path, about, seen.times, seen.mouth, person),
        ]
    else:
        signals = [*signals, *watching.signals(path, about, person, seen)]
    talk = lips.measure(path, about, seen.times, seen.mouth)
    mine = [s for s in signals if s.subject == person.id and s.number is not None]
    return {
        "signals": {signal.id: signal.number for signal in mine},
        "material": material(about, person),
        "lips": talk.features if talk else None,
        "eyes": [len(blinks.find(seen.times, seen.eyes)), blinks.seconds(seen.times)],
    }


def _person(path: Path, about: Media) -> Subject | None:
    """Return the widest face of a clip in a few frames; None without one."""
    frames = [
        FrameSegment(
            index=frame.index,
            time=frame.time,
            box=face.box,
            landmarks=list(face.landmarks),
            quality=Quality(width=face.box[2] - face.box[0], sharpness=0.0, brightness=0.0),
        )
        for frame, face in widest_faces(path, np.linspace(0, 1, FEW).tolist())
    ]
    end = about.duration or 0.0
    return (
        Subject(id="A", start=0.0, end=end, thumbnail_time=0.0, frames=frames) if frames else None
    )


def interval(scores: np.ndarray, clips: pd.DataFrame, less: np.ndarray | None = None) -> Interval:
    """Return the AUC (minus that of other scores), with an interval from resampling sources."""
    return metrics.auc_interval(scores, clips["label"], clips["source"], less=less)


def spread(clips: pd.DataFrame) -> dict[str, float]:
    """Return percentiles of the column `value` as the fields of `reference.Range`."""
    levels = np.percentile(clips["value"], LEVELS)
    named = {f"p{level}": round(float(x), 4) for level, x in zip(LEVELS, levels, strict=True)}
    return {**named, "files": len(clips), "sources": clips["source"].nunique()}


# --- lips: a two-sided score ----------------------------------------------------------------------


def fit(features: np.ndarray, clips: pd.DataFrame) -> dict[str, Any]:
    """Fit the layer of `lips.likelihood` with the weights of `source_weights`."""
    mean, scale = features.mean(0), features.std(0) + 1e-9
    model = LogisticRegression(C=DECAY, max_iter=1000)
    weights = 2 * len(clips) * source_weights(list(clips.itertuples()))
    model.fit(lips.squared((features - mean) / scale), clips["label"].to_numpy(), weights)
    rounded = {"mean": mean, "scale": scale, "weights": model.coef_[0]}
    return {
        **{name: [round(float(x), 4) for x in values] for name, values in rounded.items()},
        "bias": round(float(model.intercept_[0]), 4),
    }


def left_out(features: np.ndarray, clips: pd.DataFrame) -> np.ndarray:
    """Return log odds, cross-fitted by source."""
    fold = np.array([int(hash_of(source), 16) % FOLDS for source in clips["source"]])
    out = np.zeros(len(clips))
    for number in range(FOLDS):
        there = fold == number
        out[there] = lips.log_odds(features[there], fit(features[~there], clips[~there]))
    return out


def beside_models(scores: Path, clips: pd.DataFrame, features: np.ndarray) -> dict[str, Interval]:
    """Return the AUC of the models alone, with lips, and the paired difference."""
    table = pd.read_csv(scores).query("version == 'as it is' and model in @MODELS")
    maps = {id: registry.get_spec(id).calibration for id in MODELS}
    table["logit"] = [
        np.nan if (map := maps[id]) is None else map.scale * logit + map.offset
        for id, logit in zip(table["model"], table["logit"], strict=True)
    ]
    table["name"] = table["file"].str.replace(r"^(data/)?[^/]*/|\.\w+$", "", regex=True)
    highest = table.groupby("name")["logit"].max()
    base = highest.reindex([str(Path(name).with_suffix("")) for name in clips["name"]]).to_numpy()
    seen = np.isfinite(base)
    some, base = clips[seen], base[seen]
    both = left_out(np.column_stack([base, features[seen]]), some)
    return {
        f"models alone, {len(some)} clips": interval(base, some),
        "models and lips": interval(both, some),
        "gain": interval(both, some, less=base),
    }


# --- the report -----------------------------------------------------------------------------------


def report(items: Sequence[Item], rows: Mapping[str, Row], scores: Path | None) -> dict[str, Any]:
    """Print the table; return the entries of `reference.json`."""
    ranges: dict[str, Any] = {}
    materials: dict[str, dict[str, Any]] = defaultdict(dict)
    aucs: dict[str, Any] = {}
    lines = []
    clips = pd.DataFrame(
        {"name": item.name, "label": item.label, "source": item.source, **row}
        for item in items
        if "signals" in (row := rows.get(item.name, {}))
    )
    values = pd.DataFrame(clips["signals"].tolist())
    for id in sorted(values):
        some = clips.assign(value=values[id]).dropna(subset="value")
        if some["label"].nunique() < 2:
            continue
        lines.append(_line(id, some, aucs))
        genuine = some[some["label"] == 0]
        ranges[id] = spread(genuine)
        for kind in MATERIALS:
            alike = genuine[genuine["material"] == kind]
            if len(alike) >= reference.FEWEST:
                materials[kind][id] = spread(alike)
    talking = clips[clips["lips"].notna()]
    features = np.array(talking["lips"].tolist())
    for number, name in enumerate(("near", "peak", "distance of the lag from 0", "spread")):
        lines.append(_line(f"lips: {name}", talking.assign(value=features[:, number])))
    odds = left_out(features, talking)
    lines.append(_line("lips: two-sided score", talking.assign(value=odds)))
    heads = "signal", "fakes", "genuine", "sources", "AUC", "median of fakes, of genuine clips"
    print(markdown(heads, lines))
    shares = expit(odds)
    error = metrics.calibration_error(shares, talking["label"].to_numpy())
    chance = metrics.calibration_error_by_chance(shares)
    print(f"\ncalibration error of the score {error:.3f}; by chance {chance}")
    for name, found in beside_models(scores, talking, features).items() if scores else ():
        print(f"{name}: {found}")
    return {
        "ranges": ranges,
        "materials": materials,
        "auc": aucs,
        "lips": fit(features, talking),
        "blinking": _rates(clips[(clips["label"] == 0) & clips["eyes"].notna()]),
    }


def _rates(clips: pd.DataFrame) -> dict[str, float]:
    """Return the mean rate of blinks a minute, and its spread between people beyond chance (method
    of moments)."""
    blinks, seconds = np.array(clips["eyes"].tolist()).T
    minutes = seconds / 60
    rate = blinks.sum() / minutes.sum()
    beyond = ((blinks - rate * minutes) ** 2 - blinks).sum() / (minutes**2).sum()
    return {
        "rate": round(float(rate), 2),
        "spread": round(float(np.sqrt(max(beyond, 1.0))), 2),
        "files": len(clips),
        "sources": clips["source"].nunique(),
        "seconds": round(float(seconds.sum())),
        "blinks": int(blinks.sum()),
    }


def _line(name: str, clips: pd.DataFrame, aucs: dict[str, Any] | None = None) -> tuple[object, ...]:
    found = interval(clips["value"].to_numpy(), clips)
    fakes = int(clips["label"].sum())
    middle = clips.groupby("label")["value"].median()
    if aucs is not None:
        ends = {key: round(float(getattr(found, key)), 3) for key in ("value", "low", "high")}
        aucs[name] = {**ends, "fakes": fakes, "genuine": len(clips) - fakes}
    counts = fakes, len(clips) - fakes, clips["source"].nunique()
    return name, *counts, found, f"{middle[1]:.3g}, {middle[0]:.3g}"


def run(
    labels: Path,
    store: Path,
    seconds: float = float("inf"),
    lips: Annotated[bool, Option(help="measure blinks and lips alone")] = False,
) -> None:
    """Append the missing measurements, for some time."""
    items, end = read_labels(labels), time.monotonic() + seconds
    analyzer = None if lips else Analyzer(device="cpu")
    work = ((item.name, partial(measure, item.file, analyzer)) for item in items)
    resume(store, "file", takewhile(lambda _: time.monotonic() < end, work))
    print(f"{len(read_rows(store))} of {len(items)}")


def show(labels: Path, store: Path, scores: Path | None = None, write: bool = False) -> None:
    """Print the table; with `write`, store its figures."""
    made = report(read_labels(labels), read_rows(store), scores)
    if write:
        table = json.loads(reference.FILE.read_text(encoding="utf-8"))
        for key in ("ranges", "auc"):
            table[key] |= made[key]
        for kind, rows in made["materials"].items():
            table["materials"].setdefault(kind, {}).update(rows)
        table |= {key: made[key] for key in ("lips", "blinking")}
        reference.FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command(run, show)
