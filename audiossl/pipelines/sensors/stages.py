"""The sensor pipeline as stages: recordings, one per model, evaluate, report (frame projections: arXiv 2510.22655)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiossl.pipelines.earlier_runs import dataset_then
from audiossl.pipelines.own.output import refuse_without_corpus
from audiossl.pipelines.recording_source import RecordingSource, ScriptRecordings
from audiossl.pipelines.sensors.cases import own_source
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.sensors.data import FoldsConfig, rejections
from audiossl.pipelines.sensors.models import ModelConfig, represent
from audiossl.pipelines.sensors.report import ReportConfig, report_run
from audiossl.pipelines.sensors.rows import Row, make_rows
from audiossl.pipelines.sensors.scores import EvaluateConfig, evaluate_models
from audiossl.recipe import Stage, console
from audiossl.signals.sensors.recording_set import REJECTED, write_recordings
from audiossl.stage import Names, StageConfig


@dataclass(frozen=True)
class SetConfig(StageConfig):
    """What decides a set of recordings: where they are from."""

    source: RecordingSource

    def decides(self) -> list[object]:
        """The entries of the source."""
        return self.source.decides()

    def names(self) -> Names:
        """Their names."""
        return self.source.names()


def source_of(config: SensorsRecipe, folder: Path) -> RecordingSource:
    """Where the recordings of a recipe come from; `folder` is that of its YAML."""
    if config.corpus is not None:
        return own_source(config)
    refuse_without_corpus(config.dataset, config.corpus)
    return ScriptRecordings.load(folder / config.prepare, config.data_root, config.limit)


def write_set(out: Path, inputs: Mapping[str, Path], config: SetConfig) -> None:
    """Write the recordings of a source to the folder `set`, and say how many were rejected."""
    found = write_recordings(config.source.recordings(), out / "set")
    if said := rejections(found):
        console.print(f"{said}; all are in {REJECTED}", markup=False)


def stages(config: SensorsRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are.

    Raises:
        ConfigError: for a missing script, or a model with an unknown kind or options.
    """
    source = source_of(config, folder)
    rows, folds = make_rows(config), FoldsConfig.of(config)
    trained = [model_stage(row, folds, tuple(rows.values()), config.dataset) for row in rows.values()]
    names = tuple(stage.name for stage in trained)
    kept = tuple(name for name in config.models if rows[name].keeps_scale)
    scored = EvaluateConfig(config.dataset, config.task, list(config.models), folds, kept)
    return [
        Stage("recordings", write_set, SetConfig(source), data=source.data),
        *trained,
        Stage("evaluate", evaluate_models, scored, ("recordings", *names), version=3),
        Stage("report", report_run, ReportConfig(config), ("recordings", *names, "evaluate")),
    ]


def stage_of(name: str) -> str:
    """Folder of a model's stage."""
    return f"model_{name}"


def model_stage(row: Row, folds: FoldsConfig, rows: tuple[Row, ...], dataset: str) -> Stage:
    """The stage of a model; `rows` are all models of the recipe."""
    return Stage(
        stage_of(row.name),
        represent,
        ModelConfig(row, folds, rows),
        ("recordings", *map(stage_of, row.reads)),
        resumable=True,
        every_rank=True,
        added={"dataset": dataset} if row.of_dataset else {},
        added_then=dataset_then,
    )
