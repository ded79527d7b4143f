"""A folder of sensor recordings: one line of JSON and one memory-mapped array for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from audiossl.errors import DataError, StoreError
from audiossl.files import map_array, read_jsonl, whole_folder, write_json, write_jsonl
from audiossl.signals.sensors.agreement import Agreement
from audiossl.signals.sensors.copies import Copies
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

MANIFEST, REJECTED, VALUES = "recordings.jsonl", "rejected.jsonl", "values"


def write_recordings(recordings: Iterable[SensorRecording | Rejected], folder: Path, one_rate: bool = True) -> RecordingSet:
    """Write recordings as they come; those that a loader rejects, and copies of others, are listed in `rejected.jsonl`.

    Args:
        recordings: recordings of the same channels.
        folder: folder that appears whole.
        one_rate: refuse other rates than the first recording's; scanners of several sites have several.

    Raises:
        DataError: if an id repeats, recordings differ in rate, channels, units or the kind of their labels, two subjects have
            the same samples, or none is left.
    """
    with whole_folder(folder) as partial:
        (partial / VALUES).mkdir()
        rows: dict[str, dict[str, Any]] = {}
        rejected: list[Rejected] = []
        agreement, copies = Agreement(one_rate), Copies()
        for recording in recordings:
            if isinstance(recording, Rejected):
                rejected.append(recording)
                continue
            if recording.id in rows:
                raise DataError(f"the recording id '{recording.id}' comes twice")
            agreement.check(recording)
            if copy := copies.find(recording):
                rejected.append(copy)
                continue
            np.save(partial / VALUES / f"{recording.id}.npy", recording.values)
            rows[recording.id] = _row(recording)
        write_jsonl(partial / REJECTED, [asdict(item) for item in rejected])
        if not rows:
            reasons = "; ".join(f"{item.id}: {item.reason}" for item in rejected[:3])
            raise DataError(f"no recording could be used. {reasons or 'The loader yielded none.'}")
        write_jsonl(partial / MANIFEST, list(rows.values()))
        subjects = Counter(row["subject"] for row in rows.values())
        hours = sum(row["num_samples"] / row["rate"] for row in rows.values()) / 3600
        counts = {"recordings": len(rows), "subjects": len(subjects), "hours": round(hours, 3), "rejected": len(rejected)}
        write_json(partial / "set.json", counts)
    return RecordingSet(folder)


class RecordingSet(Sequence[SensorRecording]):
    """Recordings that `write_recordings` wrote, in that order; each is opened when it is asked for and closed when it is let go.

    Values are memory-mapped. Sets may have more recordings than a process may have open files, so keep only few at a time.

    Raises:
        StoreError: if the folder is not such a set, or a file of it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = read_jsonl(folder / MANIFEST)
        if not rows:
            raise StoreError(f"expected {MANIFEST} with recordings in {folder}, found none. Run the recipe from its first stage.")
        if missing := [row["id"] for row in rows if not self._file(row["id"]).is_file()]:
            raise StoreError(f"{folder} lacks the values of {len(missing)} recordings, the first is {self._file(missing[0])}")
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> SensorRecording: ...

    @overload
    def __getitem__(self, place: slice) -> list[SensorRecording]: ...

    def __getitem__(self, place: int | slice) -> SensorRecording | list[SensorRecording]:
        if isinstance(place, slice):
            return [self._open(row) for row in self.rows[place]]
        return self._open(self.rows[place])

    @cached_property
    def recordings(self) -> list[SensorRecording]:
        """All recordings at once, which keeps a file open for each."""
        return list(self)

    @property
    def rejected(self) -> list[Rejected]:
        """What the loader could not use."""
        return [Rejected(row["id"], row["reason"]) for row in read_jsonl(self.folder / REJECTED)]

    @property
    def subjects(self) -> list[str]:
        """Names of subjects, each once, in the order of their first recordings."""
        return list(dict.fromkeys(row["subject"] for row in self.rows))

    def _file(self, id_: str) -> Path:
        return self.folder / VALUES / f"{id_}.npy"

    def _open(self, row: dict[str, Any]) -> SensorRecording:
        row = dict(row)
        size = row.pop("num_samples")
        try:
            values = map_array(self._file(row["id"]))
        except ValueError as error:
            raise StoreError(f"{self._file(row['id'])} cannot be read: {error}") from error
        if values.shape != (len(row["channels"]), size):
            raise StoreError(f"{self._file(row['id'])} holds {values.shape}, its manifest says {(len(row['channels']), size)}")
        annotations = {
            # Older sets may hold whole numbers, which were taken for quantities; today a loader is asked what they are.
            task: tuple(Annotation(start, end, float(value) if isinstance(value, int) else value) for start, end, value in rows)
            for task, rows in row["annotations"].items()
        }
        names = {name: tuple(row[name]) for name in ("channels", "units")}
        return SensorRecording(**{**row, **names, "annotations": annotations, "values": values})


def _row(recording: SensorRecording) -> dict[str, Any]:
    row = {name: getattr(recording, name) for name in ("id", "subject", "rate", "channels", "units")}
    row["annotations"] = {
        task: [[stretch.start, stretch.end, stretch.value] for stretch in stretches]
        for task, stretches in recording.annotations.items()
    }
    return {**row, "custom": dict(recording.custom), "num_samples": recording.num_samples}
