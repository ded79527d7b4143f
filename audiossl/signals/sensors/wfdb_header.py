"""Headers of WFDB records, as header(5) of the WFDB manual specifies them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from audiossl.errors import DataError

DEFAULT_RATE, DEFAULT_GAIN, DEFAULT_UNIT = 250.0, 200.0, "mV"
# What each storage format writes for a sample that is not there.
MISSING: dict[int, int] = {
    80: -(2**7), 508: -(2**7),
    310: -(2**9), 311: -(2**9),
    212: -(2**11),
    16: -(2**15), 61: -(2**15), 160: -(2**15), 516: -(2**15),
    24: -(2**23), 524: -(2**23),
    32: -(2**31),
}  # fmt: skip
UNSIGNED_ZERO = {80: 2**7, 160: 2**15}  # the step 0 of formats that store no sign ("offset binary")
_OFFSETS = (0, 24)  # bytes before the samples: of a MATLAB file they are those of its own header
# `16x2:3+24`: a format, samples of a frame, skew in samples, bytes before the first sample. Only the first is always there.
_FORMAT = re.compile(r"(?P<format>\d+)(x(?P<per_frame>\d+))?(:(?P<skew>\d+))?(\+(?P<offset>\d+))?")
# `1000(0)/mV`: steps per unit, the step of zero, the unit. Only the first is always there.
_GAIN = re.compile(r"(?P<gain>[-+0-9.eE]+)(\((?P<zero>[-+0-9]+)\))?(/(?P<unit>\S+))?")


@dataclass(frozen=True)
class WfdbSignal:
    """One signal.

    Attributes:
        file: file that holds its samples.
        name: name from its description.
        gain: steps per unit.
        zero: the step of zero units.
        unit: unit of what was measured.
        missing: the step that stands for a sample that is not there.
        unsigned_zero: the step 0 where samples are stored without a sign; 0 for formats that store one.
    """

    file: str
    name: str
    gain: float
    zero: int
    unit: str
    missing: int
    unsigned_zero: int = 0


@dataclass(frozen=True)
class WfdbHeader:
    """A record: `num_samples` is 0 where the header does not say how many there are; `codes` are those of its diagnoses."""

    rate: float
    num_samples: int
    signals: tuple[WfdbSignal, ...]
    codes: tuple[str, ...]


def parse_header(text: str) -> WfdbHeader:
    """Read the text of a header.

    Raises:
        DataError: if a line is not what header(5) specifies, or asks for several segments, several samples of a frame, skew, or
            an offset in bytes; the signal is named.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    record, num_signals, rate, num_samples = _record_line(lines[0] if lines else "")
    if len(lines) - 1 != num_signals:
        raise DataError(f"expected {num_signals} lines, a signal each, got {len(lines) - 1}")
    codes = [comment.partition(":")[2] for comment in comments if comment.partition(":")[0].strip() == "Dx"]
    return WfdbHeader(
        rate,
        num_samples,
        tuple(_signal(line, f"record {record}, signal {place}") for place, line in enumerate(lines[1:])),
        tuple(code.strip() for line in codes for code in line.split(",") if code.strip()),
    )


def _record_line(line: str) -> tuple[str, int, float, int]:
    """Name, number of signals, rate (perhaps with a counter's, `500/1000`), number of samples; the last two may be left out."""
    fields = line.split()
    try:
        record, num_signals = fields[0], int(fields[1])
        rate = float(re.split(r"[/(]", fields[2])[0]) if len(fields) > 2 else DEFAULT_RATE
        num_samples = int(fields[3]) if len(fields) > 3 else 0
    except (IndexError, ValueError) as error:
        raise DataError(f"expected a first line such as 'A0001 12 500 7500', got '{line}'") from error
    if "/" in record:
        raise DataError(f"expected a record of one segment, got {record}: records of several are not read here")
    if not (num_signals > 0 and rate > 0 and np.isfinite(rate) and num_samples >= 0):
        raise DataError(f"expected signals and a rate above 0, and no negative number of samples, got '{line}'")
    return record, num_signals, rate, num_samples


def _signal(line: str, name: str) -> WfdbSignal:
    """A line of file and format, which are always there, and perhaps gain, resolution, zero of the converter, first value,
    checksum, block size and a description, which may hold spaces."""
    fields = line.split(maxsplit=8)
    name = fields[8] if len(fields) > 8 else name
    if len(fields) < 2:
        raise DataError(f"{name}: expected a file and a format, got '{line}'")
    kind = _format(fields[1], name)
    converter_zero = _whole(fields[4], name) if len(fields) > 4 else 0
    gain, zero, unit = _gain(fields[2], name) if len(fields) > 2 else (DEFAULT_GAIN, None, DEFAULT_UNIT)
    return WfdbSignal(
        fields[0], name, gain, converter_zero if zero is None else zero, unit, MISSING[kind], UNSIGNED_ZERO.get(kind, 0)
    )


def _format(field: str, name: str) -> int:
    match = _FORMAT.fullmatch(field)
    if match and int(match["format"]) == 8:
        raise DataError(f"{name}: expected samples, got differences between them (format 8), which are not read here")
    if match is None or int(match["format"]) not in MISSING:
        known = ", ".join(map(str, sorted(MISSING)))
        raise DataError(f"{name}: expected a format such as 16+24, one of {known}, got '{field}'")
    if int(match["per_frame"] or 1) != 1:
        raise DataError(f"{name}: expected one sample a frame, got {match['per_frame']}: other rates are not read here")
    if int(match["skew"] or 0):
        raise DataError(f"{name}: expected no skew between signals, got {match['skew']} samples, which are not read here")
    if int(match["offset"] or 0) not in _OFFSETS:
        raise DataError(f"{name}: expected the 24 bytes of a MATLAB header before samples, got {match['offset']}")
    return int(match["format"])


def _gain(field: str, name: str) -> tuple[float, int | None, str]:
    """Steps per unit, the step of zero if it is given, and the unit. A gain of 0 says that it was not calibrated."""
    match = _GAIN.fullmatch(field)
    try:
        gain = float(match["gain"]) if match else np.nan
    except ValueError:
        gain = np.nan
    if match is None or not np.isfinite(gain):
        raise DataError(f"{name}: expected a gain such as '1000/mV', got '{field}'")
    return gain or DEFAULT_GAIN, None if match["zero"] is None else _whole(match["zero"], name), match["unit"] or DEFAULT_UNIT


def _whole(field: str, name: str) -> int:
    try:
        return int(field)
    except ValueError as error:
        raise DataError(f"{name}: expected a whole number of steps, got '{field}'") from error
