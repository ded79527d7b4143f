"""`results.jsonl` of a recipe: every finished row with its origin and the scores of its groups, kept in the repository.

A table in a README can be made from it, and an interval of another kind needs no run again.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError, StoreError
from audiossl.evaluation.results import ResultRow, read_results
from audiossl.files import read_json, read_jsonl, write_jsonl
from audiossl.provenance import versions

RESULTS = "results.json"
ORIGIN = ("commit", "seed", "machine")
KEY = ("dataset", "task", "model", "metric")


@dataclass(frozen=True)
class Origin:
    """Where rows come from.

    Attributes:
        commit: commit of the code that scored them, with `+` where files differed from it.
        seed: one, or those of the seeds that values are means of.
        machine: processor and number of its cores.
    """

    commit: str | None
    seed: int | list[int] | None
    machine: str


def record_run(run: Path, file: Path, seed: int | None = None, machine: str | None = None) -> int:
    """Append the rows of a finished run to the `results.jsonl` of its recipe, and say how many were new.

    Args:
        run: folder of a recipe's run, or of `audiossl evaluate`; commit and seed are taken from its records.
        file: file to append to; rows of the same origin that are there already are left alone.
        seed: where the run does not record one.
        machine: name in place of that of this machine's processor.

    Raises:
        StoreError: if the run has no results.
        ConfigError: if neither the run nor the call says the seed.
    """
    folder = run / "evaluate" if (run / "evaluate" / RESULTS).is_file() else run
    if not (folder / RESULTS).is_file():
        raise StoreError(f"{run} has no {RESULTS}: run its recipe to the stage evaluate")
    commit, recorded = scored_by(run)
    if not (folder / "stage.json").is_file():  # of `audiossl evaluate`, which was run a moment ago
        commit = versions()["commit"]
    seeds = recorded if recorded is not None else seed
    if seeds is None:
        raise ConfigError(f"{run} does not record its seed: give it with --seed")
    origin = Origin(commit, seeds, machine or machine_name())
    there = read_jsonl(file)
    known = {_identity(row) for row in there}
    rows = [_line(row, origin) for row in read_results(folder / RESULTS)]
    new = [row for row in rows if _identity(row) not in known]
    write_jsonl(file, [*there, *new])
    return len(new)


def scored_by(run: Path) -> tuple[str | None, int | list[int] | None]:
    """The commit that scored a run, with `+` where files differed from it, and its seed or seeds; None where they are unknown."""
    folder = run / "evaluate" if (run / "evaluate" / RESULTS).is_file() else run
    stage, recipe = folder / "stage.json", run / "recipe.json"
    commit = read_json(stage)["versions"]["commit"] if stage.is_file() else None
    config = read_json(recipe)["config"] if recipe.is_file() else {}
    return commit, config.get("seeds", config.get("seed"))


def machine_name() -> str:
    """Processor of this machine and how many of its cores may be used, such as "AMD EPYC 9B45, 2 cores"."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{names[0] if names else platform.machine()}, {cores} core{'' if cores == 1 else 's'}"


def _line(row: ResultRow, origin: Origin) -> dict[str, Any]:
    return {**vars(origin), **row.plain, "groups": row.groups, "scores": row.scores}


def _identity(row: dict[str, Any]) -> tuple[str, ...]:
    """What identifies one measurement: its origin but for the machine, and what was measured."""
    return tuple(str(row[name]) for name in ("commit", "seed", *KEY))
