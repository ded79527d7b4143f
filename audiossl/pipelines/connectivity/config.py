"""Typed config of the connectivity pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from audiossl.errors import ConfigError
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig
from audiossl.models.connectivity_encoder import ConnectivityConfig
from audiossl.pipelines.recipe_names import check_limit, check_names
from audiossl.signals.bold.run import RunPolicy
from audiossl.training.config import TrainingConfig


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

    kind: str
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
        crop: volumes of a training example, drawn at random.
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
        phenotypes: further tasks.
    """

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
    phenotypes: list[PhenotypeTask] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_limit(self.limit)
        check_names("models", self.models)
        if not self.models or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("expected at least one model and one seed, and no seed twice")
        if self.batch_runs < 1:
            raise ConfigError(f"batch_runs should be at least 1, got {self.batch_runs}")
        if not self.fingerprint.volumes and not self.networks and not self.phenotypes:
            raise ConfigError("expected at least one task: fingerprint, networks or phenotypes")
        rows = [task.row for task in self.phenotypes]
        if twice := sorted({row for row in rows if rows.count(row) > 1}):
            raise ConfigError(f"two phenotypes would be the rows {twice[0]}: give one of them another name")
