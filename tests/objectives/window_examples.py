"""Windows and small encoders that tests of objectives on windows share."""

from __future__ import annotations

from dataclasses import replace

import torch

from audiossl.models.dilated_cnn import DilatedCNN, DilatedCNNConfig
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.objectives.crops import CropConfig, Crops, cut_crops
from audiossl.objectives.objective import Needs, Objective
from audiossl.objectives.window_batch import WindowBatch


def windows(count=6, size=64, seed=0, lengths=None):
    """Noise of six channels, zero beyond the lengths; two windows of each subject."""
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(count, 6, size, generator=generator)
    lengths = torch.tensor(lengths or [size] * count)
    for row, length in enumerate(lengths.tolist()):
        signal[row, :, length:] = 0
    ids = [f"w{seed}-{i}" for i in range(count)]
    return WindowBatch(signal, lengths, ids, [f"s{i // 2}" for i in range(count)], 50.0, epoch=1, seed=3)


def reorder(batch, order):
    """The same windows in another order."""
    rows = torch.tensor(order)
    ids, subjects = [batch.ids[i] for i in order], [batch.subjects[i] for i in order]
    return replace(batch, signal=batch.signal[rows], lengths=batch.lengths[rows], ids=ids, subjects=subjects)


def bring(batch, needs):
    """The same windows with what an objective needs; what belongs to a window does not depend on the others."""
    if Needs.PARTNER in needs:
        other = batch.signal.flip(1) + 0.1 * batch.signal
        batch = replace(batch, partner=other, partner_lengths=batch.lengths, bags=batch.subjects)
    if Needs.CROPS in needs:
        crops = cut_crops(batch.signal, batch.lengths, batch.ids, (batch.seed, batch.epoch), CropConfig(0.75))
        batch = replace(batch, crops=crops)
    if Needs.DENSE_ENCODER in needs:
        rows = zip(batch.signal, batch.lengths.tolist(), strict=True)
        pieces = [(x[:, :length], 0.0, 1.0) for row, length in rows for x in (row, row.flip(0))]
        batch = replace(batch, matches=Crops.of(pieces))
    return batch


def fed(objective: Objective) -> Objective:
    """The same objective, which finds in plain batches of windows whatever it needs."""
    objective.register_forward_pre_hook(lambda module, inputs: (bring(inputs[0], module.needs),))
    return objective


def take_steps(objective, first, last):
    """Train for some steps as the loop does; return the losses."""
    losses = []
    parameters = [p for p in objective.parameters() if p.requires_grad]
    for step in range(first, last):
        torch.manual_seed(step)
        objective.train().before_step(step, 0.0)
        loss = objective(windows(6, seed=step))
        for p, grad in zip(parameters, torch.autograd.grad(loss.total / loss.weight, parameters), strict=True):
            p.data -= 0.05 * grad
        objective.after_step(step + 1)
        losses.append(float(loss.total.detach()))
    return losses


def small_resnet(**options):
    """A frame for every two samples, 16 wide; without dropout, so that it gives the same twice."""
    torch.manual_seed(0)
    return ResNet1d(6, 50.0, ResNet1dConfig(**{"width": 8, "num_blocks": 2, "dim": 16, "dropout": 0.0, **options}))


def small_dilated_cnn():
    """A frame for every sample, 12 wide, without dropout."""
    torch.manual_seed(0)
    return DilatedCNN(6, 50.0, DilatedCNNConfig(width=8, depth=2, dim=12, dropout=0.0))
