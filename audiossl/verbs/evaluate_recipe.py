"""`audiossl.evaluate(model, "sensors" | "fmri", recipe)`: an encoder as the row of a recipe, next to baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from audiossl.errors import ConfigError
from audiossl.evaluation.results import Results
from audiossl.exporters.source import model_source
from audiossl.find_recipe import find_recipe
from audiossl.models.encoder import Encoder
from audiossl.verbs.run import run_method


def evaluate_sensors(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    *,
    convert_units: bool = False,
    **keys: object,
) -> Results:
    """Probe a frozen encoder on a sensor recipe's task, next to hand-made statistics and an untrained network."""
    recipe, default = _recipe(tasks, "sensors")
    convert = {"convert_units": True} if convert_units else {}
    rows = {
        "encoder": {"kind": "encoder", "options": {"name": _name(model, output or default), **convert}},
        "statistics": {"kind": "statistics"},
        "random": {"kind": "random"},
    }
    return _run("sensors", recipe, [f"output={default}", *overrides], {**_given(output), **keys, "models": rows})


def evaluate_fmri(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    **keys: object,
) -> Results:
    """Score a frozen graph encoder on a connectivity recipe's tasks, next to correlations and an untrained network."""
    recipe, default = _recipe(tasks, "connectivity")
    rows = {
        "encoder": {"kind": "encoder", "options": {"folder": _name(model, output or default)}},
        "raw_fc": {"kind": "raw_fc"},
        "random": {"kind": "random"},
    }
    return _run("connectivity", recipe, [f"output={default}", *overrides], {**_given(output), **keys, "models": rows})


def _recipe(tasks: str | Path | None, method: str) -> tuple[Path, Path]:
    """The file of the recipe, and the folder of its run unless another is named."""
    if tasks is None:
        raise ConfigError("expected a recipe, such as recipes/hapt/frame_projection.yaml")
    file = find_recipe(Path(tasks), {method})
    return file, Path("runs") / f"evaluate_{file.absolute().parent.name}"


def _given(output: Path | None) -> dict[str, object]:
    return {} if output is None else {"output": output}


def _name(model: str | Path | Encoder | nn.Module, out: Path) -> str:
    """The name of a model; an object in memory is saved next to the run."""
    return str(model) if isinstance(model, str | Path) else model_source(model).kept(out.with_name(f"{out.name}_encoder"))


def _run(method: str, recipe: Path, overrides: Sequence[str], keys: Mapping[str, object]) -> Results:
    """Run a recipe of a method with other keys than its own."""
    return run_method(method, recipe, overrides, keys, first=None, last=None, dry_run=False, verify=False).results
