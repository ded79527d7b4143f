"""The goals of speed on a GPU, judged by the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Mapping[str, Sequence[Mapping[str, Any]]]  # by part
GOALS = (
    "Zipformer Base trains at least 3 x as much audio per second as WavLM Base",
    "the search of `default` is not slower than the teacher",
    "the device waits for batches less than 10 % of the time",
    "log-mel runs at 20,000 x real time or more",
)


def value_of(rows: Rows, part: str, case: str, metric: str) -> float | None:
    """A value; None where it was not measured."""
    found = (row["value"] for row in rows.get(part, ()) if (row["case"], row["metric"]) == (case, metric))
    return next(found, None)


def ratio(above: float | None, below: float | None) -> float | None:
    """A ratio; None where a part of it is missing."""
    return None if above is None or not below else above / below


def fastest(rows: Rows, model: str) -> float | None:
    """Audio seconds per second of a training step, eager or compiled."""
    found = [value_of(rows, "encoders", f"{model} training {way}", "audio s/s") for way in ("eager", "compiled")]
    return max((speed for speed in found if speed is not None), default=None)


def judge(rows: Rows) -> list[str]:
    """A line for each goal: met, missed or not measured."""
    training = ratio(fastest(rows, "zipformer-base"), fastest(rows, "wavlm-base"))
    search = ratio(value_of(rows, "teacher", "search, default", "audio s/s"), value_of(rows, "teacher", "teacher", "audio s/s"))
    waits = value_of(rows, "pretraining", "from files", "device waits, % of time")
    cores = value_of(rows, "pretraining", "from files", "CPU cores")
    mel = value_of(rows, "features", "log-mel", "audio s/s")
    return [
        _line(GOALS[0], training, training is not None and training >= 3, " x"),
        _line(GOALS[1], search, search is not None and search >= 1, " x the teacher"),
        _line(GOALS[2], waits, waits is not None and waits < 10, f" % with {cores or 0:.0f} CPU cores (the goal is for 16)"),
        _line(GOALS[3], mel, mel is not None and mel >= 20_000, " x"),
    ]


def _line(goal: str, value: float | None, met: bool, unit: str) -> str:
    if value is None:
        return f"not measured: {goal}"
    return f"{'met' if met else 'MISSED'}: {goal}; {value:,.3g}{unit}"
