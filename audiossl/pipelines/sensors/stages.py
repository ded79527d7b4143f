"""The sensor pipeline as stages: recordings, one per model, evaluate, report (frame projections: arXiv 2510.22655)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from audiossl.errors import import_extra
from audiossl.load import weights_digest
from audiossl.pipelines.earlier_runs import dataset_then
from audiossl.pipelines.own_output import refuse_without_corpus
from audiossl.pipelines.recording_source import RecordingSource, ScriptRecordings
from audiossl.pipelines.sensors.config import UNTRAINED, SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import rejections
from audiossl.pipelines.sensors.models import check_objective, represent
from audiossl.pipelines.sensors.own import OwnRecordings
from audiossl.pipelines.sensors.report import report_run
from audiossl.pipelines.sensors.scores import evaluate_models
from audiossl.recipe import Stage, console
from audiossl.signals.sensors.recording_set import REJECTED, write_recordings
from audiossl.stage import Names, StageConfig

SHARED = ("windows", "subjects", "seeds", "seed", "task.name", "task.classes")


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
        return OwnRecordings.of(config)
    refuse_without_corpus(config.dataset)
    return ScriptRecordings.load(folder / config.prepare, config.data_root, config.limit)


def write_set(out: Path, inputs: Mapping[str, Path], config: SetConfig) -> None:
    """Write the recordings of a source to the folder `set`, and say how many were rejected."""
    found = write_recordings(config.source.recordings(), out / "set")
    if said := rejections(found):
        console.print(f"{said}; all are in {REJECTED}", markup=False)


def stages(config: SensorsRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are."""
    source = source_of(config, folder)
    if any(model.kind == "minirocket" for model in config.models.values()):
        import_extra("aeon", "sensors")  # better missed now than after minutes of training
    for name, model in config.models.items():
        check_objective(name, model, config)

    def evaluate(out: Path, inputs: Mapping[str, Path]) -> None:
        evaluate_models(out, inputs, config)

    def report(out: Path, inputs: Mapping[str, Path]) -> None:
        report_run(out, inputs, config)

    shared = [config.windows, config.subjects, config.seeds, config.seed, config.task.name, config.task.classes]
    if config.task.kind != "auto":  # what a run of old did not say changes nothing of it
        shared.append(config.task.kind)
    trained = [_model_stage(name, model, config, shared) for name, model in config.models.items()]
    names = tuple(stage.name for stage in trained)
    return [
        Stage("recordings", write_set, SetConfig(source), data=source.data),
        *trained,
        Stage(
            "evaluate",
            evaluate,
            [config.dataset, config.task, list(config.models), shared],
            ("recordings", *names),
            version=3,
            names=("dataset", "task", "models", SHARED),
        ),
        Stage("report", report, [config], ("recordings", *names, "evaluate"), names=("recipe",)),
    ]


def stage_of(name: str) -> str:
    """Folder of a model's stage."""
    return f"model_{name}"


def _model_stage(name: str, model: SensorModel, config: SensorsRecipe, shared: list[object]) -> Stage:
    def run(out: Path, inputs: Mapping[str, Path]) -> None:
        represent(out, inputs["recordings"] / "set", model, config)

    if model.kind in UNTRAINED:
        # Another encoder may come to lie under the same name.
        digest = weights_digest(str(model.options["name"])) if model.kind == "encoder" and "name" in model.options else None
        options: list[object] = [model, config.encoder if model.kind == "random" else digest]
        names: Names = (f"models.{name}", "encoder" if model.kind == "random" else "its weights")
    else:
        batches, task = model.batches or config.batches, config.task
        labels = [task.fractions, task.finetune_steps, task.finetune_lr] if model.finetune or model.kind == "supervised" else []
        options = [replace(model, batches=batches), config.encoder, config.training, labels]
        names = (f"models.{name}", "encoder", "training", ("task.fractions", "task.finetune_steps", "task.finetune_lr"))
    return Stage(
        stage_of(name),
        run,
        [*shared, *options],
        ("recordings",),
        resumable=True,
        every_rank=True,
        names=(*SHARED, *names),
        # An encoder says which data set its people are of, and a row of kind encoder is held against that.
        added={"dataset": config.dataset} if model.kind not in UNTRAINED or model.kind == "encoder" else {},
        added_then=dataset_then,
    )
