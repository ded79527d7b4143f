"""The connectivity pipeline as stages: recordings, one per model, evaluate, report (arXiv 2312.01994)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from audiossl.load import weights_digest
from audiossl.pipelines.connectivity.checks import check_labels, check_models
from audiossl.pipelines.connectivity.config import FITTED_INSIDE, ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.models import represent
from audiossl.pipelines.connectivity.report import report_run
from audiossl.pipelines.connectivity.scores import evaluate_models
from audiossl.pipelines.earlier_runs import dataset_then
from audiossl.pipelines.prepare_script import load_script
from audiossl.recipe import Stage
from audiossl.signals.bold.run import select_runs
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.stage import Names

TASKS = ("fingerprint", "networks", "phenotypes")


def stages(config: ConnectivityRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are."""
    loaded = load_script(folder / config.prepare, ("recordings",))
    source = [*loaded.sources, str(config.data_root or ""), config.limit, config.runs]

    def recordings(out: Path, inputs: Mapping[str, Path]) -> None:
        runs = loaded.module.recordings(config.data_root, config.limit)
        write_recordings(select_runs(runs, config.runs), out / "set", one_rate=False)

    def evaluate(out: Path, inputs: Mapping[str, Path]) -> None:
        evaluate_models(out, inputs, config)

    def report(out: Path, inputs: Mapping[str, Path]) -> None:
        report_run(out, inputs, config)

    check_models(config)
    check = _once(lambda recordings: check_labels(recordings, config))
    tasks = [config.fingerprint, config.networks, bool(config.phenotypes)]
    data = (config.data_root,) if config.data_root else ()
    trained = [_model_stage(name, model, config, tasks, check) for name, model in config.models.items()]
    names = tuple(stage.name for stage in trained)
    scored = [config.dataset, list(config.models), config.seeds, tasks, config.phenotypes]
    return [
        Stage("recordings", recordings, source, version=2, names=(*loaded.names, "data_root", "limit", "runs"), data=data),
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
