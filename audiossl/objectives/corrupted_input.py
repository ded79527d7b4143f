"""Encoding what was corrupted with batch norms that will meet what was not."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.models.encoder import Encoder, Frames
from audiossl.models.gin import kept_statistics


def encode_corrupted(
    encoder: Encoder, corrupted: Float[Tensor, "B C L"], clean: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]
) -> Frames:
    """Encode corrupted windows; batch norms keep, in training, the statistics of clean ones.

    These are what the trained encoder is used on. A forward pass of the clean windows without gradients gives them.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder, clean = ResNet1d(1, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)).train(), torch.randn(2, 1, 64)
    >>> frames = encode_corrupted(encoder, 0 * clean, clean, torch.tensor([64, 64]))
    >>> bool(encoder.stem_norm.running_var.abs().sum() > 0), int(encoder.stem_norm.num_batches_tracked)
    (True, 2)
    """
    module = cast(nn.Module, encoder)
    with kept_statistics(module):
        frames = encoder(corrupted, lengths)
    # After the pass that is trained, since torch up to 2.10 gives a pass the weights that autocast cast without gradients before.
    if module.training and any(isinstance(norm, nn.BatchNorm1d) for norm in module.modules()):
        with torch.no_grad():
            encoder(clean, lengths)
    return frames
