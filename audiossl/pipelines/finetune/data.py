"""The stages `corpus` and `labels` of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.errors import DataError
from audiossl.files import write_json
from audiossl.objectives.text_units import TextConfig
from audiossl.pipelines.finetune.labels import check_sides
from audiossl.pipelines.finetune.tasks import find_finetune_task
from audiossl.pipelines.sides import SIDES, SplitConfig, divide, field_of, given_by_parts, open_split, read_sides
from audiossl.pipelines.source import Source
from audiossl.signals.corpora.corpus import Corpus, CorpusItem
from audiossl.stage import ADDED, StageConfig


@dataclass(frozen=True)
class CorpusStage(StageConfig):
    """What decides the corpus, which of its items are kept, and the sides."""

    source: Source
    keep: Mapping[str, Sequence[str]]
    parts: Mapping[str, Sequence[str]]
    split: SplitConfig
    seed: int


@dataclass(frozen=True)
class LabelsStage(StageConfig):
    """What decides the labels: `text` is how transcripts are written, `digest` that of the source of a task from outside."""

    source: Source
    task: str
    text: TextConfig | None
    digest: str = field(default="", metadata=ADDED)


def make_corpus(out: Path, inputs: Mapping[str, Path], config: CorpusStage) -> None:
    """Let the source build the corpus at `out/corpus`, and draw the sides of what is kept of it.

    Raises:
        DataError: if nothing is kept, or a side would be empty.
    """
    config.source.prepare_corpus(out / "corpus")
    write_json(out / SIDES, divide_kept(Corpus.open(out / "corpus").items, config))


def divide_kept(items: Sequence[CorpusItem], config: CorpusStage) -> dict[str, list[str]]:
    """Ids of the sides of the items that are kept: by their parts where these are given, else drawn.

    Raises:
        DataError: if nothing is kept, or a side would be empty.
    """
    kept = [item for item in items if all(field_of(item, name) in wanted for name, wanted in config.keep.items())]
    if not kept:
        raise DataError(f"no item of the corpus is kept by keep={config.keep}. Check the names and values.")
    return given_by_parts(kept, config.parts) if config.parts else divide(kept, config.split, config.seed)


def make_labels(out: Path, inputs: Mapping[str, Path], config: LabelsStage) -> None:
    """Write the labels of the task, and check that they can be learned and scored.

    Raises:
        DataError: if they cannot.
    """
    sides = read_sides(inputs["corpus"])
    find_finetune_task(config.task).write_labels(out, open_split(inputs["corpus"]), sides, config.source, config.text)
    check_sides(out, sides, config.task)
