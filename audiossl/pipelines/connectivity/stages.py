"""The connectivity pipeline as stages: recordings, one per model, evaluate, report (arXiv 2312.01994)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiossl.pipelines.connectivity.checks import Checks
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.pipelines.connectivity.models import ModelConfig, represent
from audiossl.pipelines.connectivity.own import OwnRuns, print_rejections
from audiossl.pipelines.connectivity.report import ReportConfig, report_run
from audiossl.pipelines.connectivity.rows import GraphRow, design_of, make_rows
from audiossl.pipelines.connectivity.scores import EvaluateConfig, evaluate_models
from audiossl.pipelines.earlier_runs import dataset_then
from audiossl.pipelines.own_output import refuse_without_corpus
from audiossl.pipelines.recording_source import RecordingSource, ScriptRecordings
from audiossl.recipe import Stage
from audiossl.signals.bold.run import RunPolicy, select_runs
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.stage import Names, StageConfig


@dataclass(frozen=True)
class SetConfig(StageConfig):
    """What decides a set of runs: where they are from, and which are used."""

    source: RecordingSource
    runs: RunPolicy

    def decides(self) -> list[object]:
        """The entries of the source, and the choice of runs."""
        return [*self.source.decides(), self.runs]

    def names(self) -> Names:
        """Their names."""
        return (*self.source.names(), "runs")


def source_of(config: ConnectivityRecipe, folder: Path) -> RecordingSource:
    """Where the runs of a recipe come from; `folder` is that of its YAML."""
    if config.corpus is not None:
        return OwnRuns.of(config)
    refuse_without_corpus(config.dataset)
    return ScriptRecordings.load(folder / config.prepare, config.data_root, config.limit)


def write_set(out: Path, inputs: Mapping[str, Path], config: SetConfig) -> None:
    """Write the runs of a source that can be used to the folder `set`."""
    print_rejections(write_recordings(select_runs(config.source.recordings(), config.runs), out / "set", one_rate=False))


def stages(config: ConnectivityRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are.

    Raises:
        ConfigError: for a script that is not there, or a model of a kind or with options that there are not.
    """
    source = source_of(config, folder)
    rows = make_rows(config)
    design = design_of(config, rows)
    checks = Checks(tuple(rows.values()), config.phenotype_tasks)
    trained = [_model_stage(row, ModelConfig(row, config.seeds, design, checks), config.dataset) for row in rows.values()]
    names = tuple(stage.name for stage in trained)
    scored = EvaluateConfig(config.dataset, rows, config.seeds, design, config.phenotype_tasks)
    return [
        Stage("recordings", write_set, SetConfig(source, config.runs), version=2, data=source.data),
        *trained,
        Stage("evaluate", evaluate_models, scored, ("recordings", *names), version=2),
        Stage("report", report_run, ReportConfig(config), ("recordings", *names, "evaluate")),
    ]


def _model_stage(row: GraphRow, config: ModelConfig, dataset: str) -> Stage:
    # Segments suit the windows of all models, of which its own are in its config.
    others = {"windows": config.design.windows} if config.design.windows != row.windows else {}
    return Stage(
        f"model_{row.name}",
        represent,
        config,
        ("recordings",),
        resumable=True,
        every_rank=True,
        added={**({"dataset": dataset} if row.of_dataset else {}), **others},
        added_then=dataset_then,
    )
