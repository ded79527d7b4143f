"""Batches of few labels, and methods whose logits tests choose."""

from __future__ import annotations

import torch

from audiossl.models.frozen_frames import FrozenFrames
from audiossl.objectives.kinds import SEMI_OBJECTIVES, find_objective
from audiossl.objectives.semi_batch import SemiBatch, Views
from audiossl.objectives.window_batch import WindowBatch

K, D = 3, 5


def features(count=8, frames=1, seed=0):
    """A batch of feature vectors, or of frames of them."""
    generator = torch.Generator().manual_seed(seed)
    return WindowBatch.of(torch.randn(count, D, frames, generator=generator))


def views(count=8, frames=1, seed=0, moves=(0, 0), same=False):
    """A weak and two strong views; with `same` all are the same, but for how they are turned."""
    weak = features(count, frames, seed)
    strong = [weak if same else features(count, frames, seed + 1 + number) for number in range(len(moves))]
    turned = [WindowBatch.of(view.signal.roll(move, dims=2)) for view, move in zip(strong, moves, strict=True)]
    return Views(weak, turned, list(moves))


def batch(frames=1, moves=(0, 0), same=False, labelled=6, unlabelled=8):
    """Six labelled and eight unlabelled windows of three classes."""
    y = (torch.arange(labelled * frames) % K).view(labelled, frames)
    truth = (torch.arange(unlabelled * frames) % (K + 1) - 1).view(unlabelled, frames)
    return SemiBatch(views(labelled, frames, 10, moves, same), y, views(unlabelled, frames, 20, moves, same), truth)


def make(name, frames=False, **options):
    """A method with a linear head on frozen features."""
    torch.manual_seed(0)
    kind = find_objective(name, SEMI_OBJECTIVES)
    return kind(FrozenFrames(torch.zeros(D), torch.ones(D)), K, kind.Config(**options), frame_wise=frames)


def fixed_logits(objective, logits):
    """Let every window have the same logits, whatever it is."""
    with torch.no_grad():
        for head in [module for name, module in objective.named_modules() if name.endswith("head")]:
            head[-1].weight.zero_()
            head[-1].bias.copy_(torch.tensor(logits))
    return objective
