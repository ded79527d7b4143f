"""Repetition times of BOLD runs: windows are counted in volumes, and are other times in runs of other scanners."""

from __future__ import annotations

from collections.abc import Mapping

from audiossl.console import console
from audiossl.models.connectivity_encoder import ConnectivityEncoder
from audiossl.pipelines.connectivity.data import SAME_TIME, Runs


def warn_of_several_times(runs: Runs, lengths: Mapping[str, int]) -> None:
    """Say where runs have several repetition times, and how long so many volumes, by what they are of, are in each."""
    if runs.are_matrices or len(runs.repetition_times) < 2:
        return
    long = "; ".join(f"{what} of {count} volumes are {_seconds(runs, count)}" for what, count in lengths.items() if count)
    _warn(f"these runs have several repetition times, {_times(runs)}: {long}. Encoders are saved as of {runs.tr:g} s a volume")


def warn_of_other_times(runs: Runs, encoder: ConnectivityEncoder, name: str) -> None:
    """Say where runs have another repetition time than those that an encoder was trained at."""
    if all(abs(encoder.tr - seconds) <= SAME_TIME * encoder.tr for seconds in runs.repetition_times):
        return
    window = encoder.config.window
    _warn(
        f"{name} was trained at {encoder.tr:g} s a volume, these runs have {_times(runs)}: its windows of {window} volumes were "
        f"{window * encoder.tr:.0f} s long and are {_seconds(runs, window)} here"
    )


def _times(runs: Runs) -> str:
    counts = runs.repetition_times
    if len(counts) == 1:
        return f"{runs.tr:g} s"
    return " and ".join(f"{seconds:g} s ({count} run{'s' * (count > 1)})" for seconds, count in counts.items())


def _seconds(runs: Runs, volumes: int) -> str:
    return " and ".join(f"{volumes * seconds:.0f} s" for seconds in runs.repetition_times)


def _warn(text: str) -> None:
    console.print(text, style="yellow", markup=False, soft_wrap=True)
