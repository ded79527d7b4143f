"""EDF files and WFDB records of one's own, which say their channels, units and rates themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiossl.errors import DataError, naming
from audiossl.options import nearest
from audiossl.signals.sensors.edf import read_edf_notes, read_edf_signal
from audiossl.signals.sensors.edf_header import ANNOTATIONS, EdfHeader, read_header
from audiossl.signals.sensors.filters import resample
from audiossl.signals.sensors.own_tables import Piece
from audiossl.signals.sensors.recording import Annotation
from audiossl.signals.sensors.wfdb import WfdbRecord, read_wfdb_record

EDF, WFDB = (".edf",), (".hea",)
SUFFIXES = (*EDF, *WFDB)


def names_of(path: Path) -> tuple[str, ...]:
    """Names of the signals of a file.

    Raises:
        DataError: if it cannot be read.
    """
    if _is_wfdb(path):
        return read_wfdb_record(path).channels
    return tuple(label for label in _header(path).labels if label != ANNOTATIONS)


def measured_rate(path: Path, channels: Sequence[str]) -> float:
    """The highest rate of these signals, Hz.

    Raises:
        DataError: if it cannot be read, or lacks one.
    """
    if _is_wfdb(path):
        return read_wfdb_record(path).rate
    header = _header(path)
    with naming(path):
        return max(header.counts[header.place(channel)] / header.record_seconds for channel in channels)


def read_measured(path: Path, channels: Sequence[str], label: str, rate: float) -> Piece:
    """Read signals of a file at a rate; with `label` also the annotations of an EDF+ file, or the one diagnosis of a record.

    Raises:
        DataError: if the file is damaged, or lacks a signal.
    """
    if _is_wfdb(path):
        return _of_record(path, read_wfdb_record(path), channels, label, rate)
    names = names_of(path)
    if lacking := [channel for channel in channels if channel not in names]:
        raise DataError(f"{path} has no signal '{lacking[0]}'{nearest(lacking[0], names)}; it has {', '.join(names)}")
    signals = [read_edf_signal(path, channel) for channel in channels]
    rows = [resample(signal.values[None], signal.rate, rate)[0] for signal in signals]
    size = min(len(row) for row in rows)
    values = np.stack([row[:size] for row in rows])
    seconds = size / rate
    notes = read_edf_notes(path) if label and _header(path).annotation_places else []
    marks = [
        Annotation(max(0.0, note.onset), min(seconds, note.onset + note.duration), note.text.strip())
        for note in notes
        if note.duration > 0 and note.onset < seconds and note.onset + note.duration > 0 and note.text.strip()
    ]
    return Piece("", tuple(signal.unit or "1" for signal in signals), values, tuple(marks))


def _of_record(path: Path, record: WfdbRecord, channels: Sequence[str], label: str, rate: float) -> Piece:
    if lacking := [channel for channel in channels if channel not in record.channels]:
        raise DataError(f"{path} has no signal '{lacking[0]}'; it has {', '.join(record.channels)}")
    places = [record.channels.index(channel) for channel in channels]
    values = resample(record.values[places], record.rate, rate)
    seconds = values.shape[1] / rate
    marks = (Annotation(0.0, seconds, record.codes[0]),) if label and len(record.codes) == 1 else ()
    return Piece("", tuple(record.units[place] for place in places), values, marks)


def _is_wfdb(path: Path) -> bool:
    return path.name.lower().endswith(WFDB)


def _header(path: Path) -> EdfHeader:
    if not path.is_file():
        raise DataError(f"{path} is not there")
    with path.open("rb") as file, naming(path):
        return read_header(file)
