"""Padded batches of models that run one clip at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from audiossl.models.encoder import Frames

Clip = tuple[Float[Tensor, "L _ D"], Float[Tensor, "_ D2"]]


def joined(clips: Sequence[Clip], like: Tensor, *, own_output: bool) -> Frames:
    """Join the layers and the output of clips to a padded batch.

    Args:
        clips: layers (L, T, D) and output (T', D') of each clip.
        like: tensor of the type and on the device that are wanted.
        own_output: whether the output is another than the last layer.

    >>> one, two = torch.ones(1, 3, 2), torch.ones(1, 1, 2)
    >>> joined([(one, one[0]), (two, two[0])], one, own_output=False).lengths.tolist()
    [3, 1]
    """
    lengths = torch.tensor([layers.shape[1] for layers, _ in clips], device=like.device)
    size = int(lengths.max())
    batch = torch.stack([F.pad(layers, (0, 0, 0, size - layers.shape[1])) for layers, _ in clips], dim=1)
    layers = batch.type_as(like).unbind()
    if not own_output:
        return Frames.from_layers(list(layers), lengths)
    last_lengths = torch.tensor([len(last) for _, last in clips], device=like.device)
    size = int(last_lengths.max())
    last = torch.stack([F.pad(last, (0, 0, 0, size - len(last))) for _, last in clips])
    return Frames(layers, lengths, last.type_as(like), last_lengths)
