"""HEAR's kits in an environment of their own: a module is validated, and evaluated by heareval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from audiossl.kits.environments import run_kit


def validate_hear_module(module: Path, timeout: float | int | None = None) -> str:
    """Run hearvalidator on an exported module; what it printed, warnings included.

    Raises:
        StoreError: if the environment is missing or wrong.
        ConfigError: if the module does not pass.

    >>> print(validate_hear_module(Path("my_embed.py")))  # doctest: +SKIP
    """
    return run_kit("hear", ["-m", "hearvalidator.validate", module.stem], search=[module.parent], timeout=timeout)


def run_heareval(
    module: Path,
    tasks: Path,
    folder: Path,
    task: str = "all",
    model_options: Mapping[str, object] | None = None,
    grid: Literal["default", "fast", "faster"] = "default",
    grid_points: int = 8,
    timeout: float | int | None = None,
    search: Sequence[Path] = (),
) -> dict[str, dict[str, object]]:
    """Embed and predict HEAR tasks with heareval; finished tasks in `folder` are kept.

    Args:
        module: module that `export_hear` wrote.
        tasks: folder of task folders, as hear-preprocess writes them.
        folder: folder of embeddings, predictions and scores.
        task: name of one task folder, or "all".
        model_options: `layers` and `pooling`.
        grid, grid_points: grid of the predictor's settings, and how many of its points are tried; other values than the defaults
            give other scores.
        timeout: seconds, of each of the two runs.
        search: folders of modules that the model imports.

    Returns:
        Content of `test.predicted-scores.json` of each task; d' may be infinite.

    Raises:
        StoreError: if the environment is missing or wrong.
        ConfigError: if heareval fails.

    >>> scores = run_heareval(Path("my_embed.py"), Path("tasks"), Path("runs/hear"))  # doctest: +SKIP
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = json.dumps(dict(model_options or {}))
    embed = ["-m", "heareval.embeddings.runner", module.stem, "--tasks-dir", str(tasks.absolute()), "--task", task]
    embed += ["--embeddings-dir", str((folder / "embeddings").absolute()), "--model-options", options]
    run_kit("hear", embed, search=[module.parent, *search], working_folder=folder, timeout=timeout)
    done = sorted((folder / "embeddings").glob(f"{module.stem}*/{'*' if task == 'all' else task}"))
    predict = ["-m", "heareval.predictions.runner", "--grid", grid, "--grid-points", str(grid_points)]
    run_kit("hear", [*predict, *map(str, (item.absolute() for item in done))], working_folder=folder, timeout=timeout)
    return {item.name: json.loads((item / "test.predicted-scores.json").read_text(encoding="utf-8")) for item in done}
