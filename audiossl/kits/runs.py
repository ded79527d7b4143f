"""What the real kits are run for: s3prl's problems, hearvalidator, heareval; results are read from the files that they write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import yaml

from audiossl.errors import ConfigError
from audiossl.kits.environments import run_kit


def run_s3prl_problem(
    problem: str,
    upstream: str | Path,
    folder: Path,
    tables: Path | None = None,
    options: Sequence[str] = (),
    device: str = "cpu",
    timeout: float | int | None = None,
    search: Sequence[Path] = (),
) -> dict[str, dict[str, float]]:
    """Train and test one of s3prl's problems on an exported upstream.

    Args:
        problem: class of `s3prl.problem`, such as SuperbSID, or CommonExample, which makes its own five clips.
        upstream: folder that `export_s3prl` wrote, or a name that `audiossl.load` takes.
        folder: folder of s3prl's files; training that an earlier call left there is resumed.
        tables: folder of train.csv, valid.csv and test.csv to use instead of the problem's own corpus, see `kits.s3prl_tables`.
        options: options of s3prl's command line, such as `["--prepare_data.dataset_root", "DIR", "--train.total_steps", "100"]`.
        device: cpu or cuda.
        timeout: seconds.
        search: folders of modules that the upstream imports.

    Returns:
        The metrics of each test set, by its name.

    Raises:
        StoreError: if the environment is missing or wrong.
        ConfigError: if s3prl fails.

    >>> scores = run_s3prl_problem("SuperbSID", "runs/asterisk", Path("runs/sid"))  # doctest: +SKIP
    """
    folder.mkdir(parents=True, exist_ok=True)
    ours = {
        "build_upstream.name": "audiossl",
        "build_upstream.path_or_url": upstream if isinstance(upstream, str) else upstream.absolute(),
        "target_dir": folder.absolute(),
    }
    ours |= {"device": device, "num_workers": 0}
    if tables is not None:
        ours["prepare_data.folder"] = tables.absolute()
    given = [part for key, value in ours.items() for part in (f"--{key}", str(value))]
    main = "s3prl.main" if tables is None else "audiossl.kits.s3prl_tables"
    launcher = ["-m", "audiossl.kits.s3prl_launcher", "-m", main, problem]
    printed = run_kit("s3prl", [*launcher, *given, *options], search=search, timeout=timeout)
    files = sorted((folder / "evaluate").glob("*/*/result.yaml"))
    if not files:  # a class that does not exist is only printed by s3prl
        raise ConfigError(f"s3prl's {problem} wrote no result.yaml:\n{printed[-800:]}")
    return {file.parent.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


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
