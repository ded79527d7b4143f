"""EDF and EDF+ files written by the book."""

from __future__ import annotations

import numpy as np


def write_edf(path, signals, record_seconds, num_records, kind="", start="24.04.8916.13.00", promised=None, pad=" "):
    """Write signals `(label, unit, (physical min, max), steps)`: int16 steps for the whole file, cut into records.

    The header promises as many records as there are, or `promised`; its fields are filled up by `pad`.
    """
    count = len(signals)

    def text(value, width):
        assert len(str(value)) <= width
        return str(value).ljust(width, pad).encode("latin1")

    header = text(0, 8) + text("X F X Female_33yr", 80) + text("Startdate 24-APR-1989 X X X", 80) + text(start, 16)
    header += (
        text(256 * (count + 1), 8)
        + text(kind, 44)
        + text(num_records if promised is None else promised, 8)
        + text(record_seconds, 8)
        + text(count, 4)
    )
    parts = [steps.astype("<i2").reshape(num_records, -1) for *_, steps in signals]
    columns = [
        [(label, 16) for label, *_ in signals],
        [("", 80)] * count,
        [(unit, 8) for _, unit, *_ in signals],
        [(limits[0], 8) for *_, limits, _ in signals],
        [(limits[1], 8) for *_, limits, _ in signals],
        [(-2048 if label != "EDF Annotations" else -32768, 8) for label, *_ in signals],
        [(2047 if label != "EDF Annotations" else 32767, 8) for label, *_ in signals],
        [("", 80)] * count,
        [(part.shape[1], 8) for part in parts],
        [("", 32)] * count,
    ]
    header += b"".join(text(*field) for column in columns for field in column)
    assert len(header) == 256 * (count + 1)
    path.write_bytes(header + np.concatenate(parts, axis=1).tobytes())


def write_edf_notes(path, notes, start="24.04.8916.13.00"):
    """Write an EDF+ file of annotations `(onset, duration, text)` alone, as Sleep-EDF's hypnograms are."""
    raw = b"+0\x14\x14\x00" + b"".join(f"+{onset}\x15{seconds}\x14{text}\x14\x00".encode() for onset, seconds, text in notes)
    raw += bytes(2 + len(raw) % 2)
    write_edf(path, [("EDF Annotations", "", (-1, 1), np.frombuffer(raw, "<i2"))], 0, 1, kind="EDF+C", start=start)


def stamped(records):
    """The steps of an annotation signal whose records hold these bytes each, filled up by zeros."""
    size = max(map(len, records)) + 1
    return np.frombuffer(b"".join(record.ljust(size + size % 2, b"\0") for record in records), "<i2")
