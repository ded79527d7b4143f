"""What tasks with a transcript share: units, CTC, and error rates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.errors import DataError, import_extra
from audiossl.evaluation.superb.heads.frame_ctc import ctc_loss, greedy_units
from audiossl.evaluation.superb.tables import Clip
from audiossl.evaluation.superb.task import Batch, Counts, RateTask
from audiossl.lengths import pad_stack
from audiossl.text import clean_text


class TranscriptTask(RateTask[str]):
    """A column `transcription`, turned into units; 0 is the blank of CTC."""

    columns = ("transcription",)

    def read_vocabulary(self) -> None:
        """Units of the training table.

        Raises:
            DataError: if another table has one that training has not.
            MissingExtraError: if jiwer, which counts errors, is not installed.
        """
        import_extra("jiwer", "superb")
        self.units = ["", *sorted({unit for clip in self.clips("train") for unit in self.split(clip.values["transcription"])})]
        self._numbers = {unit: number for number, unit in enumerate(self.units)}
        for split in ("valid", "test"):
            for clip in self.clips(split):
                unknown = sorted(set(self.split(clip.values["transcription"])) - set(self.units))
                if unknown:
                    raise DataError(
                        f"{self.folder / f'{split}.csv'}: {clip.id}: '{unknown[0]}' is not among the {len(self.units) - 1} units "
                        "of the training table"
                    )

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Units of a transcript."""

    @abstractmethod
    def join(self, units: Sequence[str]) -> str:
        """Transcript of units."""

    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """CTC."""
        texts = [self.split(clip.values["transcription"]) for clip in batch.clips]
        targets, sizes = pad_stack([torch.tensor([self._numbers[unit] for unit in text]) for text in texts])
        logits = self.logits(head, batch)
        return ctc_loss(logits, batch.lengths, targets.to(logits.device), sizes.to(logits.device))

    def logits(self, head: nn.Module, batch: Batch) -> Float[Tensor, "B T K"]:
        """Logits of each frame."""
        return head(batch.features, batch.lengths)

    def predict(self, head: nn.Module, batch: Batch) -> list[str]:
        """Transcripts by greedy decoding."""
        found = greedy_units(self.logits(head, batch).cpu(), batch.lengths.cpu())
        return [self.join([self.units[unit] for unit in units]) for units in found]


def word_errors(predictions: Mapping[str, str], references: Mapping[str, str]) -> Counts:
    """Substitutions, deletions and insertions of words of each clip."""
    return _errors(predictions, references, "process_words")


def character_errors(predictions: Mapping[str, str], references: Mapping[str, str]) -> Counts:
    """Substitutions, deletions and insertions of characters of each clip."""
    return _errors(predictions, references, "process_characters")


def _errors(predictions: Mapping[str, str], references: Mapping[str, str], process: str) -> Counts:
    align = getattr(import_extra("jiwer", "superb"), process)
    edits: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for id_, reference in references.items():
        found = align(clean_text(reference), clean_text(predictions[id_]))
        edits[id_] = float(found.substitutions + found.deletions + found.insertions)
        sizes[id_] = float(found.substitutions + found.deletions + found.hits)
    return Counts(edits, sizes)


def transcripts_of(clips: Sequence[Clip]) -> dict[str, str]:
    """Transcripts by id, cleaned as the units are made of them."""
    return {clip.id: clean_text(clip.values["transcription"]) for clip in clips}
