"""An objective with two heads on batches that lack one of them, and what a process of a run on several ranks does with it."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.seeds import derive_generator
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit
from audiossl.training.sharing import local
from audiossl.world import World

CONFIG = TrainingConfig(
    optimiser="scaled_adam", lr=0.02, schedule="cosine", warmup_steps=5, max_steps=50, batch_seconds=8.0, validate_every=0,
    checkpoint_every=10, log_every=1, keep=2, health_frames=0, seed=5, device="cpu", tensorboard=False,
)  # fmt: skip
BATCHES = 13  # per epoch


@dataclass
class Vectors:
    """Vectors, and the heads that have targets for them."""

    x: torch.Tensor
    heads: list[str]
    ids: list[str] = field(default_factory=list)

    @property
    def seconds(self):
        return float(len(self.x))

    def to(self, device):
        return replace(self, x=self.x.to(device))


class TwoHeads(Objective):
    """Learns sin(x) and cos(x); the weight of a batch is its size times its heads."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.ModuleList([nn.Linear(4, 15), nn.Linear(15, 16)])
        self.gain, self.shift = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(1, 16))
        self.heads = nn.ModuleDict({name: nn.Linear(16, 4) for name in ("sin", "cos")})
        self.dies_at = -1
        self.notes: Path | None = None  # folder for a file of each rank: what ranks print may come interleaved

    def before_step(self, step, seconds):
        if step == 0 and self.notes is not None:
            numbers = [sum(size(param) for param in self.parameters()) for size in (lambda own: local(own).numel(), torch.numel)]
            (self.notes / f"held{World.join().rank}.json").write_text(json.dumps(numbers))
        if step == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _centred(self, hidden):
        return hidden

    def forward(self, batch):
        hidden = batch.x
        for layer in self.layers:
            hidden = self.gain * torch.tanh(layer(hidden))
        hidden = self._centred(hidden + self.shift)
        errors = {name: (self.heads[name](hidden) - getattr(batch.x, name)()).square().sum() for name in batch.heads}
        count = len(batch.x)
        parts = {name: Ratio(error.detach(), count) for name, error in errors.items()}
        return Loss(torch.stack(list(errors.values())).sum(), float(count * len(errors)), parts)


class Remembering(TwoHeads):
    """Subtracts a mean of what its rank has seen, as batch norms and moving averages do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(16))

    def _centred(self, hidden):
        if self.training:
            self.mean.lerp_(hidden.detach().mean(0), 0.3)
        return hidden - self.mean


def batches(epoch, first, per_step):
    """This rank's share of batches of 3 to 15 vectors; a third have both heads, a third sin only, a third cos only."""
    world = World.join()
    for step in range(first, BATCHES // per_step):
        for slot in range(world.rank, per_step, world.size):
            index = step * per_step + slot
            x = torch.randn(3 + index, 4, generator=derive_generator(9, epoch, index))
            yield Vectors(x, [["sin"], ["cos"], ["sin", "cos"]][(index + epoch) % 3])


def validation():
    """This rank's validation batches: the first rank has one more than the others."""
    world = World.join()
    for index in range(world.rank, 3, world.size):
        yield Vectors(torch.randn(5, 4, generator=derive_generator(9, "valid", index)), ["sin", "cos"])


def train(out: Path, accumulate: int, dies_at: int = -1, remembers: bool = False, **options: object) -> TwoHeads:
    """Train in this process; at step `dies_at` rank 1 kills itself, but not when torchrun has started it again."""
    objective = Remembering() if remembers else TwoHeads()
    is_first_start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
    out.mkdir(parents=True, exist_ok=True)
    objective.notes = out
    objective.dies_at = dies_at if World.join().rank == 1 and is_first_start else -1
    fit(objective, batches, replace(CONFIG, accumulate=accumulate, **options), out, validation=validation)
    return objective


if __name__ == "__main__":
    out, accumulate, dies_at, options = sys.argv[1:]
    objective = train(Path(out), int(accumulate), int(dies_at), **json.loads(options))
    torch.save(objective.state_dict(), Path(out) / f"rank{World.join().rank}.pt")
    World.join().leave()  # as the command line does; a process that just ends may abort while its threads still wait for others
