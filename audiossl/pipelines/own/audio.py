"""Recordings of one's own as the source of a run: what the keys `corpus`, `table`, `where` and `tasks` of a recipe say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from audiossl.console import console
from audiossl.errors import ConfigError, DataError
from audiossl.files import read_json, write_json, write_jsonl
from audiossl.options import nearest
from audiossl.pipelines.own.column_labels import cells_of, check_column, column_labels
from audiossl.pipelines.own.keys import OwnRecipe
from audiossl.pipelines.own.preview import Preview, in_time, preview, print_sides
from audiossl.pipelines.own.segment_labels import read_segments
from audiossl.pipelines.own.tasks import OwnTask, parse_tasks
from audiossl.pipelines.sides import SplitConfig
from audiossl.signals.corpora.building import REJECTED
from audiossl.signals.corpora.clip_tables import is_clip_table
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.item_fields import RECORDING_COLUMNS, item_fields
from audiossl.signals.corpora.joining import KEY_COLUMNS
from audiossl.signals.corpora.opening import write_gathered
from audiossl.signals.corpora.recordings import Recordings
from audiossl.signals.corpora.sources import AudioSource, gather_sources, read_sources
from audiossl.signals.corpora.table_rows import TIMES, plain_cells, read_rows
from audiossl.stage import Names
from audiossl.where import parse_where

UNLABELLED = "unlabelled.jsonl"
PLACES = "sources.json"  # next to the corpus of a run: which recordings it was made from


@dataclass(frozen=True)
class OwnAudio:
    """Recordings of one's own. Of a table only what chooses and groups them decides the corpus; labels are read for themselves.

    Attributes:
        sources: where recordings are.
        tasks: probes on columns and segments.
        split: how sides are drawn.
        seed: of the draw.
        limit: at most so many recordings of each source.
    """

    sources: tuple[AudioSource, ...]
    tasks: tuple[OwnTask, ...] = ()
    split: SplitConfig = field(default_factory=SplitConfig)
    seed: int = 1
    limit: int | None = None

    @property
    def split_by(self) -> str:
        """What keeps recordings on one side; where a column names the side of each, that they are one."""
        return "recording" if self.split.given is not None else self.split.by

    @property
    def probes(self) -> tuple[OwnTask, ...]:
        """Tasks whose labels are classes of clips."""
        return tuple(task for task in self.tasks if task.column)

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Columns that the corpus itself holds for a later stage."""
        return ()

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
        count = "1 recording" if summary.num_items == 1 else f"{summary.num_items:,} recordings"
        say(f"{count}, {in_time(summary.hours * 3600)}{left}", "yellow" if left else "dim")

    def prepare_labels(self, out: Path, corpus: Corpus) -> None:
        """Write `TASK.jsonl` for each task, and `unlabelled.jsonl`, what has no label or no recording.

        Raises:
            ConfigError: if a column does not exist.
            DataError: if labels cannot be used.
        """
        gathered = self.gathered_of(corpus)
        self.check(gathered)
        cells = cells_of(gathered.by_id.values())
        unlabelled: list[dict[str, str]] = []
        for task in self.tasks:
            rejected: list[dict[str, str]] = []
            if task.path is None:
                rows = [{"id": id_, "label": label} for id_, label in column_labels(task, cells).items()]
                classes = {row["label"] for row in rows}
            else:
                segments, rejected = read_segments(task.path, list(gathered.by_id.values()))
                if not segments:
                    raise DataError(f"tasks: no row of {task.path} names a recording of the corpus. {rejected[0]['reason']}")
                rows = [{"id": id_, "segments": parts} for id_, parts in segments.items()]
                classes = {part[0] for parts in segments.values() for part in parts}
            write_jsonl(out / f"{task.name}.jsonl", rows)
            without = sorted(gathered.by_id.keys() - {row["id"] for row in rows})
            rejected += [{"id": id_, "reason": f"no label in {task}"} for id_ in without]
            unlabelled += [{"task": task.name, **row} for row in rejected]
            say(f"{task.name}: {len(classes)} classes, labels of {len(rows)} of {len(gathered.by_id)} recordings")
        write_jsonl(out / UNLABELLED, unlabelled)

    def gathered_of(self, corpus: Corpus) -> Recordings:
        """The recordings that are in the corpus, with what their tables say now."""
        ids = {item.id for item in corpus.items}
        gathered = self.gather()
        return replace(gathered, by_id={id_: one for id_, one in gathered.by_id.items() if id_ in ids})

    def preview(self) -> Preview:
        """Check labels and sides, and say what each side will hold; headers alone are read.

        Raises:
            ConfigError, DataError: as the stages would.
        """
        gathered = self.gather()
        self.check(gathered)
        found = preview(gathered, self.probes, self.split, self.seed)
        length = in_time(sum(found.seconds.values()))
        title = f"{len(gathered.by_id)} recordings, {length}; sides by {self.split.given or self.split.by}"
        print_sides(found.sides, title)
        left_out = [*gathered.rejected, *({"id": id_, "reason": "its header cannot be read"} for id_ in found.unreadable)]
        if left_out:
            say(f"{len(left_out)} would be left out, such as {left_out[0]['id']}: {left_out[0]['reason']}", "yellow")
        return found

    def check(self, gathered: Recordings) -> None:
        """Refuse columns that are not there, and labels of which nothing can be learned.

        Raises:
            ConfigError, DataError: saying which, and what to do.
        """
        groups = self.groups(gathered)
        cells = cells_of(gathered.by_id.values())
        for task in self.probes:
            check_column(task, column_labels(task, cells), groups, self.split_by)

    def groups(self, gathered: Recordings) -> dict[str, str]:
        """What keeps each recording on one side with others, before sounds are compared.

        Raises:
            ConfigError: if some recordings have no such column.
        """
        by = self.split_by
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
        kept = {*KEY_COLUMNS, *TIMES, *RECORDING_COLUMNS, "domain", "source", self.split.by, self.split.given, *self.read_columns}
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
        """Write the labels; see `OwnAudio`."""
        self.audio.prepare_labels(out, corpus)


def own_audio(config: OwnRecipe) -> OwnAudio:
    """The source of a SPEAR recipe that names a corpus.

    Raises:
        ConfigError: if its output holds a run on other recordings.
    """
    sources = tuple(read_sources(config.corpus, config.table, config.where))
    source = OwnAudio(sources, tuple(parse_tasks(config.tasks)), config.split, config.seed, config.limit)
    check_same_corpus(source, config.output)
    return source


def say(text: str, style: str = "dim") -> None:
    """Print a line below the name of a stage."""
    console.print(f"{'':<13} {text}", style=style, markup=False, soft_wrap=True)


def check_same_corpus(source: OwnAudio, output: Path | None) -> None:
    """Refuse an output folder that holds a run on other recordings.

    Raises:
        ConfigError: naming both, and another folder.
    """
    if output is None or not (made := output / "corpus").is_dir():
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
