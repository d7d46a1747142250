"""Self-blended clips: each frame may pass for untouched, the fault is in time.

A self-blended image (`blend`) has a fault in space. Here one blending is drawn for the clip and
then goes wrong over time in one way (`WAYS`) as manipulations do that are made frame by frame:
a region that trembles in place, comes and goes, changes its light, stands still while the head
moves, or a mouth that moves by itself.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from detector.training import blend
from detector.training.blend import BlendParams, Points

WAYS = {"swell": 0.3, "tremble": 0.25, "light": 0.1, "freeze": 0.15, "mouth": 0.2}
"""What goes wrong, and how often.

swell: the region comes and goes. tremble: it jitters in place. light: its color wanders.
freeze: it stands still for some frames. mouth: it is warped open and shut.
"""
MOUTH = 0.045
"""Of the picture's side: how far a warped mouth moves at most."""


def blend_clip(
    clip: np.ndarray,
    points: Points,
    rng: np.random.Generator,
    donor: tuple[np.ndarray, Points] | None = None,
    way: str | None = None,
) -> np.ndarray:
    """Blend a clip with itself, or with a face of somebody else.

    Parameters
    ----------
    clip : uint8 array [T, H, W, 3]
    points : five landmarks of the first frame in px; empty: the average place in a tight crop
    rng : Generator
    donor : (uint8 array [H, W, 3], five landmarks), optional
        Somebody else's face, laid over the clip and left as it is while the clip goes on.
    way : str, optional
        One of `WAYS`; drawn if not given.

    Returns
    -------
    uint8 array [T, H, W, 3]
    """
    if way is None:
        way = str(rng.choice(list(WAYS), p=list(WAYS.values())))
        # Nothing can stand still in a picture that does.
        way = "mouth" if way == "freeze" and np.array_equal(clip[0], clip[-1]) else way
    drawn = blend.draw(rng)
    if way == "freeze":
        return _freeze(clip, points, drawn, rng)
    if way == "mouth":
        return _mouth(clip, points, rng)
    if way == "tremble" or _idle(drawn):
        drawn = replace(drawn, outside=False)  # only a face is moved, its surroundings are not
    steps = _course(drawn, way, len(clip), rng)
    pairs = zip(clip, steps, strict=True)
    if donor is None:
        return np.stack([blend.apply(picture, points, step) for picture, step in pairs])
    return np.stack([blend.of_two(picture, points, *donor, step) for picture, step in pairs])


def _idle(drawn: BlendParams) -> bool:
    """Whether a copy of the surroundings would be no other than they are."""
    plain = np.array_equal(drawn.color, np.stack([np.ones(3), np.zeros(3)], 1))
    return plain and not drawn.soft and not drawn.sharp and drawn.shrink == 1


def _course(
    drawn: BlendParams, way: str, frames: int, rng: np.random.Generator
) -> list[BlendParams]:
    """One blending a frame."""
    wave = _wave(frames, rng)
    jitter = rng.normal(0, rng.uniform(0.003, 0.012) if way == "tremble" else 0.002, (frames, 2))
    depth = rng.uniform(0.3, 1.0) if way == "swell" else 0.0
    gain = 1 + rng.uniform(0.04, 0.12) * (2 * wave - 1) if way == "light" else np.ones(frames)
    out = []
    for t in range(frames):
        matrix = drawn.matrix.copy()
        matrix[:, 2] += jitter[t]
        color = drawn.color * (gain[t], 1.0)
        strength = drawn.strength * float(1 - depth * wave[t])
        out.append(replace(drawn, matrix=matrix, color=color, strength=strength))
    return out


def _freeze(
    clip: np.ndarray, points: Points, drawn: BlendParams, rng: np.random.Generator
) -> np.ndarray:
    """Show an earlier frame for a while, once or more often."""
    height, width = clip.shape[1:3]
    weight = blend.mask((height, width), blend.known(points, (height, width)), drawn)[..., None]
    shown = np.arange(len(clip))
    t = int(rng.integers(1, 3))
    while t < len(clip):
        held = int(rng.integers(2, 6))
        shown[t : t + held] = shown[t - 1]
        t += held + int(rng.integers(1, 5))
    return blend.mixed(clip, clip[shown], weight)


def _mouth(clip: np.ndarray, points: Points, rng: np.random.Generator) -> np.ndarray:
    """Pull the mouth up and down (and a little sideways) in a rhythm of its own."""
    height, width = clip.shape[1:3]
    five = np.asarray(blend.known(points, (height, width)), np.float32)
    center = (five[3] + five[4]) / 2
    reach = 0.9 * float(np.hypot(*(five[4] - five[3]))) + 1.0
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    near = np.exp(-(((grid_x - center[0]) / reach) ** 2 + ((grid_y - center[1]) / reach) ** 2))
    # Above and below the lips move apart: an opening, not a shift of the chin.
    apart = np.tanh((grid_y - center[1]) / (0.4 * reach)) if rng.random() < 0.7 else 1.0
    far = rng.uniform(0.3, 1.0) * MOUTH * height
    up = far * (2 * _wave(len(clip), rng, fast=True) - 1)
    side = 0.3 * far * (2 * _wave(len(clip), rng) - 1)
    out = []
    for t, picture in enumerate(clip):
        maps = grid_x + near * side[t], grid_y + near * apart * up[t]
        map_x, map_y = (grid.astype(np.float32) for grid in maps)
        border = cv2.BORDER_REFLECT_101
        out.append(cv2.remap(picture, map_x, map_y, cv2.INTER_CUBIC, borderMode=border))
    return np.stack(out)


def _wave(frames: int, rng: np.random.Generator, *, fast: bool = False) -> np.ndarray:
    """Return a course over a clip in 0..1: a sine of some turns, or steps up and down."""
    phase = rng.uniform(0, 2 * np.pi)
    turns = rng.uniform(2, 6) if fast else rng.uniform(0.5, 4)
    wave = 0.5 + 0.5 * np.sin(phase + turns * 2 * np.pi * np.arange(frames) / frames)
    return np.round(wave) if not fast and rng.random() < 0.25 else wave
