"""Typed config of the connectivity pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from audiossl.errors import ConfigError
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig
from audiossl.models.connectivity_encoder import ConnectivityConfig
from audiossl.options import kind_of
from audiossl.pipelines.connectivity.row_kinds import KINDS
from audiossl.pipelines.own.output import OWN, corpus_name
from audiossl.pipelines.recipe_names import check_limit, check_names
from audiossl.signals.bold.own_folder import OwnFolder, find_participants
from audiossl.signals.bold.people_table import PeopleTable
from audiossl.signals.bold.run import RunPolicy
from audiossl.stage import ADDED
from audiossl.training.config import TrainingConfig

LONGEST_CROP = 90  # volumes, where a recipe leaves it to the runs


@dataclass
class GraphModel:
    """One row of the table.

    Attributes:
        kind: `raw_fc`, correlations (Fisher z); `tangent`, covariances in the tangent space, and `brainnetcnn`, a small
            convolutional network on correlations, both for phenotypes only;
            `connectivity_mae`; `graph_infomax`; `random`, the networks of `connectivity_mae` as they are drawn, their batch norms
            settled; `supervised_gin`, trained to identify the person of a crop; `encoder`, one that an earlier run saved, in
            `options.folder`; or an objective or a row of one's own, `my_module:MyClass`.
        options: options of the objective.
        encoder: fields of the encoder in place of the recipe's.
    """

    kind: str = field(metadata=kind_of(KINDS))
    options: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)


@dataclass
class PretrainConfig:
    """Which volumes pre-training sees.

    Attributes:
        part: `first_half` of every run, `first_session` of everybody (runs that name no session are one each), or `all`. A
            fingerprint's gallery comes from this part, and what is to be identified from another: the second half, the second
            session. With `all` it is seen too, unless `subjects` are others; the report says so, and supervised models refuse.
        subjects: people who are seen; the others are then the people of the tasks. Empty: everybody, the same as in the tasks.
        crop: volumes of a training example, drawn at random; 0, for one's own folder, chooses by the shortest run.
    """

    part: Literal["first_half", "first_session", "all"] = "first_half"
    subjects: list[str] = field(default_factory=list)
    crop: int = 576


@dataclass
class FingerprintConfig:
    """Segments whose person is to be identified.

    Attributes:
        volumes: number of volumes of a segment; 0 leaves the task out.
        draws: number of draws of a segment of each part of every person.
    """

    volumes: int = 50
    draws: int = 50

    def __post_init__(self) -> None:
        if self.volumes < 0 or self.draws < 1:
            got = f"{self.volumes} and {self.draws}"
            raise ConfigError(f"fingerprint: expected volumes of at least 0 and draws of at least 1, got {got}")


@dataclass
class PhenotypeTask:
    """A label of people. Who lacks it, or one of the confounds, is left out and counted.

    Attributes:
        label: name in what the runs say of themselves.
        name: name of the task in results; by default the label, with `_by_site` where sites are left out.
        kind: of the label; `auto` takes text for classes and numbers for quantities, and asks where they may be the other:
            numbers that have two values or are whole and shared by people, as codes are, and text that looks like numbers.
        confounds: names of numbers that are scored alone, for comparison with every model.
        options: options of the score.
    """

    label: str
    name: str = ""
    kind: Literal["auto", "class", "quantity"] = "auto"
    confounds: list[str] = field(default_factory=list)
    options: PhenotypeConfig = field(default_factory=PhenotypeConfig)

    def __post_init__(self) -> None:
        if self.label in self.confounds:
            raise ConfigError(
                f"phenotypes: {self.label} is among its own confounds, which would predict all of it. Leave it out there"
            )

    @property
    def row(self) -> str:
        """Name of the task in results."""
        return "phenotype_" + (self.name or self.label + "_by_site" * self.options.by_site)


@dataclass
class ConnectivityRecipe:
    """BOLD runs, graph encoders, and the quality of their representations.

    Attributes:
        dataset: name in results.
        models: models by the name of their row.
        prepare: Python file next to the recipe with `recordings`; in its `networks` function, if any, the network of each region.
        output: folder of the run.
        data_root: folder with data that were fetched by hand.
        limit: keep at most so many runs, for a smoke run.
        seeds: every model is trained and scored once for each.
        runs: choice of runs.
        encoder: sizes of the graph encoder.
        pretrain: part of the data that it sees.
        training: options of the training loop in pre-training; `batch_seconds` is not used, a batch is a crop of every run,
            `batch_runs` at most.
        batch_runs: runs in a batch.
        fingerprint: the first task.
        networks: whether to predict the network of regions, the second task.
        phenotypes: further tasks; or the path of a table of people, whose columns they are then.
        corpus: one's own folder in place of a prepare script: derivatives of XCP-D or fMRIPrep, or tables of regional series, one
            a run. The keys below say which files are meant.
        atlas: a word in the names of the files of one atlas; for images of fMRIPrep a label image.
        bold_task: name in `task-`; by default the only one, or rest.
        tr: seconds a volume; 0 for what JSON files say.
        space: name in `space-`; by default the only one.
        rows: meaning of the rows of tables: `volumes`, so that regions are columns, or `regions`.
        person: person of a table: a pattern of the path with a group, such as `([0-9]+)_`; by default the names of files say.
        tasks: columns of the table of people, `sex,age` or a list, `age:quantity` or `sex:class` where a column may be either; by
            default all that can be scored.
        confounds: columns that are scored alone next to every model.
        site, family: columns of the site, and of the family whose members stay on one side.
        participant: column of the ids; found by default.
        people: path of that table; set by `phenotypes`, or by a participants.tsv of the folder.
        scoring: options of these tasks.
        start: run or encoder of the same architecture that pre-training starts from, see `audiossl.pipelines.start`.
        norm_only: train, of that encoder, the norms alone.
        stages: earlier pre-training, in order, each by the keys that differ from this recipe, such as `corpus` and
            `training.max_steps`; each starts from the one before, and this recipe from the last.
    """

    claims_output: ClassVar[bool] = True  # a folder made from one corpus is not taken for another

    dataset: str
    models: dict[str, GraphModel]
    prepare: str = "prepare.py"
    output: Path | None = None
    data_root: Path | None = None
    limit: int | None = None
    seeds: list[int] = field(default_factory=lambda: [1])
    runs: RunPolicy = field(default_factory=RunPolicy)
    encoder: ConnectivityConfig = field(default_factory=ConnectivityConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    batch_runs: int = 16
    fingerprint: FingerprintConfig = field(default_factory=FingerprintConfig)
    networks: bool = False
    phenotypes: list[PhenotypeTask] | str = field(default_factory=list)
    corpus: str | None = field(default=None, metadata=ADDED)
    atlas: str = field(default="", metadata=ADDED)
    bold_task: str = field(default="", metadata=ADDED)
    tr: float = field(default=0.0, metadata=ADDED)
    space: str = field(default="", metadata=ADDED)
    rows: Literal["volumes", "regions"] = field(default="volumes", metadata=ADDED)
    person: str = field(default="", metadata=ADDED)
    tasks: str | list[str] = field(default="", metadata=ADDED)
    confounds: str | list[str] = field(default="", metadata=ADDED)
    site: str = field(default="", metadata=ADDED)
    family: str = field(default="", metadata=ADDED)
    participant: str = field(default="", metadata=ADDED)
    people: str = field(default="", metadata=ADDED)
    open_columns: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    scoring: PhenotypeConfig = field(default_factory=PhenotypeConfig, metadata=ADDED)
    start: str = field(default="", metadata=ADDED)
    norm_only: bool = field(default=False, metadata=ADDED)
    stages: list[dict[str, Any]] = field(default_factory=list, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.corpus is not None:
            self._take_own(self.corpus)
        check_limit(self.limit)
        check_names("models", self.models)
        if not self.models or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("expected at least one model and one seed, and no seed twice")
        if self.batch_runs < 1:
            raise ConfigError(f"batch_runs should be at least 1, got {self.batch_runs}")
        if not self.fingerprint.volumes and not self.networks and not self.phenotypes and self.dataset != OWN:
            raise ConfigError("expected at least one task: fingerprint, networks or phenotypes")
        rows = [task.row for task in self.phenotype_tasks]
        if twice := sorted({row for row in rows if rows.count(row) > 1}):
            raise ConfigError(f"two phenotypes would be the rows {twice[0]}: give one of them another name")

    @property
    def phenotype_tasks(self) -> list[PhenotypeTask]:
        """The phenotypes as tasks; none before a table of people is read."""
        return self.phenotypes if isinstance(self.phenotypes, list) else []

    @property
    def folder(self) -> OwnFolder:
        """One's own folder, as the keys describe it."""
        table = PeopleTable.read(Path(self.people), self.participant) if self.people else None
        return OwnFolder(
            Path(self.corpus or "").expanduser(), self.atlas, self.bold_task, self.tr, self.space, self.rows, self.person,
            tuple(table.rows) if table else (), (table.path,) if table else (),
        )  # fmt: skip

    def _take_own(self, corpus: str) -> None:
        """Make of the columns of a table of people what recipes say, and of the lengths of runs those of windows and crops."""
        if self.dataset == OWN:
            self.dataset = corpus_name(corpus)
        if not Path(corpus).expanduser().is_dir():
            raise ConfigError(f"corpus: expected a folder of runs, found none at {corpus}")
        for key in ("tasks", "confounds"):
            if isinstance(value := getattr(self, key), str):
                setattr(self, key, [word.strip() for word in value.split(",") if word.strip()])
        if isinstance(self.phenotypes, str):
            self.people, self.phenotypes = self.phenotypes, []
        elif not self.phenotypes and not self.people and (found := find_participants(Path(corpus).expanduser())):
            self.people = str(found)
        if self.people and not self.phenotypes:
            self.phenotypes = self._phenotypes_of(PeopleTable.read(Path(self.people).expanduser(), self.participant))
        elif self.tasks and not self.people:
            raise ConfigError("tasks: these are columns of a table of people; say phenotypes=FILE.csv")
        if self.pretrain.crop == 0:
            self._fit_lengths(self.folder.shortest())

    def _phenotypes_of(self, table: PeopleTable) -> list[PhenotypeTask]:
        others = [*self.confounds, *filter(None, (self.site, self.family))]
        for column in others:
            table.kind(column)  # names the nearest where there is none
        chosen, self.open_columns = table.choose([*self.tasks], others)
        if not chosen:
            raise ConfigError(f"tasks: no column of {table.path} can be scored. {'. '.join(self.open_columns)}".rstrip(". "))
        return [
            PhenotypeTask(
                label, kind="class" if kind == "class" else "quantity", confounds=[*self.confounds], options=self.scoring
            )
            for label, kind in chosen.items()
        ]

    def _fit_lengths(self, shortest: int) -> None:
        """Choose what was left open by the shortest run: a crop of at most 90 volumes, and the longest windows that suit it.

        Masked auto-encoding asks for a window in a crop with one before and one after it, which share no volume.
        """
        part = shortest // 2 if self.pretrain.part == "first_half" else shortest
        crop = min(LONGEST_CROP, part)
        window = next((size for size in range(min(self.encoder.window, crop // 2), 3, -1) if _needed(size) <= crop), 3)
        self.pretrain = replace(self.pretrain, crop=crop)
        self.encoder = replace(self.encoder, window=window, stride=min(self.encoder.stride, window // 3))


def _needed(window: int) -> int:
    """Volumes of a window, one before and one after it that share no volume, where windows are a third of their length apart."""
    stride = window // 3
    return window + 2 * -(-(window + stride) // (2 * stride)) * stride
