"""The tasks that encoders are fine-tuned on: those that a recipe may name, and those from outside."""

from __future__ import annotations

from audiossl.kinds import Kind, find_kind
from audiossl.pipelines.finetune.task import FinetuneTask

FINETUNE_TASKS: dict[str, Kind] = {
    "ctc": Kind("audiossl.pipelines.finetune.ctc:Transcripts", "transcripts, by connectionist temporal classification"),
    "tagging": Kind("audiossl.pipelines.finetune.tagging:Tags", "any number of tags for each clip"),
}
NEEDS = ("title", "functions", "options", "crops", "write_labels", "open", "open_outputs", "make_objective", "target", "score")


def find_finetune_task(kind: str) -> type[FinetuneTask]:
    """Give the class of a task: a name of `FINETUNE_TASKS`, `FILE.py:Class` or `module:Class`.

    Raises:
        ConfigError: if there is no such class, or it lacks what a `FinetuneTask` has.

    >>> find_finetune_task("tagging").title
    'tags'
    """
    return find_kind(kind, FINETUNE_TASKS, "task of fine-tuning", NEEDS)
