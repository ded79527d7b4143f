"""s3prl's problems on tables of one's own instead of the corpora that they know; run in a child process by the launcher.

    python -m audiossl.kits.s3prl_launcher -m audiossl.kits.s3prl_tables SuperbSID --prepare_data.folder TABLES ...

The folder holds train.csv, valid.csv and test.csv with the columns that the problem wants: id and wav_path, then label for
SuperbSID, SuperbKS and SuperbER, transcription for SuperbASR, and for SuperbPR transcription in phones. Everything else is as
s3prl has it.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError


def problem_on_tables(name: str) -> Any:
    """An object of a subclass of `s3prl.problem.NAME` whose `prepare_data` takes `folder`, where the tables are.

    Raises:
        ConfigError: if s3prl has no problem of that name.
    """
    problems = importlib.import_module("s3prl.problem")
    base = getattr(problems, name, None)
    if not isinstance(base, type):
        raise ConfigError(f"s3prl has no problem '{name}'; expected one such as SuperbSID, SuperbKS or SuperbASR")

    def default_config(self: Any) -> dict[str, Any]:
        return base.default_config(self) | {"prepare_data": {"folder": "???"}}  # omegaconf's mark of what has to be given

    def prepare_data(
        self: Any, prepare_data: dict[str, Any], target_dir: str, cache_dir: str | None, get_path_only: bool = False
    ) -> tuple[Path, Path, list[Path]]:
        folder = Path(prepare_data["folder"])
        return folder / "train.csv", folder / "valid.csv", [folder / "test.csv"]

    return type(f"{name}OnTables", (base,), {"default_config": default_config, "prepare_data": prepare_data})()


if __name__ == "__main__":
    problem_on_tables(sys.argv[1]).main(sys.argv[2:])
