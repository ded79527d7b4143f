"""Labels of a fine-tuning run: transcripts in units, or tags, by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiossl.errors import DataError
from audiossl.files import read_json, read_jsonl, write_jsonl
from audiossl.objectives.text_units import TextConfig, TextUnits, fit_units, load_units, normalise_text
from audiossl.options import nearest
from audiossl.signals.corpora.corpus import Corpus, CorpusItem

EXAMPLE = '{"id": "a", "tags": ["Speech"]}'
LABELS, LEFT_OUT, CLASSES, UNITS = "labels.jsonl", "left_out.jsonl", "classes.json", "units"


@dataclass(frozen=True)
class Transcripts:
    """Normalised text by item id, and the units that it is written in."""

    truth: Mapping[str, str]
    units: TextUnits

    @property
    def size(self) -> int:
        """Outputs of the head."""
        return self.units.size

    def target(self, id_: str) -> Tensor:
        """Unit numbers of an item."""
        return torch.tensor(self.units.encode(self.truth[id_]), dtype=torch.int64)


@dataclass(frozen=True)
class Tags:
    """Tags by item id, and all that there are."""

    truth: Mapping[str, Sequence[str]]
    classes: Sequence[str]

    @property
    def size(self) -> int:
        """Outputs of the head."""
        return len(self.classes)

    def target(self, id_: str) -> Tensor:
        """1 for the tags of an item, 0 for the others."""
        present = set(self.truth[id_])
        return torch.tensor([float(name in present) for name in self.classes])


def write_transcripts(out: Path, corpus: Corpus, sides: Mapping[str, Sequence[str]], config: TextConfig) -> None:
    """Normalise the texts of a corpus and fit units to those of the training side; items without words are left out by name."""
    texts = {item.id: normalise_text(item.text or "", config) for item in corpus.items}
    units = fit_units((texts[id_] for id_ in sides["train"]), config)
    units.save(out / UNITS)
    write_jsonl(out / LABELS, [{"id": id_, "text": text} for id_, text in texts.items() if text])
    without = [{"id": id_, "reason": "it has no text, or none with letters or digits"} for id_, text in texts.items() if not text]
    write_jsonl(out / LEFT_OUT, without)


def check_tags(out: Path, corpus: Corpus, script: Path) -> None:
    """Check what a prepare script wrote: `labels.jsonl` with rows {"id", "tags"} and `classes.json` with the names of all tags.

    Raises:
        DataError: if a file is missing, or holds a tag or an item that is not known.
    """
    for name in (LABELS, CLASSES):
        if not (out / name).is_file():
            raise DataError(f"{script} wrote no {name}, which tagging reads; see recipes/README.md")
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


def check_sides(out: Path, sides: Mapping[str, Sequence[str]], task: str) -> None:
    """Refuse labels that leave training or test without any, or nothing to tell apart.

    Raises:
        DataError: naming the task and the side.
    """
    truth = open_labels(out).truth
    for side in ("train", "test"):
        told = [truth[id_] for id_ in sides[side] if id_ in truth]
        if not told:
            raise DataError(
                f"{out / LABELS}: none of the {len(sides[side])} items of the {side} side has labels that the task {task} can use"
            )
        if side == "train" and len(told) > 1 and len({tuple(sorted(one)) for one in told}) == 1:
            raise DataError(
                f"{out / LABELS}: all {len(told)} items of the train side have the same label, {str(told[0])[:60]!r}: the task "
                f"{task} has nothing to tell apart"
            )


def open_labels(folder: Path) -> Transcripts | Tags:
    """Read the labels stage of a run."""
    rows = read_jsonl(folder / LABELS)
    if (folder / CLASSES).is_file():
        return Tags({row["id"]: row["tags"] for row in rows}, read_json(folder / CLASSES))
    return Transcripts({row["id"]: row["text"] for row in rows}, load_units(folder / UNITS))


def field_of(item: CorpusItem, name: str) -> str | None:
    """An attribute or custom field of an item, as text; None where it has none."""
    value = getattr(item, name, None)
    value = item.custom.get(name) if value is None else value
    return None if value is None else str(value)
