"""The connectivity pipeline as stages: recordings, one per model, evaluate, report (arXiv 2312.01994)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from audiossl.load import weights_digest
from audiossl.pipelines.connectivity.checks import check_labels, check_models
from audiossl.pipelines.connectivity.config import FITTED_INSIDE, ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.models import represent
from audiossl.pipelines.connectivity.own import OwnRuns, print_rejections
from audiossl.pipelines.connectivity.report import report_run
from audiossl.pipelines.connectivity.scores import evaluate_models
from audiossl.pipelines.earlier_runs import dataset_then
from audiossl.pipelines.own_output import refuse_without_corpus
from audiossl.pipelines.recording_source import RecordingSource, ScriptRecordings
from audiossl.recipe import Stage
from audiossl.signals.bold.run import RunPolicy, select_runs
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.stage import Names, StageConfig

TASKS = ("fingerprint", "networks", "phenotypes")


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
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are."""
    source = source_of(config, folder)

    def evaluate(out: Path, inputs: Mapping[str, Path]) -> None:
        evaluate_models(out, inputs, config)

    def report(out: Path, inputs: Mapping[str, Path]) -> None:
        report_run(out, inputs, config)

    check_models(config)
    check = _once(lambda recordings: check_labels(recordings, config))
    tasks = [config.fingerprint, config.networks, bool(config.phenotypes)]
    trained = [_model_stage(name, model, config, tasks, check) for name, model in config.models.items()]
    names = tuple(stage.name for stage in trained)
    scored = [config.dataset, list(config.models), config.seeds, tasks, config.phenotypes]
    return [
        Stage("recordings", write_set, SetConfig(source, config.runs), version=2, data=source.data),
        *trained,
        Stage(
            "evaluate",
            evaluate,
            scored,
            ("recordings", *names),
            version=2,
            names=("dataset", "models", "seeds", TASKS, "phenotypes"),
        ),
        Stage("report", report, [config], ("recordings", *names, "evaluate"), names=("recipe",)),
    ]


def _once(check: Callable[[Path], None]) -> Callable[[Path], None]:
    """Check before the first model that is trained, for all of them."""
    done: list[Path] = []

    def checked(recordings: Path) -> None:
        if not done:
            check(recordings)
        done.append(recordings)

    return checked


def _model_stage(
    name: str, model: GraphModel, config: ConnectivityRecipe, tasks: list[object], check: Callable[[Path], None]
) -> Stage:
    def run(out: Path, inputs: Mapping[str, Path]) -> None:
        check(inputs["recordings"] / "set")
        represent(out, inputs["recordings"] / "set", model, config)

    options: list[object] = [model, config.seeds, tasks, config.pretrain]
    names: Names = (f"models.{name}", "seeds", TASKS, "pretrain")
    if model.kind == "encoder" and "folder" in model.options:
        options.append(weights_digest(model.options["folder"]))
        names = (*names, "its weights")
    if model.kind not in FITTED_INSIDE:
        options += [config.encoder, config.training, config.batch_runs]
        names = (*names, "encoder", "training", "batch_runs")
    return Stage(
        f"model_{name}",
        run,
        options,
        ("recordings",),
        resumable=True,
        every_rank=True,
        names=names,
        # An encoder says which data set its people are of.
        added={"dataset": config.dataset} if model.kind not in FITTED_INSIDE else {},
        added_then=dataset_then,
    )
