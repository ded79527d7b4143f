"""The kinds of tasks that a recipe may name, and those from outside."""

from __future__ import annotations

from audiossl.evaluation.task import Task
from audiossl.kinds import Kind, find_kind

TASKS: dict[str, Kind] = {
    "frames": Kind("audiossl.evaluation.frame_task:FrameTask", "a label at each instant, read from the nearest frame"),
    "segments": Kind(
        "audiossl.evaluation.segment_task:SegmentTask", "a label for each stretch (a word), read from its mean frame"
    ),
    "clips": Kind("audiossl.evaluation.clip_task:ClipTask", "one label for each recording, read from its mean frame"),
    "attentive_segments": Kind(
        "audiossl.evaluation.attentive_tasks:AttentiveSegmentTask", "segments, read by an attentive probe over all layers as well"
    ),
    "attentive_clips": Kind(
        "audiossl.evaluation.attentive_tasks:AttentiveClipTask", "clips, read by an attentive probe over all layers as well"
    ),
    "folded_clips": Kind(
        "audiossl.evaluation.folded_clip_task:FoldedClipTask", "one label for each recording; groups are tested in turn"
    ),
}
NEEDS = ("reads", "key", "example", "by_folds", "marks_frames", "readout", "from_rows", "check_rows", "labels_of", "score")


def find_task(kind: str) -> type[Task]:
    """Give the class of a kind of tasks: a name of `TASKS`, `FILE.py:Class` or `module:Class`.

    Raises:
        ConfigError: if there is no such class, or it lacks what a `Task` has.

    >>> find_task("clips").reads
    'pooled'
    """
    return find_kind(kind, TASKS, "kind of task", NEEDS)
