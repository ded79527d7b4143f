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
from audiossl.signals.corpus import Corpus, CorpusItem

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
    known, ids = set(read_json(out / CLASSES)), {item.id for item in corpus.items}
    for row in read_jsonl(out / LABELS):
        if row["id"] not in ids or not known.issuperset(row["tags"]):
            raise DataError(f"{out / LABELS} names an item or a tag that is not known: {row}")
    labelled = {row["id"] for row in read_jsonl(out / LABELS)}
    write_jsonl(out / LEFT_OUT, [{"id": id_, "reason": "it has no row of tags"} for id_ in sorted(ids - labelled)])


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
