"""Fine-tuning on transcripts: text in units, learned by CTC, scored by error rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import torch
from torch import Tensor

from audiossl.errors import import_extra
from audiossl.evaluation.error_rates import ErrorCounts, count_errors, error_difference, error_rows
from audiossl.evaluation.intervals import Interval
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.splits import Split
from audiossl.files import read_jsonl, write_jsonl
from audiossl.models.encoder import Encoder
from audiossl.objectives.ctc import CTC, CTCConfig
from audiossl.objectives.text_units import TextConfig, TextUnits, fit_units, load_units, normalise_text
from audiossl.objectives.tuned_encoder import TuningConfig
from audiossl.pipelines.finetune.task import LABELS, LEFT_OUT, Answers, FinetuneTask, ScoredItems
from audiossl.pipelines.source import Source
from audiossl.report.content import AudioClip, Part, Section
from audiossl.signals.corpora.corpus import Corpus

UNITS = "units"
EXAMPLES = 8


@dataclass(frozen=True)
class Transcripts(FinetuneTask):
    """Normalised text by item id, and the units that it is written in."""

    truth: Mapping[str, str]
    units: TextUnits

    title: ClassVar[str] = "transcripts by CTC"
    functions: ClassVar[tuple[str, ...]] = ("prepare_corpus",)
    options: ClassVar[type[TuningConfig]] = CTCConfig

    @classmethod
    def write_labels(
        cls, out: Path, corpus: Corpus, sides: Mapping[Split, Sequence[str]], source: Source, options: object
    ) -> None:
        """Normalise the texts of the corpus and fit units to those of the training side; items without words are left out."""
        import_extra("jiwer", "finetune")  # needed later: better missed now than after hours of training
        config = cast(TextConfig, options)
        texts = {item.id: normalise_text(item.text or "", config) for item in corpus.items}
        units = fit_units((texts[id_] for id_ in sides["train"]), config)
        units.save(out / UNITS)
        write_jsonl(out / LABELS, [{"id": id_, "text": text} for id_, text in texts.items() if text])
        without = [{"id": id_, "reason": "it has no text, or none with letters or digits"} for id_ in texts if not texts[id_]]
        write_jsonl(out / LEFT_OUT, without)

    @classmethod
    def open(cls, folder: Path) -> Transcripts:
        """Read texts and units."""
        return cls({row["id"]: row["text"] for row in read_jsonl(folder / LABELS)}, cls.open_outputs(folder))

    @classmethod
    def open_outputs(cls, folder: Path) -> TextUnits:
        """Read the units."""
        return load_units(folder / UNITS)

    def save_outputs(self, folder: Path) -> None:
        """Write the units."""
        self.units.save(folder / UNITS)

    @property
    def size(self) -> int:
        """Units, with the blank."""
        return self.units.size

    def target(self, id_: str) -> Tensor:
        """Unit numbers of an item."""
        return torch.tensor(self.units.encode(self.truth[id_]), dtype=torch.int64)

    @classmethod
    def make_objective(cls, encoder: Encoder, size: int, options: TuningConfig) -> CTC:
        """CTC over the units."""
        return CTC(encoder, size, cast(CTCConfig, options))

    def answer(self, said: object) -> str:
        """The text of some units."""
        return self.units.decode(cast(list[int], said))

    def score(self, items: ScoredItems, answers: Mapping[str, Answers]) -> tuple[list[ResultRow], dict[str, Interval]]:
        """Word and character error rates."""
        references = {id_: self.truth[id_] for id_ in items.ids}
        counts: dict[str, dict[str, ErrorCounts]] = {
            name: count_errors(references, {id_: str(answer[id_]) for id_ in items.ids}, items.groups)
            for name, answer in answers.items()
        }
        rows = [row for name, found in counts.items() for row in error_rows(items.dataset, items.task, name, found)]
        if "random" not in counts:
            return rows, {}
        pairs = {metric: (counts["finetuned"][metric], counts["random"][metric]) for metric in counts["random"]}
        return rows, {metric: error_difference(*pair) for metric, pair in pairs.items()}

    @classmethod
    def section(cls, inputs: Mapping[str, Path], models: Sequence[str], details: Mapping[str, object]) -> Section:
        """Some test items, spread evenly over the test side, with what each model wrote."""
        corpus = Corpus.open(inputs["corpus"] / "corpus")
        answers = {name: {row["id"]: row for row in read_jsonl(inputs["evaluate"] / f"{name}.jsonl")} for name in models}
        ids = list(next(iter(answers.values())))
        clips: list[Part] = []
        for item in corpus.subset(ids[:: max(1, len(ids) // EXAMPLES)][:EXAMPLES]):
            lines = [f"{name}: {answer[item.id]['answer'] or '(nothing)'}" for name, answer in answers.items()]
            said = " \u00b7 ".join([f"said: {next(iter(answers.values()))[item.id]['reference']}", *lines])
            clips.append(AudioClip(item.id, corpus.read(item).numpy(), corpus.sample_rate, said))
        return Section("Transcripts", clips, "Held-out items, taken at equal steps through the test side.")
