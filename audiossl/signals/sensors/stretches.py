"""Turn one label a sample into the stretches over which it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Shaped

from audiossl.signals.sensors.recording import Annotation


def label_stretches(
    labels: Shaped[np.ndarray, "S"] | Sequence[Any], rate: float, names: Mapping[Any, str]
) -> tuple[Annotation, ...]:
    """Join equal neighbours to stretches that begin with their first sample and end where the next one begins.

    Args:
        labels: one for each sample.
        rate: samples per second.
        names: label -> class; samples of labels that are not in it are not annotated.
    """
    values = np.asarray(labels)
    if not len(values):
        return ()
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return tuple(
        Annotation(start / rate, end / rate, names[label])
        for start, end in pairwise(bounds)
        if (label := values[start].item()) in names
    )
