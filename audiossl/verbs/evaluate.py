"""`audiossl.evaluate`: an encoder, measured on labelled tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.errors import ConfigError
from audiossl.kinds import Kind, find_kind
from audiossl.options import nearest

if TYPE_CHECKING:
    from torch import nn

    from audiossl.evaluation.results import Results
    from audiossl.models.encoder import Encoder

BENCHMARKS: dict[str, Kind] = {
    "superb": Kind("audiossl.verbs.evaluate_superb:evaluate_superb", "SUPERB task folders, with its heads"),
    "hear": Kind("audiossl.verbs.evaluate_hear:evaluate_hear", "HEAR 2021 task folders, by the kit's protocol"),
    "mteb": Kind("audiossl.verbs.evaluate_mteb:evaluate_mteb", "audio tasks of MTEB (MAEB), by its own code"),
    "sensors": Kind("audiossl.verbs.evaluate_recipe:evaluate_sensors", "the windows and held-out people of a sensor recipe"),
    "fmri": Kind("audiossl.verbs.evaluate_recipe:evaluate_fmri", "the tasks of a connectivity recipe"),
}


def evaluate(
    model: str | Path | Encoder | nn.Module,
    benchmark: str,
    tasks: str | Path | Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    **options: object,
) -> Results:
    """Measure an encoder on labelled tasks; what an earlier call finished in `output` is kept.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, `FILE.py:Class`, `module:Class` or an encoder.
        benchmark: "superb", "hear", "mteb", "sensors" or "fmri".
        tasks: for superb and hear a folder of task folders, or a recipe that makes them, by default its stand-ins; for mteb
            names of its tasks and benchmarks, or FILE.py with tasks of one's own, by default a stand-in; for sensors and fmri the
            recipe, which is required.
        overrides: `key=value` words over the recipe of sensors and fmri.
        output: folder that is written, by default below `runs/`.
        options: options of the benchmark: `SuperbOptions`, `HearOptions`, `MtebOptions`; for sensors
            `convert_units`, and for both kinds of recipe its keys.

    Returns:
        A row for each task and metric.

    Raises:
        ConfigError: if there is no such model, benchmark, task or option.
        DataError: if a task's data are not as expected.

    >>> evaluate("logmel", "superbb")
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: expected a benchmark of superb, hear, mteb, sensors, fmri, got 'superbb' (did you mean superb?)
    """
    if benchmark not in BENCHMARKS:
        raise ConfigError(f"expected a benchmark of {', '.join(BENCHMARKS)}, got '{benchmark}'{nearest(benchmark, BENCHMARKS)}")
    from audiossl.evaluation.results import Results

    measure = find_kind(benchmark, BENCHMARKS, "benchmark")
    return Results(measure(model, tasks, overrides, None if output is None else Path(output), **options))
