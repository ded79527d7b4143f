"""IEEE Signal Processing Cup 2015, test and training part: heart rate from the wrist in 22 sessions, 125 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from audiossl.signals.sensors.recording import Rejected, SensorRecording

from ..ieee_spc12.prepare import find, session, training_sessions

TEST_SESSIONS = ("S01_T01", "S02_T01", "S02_T02", "S03_T02", "S04_T02", "S05_T02", "S06_T01", "S06_T02", "S07_T02", "S08_T01")


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the 10 sessions of the test part, then the 12 of the training part: the order in which arXiv 2510.22655 counts them.

    People of the test part are `test01` to `test08` (two of them have two sessions), those of the training part `train01` to
    `train12`.

    Raises:
        DataError: if a file is missing.
    """
    files = {name: (find(data_root, f"TEST_{name}"), find(data_root, f"True_{name}")) for name in TEST_SESSIONS}
    # Rows: two PPG channels, acceleration x, y, z; the ECG was held back.
    test = (
        session(f"TEST_{name}", subject=f"test{name[1:3]}", files=pair, ppg_rows=(0, 1), num_rows=5)
        for name, pair in files.items()
    )
    return islice(chain(test, training_sessions(data_root)), limit)
