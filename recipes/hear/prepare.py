"""Tasks in HEAR's layout: the official archives where they were fetched by hand, else stand-ins made from packages.

The stand-ins (`standin_*`) are no benchmark and none of their numbers compares with published ones: drum strokes of kits that the
predictor has not heard, notes of instruments that it has not heard, and drum strokes to be found in music. About 0.3 GB of
packages; the recordings stay in the tasks' folder.
"""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError
from audiossl.evaluation.hear.official import OFFICIAL
from audiossl.signals.fetching.unpack import is_archive, unpack

from . import drum_events, drum_kits, rendered_pitch


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write task folders into `out`.

    Args:
        out: folder of task folders.
        data_root: folder of HEAR's archives (`*.tar.gz`, each holding `tasks/TASK/...`, as published at 48 kHz), which are
            unpacked in place of making stand-ins.

    Raises:
        DataError: if `data_root` holds no archive, or an archive none of the official tasks.
    """
    if data_root is None:
        for task in (drum_kits, rendered_pitch, drum_events):
            task.write(out)
        return
    archives = sorted(path for path in data_root.iterdir() if is_archive(path.name))
    if not archives:
        raise DataError(f"expected HEAR's archives (*.tar.gz) in {data_root}, found none")
    known = {task.folder for task in OFFICIAL}
    for archive in archives:
        unpacked = out / f".{archive.name}"
        unpack(archive, unpacked)
        found = [path.parent for path in unpacked.rglob("task_metadata.json")]
        if not found or any(folder.name not in known for folder in found):
            raise DataError(f"{archive}: expected official tasks (tasks/TASK/task_metadata.json), got {[f.name for f in found]}")
        for folder in found:
            _merge(folder, out / folder.name)


def _merge(source: Path, target: Path) -> None:
    """Move a task's files; archives of other sample rates hold the same task."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
