"""What a SPEAR run's page says next to its results: chosen layers, learned layer weights and paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiossl.evaluation.task import TaskDetail
from audiossl.files import read_json, write_json

DETAILS = "details.json"


@dataclass(frozen=True)
class TaskDetails:
    """What was found on a task.

    Attributes:
        models: what was chosen, by model.
        differences: `Interval.ends` of the student minus another model, by model.
    """

    models: Mapping[str, TaskDetail]
    differences: Mapping[str, Mapping[str, float | int | None]]


def write_details(folder: Path, details: Mapping[str, TaskDetails]) -> None:
    """Write the details of all tasks, by name."""
    rows = {
        task: {"models": {name: chosen.to_json() for name, chosen in found.models.items()}, "differences": found.differences}
        for task, found in details.items()
    }
    write_json(folder / DETAILS, rows)


def read_details(folder: Path) -> dict[str, TaskDetails]:
    """Read what `write_details` wrote, of this version or an earlier one."""
    return {
        task: TaskDetails({name: TaskDetail.from_json(chosen) for name, chosen in row["models"].items()}, row["differences"])
        for task, row in read_json(folder / DETAILS).items()
    }
