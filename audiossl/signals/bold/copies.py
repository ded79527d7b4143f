"""Runs that hold the values of another run, whole or but for some volumes or regions."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float32

from audiossl.signals.sensors.recording import SensorRecording

SKETCH = 32  # digests of volumes, and of regions, that are kept of a run: a cohort does not fit into memory
SHARED = 1 / 3  # of them that make a copy: two scans have hardly a volume in common, however few regions or rounded they are


class Copies:
    """Remembers runs by the least digests of their volumes and of their regions.

    The least digests of a copy that lacks some volumes are mostly those of the whole, wherever the volumes were; the digests of
    regions find a copy that lacks some regions in the same way.
    """

    def __init__(self) -> None:
        self._owners: dict[int, tuple[str, str]] = {}

    def of(self, run: SensorRecording) -> tuple[str, str]:
        """The run that this one is a copy of, and its person; itself, from now on remembered, if it is none."""
        values, own = np.asarray(run.values, np.float32), (run.id, run.subject)
        sketches = [_least(values.T), _least(values)]
        for sketch in sketches:
            owners = Counter(owner for digest in sketch if (owner := self._owners.get(digest)) is not None)
            for owner, shared in owners.most_common(1):
                if shared >= SHARED * len(sketch):
                    return owner
        for digest in set().union(*sketches):
            self._owners.setdefault(digest, own)
        return own


def _least(rows: Float32[np.ndarray, "R C"]) -> set[int]:
    """The least digests of rows that say something: those that are not constant, nor missing altogether."""
    known = ~np.isnan(rows)
    spread = np.where(known, rows, -np.inf).max(axis=1, initial=-np.inf) > np.where(known, rows, np.inf).min(
        axis=1, initial=np.inf
    )
    bits = np.ascontiguousarray(rows[spread]).view(np.uint32).astype(np.uint64)
    # A sum of the bits by odd random weights, modulo 2^64: one product for a run, where a digest of every row takes a second.
    weights = np.random.default_rng(0).integers(2**62, 2**63, bits.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return set(np.unique(bits @ weights)[:SKETCH].tolist())
