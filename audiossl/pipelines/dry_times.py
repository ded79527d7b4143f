"""How long a row of a recipe would take: measured on the data themselves with a few steps of its training."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from audiossl.training.config import TrainingConfig

FEW, MORE = 1, 3  # steps


def measure(work: Callable[[TrainingConfig, Path], object], training: TrainingConfig) -> tuple[float, float]:
    """Seconds of a row but for its steps, and seconds of a step.

    Args:
        work: represents windows or runs after training as the config says, leaving what it writes in the folder.
        training: of the recipe.
    """
    seconds = []
    for steps in (FEW, MORE):
        short = replace(
            training,
            max_steps=steps,
            warmup_steps=0,
            validate_every=0,
            checkpoint_every=0,
            log_every=0,
            log_seconds=1e9,
            tensorboard=False,
        )
        with tempfile.TemporaryDirectory(prefix="audiossl-dry-run-") as folder:
            begin = time.perf_counter()
            work(short, Path(folder))
            seconds.append(time.perf_counter() - begin)
    step = max(0.0, seconds[1] - seconds[0]) / (MORE - FEW)
    return max(0.0, seconds[0] - FEW * step), step


def in_words(seconds: float | int) -> str:
    """A time as people say it.

    >>> in_words(5), in_words(600), in_words(9000)
    ('5 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_in_words(size: float | int) -> str:
    """A number of bytes as people say it.

    >>> size_in_words(2_500_000), size_in_words(7e9)
    ('3 MB', '7.0 GB')
    """
    return f"{max(1, round(size / 1e6))} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
