"""Does a model mind where the picture ends?

    python -m research.edges LABELS.csv --models texture,grain [--border black] [--where face_px]
    python -m research.edges LABELS.csv --held grain-held.jsonl texture-held.jsonl

Of clips whose face stands well within the picture, some frames are cut so that a tenth to a fifth
of what the model looks at lies beyond an edge, on one to three sides: as where a person holds the
camera close. Nothing else about them changes, so their scores shouldn't. The table: how far scores
of originals and of fakes move, in deviations of all scores; AUC as they are, and cut; and how many
originals stand above the line under which 96 % of them stand as they are. `--border` asks with
another border than the model's entry says (`CropRecipe.border`).

With `--held` no model is asked: what models said that never saw a clip's fold (files that
`python -m research.folds` writes, added, each of deviation 1) is judged by how much of the square
lies beyond the picture as the clip is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector import media
from detector.cli.common import ProgressBar
from detector.decision.material import share_seen
from detector.errors import MediaError
from detector.evaluation import methods, metrics
from detector.evaluation.labels import Item, filled, hash_of, read_labels
from detector.models.base import CropRecipe, Model
from detector.models.registry import load_model
from detector.schema.codes import Question
from detector.vision import FaceDetector, cut, load_detector
from detector.vision.types import widest

FRAMES = 4
SMALLEST = 40
"""px of a face"""
BEYOND = (24 / 256, 48 / 256)
"""Of the square's side: how much of it lies beyond an edge."""
SIDES = ((0, 0, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (0, 1, 1, 0), (0, 0, 0, 1))
"""Left, top, right, bottom: where something does."""
LINE = 0.96
"""of the originals"""
QUESTIONS = (Question.MANIPULATION, Question.SYNTHESIS)
SHARES = (("nothing", -1.0, 1e-6), ("up to a tenth", 1e-6, 0.1), ("more", 0.1, 1.1))
Array = np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--models", default="", help="ids, separated by commas")
    parser.add_argument("--held", type=Path, nargs="+", default=[], help="of research.folds")
    parser.add_argument("--border", choices=["black", "replicate", "mirror"])
    parser.add_argument("--where", default="", help="only files with this column filled")
    args = parser.parse_args()
    clips = [item for item in read_labels(args.labels) if item.kind != "image"]
    if args.where:
        named = filled(args.labels, args.where)
        clips = [clip for clip in clips if clip.name in named]
    detector = load_detector()
    if args.held:
        print(by_share(clips, args.held, detector))
        return
    models: dict[str, tuple[Model, CropRecipe]] = {}
    for id in filter(None, args.models.split(",")):
        model = load_model(id)
        crop = model.spec.crop
        models[id] = model, crop.model_copy(update={"border": args.border or crop.border})
    found: list[tuple[int, dict[str, tuple[float, float]]]] = []
    bar = ProgressBar("clips")
    for number, clip in enumerate(clips):
        if (scores := judged(clip, detector, models)) is not None:
            found.append((clip.label, scores))
        bar(number + 1, len(clips))
    print(table(found))


def judged(
    clip: Item, detector: FaceDetector, models: dict[str, tuple[Model, CropRecipe]]
) -> dict[str, tuple[float, float]] | None:
    """Return what each model says of a clip as it is, and cut; None where no face stands well
    within the picture."""
    frames = _frames(clip, FRAMES)
    if not frames:
        return None
    rng = np.random.default_rng(int(hash_of(clip.name)[:12], 16))
    sides, share = rng.permutation(SIDES)[0], rng.uniform(*BEYOND)
    shown: dict[str, tuple[list[Array], list[Array]]] = {id: ([], []) for id in models}
    for frame in frames:
        face = widest(detector.detect(frame, SMALLEST))
        for id, (_, crop) in models.items():
            side = 0.0 if face is None else crop.scale * max(
                face.box[2] - face.box[0], face.box[3] - face.box[1]
            )  # fmt: skip
            if face is None or not _within(face.box, side, frame):
                return None
            less, box = nearer(frame, face.box, side, share * sides)
            shown[id][0].append(cut(frame, face.box, crop))
            shown[id][1].append(cut(less, box, crop))
    return {
        id: (
            float(model.score(np.stack(shown[id][0])).mean()),
            float(model.score(np.stack(shown[id][1])).mean()),
        )
        for id, (model, _) in models.items()
    }


def _frames(clip: Item, count: int) -> list[Array]:
    try:
        about = media.probe(clip.file)
        times = np.linspace(0, max(0.0, (about.duration or 0.0) - 0.05), count).tolist()
        return [frame.rgb for frame in media.decode(clip.file, about, times, notes=[])]
    except MediaError:
        return []


def by_share(clips: Sequence[Item], held: Sequence[Path], detector: FaceDetector) -> str:
    """Return what was said of left-out clips, by how much of the square lies beyond the picture."""
    logits: dict[str, list[float]] = {}
    for file in held:
        with file.open(encoding="utf-8") as lines:
            read = [json.loads(line) for line in lines]
        # The model that was left out stands first.
        told = {
            line["name"]: float(next(iter(line["logits"].values())))
            for line in read
            if line["logits"]
        }
        middle, spread = np.mean(list(told.values())), np.std(list(told.values()))
        for name, logit in told.items():
            logits.setdefault(name, []).append(float((logit - middle) / spread))
    shares, scores, labels, question = [], [], [], []
    for clip in clips:
        said = logits.get(clip.name, [])
        missing = _missing(clip, detector) if len(said) == len(held) else None
        if missing is not None:
            shares.append(missing)
            scores.append(sum(said))
            labels.append(clip.label)
            question.append(methods.question(clip.method) if clip.label else None)
    share, score, label = np.array(shares), np.array(scores), np.array(labels)
    out = [
        "| beyond the picture | originals | fakes | AUC | altered faces | whole heads |",
        "|---|---|---|---|---|---|",
    ]
    for name, low, high in SHARES:
        here = (share >= low) & (share < high)
        about = [here & np.array([q in (None, asked) for q in question]) for asked in QUESTIONS]
        aucs = [f"{metrics.auc(score[m], label[m]):.3f}" for m in (here, *about)]
        counts = [str(int((here & (label == k)).sum())) for k in (0, 1)]
        out.append(f"| {name} | {' | '.join([*counts, *aucs])} |")
    return "\n".join(out)


def _missing(clip: Item, detector: FaceDetector) -> float | None:
    """Return which share of the square about the face lies beyond the picture; None: no face."""
    for frame in _frames(clip, FRAMES):
        if (face := widest(detector.detect(frame, SMALLEST))) is not None:
            return 1 - share_seen(face.box, frame.shape[1], frame.shape[0])
    return None


def _within(box: Sequence[float], side: float, frame: Array) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    height, width = frame.shape[:2]
    return bool(min(x, y, width - x, height - y) >= side / 2)


def nearer(
    frame: Array, box: Sequence[float], side: float, beyond: Array
) -> tuple[Array, tuple[float, float, float, float]]:
    """Return a frame that ends so early that shares `beyond` (left, top, right, bottom) of a square
    about a face lie beyond it, and the face's box there. Sides of 0 stay as they are."""
    height, width = frame.shape[:2]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top, right, bottom = beyond * side
    x0 = round(x - side / 2 + left) if left else 0
    y0 = round(y - side / 2 + top) if top else 0
    x1 = round(x + side / 2 - right) if right else width
    y1 = round(y + side / 2 - bottom) if bottom else height
    return frame[y0:y1, x0:x1], (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)


def table(found: Sequence[tuple[int, dict[str, tuple[float, float]]]]) -> str:
    """Return what the clips' scores say, as Markdown."""
    labels = np.array([label for label, _ in found])
    out = [
        f"{len(found)} clips, {int((labels == 0).sum())} of them originals", "",
        "| model | originals move by | fakes by | AUC, cut | originals above the line, cut |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for id in found[0][1]:
        whole, less = (np.array([scores[id][k] for _, scores in found]) for k in (0, 1))
        line = np.quantile(whole[labels == 0], LINE)
        real, fake = (((less - whole)[labels == k]).mean() / whole.std() for k in (0, 1))
        sure = [f"{metrics.auc(scores, labels):.3f}" for scores in (whole, less)]
        over = [f"{(scores[labels == 0] > line).mean():.1%}" for scores in (whole, less)]
        out.append(f"| {id} | {real:+.2f} | {fake:+.2f} | {', '.join(sure)} | {', '.join(over)} |")
    return "\n".join(out)


if __name__ == "__main__":
    main()
