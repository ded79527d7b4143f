"""What a fine-tuning run asks of a task: its labels, its objective, its scores, and what its page shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from audiossl.evaluation.intervals import Interval
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.splits import Split
from audiossl.models.encoder import Encoder
from audiossl.objectives.tuned_encoder import TunedObjective, TuningConfig
from audiossl.pipelines.source import Source
from audiossl.report.content import Section
from audiossl.signals.corpora.corpus import Corpus

LABELS, LEFT_OUT = "labels.jsonl", "left_out.jsonl"
Answers = Mapping[str, object]  # by id, what `FinetuneTask.answer` gives


@dataclass(frozen=True)
class ScoredItems:
    """Test items that are scored together.

    Attributes:
        dataset, task: names in results.
        ids: of the items.
        groups: of every item, which intervals leave out in turn.
        seed: of what a score draws.
    """

    dataset: str
    task: str
    ids: Sequence[str]
    groups: Mapping[str, str]
    seed: int


class FinetuneTask(ABC):
    """A kind of labels that encoders are trained further on; an object holds the labels of a run.

    A task of one's own is a subclass, which a recipe names by `task: my_module:MyTask`.

    Attributes:
        title: what is learned, in words for the page.
        functions: that a prepare script must have.
        options: dataclass of the options of its objective.
        crops: whether training items longer than `max_item_seconds` are cropped at random; else they are left out.
        truth: label by id, as it is compared with an answer.
    """

    title: ClassVar[str]
    functions: ClassVar[tuple[str, ...]] = ("prepare_corpus", "prepare_labels")
    options: ClassVar[type[TuningConfig]] = TuningConfig
    crops: ClassVar[bool] = False
    truth: Mapping[str, Any]

    @classmethod
    @abstractmethod
    def write_labels(
        cls, out: Path, corpus: Corpus, sides: Mapping[Split, Sequence[str]], source: Source, options: object
    ) -> None:
        """Write `labels.jsonl`, `left_out.jsonl` and whatever `open` reads.

        Args:
            out: folder to write to.
            corpus: the items of all sides.
            sides: ids of each.
            source: of the labels.
            options: what the recipe says of the labels; None for most tasks.

        Raises:
            DataError: if the labels are not as expected.
        """

    @classmethod
    @abstractmethod
    def open(cls, folder: Path) -> FinetuneTask:
        """Read what `write_labels` wrote."""

    @classmethod
    @abstractmethod
    def open_outputs(cls, folder: Path) -> object:
        """Read what the outputs of a saved model mean."""

    @abstractmethod
    def save_outputs(self, folder: Path) -> None:
        """Write what the outputs of a model mean, for `open_outputs`."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Outputs of the head."""

    @abstractmethod
    def target(self, id_: str) -> Tensor:
        """What is learned of an item, (U,)."""

    @classmethod
    @abstractmethod
    def make_objective(cls, encoder: Encoder, size: int, options: TuningConfig) -> TunedObjective:
        """Build the objective around an encoder; `options` are of the class `options`."""

    def answer(self, said: object) -> object:
        """What an output of `predict` means, as JSON."""
        return said

    @abstractmethod
    def score(self, items: ScoredItems, answers: Mapping[str, Answers]) -> tuple[list[ResultRow], dict[str, Interval]]:
        """Score the answers of each model.

        Returns:
            The rows of all models; and where there is a model `random`, what `finetuned` is better by, by metric.
        """

    def details(self, ids: Sequence[str], answers: Mapping[str, Answers]) -> Mapping[str, object]:
        """What else the page shows of the scores, as JSON."""
        return {}

    @classmethod
    def section(cls, inputs: Mapping[str, Path], models: Sequence[str], details: Mapping[str, object]) -> Section | None:
        """A section of the page on the answers: `inputs` are the folders of the stages, `details` what `details` gave."""
        return None
