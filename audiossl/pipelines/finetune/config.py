"""Typed config of the fine-tuning pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError
from audiossl.evaluation.splits import SPLITS
from audiossl.kinds import source_digest
from audiossl.objectives.ctc import CTCConfig
from audiossl.objectives.tagging import TaggingConfig
from audiossl.objectives.text_units import TextConfig
from audiossl.objectives.tuned_encoder import TuningConfig
from audiossl.options import kind_of, read_options
from audiossl.pipelines.finetune.task import FinetuneTask
from audiossl.pipelines.finetune.tasks import FINETUNE_TASKS, find_finetune_task
from audiossl.pipelines.own.keys import adopt_corpus
from audiossl.pipelines.recipe_names import check_limit
from audiossl.pipelines.sides import SplitConfig
from audiossl.signals.loading_options import LoadingOptions
from audiossl.stage import ADDED
from audiossl.training.config import TrainingConfig


@dataclass
class FinetuneEvaluation:
    """How test items are scored.

    Attributes:
        by: also score the test items of each value of this attribute or custom field apart, such as language or part.
        bootstrap: number that is not used since intervals leave groups out in turn; older recipes have it.
    """

    by: str | None = None
    bootstrap: int = 1000


@dataclass
class FinetuneRecipe:
    """A labelled corpus, an encoder, and the quality of the encoder when it is trained further with a head.

    Attributes:
        dataset: name in results.
        task: `ctc` learns transcripts, `tagging` tags; or `my_module:MyTask`, see `audiossl.pipelines.finetune.task`.
        encoder: any name that `audiossl.load` takes; of a run folder its student.
        prepare: Python file next to the recipe with `prepare_corpus` and, for tagging, `prepare_labels`.
        output: folder of the run; `runs/DATASET_TASK` by default.
        data_root: folder of the data, where they are not fetched.
        limit: keep at most so many items per source, for a smoke run.
        seed: seed of splits, heads, augmentation and batches. With the seed and split of pre-training, test items are new to the
            encoder; where the encoder's run folder shows that they are not, the run is refused.
        random: also train the same architecture from random weights, for as long, but never frozen and at the whole rate.
        keep: use only items whose attribute or custom field is one of these, `{"language": ["en", "es"]}`.
        parts: sides by the custom field `part` of the corpus, `{"train": [...], "valid": [...], "test": [...]}`; without it the
            sides are drawn as `split` says. `valid` may be missing: nothing is chosen by it.
        split: fractions of groups; `split.by` is also what intervals resample.
        max_item_seconds: longer training items are left out (ctc) or cropped at random (tagging).
        text, ctc, tagging: options of these tasks.
        data: number of threads that read recordings, and of batches that are read ahead; they decide nothing.
        training: the loop; `lr_scales: {encoder: 0.05}` slows the encoder.
        evaluation: options of the scores of test items.
        options: options of a task from outside, as the dataclass that its class names reads them.
        source: digest of the source of a task from outside.
        corpus: recordings of one's own, in place of `prepare`: a folder, a table of clips, a lhotse manifest or shards, a Kaldi
            data folder, a Hugging Face data set, a pattern, or a list of these with `name`, `domain` and `repeats`.
        table: CSV, TSV, JSON lines or Parquet whose rows are joined to the recordings by id, path, file name or stem.
        where: condition on the columns, such as "speaker != 'a' and duration < 20"; only these recordings are used.
        tasks: the column of the labels: of tags, several of them as in `rain;wind`, by default `labels`; of texts by default
            `text`.
    """

    dataset: str
    task: str = field(metadata=kind_of(FINETUNE_TASKS))
    encoder: str
    prepare: str = "prepare.py"
    output: Path | None = None
    data_root: Path | None = None
    limit: int | None = None
    seed: int = 1
    random: bool = True
    keep: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=dict)
    split: SplitConfig = field(default_factory=SplitConfig)
    max_item_seconds: float = 30.0
    text: TextConfig = field(default_factory=TextConfig)
    ctc: CTCConfig = field(default_factory=CTCConfig)
    tagging: TaggingConfig = field(default_factory=TaggingConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(lr_scales={"encoder": 0.05}))
    evaluation: FinetuneEvaluation = field(default_factory=FinetuneEvaluation)
    data: LoadingOptions = field(default_factory=LoadingOptions, metadata=ADDED)
    options: dict[str, Any] = field(default_factory=dict, metadata=ADDED)
    source: str = field(default="", init=False, metadata=ADDED)
    corpus: Any = field(default=None, metadata=ADDED)
    table: Path | None = field(default=None, metadata=ADDED)
    where: str | None = field(default=None, metadata=ADDED)
    tasks: list[str] | str = field(default_factory=list, metadata=ADDED)

    def __post_init__(self) -> None:
        adopt_corpus(self, self.task_name)
        check_limit(self.limit)
        self.task_options()
        if self.task not in FINETUNE_TASKS:
            self.source = source_digest(self.task_class)
        # Not runs/DATASET: the encoder's own run is there.
        self.output = self.output or Path("runs") / f"{self.dataset}_{self.task_name}"
        if self.parts and (unknown := set(self.parts) - set(SPLITS) or {"train", "test"} - set(self.parts)):
            raise ConfigError(f"parts names the sides train, test and perhaps valid; wrong or missing: {', '.join(unknown)}.")
        if self.max_item_seconds > self.training.batch_seconds:
            raise ConfigError(
                f"max_item_seconds={self.max_item_seconds:g} does not fit into training.batch_seconds="
                f"{self.training.batch_seconds:g}. Lower the one or raise the other."
            )

    @property
    def task_class(self) -> type[FinetuneTask]:
        """The class of the task."""
        return find_finetune_task(self.task)

    @property
    def task_name(self) -> str:
        """The task in results and names of folders: its kind, or the name of its class."""
        return self.task.rpartition(":")[2]

    def task_options(self) -> TuningConfig:
        """The options of the objective: the section that has the name of the task, else `options`.

        Raises:
            ConfigError: if one is wrong.
        """
        own = {"ctc": self.ctc, "tagging": self.tagging}.get(self.task)
        return own or read_options(self.task_class.options, self.options, "options")

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that are trained and compared."""
        return ("finetuned", "random") if self.random else ("finetuned",)
