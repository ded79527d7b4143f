"""Parts of BOLD runs and models as a recipe lays them out, for tests."""

from __future__ import annotations

from pathlib import Path

from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design
from audiossl.pipelines.connectivity.models import ModelConfig, represent
from audiossl.pipelines.connectivity.rows import design_of, make_rows


def designed(runs: Runs, config: ConnectivityRecipe) -> Design:
    """The design of a recipe on some runs."""
    return Design(runs, design_of(config, make_rows(config)))


def represent_all(out: Path, folder: Path, config: ConnectivityRecipe) -> None:
    """Write the vectors of the one model of a recipe, of the recordings in `folder / "set"`."""
    rows = make_rows(config)
    (row,) = rows.values()
    represent(out, {"recordings": folder}, ModelConfig(row, config.seeds, design_of(config, rows)))
