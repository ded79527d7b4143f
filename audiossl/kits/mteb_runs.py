"""MTEB's own evaluation of an exported file: here, where MTEB is installed, or in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import MissingExtraError
from audiossl.files import read_json
from audiossl.kits.environments import run_kit
from audiossl.kits.mteb_launcher import FOUND, TaskScore, run_tasks


def run_mteb(
    module: Path,
    tasks: Sequence[str],
    folder: Path,
    batch_size: int = 32,
    device: str = "cpu",
    kit: bool = False,
    search: Sequence[Path] = (),
) -> list[TaskScore]:
    """Run tasks of MTEB on an exported file; finished tasks in `folder` are kept.

    Args:
        module: file that `audiossl export mteb` wrote.
        tasks, folder, batch_size, device: arguments of `mteb_launcher.run_tasks`.
        kit: run in the environment that `audiossl kits make mteb` makes, not in this one.
        search: folders of modules that the model imports.

    Returns:
        For each task its name, main score, value, number of test items and all that MTEB scored.

    Raises:
        MissingExtraError: if MTEB is not installed here, and no kit is asked for.
        StoreError: if the environment is missing or wrong.
        ConfigError: if there is no such task, or MTEB fails.

    >>> found = run_mteb(Path("my_encoder.py"), ["BeijingOpera"], Path("runs/mteb"))  # doctest: +SKIP
    """
    if not kit:
        if importlib.util.find_spec("mteb") is None:
            raise MissingExtraError(
                'MTEB is not installed here: pip install "audiossl[mteb]", or run it in an environment of its own, '
                "audiossl kits make mteb, and then add --kit"
            )
        return run_tasks(module, tasks, folder, batch_size, device)
    folder.mkdir(parents=True, exist_ok=True)
    own = [str(Path(name).absolute()) if name.endswith(".py") else name for name in tasks]
    said = {"module": str(module.absolute()), "tasks": own, "folder": str(folder.absolute())}
    said |= {"batch_size": batch_size, "device": device}
    run_kit("mteb", ["-m", "audiossl.kits.mteb_launcher", json.dumps(said)], search=[module.parent, *search])
    return read_json(folder / FOUND)
