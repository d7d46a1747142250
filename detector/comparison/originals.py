"""The originals as the copy has them, in its colors and its light, so that what is left differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from detector.comparison import grading, light
from detector.comparison.grading import CLIPPED, Colors
from detector.comparison.measure import RIM, Layers, luma
from detector.schema.comparison import Grading

OWN = 8.0
"""gray levels by which the colors of a face are moved at most"""
WORSE = 1.1
"""What differs where light comes before colors, in multiples of where it comes after, up to which
the former is believed: after it, colors were fitted to a part of the light."""


@dataclass(frozen=True)
class Graded:
    """Originals with the copy's colors and light."""

    colors: Colors
    pictures: list[np.ndarray]
    """float32 [H, W, 3] each"""
    grading: Grading


def graded(layers: Sequence[Layers]) -> Graded:
    """Return the originals as the copy has them."""
    colors, pixels = colors_of(layers)
    pictures = [colors(layer.original) for layer in layers]
    lit = matched(layers, pictures)
    if any(one is not other for one, other in zip(lit, pictures, strict=True)):
        # Light bends the curves of colors: they are fitted again without it.
        bare = matched(layers, [layer.original for layer in layers])
        again, _ = colors_of(
            [replace(layer, original=rgb) for layer, rgb in zip(layers, bare, strict=True)]
        )
        other = matched(layers, [again(rgb) for rgb in bare])
        if _apart(layers, other) < WORSE * _apart(layers, lit):
            colors, lit = again, other
    described = grading.described(colors, pixels)
    moved = np.mean([
        np.abs(rgb - layer.original)[layer.valid].mean()
        for layer, rgb in zip(layers, lit, strict=True)
        if layer.valid.any()
    ] or [0.0])  # fmt: skip
    all_graded = described.graded or bool(moved > grading.ENCODERS)
    return Graded(colors, lit, described.model_copy(update={"graded": all_graded}))


def _apart(layers: Sequence[Layers], pictures: Sequence[np.ndarray]) -> float:
    """Return by how much the pictures differ from the copy outside faces, gray levels."""
    return float(np.mean([
        np.minimum(np.abs(rgb - layer.copy), CLIPPED)[layer.rest(RIM)].mean()
        for layer, rgb in zip(layers, pictures, strict=True)
        if layer.rest(RIM).any()
    ]))  # fmt: skip


def matched(layers: Sequence[Layers], pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return originals (float32 [H, W, 3] each) with the copy's light; those in which it is the
    same already as they are."""
    return [_lit(layer, original) for layer, original in zip(layers, pictures, strict=True)]


def _lit(layer: Layers, original: np.ndarray) -> np.ndarray:
    found = light.fit(luma(original), luma(layer.copy), layer.rest(RIM))
    return original if found is None else found(original)


def colors_of(all_layers: Sequence[Layers]) -> tuple[Colors, np.ndarray]:
    """Return the colors that make the original the copy, and the original's pixels [N, 3] they were
    fitted on."""
    a, b = [], []
    for layer in all_layers[:: max(1, len(all_layers) // 8)]:
        rest = layer.rest(RIM)
        # A few of the face's pixels: colors that are nowhere else are not guessed.
        faces = layer.valid & ~rest
        faces[1::2] = faces[:, 1::2] = False
        mask = rest | faces if rest.sum() > 300 else layer.valid
        a.append(cv2.blur(layer.original, (3, 3))[mask])
        b.append(cv2.blur(layer.copy, (3, 3))[mask])
    originals = np.concatenate(a)
    return grading.fit(originals, np.concatenate(b)), originals


def own_colors(all_layers: Sequence[Layers], graded: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Return originals with the colors of each person's face fitted again, and there alone: where a
    copy was graded, colors that are nowhere else were guessed. By a little only, which makes no
    other face the same."""
    out = [original.copy() for original in graded]
    for person in sorted({number for layer in all_layers for number, _ in layer.faces}):
        places = [
            (k, layer.region(face, RIM))
            for k, layer in enumerate(all_layers)
            for number, face in layer.faces
            if number == person
        ]
        a = np.concatenate([cv2.blur(graded[k], (3, 3))[mask] for k, mask in places])
        b = np.concatenate([cv2.blur(all_layers[k].copy, (3, 3))[mask] for k, mask in places])
        colors = grading.fit(a, b)
        for k, mask in places:
            before = out[k][mask]
            out[k][mask] = before + np.clip(colors(before) - before, -OWN, OWN)
    return out
