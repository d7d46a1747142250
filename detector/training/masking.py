"""Masked pretraining of the small VideoMAE: what is behind the mask? No labels are needed.

Tong et al., VideoMAE, NeurIPS 2022: whole tubes are hidden (the same places in all frames, so that
nothing can be copied from a neighboring frame), most of the clip, and the decoder has to give the
normalized maps back. The decoder is that of `transformers` and is thrown away afterwards.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from detector.errors import UsageError
from detector.models.families.videomae import HybridVideoMae
from detector.training import pool
from detector.training.fit import TrainingOptions, fit
from detector.training.recipe import Recipe


class Masked(nn.Module):
    """The encoder of a `HybridVideoMae` with a decoder. `forward` gives each clip batch's loss.

    Parameters
    ----------
    network : HybridVideoMae
        Its encoder is shared, not copied.
    masked : float
        Share of the places that are hidden.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: HybridVideoMae, masked: float) -> None:
        super().__init__()
        from transformers import VideoMAEForPreTraining

        config = network.mae.config
        config.decoder_hidden_size = config.hidden_size // 2
        config.decoder_num_hidden_layers = 2
        config.decoder_num_attention_heads = config.num_attention_heads
        config.decoder_intermediate_size = config.hidden_size
        self.whole = VideoMAEForPreTraining(config)
        self.whole.videomae = network.mae.videomae
        self.places = (config.image_size // config.patch_size) ** 2
        self.times = config.num_frames // config.tubelet_size
        self.hidden = min(self.places - 1, max(1, round(masked * self.places)))
        self.register_buffer("mean", network.mean.clone())
        self.register_buffer("std", network.std.clone())

    def mask(self, count: int) -> Tensor:
        """Hidden tokens, bool [count, tokens]: the same places at all times."""
        order = torch.rand(count, self.places, device=self.mean.device).argsort(1)
        return (order < self.hidden).repeat(1, self.times)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn maps [N, T, 96, h, w] into the mean squared error on what is hidden, [1]."""
        shape = (1, 1, -1, 1, 1)
        scaled = (maps - self.mean.view(shape)) / self.std.view(shape)
        return self.whole(pixel_values=scaled, bool_masked_pos=self.mask(len(maps))).loss[None]


class HeldOutLoss:
    """The loss on held-out clips, always under the same masks."""

    def __init__(self, maps: np.ndarray) -> None:
        self.maps = maps

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        network.eval()
        torch.manual_seed(0)
        rows = [torch.from_numpy(np.asarray(row, np.float32)) for row in self.maps]
        return {"held-out loss": float(np.mean([float(network(row)) for row in rows]))}


def pretrain(
    network: HybridVideoMae,
    plan: Recipe,
    maps: np.ndarray,
    run: TrainingOptions,
    *,
    held: np.ndarray | None = None,
) -> None:
    """Pretrain the encoder of a network, in place.

    Parameters
    ----------
    network : HybridVideoMae
        With the scale of its maps set.
    plan : Recipe
        Its `pretrain` says for how long.
    maps : array [count, K, T, 96, h, w]
        A pool; labels play no part.
    run : TrainingOptions
        With a folder of its own: `fit` leaves its record there.
    held : array [count, K, T, 96, h, w], optional
        Clips to watch the loss on.

    Raises
    ------
    UsageError
        The recipe asks for no pretraining.
    """
    if (how := plan.pretrain) is None:
        raise UsageError(f"The recipe {plan.name!r} has no pretraining.")
    changes = {"images": how.images, "rate": how.rate, "pairs": how.clips // 2}
    plan = plan.model_copy(update=changes)
    trained = fit(
        Masked(network, how.masked),
        plan,
        lambda step: pool.draw_any(maps, plan, step),
        run,
        objective=lambda loss, labels: loss.mean(),
        check=None if held is None else HeldOutLoss(held),
        stage="masking",
    )
    assert isinstance(trained, Masked)
    network.mae.videomae.load_state_dict(trained.whole.videomae.state_dict())
