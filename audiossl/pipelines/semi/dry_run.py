"""What `--dry-run` adds for few labels on recordings of one's own: what a sensor recipe says, and how often methods learn."""

from __future__ import annotations

from pathlib import Path

from audiossl.console import console
from audiossl.pipelines.semi.config import SemiRecipe
from audiossl.pipelines.sensors import dry_run as sensors


def dry_run(config: SemiRecipe, output: Path) -> None:
    """Read the recordings of a corpus and print what `audiossl.pipelines.sensors.dry_run` prints; methods are counted, not timed.

    Raises:
        ConfigError, DataError: as the run would, before anything is trained.
    """
    sensors.dry_run(config, output)
    if config.corpus is None:
        return
    labels, steps = config.labels, config.learning.max_steps
    console.print(
        f"methods  {len(config.methods)}, each {len(labels.budgets)} budgets x {labels.draws} draws of labels in every fold, "
        f"{steps} steps; they are not in the time above",
        markup=False,
        soft_wrap=True,
    )
