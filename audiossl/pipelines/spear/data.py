"""The stages `corpus` and `labels` of a SPEAR run, and which of its recordings are a stream's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.errors import DataError
from audiossl.files import write_json
from audiossl.pipelines.sides import SIDES, SplitConfig, divide, read_sides
from audiossl.pipelines.source import Source
from audiossl.pipelines.spear.config import TaskConfig
from audiossl.pipelines.spear.label_checks import check_labels
from audiossl.signals.corpora.corpus import Corpus
from audiossl.stage import StageConfig, hashed_by


@dataclass(frozen=True)
class CorpusStage(StageConfig):
    """What decides the corpus and its sides."""

    source: Source
    split: SplitConfig
    seed: int


@dataclass(frozen=True)
class LabelsStage(StageConfig):
    """What decides the labels of the tasks; `split` says which groups they are checked with."""

    source: Source
    tasks: Sequence[TaskConfig] = field(metadata={"name": "evaluation.tasks"})
    split: SplitConfig = field(metadata=hashed_by("corpus"))


def make_corpus(out: Path, inputs: Mapping[str, Path], config: CorpusStage) -> None:
    """Let the source build the corpus at `out/corpus`, and draw its sides."""
    config.source.prepare_corpus(out / "corpus")
    write_json(out / SIDES, divide(Corpus.open(out / "corpus").items, config.split, config.seed))


def make_labels(out: Path, inputs: Mapping[str, Path], config: LabelsStage) -> None:
    """Let the source write the labels of all tasks, and check them.

    Raises:
        DataError: if they could not be scored, naming the task and the item.
    """
    corpus = Corpus.open(inputs["corpus"] / "corpus")
    config.source.prepare_labels(out, corpus)
    sides, source = read_sides(inputs["corpus"]), config.source
    check_labels(out, corpus, sides, config.tasks, config.split.by, written_by=source.name, limit=source.limit)


def of_domain(corpus: Corpus, domain: str | None) -> Corpus:
    """The recordings of a domain; all where it is None.

    Raises:
        DataError: if there are none.
    """
    if domain is None:
        return corpus
    ids = [item.id for item in corpus.items if item.custom.get("domain") == domain]
    if not ids:
        raise DataError(f"no recording of this side has the domain '{domain}', which a token stream is named after")
    return corpus.subset(ids)
