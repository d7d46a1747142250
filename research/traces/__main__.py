"""Teach a trunk; see the package."""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.evaluation import groups
from detector.evaluation.labels import read_labels
from detector.models.lite import EarlyLite
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import read_recipe
from detector.training.run import faces
from detector.weights import load_state
from research.traces.edits import DECODERS, Decoder, edited, regions
from research.traces.network import PLACES, TraceNet, loss
from research.traces.pictures import finished, uniform, worn

MOST = 12
"""frames of a clip"""
RATE, HEADS_RATE, DECAY = 5e-4, 2e-3, 1e-2
SHARE_OF_DECODERS = 0.04
"""of the time, in which autoencoders learn to draw the originals again"""
PLAIN = 0.4
"""of the crops that are not resized"""
AVERAGED = 0.999


class Originals:
    """Frames of originals on a device, each source drawn by the root of its clips."""

    def __init__(self, cache: FaceCache, entries: Sequence[Faces], device: str) -> None:
        self.clips: dict[str, list[tuple[int, int]]] = {}
        frames, at = [], 0
        for entry in entries:
            some = torch.from_numpy(cache.frames(entry)[:MOST].copy())
            self.clips.setdefault(entry.source, []).append((at, len(some)))
            frames.append(some)
            at += len(some)
        self.frames = torch.cat(frames).permute(0, 3, 1, 2).contiguous().to(device)

    def drawn(self, count: int, rng: random.Random) -> list[tuple[int, int]]:
        """Draw clips."""
        often = [math.sqrt(len(clips)) for clips in self.clips.values()]
        return [rng.choice(s) for s in rng.choices(list(self.clips.values()), often, k=count)]

    def shown(
        self, clips: Sequence[tuple[int, int]], side: int, rng: random.Random, plain: float = PLAIN
    ) -> Tensor:
        """Return a face of each clip, float [N, 3, side, side]: some cut where the face is, or
        nearly, the others resized, half of them mirrored."""
        places = torch.tensor([first + rng.randrange(count) for first, count in clips])
        whole = self.frames[places.to(self.frames.device)].float()
        count, size, same = len(whole), whole.shape[-1], round(len(whole) * plain)
        edge = (size - side) // 2
        moved = [edge + rng.randint(-edge // 2, edge // 2) for _ in range(2 * same)]
        cut = [
            one[:, top : top + side, left : left + side]
            for one, top, left in zip(whole, moved[:same], moved[same:], strict=False)
        ]
        rest = count - same
        matrix = torch.zeros(rest, 2, 3, device=whole.device)
        matrix[:, 0, 0] = matrix[:, 1, 1] = uniform(rest, 0.72, 1.12, whole) * side / size
        for k in range(2):
            matrix[:, k, 2] = uniform(rest, -0.06, 0.06, whole)
        if rest:
            grid = F.affine_grid(matrix, [rest, 3, side, side], align_corners=False)
            resampled = F.grid_sample(
                whole[same:], grid, mode="bicubic", padding_mode="reflection", align_corners=False
            )
            cut += list(resampled.clamp(0, 255))
        shown = torch.stack(cut)
        mirrored = (uniform(count, 0, 1, whole) < 0.5)[:, None, None, None]
        return torch.where(mirrored, shown.flip(-1), shown)


def decoders_of(
    originals: Originals, side: int, seconds: float, rng: random.Random
) -> list[nn.Module]:
    """Return autoencoders that learned for so long to draw the originals again."""
    device = originals.frames.device
    made = nn.ModuleList([Decoder(*how) for how in DECODERS]).to(device)
    optimizer = torch.optim.Adam(made.parameters(), 2e-3)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        some = originals.shown(originals.drawn(32, rng), side, rng, 0.0)
        some = some[:, :, side // 4 : -side // 4, side // 4 : -side // 4] / 127.5 - 1
        with torch.autocast(device.type, torch.bfloat16):
            error = torch.stack([(one(some).float() - some).abs().mean() for one in made]).sum()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    return list(made.eval().requires_grad_(False))


def taught(
    originals: Originals, trunk: dict[str, Tensor], side: int, seconds: float, pairs: int, seed: int
) -> EarlyLite:
    """Return a trunk that learned for so long, by so many originals a step; averaged weights."""
    rng, began, device = random.Random(seed), time.monotonic(), originals.frames.device
    torch.manual_seed(seed)
    network = TraceNet()
    network.features.load_state_dict(
        {name: trunk[f"features.{name}"].float() for name in network.features.state_dict()}
    )
    network.to(device).to(memory_format=torch.channels_last).train()
    inner = {id(weight) for weight in network.features.parameters()}
    groups_of = [
        {"params": [w for w in network.parameters() if (id(w) in inner) is of_trunk], "base": base}
        for of_trunk, base in ((True, RATE), (False, HEADS_RATE))
    ]
    optimizer = torch.optim.AdamW(groups_of, lr=RATE, weight_decay=DECAY)
    decoders = decoders_of(originals, side, seconds * SHARE_OF_DECODERS, rng)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    step = 0
    while (share := (time.monotonic() - began) / seconds) < 1 or not step:
        for group in optimizer.param_groups:
            slow = min(1, (step + 1) / 100) * (1 + math.cos(math.pi * min(1, share))) / 2
            group["lr"] = group["base"] * slow + 1e-6
        with torch.no_grad():
            clips = originals.drawn(pairs, rng)
            focus = regions(pairs, side, rng, originals.frames)
            x, done = worn(originals.shown(clips, side, rng), rng, focus)
            others = originals.shown(clips, side, rng) if rng.random() < 0.5 else x.roll(1, 0)
            changed, touched = edited(x, others, decoders, rng)
            mask = regions(pairs, side, rng, x) * touched[:, None, None, None]
            mask = mask * uniform(pairs, 0.6, 1.4, x).clamp_max(1)[:, None, None, None]
            both, done = finished(x, x * (1 - mask) + changed * mask, rng, done)
            edit = F.avg_pool2d((mask > 0.4).float(), side // PLACES)
            seen = (both / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            said = network(seen)
        error = loss(said, edit, touched, done)
        optimizer.zero_grad(set_to_none=True)
        error.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        step += 1
        kept = min(AVERAGED, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, 1 - kept)
        if step % 50 == 0:
            print(f"{step} steps, {2 * pairs * step} pictures, loss {float(error.detach()):.3f}")
    network.load_state_dict(average)
    trunk_now: EarlyLite = network.features.cpu()
    return trunk_now


def main() -> None:
    """Teach, and write the trunk."""
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(
        description="A trunk that sees where pictures were edited, for unmask train --begin."
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--begin", type=Path, required=True, help="the trunk of EfficientNet-Lite0")
    parser.add_argument("--recipe", default="texture", help="whose faces are looked at")
    parser.add_argument("--leave-out", default="", metavar="FOLD,FOLD")
    parser.add_argument("--seconds", type=float, default=172.0)
    parser.add_argument("--pairs", type=int, default=64, help="originals in a step")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    recipe = read_recipe(args.recipe)
    items = [item for item in read_labels(args.labels) if item.kind == "video"]
    (cache,) = faces(recipe, items, args.cache, lambda *_: None).values()
    known = groups.leave_out(cache.entries, args.leave_out)[0] if args.leave_out else cache.entries
    originals = Originals(cache, [entry for entry in known if entry.label == 0], args.device)
    trunk = load_state(args.begin)
    features = taught(originals, trunk, recipe.crop.size, args.seconds, args.pairs, args.seed)
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, args.out)
    print(args.out)


if __name__ == "__main__":
    main()
