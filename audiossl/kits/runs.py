"""s3prl in an environment of its own: a problem is run, and its results are read from the files that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
