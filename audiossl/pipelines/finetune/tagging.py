"""Fine-tuning on tags: any number of them for each clip, scored by average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.intervals import Interval
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.splits import Split
from audiossl.evaluation.tag_scores import TagScores, leave_out_scores, tag_rows, tag_scores
from audiossl.files import read_json, read_jsonl, write_json, write_jsonl
from audiossl.models.encoder import Encoder
from audiossl.objectives.tagging import Tagging, TaggingConfig
from audiossl.objectives.tuned_encoder import TuningConfig
from audiossl.options import nearest
from audiossl.pipelines.finetune.task import LABELS, LEFT_OUT, Answers, FinetuneTask, ScoredItems
from audiossl.pipelines.source import Source
from audiossl.report.content import Section, Table
from audiossl.report.results import shown
from audiossl.signals.corpora.corpus import Corpus

EXAMPLE = '{"id": "a", "tags": ["Speech"]}'
CLASSES = "classes.json"
TAGS_SHOWN = 20


@dataclass(frozen=True)
class Tags(FinetuneTask):
    """Tags by item id, and all that there are."""

    truth: Mapping[str, Sequence[str]]
    classes: Sequence[str]

    title: ClassVar[str] = "tags"
    options: ClassVar[type[TuningConfig]] = TaggingConfig
    crops: ClassVar[bool] = True

    @classmethod
    def write_labels(
        cls, out: Path, corpus: Corpus, sides: Mapping[Split, Sequence[str]], source: Source, options: object
    ) -> None:
        """Let the source write `labels.jsonl`, rows {"id", "tags"}, and `classes.json`, the names of all tags; check both."""
        source.prepare_labels(out, corpus)
        check_tags(out, corpus, source.name)

    @classmethod
    def open(cls, folder: Path) -> Tags:
        """Read tags and classes."""
        return cls({row["id"]: row["tags"] for row in read_jsonl(folder / LABELS)}, cls.open_outputs(folder))

    @classmethod
    def open_outputs(cls, folder: Path) -> list[str]:
        """Read the classes."""
        return read_json(folder / CLASSES)

    def save_outputs(self, folder: Path) -> None:
        """Write the classes."""
        write_json(folder / CLASSES, list(self.classes))

    @property
    def size(self) -> int:
        """Classes."""
        return len(self.classes)

    def target(self, id_: str) -> Tensor:
        """1 for the tags of an item, 0 for the others."""
        present = set(self.truth[id_])
        return torch.tensor([float(name in present) for name in self.classes])

    @classmethod
    def make_objective(cls, encoder: Encoder, size: int, options: TuningConfig) -> Tagging:
        """Binary cross-entropy over the classes."""
        return Tagging(encoder, size, cast(TaggingConfig, options))

    def score(self, items: ScoredItems, answers: Mapping[str, Answers]) -> tuple[list[ResultRow], dict[str, Interval]]:
        """Mean average precision and area under the ROC curve."""
        rows: list[ResultRow] = []
        left_out = {}
        for name, answer in answers.items():
            scored = self._scores(items.ids, items.groups, answer)
            left_out[name] = leave_out_scores(scored, items.seed)
            rows += tag_rows(items.dataset, items.task, name, scored, left_out[name])
        if "random" not in answers:
            return rows, {}
        return rows, {metric: left_out["finetuned"].minus(left_out["random"], metric) for metric in left_out["finetuned"].whole}

    def details(self, ids: Sequence[str], answers: Mapping[str, Answers]) -> Mapping[str, object]:
        """Average precision of each tag by model; None where it cannot be had."""
        found = {}
        for name, answer in answers.items():
            values = tag_scores(self._scores(ids, dict.fromkeys(ids, ""), answer))["map"].tolist()
            found[name] = {tag: None if value != value else value for tag, value in zip(self.classes, values, strict=True)}
        return found

    def _scores(self, ids: Sequence[str], groups: Mapping[str, str], answer: Answers) -> TagScores:
        tags = np.array([self.target(id_).int().tolist() for id_ in ids])
        return TagScores(np.array([answer[id_] for id_ in ids]), tags, [groups[id_] for id_ in ids])

    @classmethod
    def section(cls, inputs: Mapping[str, Path], models: Sequence[str], details: Mapping[str, object]) -> Section:
        """The tags that the first model is best and worst at."""
        by_model = cast(Mapping[str, Mapping[str, float | None]], details)
        first = next(iter(by_model.values()))
        known = sorted((tag for tag, value in first.items() if value is not None), key=lambda tag: -(first[tag] or 0))
        chosen = known if len(known) <= 2 * TAGS_SHOWN else known[:TAGS_SHOWN] + known[-TAGS_SHOWN:]
        rows = [[tag, *(_share(values[tag]) for values in by_model.values())] for tag in chosen]
        about = "The best and the worst of the first model."
        return Section("Tags", [Table("Average precision of tags, %", ["Tag", *details], rows, about)])


def _share(value: float | None) -> str:
    return "–" if value is None else shown("map", value)


def check_tags(out: Path, corpus: Corpus, written_by: str) -> None:
    """Check what a source wrote: `labels.jsonl` with rows {"id", "tags"} and `classes.json` with the names of all tags.

    Raises:
        DataError: if a file is missing, or holds a tag or an item that is not known.
    """
    for name in (LABELS, CLASSES):
        if not (out / name).is_file():
            raise DataError(f"{written_by} wrote no {name}, which tagging reads; see recipes/README.md")
    classes, ids = read_json(out / CLASSES), {item.id for item in corpus.items}
    if not isinstance(classes, list) or len(set(map(str, classes))) < 2 or len(set(map(str, classes))) < len(classes):
        raise DataError(f"{out / CLASSES}: expected the names of at least two tags, each once, got {str(classes)[:80]}")
    try:
        rows = read_jsonl(out / LABELS)
    except ValueError as error:
        raise DataError(f"{out / LABELS} holds no JSON lines such as {EXAMPLE}: {error}") from error
    labelled: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not {"id", "tags"} <= row.keys() or not isinstance(row["tags"], list):
            raise DataError(f"{out / LABELS}: row {number}: expected rows such as {EXAMPLE}, got {str(row)[:80]}")
        where = f"{out / LABELS} names an item or a tag that is not known: row {number}"
        if row["id"] not in ids:
            meant = nearest(row["id"], ids) if len(ids) < 10_000 else ""
            raise DataError(f"{where} is of '{row['id']}'{meant}, which is not in the corpus or not kept; it has '{min(ids)}'")
        if unknown := [tag for tag in row["tags"] if tag not in classes]:
            raise DataError(f"{where}, '{row['id']}', has the tag {unknown[0]!r}{nearest(unknown[0], map(str, classes))}")
        if row["id"] in labelled:
            raise DataError(f"{out / LABELS}: '{row['id']}' has several rows")
        labelled.add(row["id"])
    write_jsonl(out / LEFT_OUT, [{"id": id_, "reason": "it has no row of tags"} for id_ in sorted(ids - labelled)])
