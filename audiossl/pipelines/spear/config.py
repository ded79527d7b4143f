"""Typed config of the SPEAR pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from audiossl.errors import ConfigError
from audiossl.models.training_devices import TrainingDevices
from audiossl.objectives.domains import DualLoss, target_streams
from audiossl.objectives.masked_prediction import MaskedPredictionConfig
from audiossl.pipelines.recipe_names import check_limit, check_names
from audiossl.pipelines.tokenise.corpus import QuantiserConfig
from audiossl.signals.corpora.corpus import CorpusItem
from audiossl.signals.mixing import MixingConfig
from audiossl.teachers.teacher import TeacherConfig
from audiossl.training.config import TrainingConfig


@dataclass
class SplitConfig:
    """How items are divided: all items that share `by` stay on one side.

    Attributes:
        by: speaker, recording, or a custom field of the corpus such as prompt. The default keeps what is cut from one recording
            on one side; where items share speakers or texts, name that.
        given: custom field that names the side of each item, where the recipe decides: train, valid, and anything else for items
            that pre-training never sees. The fractions are then not used.
        train, valid, test: fractions of the groups; pre-training sees train only.
    """

    by: str = "recording"
    given: str | None = None
    train: float = 0.72
    valid: float = 0.08
    test: float = 0.2

    def __post_init__(self) -> None:
        shares = {"train": self.train, "valid": self.valid, "test": self.test}
        total = sum(shares.values())
        if self.given is None and (min(shares.values()) < 0 or not self.train or abs(total - 1) > 1e-6):
            rest = {side: share for side, share in shares.items() if side != "train" and share > 0}
            left = round(1 - sum(rest.values()), 6)
            helps = f"split.train={left:g}" if 0 < left < 1 else "split.train=0.72 split.valid=0.08 split.test=0.2"
            got = ", ".join(f"{side} {share:g}" for side, share in shares.items())
            raise ConfigError(
                f"split: expected shares of at least 0, with something for train, that sum to 1, got {got}. Try {helps}"
            )


@dataclass
class StreamConfig:
    """One kind of tokens that the student predicts.

    Attributes:
        teacher: whose frames become tokens.
        quantiser: which tokens.
        weight: in the loss (lambda).
    """

    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    quantiser: QuantiserConfig = field(default_factory=QuantiserConfig)
    weight: float = 1.0


@dataclass
class DataConfig:
    """In which proportions, and with what mixed in, the training side is read.

    Attributes:
        repeats: how often a recording comes in an epoch, by its custom field `source` or `domain`; 1.7 is once or twice. Batches
            are drawn from all recordings, so sources are interleaved by their number of recordings times this.
        mixing: noise and second utterances.
        noise: folder of a corpus or of lhotse shards, or a lhotse manifest, that noise is drawn from (MUSAN); by default noise is
            what is not of the main domain.
    """

    repeats: dict[str, float] = field(default_factory=dict)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    noise: Path | None = None


@dataclass
class StudentConfig:
    """A preset of the Zipformer and what differs from it.

    Attributes:
        preset: tiny, base, large or xlarge.
        overrides: fields of `ZipformerConfig`.
        max_item_seconds: longer recordings are cut into pieces of equal length for pre-training; at most training.batch_seconds.
        devices: training-only devices of the Zipformer, as in the reference; worth their time in long runs.
    """

    preset: Literal["tiny", "base", "large", "xlarge"] = "tiny"
    overrides: dict[str, Any] = field(default_factory=dict)
    max_item_seconds: float = 12.0
    devices: TrainingDevices = field(default_factory=TrainingDevices)


@dataclass
class TaskConfig:
    """A probe.

    Attributes:
        name: the labels are in `NAME.jsonl` of the recipe's labels.
        kind: `frames` reads a label at each instant, `segments` one a stretch (a word) from its mean frame, `clips`
            one for each recording from its mean frame.
        folds: leave one group out at a time instead of one split (clips only).
    """

    name: str
    kind: Literal["frames", "segments", "clips"]
    folds: bool = False


@dataclass
class EvaluationConfig:
    """What is probed and how.

    Attributes:
        tasks: probes, each with labels of the recipe.
        rate: instants per second at which frame labels are read, the same for every model.
        context: frames on either side that the log-mel baseline sees.
        bootstrap: not used since intervals leave groups out in turn; older recipes have it.
    """

    tasks: list[TaskConfig] = field(default_factory=list)
    rate: float = 50.0
    context: int = 5
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ConfigError(f"evaluation.rate should be above 0, got {self.rate}.")
        if self.bootstrap < 1:
            raise ConfigError(f"evaluation.bootstrap should be at least 1, or there is no interval, got {self.bootstrap}.")
        if self.context < 0:
            raise ConfigError(f"evaluation.context should be at least 0, got {self.context}.")


@dataclass
class SpearRecipe:
    """A corpus, a teacher, tokens, a student, and what the student is worth.

    Either one `teacher` and `quantiser`, or several `streams`, each named after a domain. Recordings say theirs in the custom
    field `domain`; the first stream is the main one.

    Attributes:
        dataset: name in results.
        prepare: Python file beside the recipe with `prepare_corpus` and `prepare_labels`.
        output: folder of the run.
        data_root: folder with packages that were unpacked by hand, instead of fetching them.
        limit: keep only so many items per source, for a smoke run.
        seed: of splits, quantiser, student, masks and batches.
        streams: several kinds of tokens, by domain.
        dual_loss: which streams are predicted from which domain.
    """

    dataset: str
    prepare: str = "prepare.py"
    output: Path | None = None
    data_root: Path | None = None
    limit: int | None = None
    seed: int = 1
    split: SplitConfig = field(default_factory=SplitConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    quantiser: QuantiserConfig = field(default_factory=QuantiserConfig)
    streams: dict[str, StreamConfig] = field(default_factory=dict)
    dual_loss: DualLoss = "asymmetric"
    data: DataConfig = field(default_factory=DataConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    objective: MaskedPredictionConfig = field(default_factory=MaskedPredictionConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        check_limit(self.limit)
        check_names("evaluation.tasks", (task.name for task in self.evaluation.tasks))
        check_names("streams", self.streams)
        longest, most = self.student.max_item_seconds, self.training.batch_seconds
        if not 0 < longest <= most:
            raise ConfigError(
                f"student.max_item_seconds should be above 0 and at most training.batch_seconds={most:g}, or long recordings fit "
                f"into no batch, got {longest:g}. Lower student.max_item_seconds or raise training.batch_seconds."
            )
        if any(task.folds and task.kind != "clips" for task in self.evaluation.tasks):
            raise ConfigError("evaluation.tasks: folds are for tasks of kind clips")

    @property
    def token_streams(self) -> dict[str, StreamConfig]:
        """All streams by name; a single one is named after its teacher."""
        return self.streams or {self.teacher.kind: StreamConfig(self.teacher, self.quantiser)}

    def targets(self, item: CorpusItem) -> list[str]:
        """Streams that are predicted from a recording.

        Raises:
            DataError: if its domain is needed and has no stream.
        """
        domain = item.custom.get("domain")
        return target_streams(None if domain is None else str(domain), list(self.token_streams), self.dual_loss)
