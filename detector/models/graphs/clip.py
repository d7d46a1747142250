"""CLIP ViT-B/16 as a graph: the trunk as published or tuned, and in VideoMAE's layout.

What each computes is described by its family in PyTorch (`families/clip_vit.py`, `videomae.py`),
whose gradients draw heatmaps; tests compare the two."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from detector.models.graphs import layers
from detector.models.graphs.layers import Node, State

WIDTH, HEADS = 768, 12
TOKENS = 197
"""of a picture: the class token and 14 x 14 patches; of a clip: 4 x 7 x 7 tubelets"""
BLOCKS = (6, 8, 10, 12)
"""Blocks, counted from 1, whose class tokens are read"""
EVERY_BLOCK = tuple(range(4, 13))
"""Blocks that layers over the shared trunk may read"""


def tuned(trunk: State, changes: State) -> dict[str, np.ndarray]:
    """Return the trunk with tuned tensors in place and `lora_b @ lora_a` added."""
    state = dict(trunk)
    for name, tensor in changes.items():
        if name.endswith(".lora_a"):
            layer = name.removesuffix("lora_a")
            update = changes[f"{layer}lora_b"].astype(np.float32) @ tensor.astype(np.float32)
            state[f"{layer}weight"] = state[f"{layer}weight"] + update
        elif not name.endswith(".lora_b"):
            state[name] = tensor
    return state


def block(x: Node, state: State, name: str) -> Node:
    """Return the tokens after a block: [N, T, 768]."""
    ops = layers.ops()

    def heads(part: str) -> Node:
        tokens = layers.linear(normal, state, f"{name}.self_attn.{part}")
        return layers.transpose(layers.reshape(tokens, 0, 0, HEADS, WIDTH // HEADS), 0, 2, 1, 3)

    normal = layers.layer_norm(x, state, f"{name}.layer_norm1")
    attended = layers.attend(heads("q_proj"), heads("k_proj"), heads("v_proj"))
    joined = layers.reshape(layers.transpose(attended, 0, 2, 1, 3), 0, 0, WIDTH)
    x = layers.add(x, layers.linear(joined, state, f"{name}.self_attn.out_proj"))
    wide = layers.linear(
        layers.layer_norm(x, state, f"{name}.layer_norm2"), state, f"{name}.mlp.fc1"
    )
    gelu = ops.swish(wide, layers.constant(1.702))
    return layers.add(x, layers.linear(gelu, state, f"{name}.mlp.fc2"))


def _encoded(x: Node, state: State, read: tuple[int, ...]) -> list[Node]:
    """Return the class token after each of the blocks, [N, 768]."""
    found = []
    for number in range(max(read)):
        x = block(x, state, f"vision.encoder.layers.{number}")
        if number + 1 in read:
            found.append(layers.pick(x, 1, 0))
    return found


def _pictures(state: State, x: Node) -> Node:
    """Return the tokens of pictures, normalized: [N, 197, 768]."""
    ops, own = layers.ops(), "vision.embeddings"
    maps = layers.convolve(x, state[f"{own}.patch_embedding.weight"], 16)
    patches = layers.transpose(layers.reshape(maps, 0, WIDTH, -1), 0, 2, 1)
    first = _for_each(state[f"{own}.class_embedding"], x)
    tokens = layers.add(
        ops.concat([first, patches], 1), state[f"{own}.position_embedding.weight"][None]
    )
    return layers.layer_norm(tokens, state, "vision.pre_layrnorm")


def _for_each(token: np.ndarray, x: Node) -> Node:
    """Return a token for each item of a batch: [N, 1, 768]."""
    ops = layers.ops()
    count = layers.pick(ops.shape_of(x), 0, [0])
    return ops.broadcast(layers.constant(token), ops.concat([count, layers.axes(1, WIDTH)], 0))


def _classified(read: list[Node], layer: State) -> Node:
    """Return the logits of class tokens, [N, 768] each."""
    features = layers.unit(layers.ops().concat(read, 1))
    weight = layer["head.weight"].astype(np.float32) * np.exp(layer["scale"].astype(np.float32))
    return layers.linear(features, {"head.weight": weight, "head.bias": layer["head.bias"]}, "head")


def whole(state: State) -> Any:
    """Return the tuned network: float [N, 3, 224, 224] -> logits [N, outputs]."""
    x = layers.parameter(-1, 3, 224, 224)
    read = _encoded(_pictures(state, x), state, BLOCKS)
    return layers.model([_classified([layers.layer_norm(t) for t in read], state)], x)


def pictures(state: State) -> Any:
    """Return the embedding of pictures: float [N, 3, 224, 224] -> tokens [N, 197, 768]."""
    x = layers.parameter(-1, 3, 224, 224)
    return layers.model([_pictures(state, x)], x)


def trunk(state: State) -> Any:
    """Return the blocks: tokens [N, 197, 768] -> class tokens [N, blocks, 768]."""
    x = layers.parameter(-1, TOKENS, WIDTH)
    tokens = [layers.ops().unsqueeze(t, layers.axes(1)) for t in _encoded(x, state, EVERY_BLOCK)]
    return layers.model([layers.layer_norm(layers.ops().concat(tokens, 1))], x)


def over_tokens(layer: State) -> Any:
    """Return a layer: class tokens [N, blocks, 768] -> logits, and the tokens, [N, blocks * 768],
    which `detector.models.unlike` reads."""
    x = layers.parameter(-1, len(EVERY_BLOCK), WIDTH)
    blocks = BLOCKS if layer["head.weight"].shape[1] == len(BLOCKS) * WIDTH else EVERY_BLOCK
    read = [layers.pick(x, 1, EVERY_BLOCK.index(number)) for number in blocks]
    return layers.model([_classified(read, layer), layers.reshape(x, 0, -1)], x)


def clips(state: State, *, side: int, frames: int, tubelet: int) -> Any:
    """Return the embedding of clips in VideoMAE's layout: float [N, frames, 3, side, side] ->
    tokens [N, 197, 768], so that the same blocks take them as pictures."""
    ops, own = layers.ops(), "vision.embeddings"
    x = layers.parameter(-1, frames, 3, side, side)
    # The picture's weights shared out over the frames of a tubelet are those of its mean.
    grouped = layers.reshape(x, 0, frames // tubelet, tubelet, 3, side, side)
    means = layers.reshape(layers.mean(grouped, 2), -1, 3, side, side)
    maps = layers.convolve(means, state[f"{own}.patch_embedding.weight"], 16)
    places, steps = (side // 16) ** 2, frames // tubelet
    per_step = layers.transpose(layers.reshape(maps, 0, WIDTH, places), 0, 2, 1)
    tubelets = layers.reshape(per_step, -1, steps * places, WIDTH)
    given = state[f"{own}.position_embedding.weight"]
    positions = np.tile(resized(given[1:], side // 16), (steps, 1))
    first = _for_each(state[f"{own}.class_embedding"] + given[0], x)
    tokens = ops.concat([first, layers.add(tubelets, positions[None])], 1)
    return layers.model([layers.layer_norm(tokens, state, "vision.pre_layrnorm")], x)


def over_clips(layer: State, block: int) -> Any:
    """Return VideoMAE's layer over the class token of a block: class tokens [N, blocks, 768] -> one
    logit, [N, 1]."""
    x = layers.parameter(-1, len(EVERY_BLOCK), WIDTH)
    token = layers.pick(x, 1, EVERY_BLOCK.index(block))
    return layers.model([layers.linear(token, layer, "classifier")], x)


def resized(positions: np.ndarray, side: int) -> np.ndarray:
    """Return positions [places, C] at another resolution, bicubic with antialiasing."""
    old = round(len(positions) ** 0.5)
    planes = positions.T.reshape(-1, old, old).astype(np.float32)
    small = [Image.fromarray(p).resize((side, side), Image.Resampling.BICUBIC) for p in planes]
    return np.stack([np.asarray(p) for p in small]).reshape(len(planes), -1).T
