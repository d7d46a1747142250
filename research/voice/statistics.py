"""What Timbre's two networks say of each clip, in each version, kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from detector import weights
from detector.models.base import repeated
from detector.models.families import timbre
from detector.perturbation import sounds
from detector.perturbation.conditions import Condition
from research.voice.clips import SAMPLES, Clip, decode

CONDITIONS = {
    "MP3 32 kbit/s": sounds.change(Condition("mp3", 32)),
    "8 kHz telephone": sounds.change(Condition("phone")),
}
"""What happens to speech on its way, as robustness trials do it."""
BATCH = 4
"""Windows in one pass."""
OnProgress = Callable[[str, int, int], None]


def trunk(path: Path) -> timbre.Timbre:
    """Return the network of a file as `weights/timbre.safetensors`, its head untrained."""
    network = timbre.Timbre()
    network.eval().requires_grad_(False)
    state = timbre.whole(weights.load_state(path))
    state["head.weight"], state["head.bias"] = (
        torch.zeros_like(p) for p in network.head.parameters()
    )
    weights.load_strict(network, state, path.name)
    return network


def window(samples: np.ndarray) -> torch.Tensor:
    """Return float32 [64000] as the pipeline hands it over."""
    return torch.from_numpy(repeated(samples / 32_768, SAMPLES).copy())


def version(clip: Clip, name: str) -> np.ndarray:
    """Return int16 [n] of a clip: as it is ("0"), or under one of `CONDITIONS`; at one loudness."""
    x = decode(str(clip.path), SAMPLES / 16_000)
    if name in CONDITIONS:
        x = CONDITIONS[name](x, np.random.default_rng(3))
    x = x[:SAMPLES] / max(float(np.abs(x).max(initial=0)), 1e-4) * 0.9
    scaled: np.ndarray = (np.clip(x, -1, 1) * 32_767).astype(np.int16)
    return scaled


def statistics(
    clips: Sequence[Clip],
    name: str,
    network: timbre.Timbre,
    folder: Path,
    on_progress: OnProgress = lambda name, done, total: None,
) -> np.ndarray:
    """Return float32 [clips, 3897] of a version, the level of the upper half last; from `folder`
    where it was made before."""
    target = folder / f"{name.replace('/', ' per ')}.npy"
    if target.is_file() and len(known := np.load(target)) == len(clips):
        return np.asarray(known)
    rows: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(clips), BATCH):
            samples = [window(version(clip, name)) for clip in clips[start : start + BATCH]]
            batch = torch.stack(samples)
            read = [network.statistics(batch), timbre.upper_half(batch)[:, None]]
            rows.append(torch.cat(read, 1).numpy())
            on_progress(name, min(start + BATCH, len(clips)), len(clips))
    found = np.concatenate(rows)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(target, found)
    return found
