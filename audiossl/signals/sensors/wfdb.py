"""WFDB records with samples in MATLAB files, as PhysioNet's challenges give them out: `A0001.hea` next to `A0001.mat`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError, naming
from audiossl.signals.mat_file import stored_matrix
from audiossl.signals.sensors.wfdb_header import WfdbHeader, parse_header


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

    What a line of the header leaves out is what header(5) of the WFDB manual says it is: 200 steps per mV, the step of zero that
    of the converter. Samples that are not there are known by the format, as -32768 in 16 bits.

    Raises:
        DataError: if a file is missing, damaged, the two do not fit together, or the header asks for what is not read here, such
            as skew between signals; the message names the file.

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from scipy.io import savemat
    >>> savemat("A1.mat", {"val": np.arange(4, dtype=np.int16)[None]})
    >>> _ = Path("A1.hea").write_text("A1 1 500 4\\nA1.mat 16+24 1000/mV 16 0 0 6 0 ECG\\n")
    >>> read_wfdb_record(Path("A1.hea")).values.shape
    (1, 4)
    """
    if not header.is_file():
        raise DataError(f"{header} is not there")
    with naming(header):
        about = parse_header(header.read_text(encoding="utf-8", errors="replace"))
    samples = _samples_file(header, about)
    stored = stored_matrix(samples, "val")
    steps = stored.astype(np.float64)
    shape = (len(about.signals), about.num_samples or steps.shape[1])
    if steps.shape != shape or not steps.size:
        raise DataError(
            f"{samples.name}: expected {shape[0]} x {about.num_samples or 'some'} samples as {header.name} says, "
            f"got {steps.shape}"
        )
    if not np.isfinite(steps).all():
        raise DataError(f"{samples.name}: expected finite samples")
    values = np.empty(steps.shape, np.float32)
    for row, (signal, of_signal) in enumerate(zip(about.signals, steps, strict=True)):
        if stored.dtype.kind == "u":
            of_signal = of_signal - signal.unsigned_zero
        values[row] = (of_signal - signal.zero) / signal.gain
        values[row, of_signal == signal.missing] = np.nan
    return WfdbRecord(
        rate=about.rate,
        channels=tuple(signal.name for signal in about.signals),
        units=tuple(signal.unit for signal in about.signals),
        values=values,
        codes=about.codes,
    )


def _samples_file(header: Path, about: WfdbHeader) -> Path:
    """The matrix next to the header; where there is none, a message says what the header names instead."""
    samples = header.with_suffix(".mat")
    named = sorted({signal.file for signal in about.signals})
    if not samples.is_file() and named != [samples.name]:
        raise DataError(
            f"{samples} is not there: only samples in MATLAB files are read, {header.name} names {', '.join(named)}. "
            f"wfdb2mat of the WFDB software converts a record"
        )
    return samples
