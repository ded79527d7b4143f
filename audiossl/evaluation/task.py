"""What a recipe asks of a task: which rows hold its labels, what it reads of a model, and how it scores one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, cast

from audiossl.embedding.store import EmbeddingStore
from audiossl.evaluation.readout import Outcome, Readout
from audiossl.evaluation.splits import SPLITS, Split, Splits

Row = Mapping[str, Any]  # of a JSON file that a user wrote


@dataclass(frozen=True)
class TaskSetting:
    """What a task is built from, next to its label rows.

    Attributes:
        dataset, task: names in results.
        sides: ids of each side; those without labels are left out.
        groups: group by id, which intervals resample.
        rate: instants per second at which labels of frames are read.
    """

    dataset: str
    task: str
    sides: Mapping[Split, Sequence[str]]
    groups: Mapping[str, str]
    rate: float = 50.0

    def splits(self, rows: Mapping[str, Row]) -> Splits:
        """The sides of the labelled items.

        Raises:
            DataError: if one is empty, or a group is on two.
        """
        return Splits({side: [id_ for id_ in self.sides[side] if id_ in rows] for side in SPLITS}, self.groups)


@dataclass(frozen=True)
class TaskDetail:
    """What was chosen for a model on a task.

    Attributes:
        layer: place of the layer in the store; None where each fold has its own.
        number: number of the layer in the model, or words.
        valid_by_layer: accuracy on the validation side; empty where there is one layer.
        chosen: strength of the probe and neighbours, or what was chosen how often.
        context: frames on either side that were stacked to each.
        layer_weights: learned weights of the layers, where they were learned.

    >>> TaskDetail.from_json(TaskDetail(2, 6, [0.4, 0.5, 0.7], {"l2": 0.1}).to_json()).number
    6
    """

    layer: int | None
    number: int | str
    valid_by_layer: Sequence[float]
    chosen: Mapping[str, float]
    context: int = 0
    layer_weights: Sequence[float] | None = None

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> TaskDetail:
        """Read what `to_json` gave, of this version or an earlier one."""
        return cls(**cast(Mapping[str, Any], values))


class Task(ABC):
    """A probe: labels of a corpus, and a score of any model's frozen frames on them.

    A task of one's own is a subclass, which a recipe names by `kind: my_module:MyTask`. Most easily it derives from one that
    there is, such as `ClipTask`, and has another `score`.

    Attributes:
        reads: whether a model's frames are stored, or one pooled vector for each recording.
        key, example: field of a label row next to `id`, and such a row.
        by_folds: whether groups are tested in turn, so that the sides of the corpus do not count.
        marks_frames: whether labels hold at instants, so that tokens and maps of frames are shown next to them.
        readout: default options that models are scored with.

    >>> from audiossl.evaluation.tasks import find_task
    >>> issubclass(find_task("clips"), Task), find_task("segments").reads
    (True, 'frames')
    """

    reads: ClassVar[Literal["frames", "pooled"]]
    key: ClassVar[str]
    example: ClassVar[str]
    by_folds: ClassVar[bool] = False
    marks_frames: ClassVar[bool] = False
    readout: ClassVar[Readout] = Readout()

    @classmethod
    @abstractmethod
    def from_rows(cls, rows: Mapping[str, Row], setting: TaskSetting) -> Task:
        """Build the task from its label rows by id.

        Raises:
            DataError: if it could not be scored.
        """

    @classmethod
    @abstractmethod
    def check_rows(cls, rows: Mapping[str, Row], seconds: Mapping[str, float]) -> None:
        """Refuse rows that mean nothing; `seconds` are the lengths of the recordings by id.

        Raises:
            DataError: naming the id.
        """

    @classmethod
    @abstractmethod
    def labels_of(cls, row: Row) -> list[str | int]:
        """The labels in a row."""

    @abstractmethod
    def score(self, model: str, store: EmbeddingStore, readout: Readout) -> tuple[Outcome, TaskDetail]:
        """Score a model; whatever is chosen is chosen without the test side.

        Args:
            model: name in results.
            store: store of its frames, or pooled vectors, as `reads` says.
            readout: which readouts, and their options.
        """
