"""WFDB records whose samples are in MATLAB files, as PhysioNet's challenges give them out: `A0001.hea` beside `A0001.mat`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError, naming
from audiossl.signals.mat_file import load_matrix

# `1000(0)/mV`: steps per unit, the step of zero, the unit. Only the first is always there.
_GAIN = re.compile(r"(?P<gain>[-+0-9.eE]+)(\((?P<zero>[-+0-9]+)\))?(/(?P<unit>\S+))?")
_MISSING = -(2**15)  # what format 16 writes for a sample that is not there


@dataclass(frozen=True)
class WfdbRecord:
    """One record.

    Attributes:
        rate: samples per second.
        channels: names, such as `V2`.
        units: one a channel, such as `mV`.
        values: (C, S) in those units; NaN where a sample is missing.
        codes: SNOMED CT codes of the diagnoses, in the header's order.
    """

    rate: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    values: Float32[np.ndarray, "C S"]
    codes: tuple[str, ...]


def read_wfdb_record(header: Path) -> WfdbRecord:
    """Read `NAME.hea` and the matrix `val` (channels x samples, whole steps) of `NAME.mat`.

    Raises:
        DataError: if a file is missing, damaged, or the two do not fit together; the message names the file.
    """
    if not header.is_file():
        raise DataError(f"{header} is not there")
    with naming(header):
        lines = [line.strip() for line in header.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
        fields = [line.split() for line in lines if not line.startswith("#")]
        num_channels, rate, num_samples = _first_line(fields)
        specifications = fields[1:]
        if len(specifications) != num_channels or any(len(line) < 9 for line in specifications):
            raise DataError(
                f"expected {num_channels} lines of at least 9 fields, a channel each, got {len(specifications)} lines"
            )
        gains, zeros, units = zip(*(_gain(line[2]) for line in specifications), strict=True)
    samples = header.with_suffix(".mat")
    steps = load_matrix(samples, "val")
    if steps.shape != (num_channels, num_samples):
        raise DataError(
            f"{samples.name}: expected {num_channels} x {num_samples} samples as {header.name} says, got {steps.shape}"
        )
    if not np.isfinite(steps).all():
        raise DataError(f"{samples.name}: expected finite samples")
    values = np.where(steps == _MISSING, np.nan, (steps - np.array(zeros)[:, None]) / np.array(gains)[:, None])
    codes = [comment.partition(":")[2] for comment in comments if comment.partition(":")[0].strip() == "Dx"]
    return WfdbRecord(
        rate=rate,
        channels=tuple(line[8] for line in specifications),
        units=tuple(units),
        values=values.astype(np.float32),
        codes=tuple(code.strip() for line in codes for code in line.split(",") if code.strip()),
    )


def _first_line(fields: list[list[str]]) -> tuple[int, float, int]:
    """Name, number of channels, rate (perhaps with a counter's, `500/1000`), number of samples."""
    try:
        _, num_channels, rate, num_samples, *_ = fields[0]
        found = int(num_channels), float(re.split(r"[/(]", rate)[0]), int(num_samples)
    except (IndexError, ValueError) as error:
        raise DataError("expected a first line such as 'A0001 12 500 7500'") from error
    if not (found[0] > 0 and found[1] > 0 and np.isfinite(found[1]) and found[2] > 0):
        raise DataError(f"expected channels, a rate and samples above 0, got {found}")
    return found


def _gain(field: str) -> tuple[float, float, str]:
    match = _GAIN.fullmatch(field)
    try:
        gain = float(match["gain"]) if match else 0.0
    except ValueError:
        gain = 0.0
    if match is None or not gain:
        raise DataError(f"expected a gain such as '1000/mV', got '{field}'")
    return gain, float(match["zero"] or 0), match["unit"] or "mV"
