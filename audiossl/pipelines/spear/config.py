"""Typed config of the SPEAR pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError
from audiossl.evaluation.task import Task
from audiossl.evaluation.tasks import TASKS, find_task
from audiossl.kinds import find_kind, source_digest
from audiossl.models.student import NEEDS, STUDENTS, FeatureStudent, make_student
from audiossl.models.training_devices import TrainingDevices
from audiossl.objectives.domains import DualLoss, target_streams
from audiossl.objectives.frame_objectives import FrameObjectiveConfig
from audiossl.options import kind_of
from audiossl.pipelines.own.keys import adopt_corpus, repeats_of
from audiossl.pipelines.own.tasks import parse_tasks
from audiossl.pipelines.recipe_names import check_limit, check_names
from audiossl.pipelines.sides import SplitConfig
from audiossl.pipelines.tokenise.corpus import QuantiserConfig
from audiossl.signals.corpora.corpus import CorpusItem
from audiossl.signals.loading_options import LoadingOptions
from audiossl.signals.mixing import MixingConfig
from audiossl.stage import ADDED
from audiossl.teachers.teacher import TeacherConfig
from audiossl.training.config import TrainingConfig


@dataclass
class StreamConfig:
    """One kind of tokens that the student predicts.

    Attributes:
        teacher: teacher whose frames become tokens.
        quantiser: options of the tokens.
        weight: weight in the loss (lambda).
    """

    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    quantiser: QuantiserConfig = field(default_factory=QuantiserConfig)
    weight: float = 1.0


@dataclass
class DataConfig(LoadingOptions):
    """In which proportions, and with what mixed in, the training side is read.

    Attributes:
        workers, prefetch: threads that read recordings, and batches that are read ahead; they decide nothing.
        repeats: number of times that a recording comes in an epoch, by its custom field `source` or `domain`; 1.7 is once or
            twice. Batches are drawn from all recordings, so sources are interleaved by their number of recordings times this.
        mixing: noise and second utterances.
        noise: folder of a corpus or of lhotse shards, or a lhotse manifest, that noise is drawn from (MUSAN); by default noise is
            what is not of the main domain.
    """

    repeats: dict[str, float] = field(default_factory=dict)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    noise: Path | None = None


@dataclass
class StudentConfig:
    """The encoder that is pre-trained: a preset, and what differs from it.

    Attributes:
        preset: tiny, base, large or xlarge of the Zipformer; not used where a kind has no presets.
        overrides: fields of `ZipformerConfig`, or options of another kind.
        max_item_seconds: longer recordings are cut into pieces of equal length for pre-training; at most training.batch_seconds.
        devices: training-only devices of the Zipformer, as in the reference; they pay off in long runs.
        kind: zipformer, or `my_module:MyEncoder`, see `audiossl.models.student`.
        source: digest of the source of a kind from outside.
    """

    preset: str = "tiny"
    overrides: dict[str, Any] = field(default_factory=dict)
    max_item_seconds: float = 12.0
    devices: TrainingDevices = field(default_factory=TrainingDevices)
    kind: str = field(default="zipformer", metadata={**ADDED, **kind_of(STUDENTS)})
    source: str = field(default="", init=False, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.kind not in STUDENTS:
            self.source = source_digest(find_kind(self.kind, STUDENTS, "student", NEEDS))

    @property
    def narrower(self) -> Callable[..., dict[str, object]] | None:
        """Function that gives the overrides of half the width, for a dry run of a large student; None if the kind has none."""
        return getattr(find_kind(self.kind, STUDENTS, "student", NEEDS), "narrower", None)

    @property
    def check_options(self) -> Callable[..., None] | None:
        """Of a kind that has one, what refuses wrong options without making a student."""
        return getattr(find_kind(self.kind, STUDENTS, "student", NEEDS), "check_options", None)

    def make(self) -> FeatureStudent:
        """Build the student with random weights of torch's global state.

        Raises:
            ConfigError: if an option is wrong.
        """
        return make_student(self.kind, self.preset, self.overrides)


@dataclass
class TaskConfig:
    """A probe.

    Attributes:
        name: the labels are in `NAME.jsonl` of the recipe's labels.
        kind: `frames` reads a label at each instant, `segments` one a stretch (a word) from its mean frame, `clips`
            one for each recording from its mean frame; or `my_module:MyTask`, see `audiossl.evaluation.tasks`.
        folds: leave one group out at a time instead of one split (clips only).
        attentive: also read frames of all layers by an attentive probe, metric `attentive_accuracy` (segments and clips).
        source: digest of the source of a kind from outside the package.
    """

    name: str
    kind: str = field(metadata=kind_of(TASKS))
    folds: bool = False
    attentive: bool = field(default=False, metadata=ADDED)
    source: str = field(default="", init=False, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.folds and f"folded_{self.kind}" not in TASKS:
            raise ConfigError(f"evaluation.tasks: {self.name}: folds are for tasks of kind clips, not for {self.kind}")
        if self.attentive and (self.folds or f"attentive_{self.kind}" not in TASKS):
            raise ConfigError(
                f"evaluation.tasks: {self.name}: attentive is for tasks of kind segments or clips without folds, "
                f"got {self.kind}{' with folds' if self.folds else ''}"
            )
        if self.kind not in TASKS:  # imported now: what is wrong with it is better found before anything is run
            try:
                self.source = source_digest(self.task)
            except ConfigError as error:
                raise ConfigError(f"evaluation.tasks: {self.name}: {error}") from error

    @property
    def task(self) -> type[Task]:
        """The class of the task."""
        return find_task(f"{'folded_' if self.folds else 'attentive_' if self.attentive else ''}{self.kind}")


@dataclass
class EvaluationConfig:
    """What is probed and how.

    Attributes:
        tasks: probes, each with labels of the recipe.
        rate: instants per second at which frame labels are read, the same for every model.
        context: frames on either side that the log-mel baseline sees.
        bootstrap: number that is not used since intervals leave groups out in turn; older recipes have it.
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
    """A corpus, a teacher, tokens, a student, and the quality of the student.

    Either one `teacher` and `quantiser`, or several `streams`, each named after a domain. Recordings say theirs in the custom
    field `domain`; the first stream is the main one.

    Attributes:
        dataset: name in results.
        prepare: Python file next to the recipe with `prepare_corpus` and `prepare_labels`.
        output: folder of the run.
        data_root: folder with packages that were unpacked by hand, instead of fetching them.
        limit: keep at most so many items per source, for a smoke run.
        seed: seed of splits, quantiser, student, masks and batches.
        streams: several kinds of tokens, by domain.
        dual_loss: streams that are predicted, by domain.
        corpus: recordings of one's own, in place of `prepare`: a folder, a table of clips, a lhotse manifest or shards, a Kaldi
            data folder, a Hugging Face data set, a pattern, or a list of these with `name`, `domain` and `repeats`.
        table: CSV, TSV, JSON lines or Parquet whose rows are joined to the recordings by id, path, file name or stem.
        where: condition on the columns, such as "speaker != 'a' and duration < 20"; only these recordings are used.
        tasks: columns that are probed, and files of segments with times (`phones.jsonl`, `phones.csv:frames`).
        start: run or encoder of the same architecture that pre-training starts from, see `audiossl.pipelines.start`.
        norm_only: train, of that encoder, the norms alone.
        stages: earlier pre-training, in order, each by the keys that differ from this recipe, such as `corpus` and
            `training.max_steps`; each starts from the one before, and this recipe from the last.
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
    objective: FrameObjectiveConfig = field(default_factory=FrameObjectiveConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    corpus: Any = field(default=None, metadata=ADDED)
    table: Path | None = field(default=None, metadata=ADDED)
    where: str | None = field(default=None, metadata=ADDED)
    tasks: list[str] | str = field(default_factory=list, metadata=ADDED)
    start: str = field(default="", metadata=ADDED)
    norm_only: bool = field(default=False, metadata=ADDED)
    stages: list[dict[str, Any]] = field(default_factory=list, metadata=ADDED)

    def __post_init__(self) -> None:
        if sources := adopt_corpus(self, "spear"):
            own = {task.name: TaskConfig(task.name, task.kind) for task in parse_tasks(self.tasks)}
            named = {task.name: task for task in self.evaluation.tasks}
            if other := named.keys() - own.keys():
                raise ConfigError(
                    f"evaluation.tasks: {', '.join(sorted(other))}: with a corpus of your own say tasks=COLUMN; evaluation.tasks "
                    "can give such a task another kind"
                )
            self.evaluation = replace(self.evaluation, tasks=list((own | named).values()))
            self.data = replace(self.data, repeats={**repeats_of(sources), **self.data.repeats})
        check_limit(self.limit)
        check_names("evaluation.tasks", (task.name for task in self.evaluation.tasks))
        check_names("streams", self.streams)
        longest, most = self.student.max_item_seconds, self.training.batch_seconds
        if not 0 < longest <= most:
            raise ConfigError(
                f"student.max_item_seconds should be above 0 and at most training.batch_seconds={most:g}, or long recordings fit "
                f"into no batch, got {longest:g}. Lower student.max_item_seconds or raise training.batch_seconds."
            )

    @property
    def token_streams(self) -> dict[str, StreamConfig]:
        """All streams by name; a single one is named after its teacher."""
        return self.streams or {self.teacher.kind: StreamConfig(self.teacher, self.quantiser)}

    @property
    def only_domain(self) -> str | None:
        """The domain of an only stream that `streams` names: it is then of that domain alone."""
        return next(iter(self.streams)) if len(self.streams) == 1 else None

    def targets(self, item: CorpusItem) -> list[str]:
        """Streams that are predicted from a recording.

        Raises:
            DataError: if its domain is needed and has no stream.
        """
        return targets_of(item, self.token_streams, self.dual_loss)


def targets_of(item: CorpusItem, streams: Iterable[str], dual_loss: DualLoss) -> list[str]:
    """Names of the streams that are predicted from a recording.

    Raises:
        DataError: if its domain is needed and has no stream.
    """
    domain = item.custom.get("domain")
    return target_streams(None if domain is None else str(domain), list(streams), dual_loss)
