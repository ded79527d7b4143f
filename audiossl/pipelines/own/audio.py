"""Recordings of one's own as the source of a run: what the keys `corpus`, `table`, `where` and `tasks` of a recipe say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from audiossl.console import console
from audiossl.errors import ConfigError, DataError
from audiossl.files import read_json, write_json, write_jsonl
from audiossl.options import nearest
from audiossl.pipelines.own.column_labels import cells_of, check_column, column_labels
from audiossl.pipelines.own.segment_labels import read_segments
from audiossl.pipelines.own.tasks import OwnTask
from audiossl.signals.corpora.building import REJECTED
from audiossl.signals.corpora.clip_tables import is_clip_table
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.item_fields import RECORDING_COLUMNS, item_fields
from audiossl.signals.corpora.joining import KEY_COLUMNS
from audiossl.signals.corpora.opening import write_gathered
from audiossl.signals.corpora.recordings import Recordings
from audiossl.signals.corpora.sources import AudioSource, gather_sources
from audiossl.signals.corpora.table_rows import TIMES, plain_cells, read_rows
from audiossl.stage import Names
from audiossl.where import parse_where

PLACES = "sources.json"  # next to the corpus of a run: which recordings it was made from


@dataclass(frozen=True)
class OwnAudio:
    """Recordings of one's own. Of a table only what chooses and groups them decides the corpus; labels are read for themselves.

    Attributes:
        sources: where recordings are.
        tasks: probes on columns and segments.
        split_by: what keeps recordings on one side.
        split_given: column that names the side of each recording.
        limit: at most so many recordings of each source.
    """

    sources: tuple[AudioSource, ...]
    tasks: tuple[OwnTask, ...] = ()
    split_by: str = "recording"
    split_given: str | None = None
    limit: int | None = None

    @property
    def name(self) -> str:
        """The places and tables."""
        return ", ".join(source.path + (f" with {source.table}" if source.table else "") for source in self.sources)

    @property
    def data(self) -> tuple[Path, ...]:
        """Folders and manifests that recordings are found by; of tables `decides` has what counts."""
        return tuple(path for source in self.sources for path in source.data if not _is_read_for_itself(source, path))

    @property
    def labels(self) -> OwnLabels:
        """The source of the labels alone."""
        return OwnLabels(self)

    def decides(self) -> list[Any]:
        """Places, conditions, and the columns that choose and group recordings."""
        places = [
            {"path": _absolute(source.path), "table": str(source.table or ""), "where": source.where, "name": source.name,
             "domain": source.domain}
            for source in self.sources
        ]  # fmt: skip
        return [places, self._chosen, self.limit]

    def names(self) -> Names:
        """The keys of a recipe."""
        return ("corpus", "the columns of table that choose or group recordings", "limit")

    def gather(self) -> Recordings:
        """Find the recordings; none is read."""
        return self._gathered

    def prepare_corpus(self, out: Path) -> None:
        """Write a corpus folder that points to the recordings, once the columns of the tasks are found fit.

        Raises:
            ConfigError: if a column does not exist.
            DataError: if recordings or labels cannot be used.
        """
        gathered = self.gather()
        self.check(gathered)
        summary = write_gathered(gathered, out)
        write_json(out.parent / PLACES, self.places())
        left = f"; {summary.num_rejected} left out, see {REJECTED} next to its cuts" if summary.num_rejected else ""
        said = f"{summary.num_items} recordings, {_hours(summary.hours)}{left}"
        console.print(f"{'':<13} {said}", style="yellow" if left else "dim", markup=False, soft_wrap=True)

    def prepare_labels(self, out: Path, corpus: Corpus) -> None:
        """Write the labels of the tasks."""
        self.labels.prepare_labels(out, corpus)

    def check(self, gathered: Recordings) -> None:
        """Refuse columns that are not there, and labels of which nothing can be learned.

        Raises:
            ConfigError, DataError: saying which, and what to do.
        """
        groups = self.groups(gathered)
        cells = cells_of(gathered.by_id.values())
        for task in self.tasks:
            if task.column:
                check_column(task, column_labels(task, cells), groups, self.split_by if self.split_given is None else "recording")

    def groups(self, gathered: Recordings) -> dict[str, str]:
        """What keeps each recording on one side with others, before sounds are compared.

        Raises:
            ConfigError: if some recordings have no such column.
        """
        by = "recording" if self.split_given is not None else self.split_by
        found: dict[str, str] = {}
        for one in gathered.by_id.values():
            said = item_fields(one.columns, one.id if one.item is None else one.item.recording)
            value = one.id if by == "id" else said["custom"].get(by, said.get(by))
            if value is None:
                columns = list(dict.fromkeys(name for other in gathered.by_id.values() for name in other.columns))
                raise ConfigError(
                    f"split.by={by}: '{one.id}' has no such column{nearest(by, columns)}; the columns are "
                    f'{", ".join(columns) or "none"}. Fill it, leave such recordings out (where="{by} != null"), or set '
                    "split.by=recording"
                )
            found[one.id] = str(value)
        return found

    def places(self) -> list[str]:
        """Where the recordings are, by which a run knows its corpus."""
        return sorted(_absolute(source.path) for source in self.sources)

    @cached_property
    def _gathered(self) -> Recordings:
        return gather_sources(self.sources, limit=self.limit)

    @cached_property
    def _chosen(self) -> str:
        """Digest of the columns of all tables that choose and group recordings."""
        kept = {*KEY_COLUMNS, *TIMES, *RECORDING_COLUMNS, "domain", "source", self.split_by, self.split_given}
        digest = hashlib.blake2b(digest_size=16)
        for source in self.sources:
            wanted = kept | set(parse_where(source.where).columns if source.where else ())
            small = {name.lower() for name in wanted if name}
            for path in source.data:
                if not _is_read_for_itself(source, path):
                    continue
                for row in read_rows(path):
                    cells = plain_cells({name: cell for name, cell in row.cells.items() if name.lower() in small})
                    digest.update(json.dumps(cells, sort_keys=True, default=str).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


@dataclass(frozen=True)
class OwnLabels:
    """The labels of recordings of one's own, which may change without the corpus."""

    audio: OwnAudio

    @property
    def name(self) -> str:
        """The places and tables."""
        return self.audio.name

    @property
    def limit(self) -> int | None:
        """At most so many recordings of each source."""
        return self.audio.limit

    @property
    def data(self) -> tuple[Path, ...]:
        """Tables of columns and of segments."""
        tables = [path for source in self.audio.sources for path in source.data if _is_read_for_itself(source, path)]
        return (*tables, *(task.path for task in self.audio.tasks if task.path))

    @property
    def labels(self) -> OwnLabels:
        """Itself."""
        return self

    def decides(self) -> list[Any]:
        """The tasks."""
        return [[{**asdict(task), "path": str(task.path or "")} for task in self.audio.tasks]]

    def names(self) -> Names:
        """The key of a recipe."""
        return ("tasks",)

    def prepare_corpus(self, out: Path) -> None:
        """Write the corpus."""
        self.audio.prepare_corpus(out)

    def prepare_labels(self, out: Path, corpus: Corpus) -> None:
        """Write `TASK.jsonl` for each task, and `unlabelled.jsonl`, what has no label or no recording.

        Raises:
            ConfigError: if a column does not exist.
            DataError: if labels cannot be used.
        """
        ids = {item.id for item in corpus.items}
        gathered = self.audio.gather()
        gathered = replace(gathered, by_id={id_: one for id_, one in gathered.by_id.items() if id_ in ids})
        groups = self.audio.groups(gathered)
        cells = cells_of(gathered.by_id.values())
        unlabelled: list[Mapping[str, str]] = []
        for task in self.audio.tasks:
            if task.path is None:
                labels = column_labels(task, cells)
                check_column(task, labels, groups, self.audio.split_by if self.audio.split_given is None else "recording")
                rows = [{"id": id_, "label": label} for id_, label in labels.items()]
                classes = len(set(labels.values()))
            else:
                segments, rejected = read_segments(task.path, list(gathered.by_id.values()))
                if not segments:
                    raise DataError(f"tasks: no row of {task.path} names a recording of the corpus. {rejected[0]['reason']}")
                rows = [{"id": id_, "segments": parts} for id_, parts in segments.items()]
                unlabelled += [{**row, "task": task.name} for row in rejected]
                classes = len({part[0] for parts in segments.values() for part in parts})
            write_jsonl(out / f"{task.name}.jsonl", rows)
            without = sorted(ids - {row["id"] for row in rows})
            unlabelled += [{"task": task.name, "id": id_, "reason": f"no label in {task}"} for id_ in without]
            said = f"{task.name}: {classes} classes, labels of {len(rows)} of {len(ids)} recordings"
            console.print(f"{'':<13} {said}", style="dim", markup=False, soft_wrap=True)
        write_jsonl(out / "unlabelled.jsonl", [dict(row) for row in unlabelled])


def check_same_corpus(source: OwnAudio, output: Path) -> None:
    """Refuse an output folder that holds a run on other recordings.

    Raises:
        ConfigError: naming both, and another folder.
    """
    made = output / "corpus"
    if not made.is_dir():
        return
    known = made / PLACES
    places = read_json(known) if known.is_file() else None
    if places == source.places():
        return
    was = f"made from {', '.join(places)}" if places else "made by a recipe with a script"
    raise ConfigError(
        f"{output} holds a run that was {was}; this one is on {', '.join(source.places())}. Choose another folder: output=DIR"
    )


def _is_read_for_itself(source: AudioSource, path: Path) -> bool:
    """Whether a file of the user is a table, of which some columns are labels alone."""
    return path == source.table or is_clip_table(path)


def _absolute(place: str) -> str:
    return place if ":" in place else str(Path(place).absolute())


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
