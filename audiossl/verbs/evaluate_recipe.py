"""`audiossl.evaluate(model, "sensors" | "fmri", recipe)`: an encoder as the row of a recipe, next to baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from audiossl.errors import ConfigError
from audiossl.evaluation.results import ResultRow, read_results
from audiossl.exporters.source import model_source
from audiossl.models.encoder import Encoder
from audiossl.pipelines.catalogue import run_pipeline

RowOptions = Mapping[str, object]


def evaluate_sensors(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    *,
    convert_units: bool = False,
    **keys: object,
) -> list[ResultRow]:
    """Probe a frozen encoder on a sensor recipe's task, next to hand-made statistics and an untrained network."""
    recipe, out = _recipe(tasks, output)
    convert = {"convert_units": True} if convert_units else {}
    rows = {
        "encoder": {"kind": "encoder", "options": {"name": _name(model, out), **convert}},
        "statistics": {"kind": "statistics"},
        "random": {"kind": "random"},
    }
    return _run("sensors", recipe, overrides, {"output": str(out), **keys}, rows)


def evaluate_fmri(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    **keys: object,
) -> list[ResultRow]:
    """Score a frozen graph encoder on a connectivity recipe's tasks, next to correlations and an untrained network."""
    recipe, out = _recipe(tasks, output)
    rows = {
        "encoder": {"kind": "encoder", "options": {"folder": _name(model, out)}},
        "raw_fc": {"kind": "raw_fc"},
        "random": {"kind": "random"},
    }
    return _run("connectivity", recipe, overrides, {"output": str(out), **keys}, rows)


def _recipe(tasks: str | Path | None, output: Path | None) -> tuple[Path, Path]:
    """The recipe, and the folder of its run."""
    if tasks is None:
        raise ConfigError("expected a recipe, such as recipes/hapt/frame_projection.yaml")
    return Path(tasks), output or Path("runs") / f"evaluate_{Path(tasks).parent.name}"


def _name(model: str | Path | Encoder | nn.Module, out: Path) -> str:
    """The name of a model; an object in memory is saved next to the run."""
    return str(model) if isinstance(model, str | Path) else model_source(model).kept(out.with_name(f"{out.name}_encoder"))


def _run(
    method: str, recipe: Path, overrides: Sequence[str], keys: RowOptions, models: Mapping[str, RowOptions]
) -> list[ResultRow]:
    """Run a recipe of a method with other models than its own."""
    output = f"output={keys['output']}"
    words = [f"{key}={json.dumps(value)}" for key, value in keys.items() if key != "output"]
    folder = run_pipeline(recipe, [output, *overrides, *words, f"models={json.dumps(models)}"], only=method)
    results = folder / "results.json"
    return read_results(results) if results.is_file() else []
