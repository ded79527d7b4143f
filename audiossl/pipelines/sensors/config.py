"""Typed config of the sensor pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from audiossl.errors import ConfigError
from audiossl.models.resnet1d import ResNet1dConfig
from audiossl.objectives.pooling import Pooling
from audiossl.options import kind_of
from audiossl.pipelines.own.output import OWN, corpus_name, corpus_places
from audiossl.pipelines.recipe_names import check_limit, check_names
from audiossl.pipelines.sensors.batches import WindowBatchConfig
from audiossl.pipelines.sensors.row_kinds import KINDS
from audiossl.signals.file_search import find_files
from audiossl.signals.sensors.case_sets import find_case_set
from audiossl.signals.sensors.cases import CaseSet
from audiossl.signals.sensors.clock import TimeUnit
from audiossl.signals.sensors.labels import LabelKind
from audiossl.signals.sensors.own_files import PLACES, RECORDING, SUFFIXES, OwnFiles, triples, words_of
from audiossl.signals.sensors.windows import WindowConfig
from audiossl.stage import ADDED
from audiossl.training.config import TrainingConfig

Variant = Literal["none", "conv", "linear", "mlp", "random", "real"]
AUTO = "auto"  # in a recipe for one's own files: augmentations.axes are found by the names of channels
CASE_TASK = "class"  # name of the labels of a set of cases, unless `label` says another


@dataclass
class SensorModel:
    """One row of the table.

    Attributes:
        kind: an objective of `audiossl.objectives.kinds`; `random`, the encoder as it is drawn; `supervised`, trained on the
            labels alone; `encoder`, any that `audiossl.load` knows, frozen; `neighbour_whitening`, banks of features, whitened;
            a baseline without an encoder; or an objective or a row of one's own, `my_module:MyClass`.
        options: options of the objective; of an `encoder` its `name`, `transductive: true` to test people whom it was pre-trained
            on, and `convert_units: true` to bring units and the order of channels to those that it takes.
        mappers: mappers of frame projections, for what stands next to h_t in the features. The first gives the row that is named
            after the model, the others `MODEL_MAPPER`: none (h_t only), conv, linear, mlp, random (untrained), real (the views'
            encoders).
        dim: width of the encoder's output in place of the recipe's, so that a baseline's features may be as wide as others.
        batches: batches in place of the recipe's; of them `supervised` reads the size.
        lr: learning rate in place of the recipe's; for `supervised` in place of `task.finetune_lr`.
        untrained: leave an objective's networks as they are drawn, a control.
        finetune: also train the whole encoder on labels after pre-training, row `MODEL_finetuned`.
        pooling: `mean` of frames, or `rich`, four times as wide: mean, deviation, maximum and share of positive values.
    """

    kind: str = field(metadata=kind_of(KINDS))
    options: dict[str, Any] = field(default_factory=dict)
    mappers: list[Variant] = field(default_factory=lambda: ["mlp"])
    dim: int | None = None
    batches: WindowBatchConfig | None = None
    lr: float | None = None
    untrained: bool = False
    finetune: bool = False
    pooling: Pooling = field(default="mean", metadata=ADDED)


@dataclass
class SubjectConfig:
    """Who is held out.

    Attributes:
        test: names of test subjects; without them everybody is tested once, in `folds` folds.
        folds: number of folds; 0 chooses by the number of people, and divides so that every side has labels where that can be.
        rounds: test only so many of the folds, to save time; 0 tests all.
        valid: number of the other subjects kept for choices, drawn by the seed of the recipe; 0 with `folds: 0`.
    """

    test: list[str] = field(default_factory=list)
    folds: int = 5
    rounds: int = 0
    valid: int = 3

    def __post_init__(self) -> None:
        if self.folds == self.valid == self.rounds == 0 and not self.test:
            return
        if self.folds < 2 or self.valid < 1 or not 0 <= self.rounds <= self.folds:
            got = f"{self.folds}, {self.valid} and {self.rounds}"
            raise ConfigError(f"subjects needs at least 2 folds, 1 for valid and at most as many rounds as folds, got {got}")


@dataclass
class WindowTaskConfig:
    """What is read from frozen features.

    Attributes:
        name: name of the recordings' annotations.
        classes: classes that count; windows of other classes are as if they had no label. Empty takes all.
        kind: kind of the labels; `auto` takes text for classes and numbers for quantities, and asks where text is numbers, or
            numbers are small whole ones. `class` takes numbers for classes, `quantity` reads text as numbers.
        fractions: shares of the training labels that probes may read; the rest of the pipeline never sees labels.
        knn: also answer by nearest neighbours, from all labels (classes only).
        bins: also answer a quantity by classification into bins of width 1.
        bootstrap: number that is not used since intervals leave subjects out in turn; older recipes have it.
        finetune_steps: steps of supervised and fine-tuned models.
        finetune_lr: learning rate of these.
    """

    name: str = "activity"
    classes: list[str] = field(default_factory=list)
    kind: LabelKind = "auto"
    fractions: list[float] = field(default_factory=lambda: [1.0, 0.1, 0.01])
    knn: bool = True
    bins: bool = False
    bootstrap: int = 2000
    finetune_steps: int = 300
    finetune_lr: float = 2e-3

    def __post_init__(self) -> None:
        if not all(0 < share <= 1 for share in self.fractions) or len(set(self.fractions)) < len(self.fractions):
            raise ConfigError(f"task.fractions: expected shares above 0 and at most 1, each once, got {self.fractions}")


@dataclass
class SensorsRecipe:
    """Recordings, windows, objectives, and the quality of the representations on people who were never seen.

    Attributes:
        dataset: name in results.
        models: models by the name of their row.
        subjects_are: word of the report for them where they are no people: a split of recordings says nothing of new people.
        prepare: Python file next to the recipe with `recordings`.
        output: folder of the run.
        data_root: folder with data that were unpacked by hand, instead of fetching them.
        limit: keep at most so many recordings, for a smoke run.
        seeds: every model is trained and probed once for each.
        seed: seed of folds and validation subjects.
        windows: length, stride and selection of windows.
        subjects: sides.
        encoder: sizes of the network of the signal, the same for all objectives.
        batches: batches of pre-training.
        training: options of the training loop in pre-training.
        task: task that is evaluated.
        corpus: one's own files in place of a prepare script: a folder, a file, a pattern such as `people/*.csv`, or a list of
            them. The keys below say what is in them. A folder of UCR or UEA (`.ts`) or of MONSTER (`_X.npy`) is a set of cases.
        time: column of times: seconds, milliseconds, ..., or date and time. Without, samples follow each other at `rate`.
        channels: columns of the signals, `x,y,z` or a list; by default all that hold numbers and are nothing else.
        label: column of the classes that are read from features; its name is that of the task.
        person: column that says who was recorded; `file`, the default, one person a file; `folder`; a pattern of the path
            with a group, such as `sub-([0-9]+)`; or `recording` where there are too few people: then the test says nothing of
            new ones.
        rate: Hz that all recordings are brought to; 0 for that of the files.
        time_unit: unit of `time`; `auto` finds it or asks.
        units: units of the channels, one for all or one for each; by default those that the files say.
        max_gap: seconds without samples that are bridged; 0 for 3.5 steps.
        start: run or encoder of the same architecture that pre-training starts from, see `audiossl.pipelines.start`.
        norm_only: train, of that encoder, the norms alone.
        stages: earlier pre-training, in order, each by the keys that differ from this recipe, such as `corpus` and
            `training.max_steps`; each starts from the one before, and this recipe from the last.
    """

    claims_output: ClassVar[bool] = True  # a folder made from one corpus is not taken for another

    dataset: str
    models: dict[str, SensorModel]
    subjects_are: str = "people"
    prepare: str = "prepare.py"
    output: Path | None = None
    data_root: Path | None = None
    limit: int | None = None
    seeds: list[int] = field(default_factory=lambda: [1])
    seed: int = 1
    windows: WindowConfig = field(default_factory=WindowConfig)
    subjects: SubjectConfig = field(default_factory=SubjectConfig)
    encoder: ResNet1dConfig = field(default_factory=ResNet1dConfig)
    batches: WindowBatchConfig = field(default_factory=WindowBatchConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    task: WindowTaskConfig = field(default_factory=WindowTaskConfig)
    corpus: str | list[str] | None = field(default=None, metadata=ADDED)
    time: str = field(default="", metadata=ADDED)
    channels: str | list[str] = field(default="", metadata=ADDED)
    label: str = field(default="", metadata=ADDED)
    person: str = field(default="", metadata=ADDED)
    rate: float = field(default=0.0, metadata=ADDED)
    time_unit: TimeUnit = field(default="auto", metadata=ADDED)
    units: str | list[str] = field(default="", metadata=ADDED)
    max_gap: float = field(default=0.0, metadata=ADDED)
    start: str = field(default="", metadata=ADDED)
    norm_only: bool = field(default=False, metadata=ADDED)
    stages: list[dict[str, Any]] = field(default_factory=list, metadata=ADDED)

    def __post_init__(self) -> None:
        self._take_own()
        check_limit(self.limit)
        check_names("models", self.models)
        if not self.models or not self.seeds:
            raise ConfigError("expected at least one model and one seed")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds repeat: {self.seeds}")

    @property
    def own_files(self) -> OwnFiles:
        """One's own files, as the keys describe them.

        Raises:
            ConfigError: if there are none.
        """
        files = find_files(corpus_places(self.corpus), SUFFIXES)
        return OwnFiles(
            tuple(files), tuple(self.channels), self.time, self.label, self.person, self.rate, self.time_unit, tuple(self.units),
            self.max_gap,
        )  # fmt: skip

    @property
    def case_set(self) -> CaseSet | None:
        """The set of UCR, UEA or MONSTER that the corpus is; None if it is none.

        Raises:
            ConfigError: if it is several, or half of one.
        """
        if self.corpus is None:
            return None
        return find_case_set(corpus_places(self.corpus), "" if self.person in PLACES else self.person)

    def _take_own(self) -> None:
        """Read what recipes for one's own files leave to the corpus: names of data set and task, and lists of columns."""
        for key in ("channels", "units"):
            value = getattr(self, key)
            if isinstance(value, str) and value:
                setattr(self, key, [word.strip() for word in value.split(",") if word.strip()])
        if self.corpus is None:
            for model in filter(_has_open_axes, self.models.values()):
                model.options["augmentations"]["axes"] = []
            given = [key for key in ("time", "channels", "label", "rate", "units") if getattr(self, key)]
            if given:
                raise ConfigError(
                    f"{given[0]} says what is in one's own files, and there is no corpus; say corpus='people/*.csv'"
                )
            return
        if self.dataset == OWN:
            self.dataset = corpus_name(self.corpus)
        if (cases := self.case_set) is not None:
            self._take_cases(cases)
        unknown = [model.options["augmentations"] for model in self.models.values() if _has_open_axes(model)]
        axes = triples(self.channels or ([] if cases else words_of(self.own_files).channels)) if unknown else []
        for augmentations in unknown:
            augmentations["axes"] = axes
        if self.label:
            self.task = replace(self.task, name=self.label)
        if self.person == RECORDING and self.subjects_are == "people":
            self.subjects_are = "recordings"

    def _take_cases(self, cases: CaseSet) -> None:
        """Cut whole cases, and read what the set says of labels and people.

        Raises:
            ConfigError: if a key does not suit a set of cases, or the rate is missing.
        """
        if given := [key for key in ("time", "max_gap") if getattr(self, key)]:
            raise ConfigError(f"{given[0]}: {cases.name} is a set of cases ({cases.archive}), which has no such thing")
        if not self.rate:
            raise ConfigError(
                f"rate: {cases.name} ({cases.archive}) does not say how many samples a second has: say rate=HZ, or rate=1 where "
                "samples are no times"
            )
        if self.channels and len(self.channels) != cases.num_channels:
            raise ConfigError(f"channels: expected a name for each of {cases.num_channels}, got {len(self.channels)}")
        if len(self.units) > 1 and len(self.units) != cases.num_channels:
            raise ConfigError(f"units: expected one, or one for each of {cases.num_channels} channels, got {len(self.units)}")
        if self.person in PLACES[1:] and (cases.subjects or self.person != RECORDING):
            raise ConfigError(f"person: expected a key of the metadata of {cases.name}, got '{self.person}'")
        usual, cut = WindowConfig(), self.windows
        # Whole cases are cut with a share of 0, which this wrote if the recipe is made a second time.
        if (cut.seconds, cut.hop) != (usual.seconds, usual.hop) and cut.min_share:
            raise ConfigError(
                f"windows: cases of {cases.name} are cut and scored whole; leave out windows.seconds and windows.hop"
            )
        whole = cases.longest / self.rate
        self.windows = replace(cut, seconds=whole, hop=whole, by="time", min_share=0.0)
        self.task = replace(
            self.task, name=self.label or CASE_TASK, kind=cases.kind if self.task.kind == "auto" else self.task.kind
        )
        if not cases.subjects and self.subjects_are == "people":
            self.subjects_are = "recordings"


def _has_open_axes(model: SensorModel) -> bool:
    """Whether a model leaves it to the names of channels which are rotated together."""
    augmentations = model.options.get("augmentations")
    return isinstance(augmentations, dict) and augmentations.get("axes") == AUTO
