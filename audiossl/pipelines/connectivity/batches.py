"""Batches of crops of BOLD runs, which pre-training reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.objectives.window_batch import WindowBatch
from audiossl.objectives.window_labels import LabelledWindowBatch
from audiossl.pipelines.connectivity.parts import Part
from audiossl.seeds import derive_generator
from audiossl.world import World


class RunCrops:
    """Batches of random crops, one of each part of a run: crops of one length, so that nothing is padded.

    Crops begin where `usable_starts` says, so that none is of censored volumes.

    Args:
        parts: with the places where a crop may begin.
        crop: volumes.
        batch_runs: parts in a batch, at most.
        rate: volumes a second.
        seed: seed of order and crops.
        labels: labels of each part.
        subjects: whom each part is of, which are then the bags: each crop has a partner of another part of its subject, or of the
            same part where there is no other.
    """

    def __init__(
        self,
        parts: list[Part],
        crop: int,
        batch_runs: int,
        rate: float,
        seed: int,
        *,
        labels: list[int] | None = None,
        subjects: Sequence[str] | None = None,
    ) -> None:
        self.parts, self.crop, self.size, self.rate, self.seed = parts, crop, min(batch_runs, len(parts)), rate, seed
        self.labels, self.subjects, self.world = labels, subjects, World.join()
        self.failed: dict[str, Exception] = {}  # runs are in memory

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of every epoch."""
        return max(1, len(self.parts) // self.size // batches_per_step)

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[WindowBatch | LabelledWindowBatch]:
        """Iterate over this rank's batches of an epoch, from any step on."""
        order = torch.randperm(len(self.parts), generator=derive_generator(self.seed, "runs", epoch))
        batches = list(order[: len(order) // self.size * self.size].split(self.size))
        batches = batches * batches_per_step if len(batches) < batches_per_step else batches
        for step in range(first_step, len(batches) // batches_per_step):
            group = batches[step * batches_per_step : (step + 1) * batches_per_step]
            for place in range(self.world.rank, len(group), self.world.size):
                yield self._batch(group[place].tolist(), epoch, step * batches_per_step + place)

    def fixed(self) -> list[WindowBatch]:
        """One batch of the last crop of every part, for a measurement."""
        signal = torch.stack([part.cut(part.starts[-1], self.crop) for part in self.parts])
        return [_as_batch(signal, self.rate)]

    def _batch(self, rows: list[int], epoch: int, place: int) -> WindowBatch | LabelledWindowBatch:
        generator = derive_generator(self.seed, "crops", epoch, place)
        batch = _as_batch(self._cut(rows, generator), self.rate)
        if self.subjects is not None:
            subjects = [self.subjects[row] for row in rows]
            other = self._cut([self._another(row, generator) for row in rows], generator)
            # Ids differ between the parts of a run and of a subject; they and the epoch decide what a view is changed by.
            return replace(
                batch, ids=[f"{subject} {row}" for subject, row in zip(subjects, rows, strict=True)], subjects=subjects,
                epoch=epoch, seed=self.seed, partner=other, partner_lengths=batch.lengths, bags=subjects,
            )  # fmt: skip
        return batch if self.labels is None else LabelledWindowBatch(batch, torch.tensor([self.labels[row] for row in rows]))

    def _cut(self, rows: list[int], generator: torch.Generator) -> Float[Tensor, "B N T"]:
        """A random crop of each part."""
        crops = []
        for part in (self.parts[row] for row in rows):
            place = int(torch.randint(len(part.starts), (), generator=generator))
            crops.append(part.cut(part.starts[place], self.crop))
        return torch.stack(crops)

    def _another(self, row: int, generator: torch.Generator) -> int:
        """Another part of the same subject, or this one."""
        assert self.subjects is not None
        others = [i for i, name in enumerate(self.subjects) if name == self.subjects[row] and i != row]
        return others[int(torch.randint(len(others), (), generator=generator))] if others else row


def _as_batch(signal: Float[Tensor, "B N T"], rate: float) -> WindowBatch:
    names = [str(i) for i in range(len(signal))]
    return WindowBatch(signal, torch.full((len(signal),), signal.shape[2]), names, names, rate)
