"""Pre-training on batches that are made from a number, the same on any device and number of ranks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audiossl.models import Zipformer
from audiossl.objectives import MaskedTokens
from audiossl.objectives.batch import TokenBatch, collate_tokens
from audiossl.objectives.masked_prediction import TokenStream
from audiossl.training import FunctionBatches, TrainingConfig, fit
from audiossl.world import World

RATE, TOKEN_RATE, CODEBOOKS, CLIP_SECONDS = 16000, 50.0, 16, 10.0
NARROW: dict[str, Any] = {"encoder_dim": [32] * 5, "feedforward_dim": [16] * 5}


def objective_of(preset: str, codebooks: int = CODEBOOKS) -> MaskedTokens:
    """Masked prediction of tokens by a Zipformer of a preset; "narrow" is `tiny` with fewer channels, for tests."""
    torch.manual_seed(0)
    student = Zipformer.from_preset("tiny", **NARROW) if preset == "narrow" else Zipformer.from_preset(preset)
    return MaskedTokens(student, {"tokens": TokenStream(TOKEN_RATE, codebooks)})


def batch_of(number: int, seconds: float) -> TokenBatch:
    """Noise and random codes drawn from a number; clips of 10 s, or one that is shorter."""
    generator = torch.Generator().manual_seed(number)
    length = min(CLIP_SECONDS, seconds)
    count = max(1, round(seconds / length))
    signals = [0.1 * torch.randn(1, round(length * RATE), generator=generator) for _ in range(count)]
    codes = [torch.randint(256, (round(length * TOKEN_RATE), CODEBOOKS), generator=generator) for _ in range(count)]
    ids = [f"{number}-{i}" for i in range(count)]
    return collate_tokens(ids, signals, [{"tokens": one} for one in codes], seed=number)


def batches_of(seconds: float) -> FunctionBatches:
    """Batches without end, each rank its own of every step."""
    world = World.join()

    def batches(epoch: int, first_step: int, per_step: int) -> Iterator[TokenBatch]:
        step = first_step
        while True:
            for place in range(world.rank, per_step, world.size):
                yield batch_of(1000 * step + place, seconds)
            step += 1

    return FunctionBatches(batches)


def train(out: Path, preset: str, config: TrainingConfig, device: str, seconds: float) -> None:
    """Train from nothing into an empty folder, without checkpoints but the last."""
    plain = replace(config, device=device, checkpoint_every=0, validate_every=0, tensorboard=False, health_frames=0)
    fit(objective_of(preset), batches_of(seconds), plain, out, quiet=True)


def logged(out: Path) -> list[dict[str, float]]:
    """Rows that a training wrote."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["split"] == "train"]


def losses_of(out: Path) -> list[float]:
    """Loss at every logged step."""
    return [row["loss"] for row in logged(out)]


def pace_of(out: Path) -> float:
    """Median of the audio seconds per second, without the first half, in which kernels are chosen and memory is found."""
    paces = [row["seconds_per_second"] for row in logged(out)]
    return float(torch.tensor(paces[len(paces) // 2 :]).median())
