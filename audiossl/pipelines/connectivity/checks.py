"""Models and labels of a connectivity recipe, checked before anything is trained."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.load import encoder_folder
from audiossl.models.connectivity_encoder import CONFIG, ConnectivityConfig
from audiossl.objectives.connectivity_mae import ConnectivityMAEConfig
from audiossl.objectives.graph_infomax import GraphInfomaxConfig
from audiossl.objectives.kinds import read_config
from audiossl.options import nearest
from audiossl.pipelines.connectivity.config import FITTED_INSIDE, ConnectivityRecipe
from audiossl.pipelines.connectivity.data import Runs, task_runs
from audiossl.pipelines.connectivity.tasks import Labelled, check_tasks

WITHOUT_OPTIONS = FITTED_INSIDE | {"supervised_gin"}
OPTIONS = {"connectivity_mae": ConnectivityMAEConfig, "random": ConnectivityMAEConfig, "graph_infomax": GraphInfomaxConfig}


def check_models(config: ConnectivityRecipe) -> None:
    """Read the options of every model in vain: mistakes in them are better found before anything is trained.

    Raises:
        ConfigError: naming the model.
    """
    sizes = asdict(config.encoder)
    for name, model in config.models.items():
        if unknown := [key for key in model.encoder if key not in sizes]:
            raise ConfigError(
                f"models.{name}.encoder.{unknown[0]}: expected one of the keys {', '.join(sizes)}, got "
                f"'{unknown[0]}'{nearest(unknown[0], sizes)}"
            )
        window = ConnectivityConfig(**{**sizes, **model.encoder}).window
        if model.kind not in FITTED_INSIDE | {"encoder"} and config.pretrain.crop < window:
            raise ConfigError(
                f"pretrain.crop={config.pretrain.crop} is less than the {window} volumes of a window of models.{name}: a crop "
                "holds none"
            )
        if model.kind in OPTIONS:
            read_config(OPTIONS[model.kind], model.options, f"models.{name}.options")
        elif model.kind in WITHOUT_OPTIONS and model.options:
            raise ConfigError(f"models.{name}.options: {model.kind} has no options, got {', '.join(model.options)}")
        elif model.kind == "encoder" and set(model.options) != {"folder"}:
            got = ", ".join(model.options) or "none"
            raise ConfigError(f"models.{name}.options: expected the folder of an encoder, and nothing else, got {got}")


def check_labels(recordings: Path, config: ConnectivityRecipe) -> None:
    """Check what every model of the recipe will be scored on.

    Raises:
        ConfigError or DataError: naming the phenotype, where it is about one.
    """
    runs = Runs.open(recordings)
    about = task_runs(runs, config)
    for task in config.phenotype_tasks:
        found = Labelled.of(about, task)
        if len(set(found.labels)) < 2:
            people = len(set(found.subjects))
            raise DataError(f"the {task.label} of all {people} people is {found.labels[0]!r}: there is nothing to tell apart")
    for name, model in config.models.items():
        if model.kind == "encoder" and not (place := encoder_folder(Path(model.options["folder"])) / CONFIG).is_file():
            raise ConfigError(f"models.{name}: there is no {place}; expected the folder of an encoder or of a run with one")
    for model in config.models.values():
        check_tasks(runs, model, config)


def check_prepared(config: ConnectivityRecipe, output: Path) -> None:
    """Check the recordings that a run made already."""
    check_labels(output / "recordings" / "set", config)
