"""Does a small VideoMAE over tiles, pretrained by masking on every clip, see what only time shows?

    python -m research.masked LABELS.csv --cache FACES --out DIR --minutes 40 [--where face_px]

Tong et al., VideoMAE, NeurIPS 2022, in small, through `transformers`: twelve frames of a face in
its surroundings (1.5 of the box, 128 px, 0.08 s apart), cut into tiles of 16 px and two frames;
nine of ten places are hidden, and their normalized pixels have to be drawn from the rest. No
labels: all clips take part, those that are asked about, too. The run is kept in DIR and goes on
when called again. Then the encoder sees whole clips, and mean and spread of what it says over the
tiles of the face and over those around it, after half of its layers and at its end, are weighed by
one layer as recipe `texture` weighs its own, with whole kinds left out, then whole sources. Beside
it the same from an encoder that was never trained, and the same clips with their frames in the
order of chance: what that loses is what time tells.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from detector.cli.common import ProgressBar
from detector.evaluation.labels import filled, hash_of
from detector.training import motion
from detector.training.cache import FaceCache, Faces
from detector.training.input_transform import OwnInput
from detector.training.layer import COPIES, QUALITY, worse
from research.frozen import _cache, figures, left_out
from research.neighbors import WAYS

FRAMES, SIDE, TILE, TUBELET = 12, 128, 16, 2
ROOM = 8
"""px by which pictures are larger than what is shown, to move in"""
HIDDEN, LAYERS, HEADS = 192, 6, 3
MASKED, BATCH, RATE = 0.9, 32, 1e-3
CACHED_SIDE = 256
"""px of the crop whose cache is read: that of recipe `texture`"""
ACROSS, TIMES = SIDE // TILE, FRAMES // TUBELET
ORDERED, SHUFFLED = "in order", "in the order of chance"
Array = np.ndarray


class Masked(nn.Module):
    """An encoder with a decoder: clips, uint8 [N, T, S, S, 3], to the loss on what was hidden."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import VideoMAEConfig, VideoMAEForPreTraining

        self.whole = VideoMAEForPreTraining(
            VideoMAEConfig(
                image_size=SIDE, patch_size=TILE, num_frames=FRAMES, tubelet_size=TUBELET,
                hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                intermediate_size=4 * HIDDEN, decoder_hidden_size=HIDDEN // 2,
                decoder_num_hidden_layers=2, decoder_num_attention_heads=HEADS,
                decoder_intermediate_size=2 * HIDDEN, norm_pix_loss=True,
            )
        )  # fmt: skip

    def forward(self, clips: Tensor) -> Tensor:
        places = torch.rand(len(clips), ACROSS**2).argsort(1) < round(MASKED * ACROSS**2)
        hidden = places.repeat(1, TIMES)
        loss: Tensor = self.whole(pixel_values=_pixels(clips), bool_masked_pos=hidden).loss
        return loss

    @torch.inference_mode()
    def describe(self, clips: Tensor) -> Array:
        """Return what the encoder says of whole clips: float [N, 8 * HIDDEN]."""
        said = self.whole.videomae(
            pixel_values=_pixels(clips), output_hidden_states=True
        ).hidden_states
        out = []
        for layer in (LAYERS // 2, LAYERS):
            tokens = said[layer].float().unflatten(1, (TIMES, ACROSS, ACROSS))
            face = tokens[:, :, 2:-2, 1:-1].flatten(1, 3)
            top, bottom = tokens[:, :, :2].flatten(1, 3), tokens[:, :, -2:].flatten(1, 3)
            sides = tokens[:, :, 2:-2, [0, -1]].flatten(1, 3)
            for part in (face, torch.cat([top, bottom, sides], 1)):
                out += [part.mean(1), part.std(1)]
        described: Array = torch.cat(out, 1).double().numpy()
        return described


def _pixels(clips: Tensor) -> Tensor:
    # Mean and deviation of ImageNet, by which the loss takes pixels back.
    mean, std = (
        torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    pixels: Tensor = (clips.permute(0, 1, 4, 2, 3).float() / 255 - mean) / std
    return pixels


def clip_of(cache: FaceCache, entry: Faces, look: OwnInput, copy: str) -> Array:
    """Return what is cached of a face, uint8 [T, S, S, 3]; a shorter clip runs forth and back."""
    frames = cache.frames(entry)
    shown = []
    for i in motion.run(np.random.default_rng(0), min(len(frames), FRAMES), FRAMES):
        picture = look.plain(frames[i], entry, int(i))
        if copy in QUALITY:  # one draw for all frames: of one footage
            picture = worse(picture, look.crop, copy, f"{entry.source} {entry.group}")
        shown.append(picture)
    return np.stack(shown)


def pretrain(network: Masked, clips: Array, minutes: float, file: Path) -> None:
    """Train for so long, in all calls together; kept every minute."""
    optimizer = torch.optim.AdamW(network.parameters(), RATE, (0.9, 0.95), weight_decay=0.05)
    spent, step, recent = 0.0, 0, 0.0
    if file.exists():
        kept = torch.load(file, weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        spent, step = kept["spent"], kept["step"]
    rng, begun, saved = np.random.default_rng(step), time.monotonic() - spent, spent
    while spent < 60 * minutes:
        share = spent / (60 * minutes)
        for group in optimizer.param_groups:
            group["lr"] = (
                RATE * min(1.0, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * share))
            )
        drawn = clips[rng.integers(0, len(clips), BATCH)]
        x, y = rng.integers(0, 2 * ROOM + 1, 2)
        batch = torch.from_numpy(drawn[:, :, y : y + SIDE, x : x + SIDE])
        batch = batch.flip(3) if rng.random() < 0.5 else batch
        with torch.autocast("cpu", torch.bfloat16):
            loss = network(batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step, spent = step + 1, time.monotonic() - begun
        now = float(loss.detach())
        recent += 0.01 * (now - recent) if recent else now
        if spent - saved > 60 or spent >= 60 * minutes:
            saved = spent
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"spent": spent, "step": step}, file)
            print(f"{spent / 60:.0f} min, {step * BATCH} clips, loss {recent:.3f}", flush=True)


def described(network: Masked, shown: dict[str, Array], order: str) -> dict[str, Array]:
    """Return what a network says of each clip's copies: name to float [copies, features]."""
    network.eval()
    found, bar = {}, ProgressBar("clips")
    for number, (name, copies) in enumerate(shown.items()):
        clips = copies[:, :, ROOM : ROOM + SIDE, ROOM : ROOM + SIDE]
        if order == SHUFFLED:
            rng = np.random.default_rng(int(hash_of(name)[:12], 16))
            clips = clips[:, rng.permutation(FRAMES)]
        found[name] = network.describe(torch.from_numpy(clips))
        bar(number + 1, len(shown))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder of cached faces")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--where", default="", help="ask only files with this column filled")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    args.out.mkdir(parents=True, exist_ok=True)
    cache, look = _cache(args.labels, args.cache, CACHED_SIDE)
    look = OwnInput(look.crop.model_copy(update={"size": SIDE + 2 * ROOM}))
    clips = cache.entries
    shown = {
        clip.name: np.stack([clip_of(cache, clip, look, copy) for copy in COPIES]) for clip in clips
    }
    network = Masked()
    untrained = Masked()
    pretrain(
        network,
        np.stack([copies[0] for copies in shown.values()]),
        args.minutes,
        args.out / "run.pt",
    )
    asked = filled(args.labels, args.where) if args.where else {clip.name for clip in clips}
    here = [k for k, clip in enumerate(clips) if clip.name in asked]
    for what, of, order in (
        ("pretrained", network, ORDERED),
        ("pretrained", network, SHUFFLED),
        ("never trained", untrained, ORDERED),
    ):
        said = described(of, shown, order)
        np.savez(args.out / f"{what}-{order}.npz".replace(" ", "-"), **said)  # type: ignore[arg-type]
        for way, fold_of in sorted(WAYS.items()):
            logits = left_out(said, clips, fold_of)
            row = figures(logits[here], [clips[k] for k in here])
            print(f"{what}, {order}, {way} left out | {row}", flush=True)


if __name__ == "__main__":
    main()
