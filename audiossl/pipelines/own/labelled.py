"""Recordings of one's own with texts or tags, as the source of a fine-tuning run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from audiossl.errors import ConfigError, DataError
from audiossl.files import path_text, write_json, write_jsonl
from audiossl.pipelines.own.audio import OwnAudio, check_same_corpus, say
from audiossl.pipelines.own.column_labels import cells_of, column_labels
from audiossl.pipelines.own.keys import OwnRecipe
from audiossl.pipelines.own.tasks import OwnTask, parse_tasks
from audiossl.pipelines.sides import divide
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.recordings import Recordings
from audiossl.signals.corpora.sources import read_sources

BETWEEN_TAGS = ";"


@runtime_checkable
class LabelledRecipe(OwnRecipe, Protocol):
    """A fine-tuning recipe."""

    @property
    def task_name(self) -> str: ...


@dataclass(frozen=True)
class _OwnLabelled(OwnAudio):
    """Recordings with labels in one column, which `tasks` names; those without are left out."""

    columns: ClassVar[tuple[str, ...]] = ()  # that are looked for where `tasks` names none

    def gather(self) -> Recordings:
        """Find the recordings that have labels."""
        return self._labelled[0]

    @property
    def probes(self) -> tuple[OwnTask, ...]:
        """None: labels are no classes of clips."""
        return ()

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The column of the labels, which chooses recordings."""
        return (self.tasks[0].column,) if self.tasks else self.columns

    @cached_property
    def _labelled(self) -> tuple[Recordings, dict[str, str]]:
        """The recordings that have labels, and the cells with these."""
        gathered = super().gather()
        column = self._column(gathered)
        cells = column_labels(OwnTask(column, column=column), cells_of(gathered.by_id.values()))
        without = [one for one in gathered.by_id.values() if one.id not in cells]
        rows = [{"id": one.id, "path": path_text(one.path), "reason": f"its {column} is empty"} for one in without]
        if not cells:
            raise DataError(f"tasks: all cells of the column '{column}' are empty. Fill it, or take another column")
        kept = {id_: one for id_, one in gathered.by_id.items() if id_ in cells}
        return Recordings(gathered.sample_rate, kept, [*gathered.rejected, *rows]), cells

    def _column(self, gathered: Recordings) -> str:
        """The column of the labels: what `tasks` names, else the first of the usual ones that there is."""
        if self.tasks:
            return self.tasks[0].column
        columns = list(dict.fromkeys(name for one in gathered.by_id.values() for name in one.columns))
        small = {name.lower(): name for name in columns}
        found = next((small[name] for name in self.columns if name in small), None)
        if found is None:
            raise ConfigError(
                f"tasks: expected the column of the labels, as in tasks=COLUMN; none is called {' or '.join(self.columns)}, the "
                f"columns are {', '.join(columns) or 'none'}"
            )
        return found


@dataclass(frozen=True)
class OwnTexts(_OwnLabelled):
    """Recordings with a column of texts."""

    columns: ClassVar[tuple[str, ...]] = ("text", "transcript", "transcription", "sentence")

    def gather(self) -> Recordings:
        """Find the recordings that have texts; what is spoken is in the column `text`."""
        gathered, texts = self._labelled
        named = {id_: replace(one, columns={**one.columns, "text": texts[id_]}) for id_, one in gathered.by_id.items()}
        return replace(gathered, by_id=named)


@dataclass(frozen=True)
class OwnTags(_OwnLabelled):
    """Recordings with a column of tags, several of them as in `rain;wind`."""

    columns: ClassVar[tuple[str, ...]] = ("labels", "tags", "label", "tag")

    def check(self, gathered: Recordings) -> None:
        """Refuse tags that no test could tell apart."""
        groups = self.groups(gathered)
        held: dict[str, set[str]] = {}
        for id_ in gathered.by_id:
            for tag in self.tags_of(id_):
                held.setdefault(tag, set()).add(groups[id_])
        if len(held) < 2:
            found = f"'{next(iter(held))}'" if held else "none"
            raise DataError(f"tasks: expected at least two different tags, found {found} in {len(groups)} recordings")
        if all(len(where) < 2 for where in held.values()):
            raise DataError(
                f"tasks: each of the {len(held)} tags is on one recording only, such as '{min(held)}', so that none is in "
                "training and in test"
            )

    def prepare_labels(self, out: Path, corpus: Corpus) -> None:
        """Write `labels.jsonl` and `classes.json`.

        Raises:
            ConfigError, DataError: if there is no column of tags, or nothing to tell apart.
        """
        gathered = self.gathered_of(corpus)
        self.check(gathered)
        tags = {id_: self.tags_of(id_) for id_ in gathered.by_id}
        test = [tags[id_] for id_ in divide(corpus.items, self.split, self.seed)["test"] if id_ in tags]
        if not any(0 < sum(tag in named for named in test) < len(test) for tag in {tag for named in test for tag in named}):
            raise DataError(
                f"tasks: no tag is on some of the {len(test)} recordings of the test side and off others, so that none could be "
                "ranked. Give more recordings, or a larger split.test"
            )
        count = Counter(tag for named in tags.values() for tag in named)
        write_jsonl(out / "labels.jsonl", [{"id": id_, "tags": named} for id_, named in tags.items()])
        write_json(out / "classes.json", sorted(count))
        rare = [tag for tag, times in sorted(count.items()) if times == 1]
        also = f"; {len(rare)} of them once, such as '{rare[0]}'" if rare else ""
        say(f"{len(count)} tags{also}, on {len(tags)} recordings", "yellow" if rare else "dim")

    def tags_of(self, id_: str) -> list[str]:
        """Tags of a recording, each once."""
        return sorted({tag.strip() for tag in self._labelled[1][id_].split(BETWEEN_TAGS)} - {""})


KINDS: dict[str, type[OwnAudio]] = {"ctc": OwnTexts, "tagging": OwnTags}


def own_labelled(config: LabelledRecipe) -> OwnAudio:
    """The source of a fine-tuning recipe that names a corpus.

    Raises:
        ConfigError: if its output holds a run on other recordings, or `tasks` names several columns.
    """
    tasks = tuple(parse_tasks(config.tasks))
    kind = KINDS.get(config.task_name, OwnAudio)
    if kind is not OwnAudio and (len(tasks) > 1 or any(task.path for task in tasks)):
        raise ConfigError(f"tasks: expected the one column of the labels for {config.task_name}, got {config.tasks}")
    sources = tuple(read_sources(config.corpus, config.table, config.where))
    source = kind(sources, tasks, config.split, config.seed, config.limit)
    check_same_corpus(source, config.output)
    return source


def dry_run(config: LabelledRecipe, output: Path) -> None:
    """Check labels and sides of recordings of one's own, and print what each side will hold; nothing for other recipes."""
    if config.corpus is not None:
        own_labelled(config).preview()
