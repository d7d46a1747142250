"""Select labelled files of people that a training did not see, by labels and face embeddings.

DFDC and similar sets show a few hundred actors in thousands of clips: a split by clip has the same
people on both sides, and its figures are optimistic. Faces are embedded by
`lab.evaluation.mobilefacenet` and compared by the cosine of their embeddings.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detector import weights
from detector.errors import MediaError, UsageError
from detector.evaluation.labels import Item, read_labels
from detector.sentences import _
from detector.signals.measures.identity import align
from detector.signals.patch import cut_patch
from lab.evaluation import mobilefacenet
from lab.evaluation.features import Arrays, OnProgress, cached, widest_faces
from lab.evaluation.groups import HoldOut, held_out_people

SAME = 0.6
"""Cosine from which two faces count as one person. Of 2.4 million pairs of a DFDC face and an FFHQ
face, which are never of one person, none exceeds 0.55; of DFDC's own pairs, fewest lie at 0.6 to
0.7, between different actors near 0 and takes of one actor near 0.8."""
FRAMES = 3  # Pictures of a clip whose embeddings are averaged


def embed(
    items: Sequence[Item],
    *,
    cache: Path | None = None,
    progress: OnProgress = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Return the embedding of the largest face of each readable file, float32 [128] of length 1, by
    path. `cache`, a folder, stores them between runs and identifies people: delete it when done.
    Raise UsageError where the network is not on this computer."""
    if not weights.available(mobilefacenet.WEIGHTS):
        raise UsageError(
            _("{title} is needed to tell people apart, and not on this computer.").format(
                title=mobilefacenet.WEIGHTS.title
            ),
            hint=_("To download it, type: unmask fetch {id}").format(id=mobilefacenet.WEIGHTS.id),
        )

    def reader() -> Callable[[Item], Arrays]:
        network = mobilefacenet.Embedder()

        def read(item: Item) -> Arrays:
            faces = _faces(item)
            mean = network(faces).mean(0) if faces else np.zeros(128, np.float32)
            return {"mean": mean / max(float(np.linalg.norm(mean)), 1e-9)}

        return read

    with tempfile.TemporaryDirectory() as folder:
        found = cached(items, cache or Path(folder), "face", reader, progress)
    vectors = {str(item.file): one["mean"] for item, one in zip(items, found, strict=True)}
    return {name: vector for name, vector in vectors.items() if vector.any()}


def _faces(item: Item) -> list[np.ndarray]:
    """Return aligned faces of a file, the largest of each picture."""
    count = 1 if item.kind == "image" else FRAMES
    try:
        shown = list(widest_faces(item.file, np.linspace(0, 1, count + 2)[1:-1].tolist()))
    except MediaError:
        return []
    patches = [cut_patch(frame.rgb, face.box, face.landmarks) for frame, face in shown]
    aligned = (align(patch, mobilefacenet.SIDE) for patch in patches)
    return [face for face in aligned if face is not None]


def exclude_known(
    items: Sequence[Item],
    trained: Sequence[Item],
    *,
    cache: Path | None = None,
    progress: OnProgress = lambda done, total: None,
) -> tuple[list[Item], str]:
    """Return the files whose people are not in training, by their face or their original's, and a
    note on the others."""
    originals = [item for item in trained if item.label == 0]
    vectors = embed([*items, *originals], cache=cache, progress=progress)
    known = np.stack([vectors[str(i.file)] for i in originals if str(i.file) in vectors])
    embeddings = [vectors.get(str(item.file)) for item in items]
    strangers = [v is not None and float((known @ v).max()) <= SAME for v in embeddings]
    pairs = list(zip(items, strangers, strict=True))
    trained_groups = {(i.source, i.group) for i, new in pairs if i.label == 0 and not new}
    others = [i for i, new in pairs if new and (i.source, i.group) not in trained_groups]
    note = _(
        "{others} of {items} files left out: their faces are like one of "
        "{known} trained on (cosine over {same}), or can't be compared."
    ).format(others=len(items) - len(others), items=len(items), known=len(known), same=f"{SAME:g}")
    return others, note


def unseen(
    labels: Path,
    *,
    trained: Path | None = None,
    recipe: HoldOut | None = None,
    cache: Path | None = None,
    on_compared: OnProgress = lambda done, total: None,
) -> tuple[list[Item], str]:
    """Return the files of a labelled CSV whose people a training did not see, and a note on the
    others.

    `recipe` defines the people that the training held out of `trained` (default: of the same CSV).
    People of another CSV that was `trained` on are recognized by their faces (`exclude_known`, with
    `cache` and `on_compared`). Raise InputError, or UsageError without the network."""
    items = read_labels(labels)
    if recipe and (trained is None or trained.samefile(labels)):
        people = held_out_people(items, recipe)
        items = [item for item in items if item.person in people]
    if trained is None:
        return items, ""
    seen = read_labels(trained)
    people = held_out_people(seen, recipe) if recipe else set()
    seen = [item for item in seen if item.person not in people]
    return exclude_known(items, seen, cache=cache, progress=on_compared)
