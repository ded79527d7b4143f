"""What a SPEAR run on recordings of one's own will take: time and disk, in lines for `--dry-run`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from audiossl.pipelines.own.preview import Preview, in_time
from audiossl.training.config import TrainingConfig

MOMENTS = 3  # numbers that a checkpoint holds for each parameter: itself and two moments of the optimiser
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Measured:
    """What a dry run found.

    Attributes:
        parameters: of the student and its heads.
        student_parameters: of the student alone.
        speed: seconds of signal that training takes in a second, here.
    """

    parameters: int
    student_parameters: int
    speed: float


@dataclass(frozen=True)
class TokenSize:
    """Tokens of a stream: frames per second, codes per frame and entries of a codebook."""

    frame_rate: float
    num_codebooks: int
    codebook_size: int

    @property
    def bytes_per_second(self) -> float:
        """Bytes of a second of sound."""
        return self.frame_rate * self.num_codebooks * (1 if self.codebook_size <= 256 else 2)


def num_steps(training: TrainingConfig, train_seconds: float) -> int:
    """Steps of a run on one device.

    >>> num_steps(TrainingConfig(epochs=2.0, batch_seconds=30.0), 300.0), num_steps(TrainingConfig(max_steps=7), 300.0)
    (20, 7)
    """
    if training.max_steps is not None:
        return training.max_steps
    return max(1, math.ceil(training.epochs * train_seconds / (training.batch_seconds * training.accumulate)))


def describe_needs(found: Preview, training: TrainingConfig, measured: Measured, tokens: Iterable[TokenSize]) -> list[str]:
    """Lines on time and disk."""
    train = found.sides["train"].seconds
    steps = num_steps(training, train)
    step_seconds = training.batch_seconds * training.accumulate
    passes = steps * step_seconds / train if train else 0.0
    heard = sum(side.seconds for name, side in found.sides.items() if name != "test")
    token_bytes = heard * sum(size.bytes_per_second for size in tokens)
    checkpoints = training.keep * MOMENTS * FLOAT * measured.parameters
    weights = 2 * FLOAT * measured.student_parameters
    advice = f"; fewer would do, such as training.max_steps={max(1, round(steps * 50 / passes))}" if passes > 200 else ""
    advice = "; more would help: training.max_steps, student.preset" if 0 < passes < 1 else advice
    return [
        f"time       training about {in_time(steps * step_seconds / measured.speed)} here: {steps} steps of {step_seconds:g} s, "
        f"{passes:.3g} passes over the training side{advice}; tokens of the teacher and probes come on top",
        f"disk       recordings stay where they are; tokens {_size(token_bytes)}, checkpoints {_size(checkpoints)}, weights "
        f"{_size(weights)}",
    ]


def _size(count: int | float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
