"""Turn one label a sample into the stretches over which it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from jaxtyping import Shaped

from audiossl.signals.sensors.labels import UNKNOWN_OF_PANDAS
from audiossl.signals.sensors.recording import Annotation

K = TypeVar("K")


def label_stretches(
    labels: Shaped[np.ndarray, "S"] | Sequence[object], rate: float, names: Mapping[K, str]
) -> tuple[Annotation, ...]:
    """Join equal neighbours to stretches that begin with their first sample and end where the next one begins.

    Args:
        labels: one for each sample.
        rate: samples per second.
        names: label -> class; samples of labels that are not in it are not annotated.

    >>> label_stretches([1, 1, 2, 2], 2.0, {1: "sitting"})
    (Annotation(start=0.0, end=1.0, value='sitting'),)
    """
    values = np.asarray(labels)
    if not len(values):
        return ()
    if values.dtype == object:  # a column of text with gaps; NA of pandas is equal to nothing, not even in doubt
        plain = [None if type(value).__name__ in UNKNOWN_OF_PANDAS else value for value in values.tolist()]
        values = np.empty(len(plain), object)
        values[:] = plain
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    of_bounds = [values[start : start + 1].tolist()[0] for start in bounds[:-1]]  # Python's own types
    return tuple(
        Annotation(start / rate, end / rate, names[label])
        for (start, end), label in zip(pairwise(bounds), of_bounds, strict=True)
        if label in names
    )
