"""Small arrays, and every estimator on arrays with few small steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audiossl.estimators import (
    BYOL,
    DCL,
    NNCLR,
    TSTCC,
    ArrayTransformer,
    BarlowTwins,
    ConnectivityMAE,
    FrameProjection,
    MiniRocket,
    NeighbourWhitening,
    RandomEncoder,
    SimCLR,
    TS2Vec,
    VICReg,
    WindowStatistics,
)

TINY = {"steps": 2, "dim": 8, "width": 4, "num_blocks": 2, "batch_size": 4}

# The smallest of each class, by its name.
SMALL: dict[str, ArrayTransformer] = {
    "FrameProjection": FrameProjection(**TINY, views=["time", "fourier"]),
    "SimCLR": SimCLR(**TINY),
    "DCL": DCL(**TINY),
    "BYOL": BYOL(**TINY),
    "VICReg": VICReg(**TINY, projector=[16, 16]),
    "BarlowTwins": BarlowTwins(**TINY, projector=[16, 16]),
    "NNCLR": NNCLR(**TINY, queue=4),
    "TSTCC": TSTCC(**TINY),
    "TS2Vec": TS2Vec(**TINY),
    "RandomEncoder": RandomEncoder(dim=8, width=4, num_blocks=2),
    "MiniRocket": MiniRocket(n_kernels=84),
    "WindowStatistics": WindowStatistics(num_bins=4),
    "NeighbourWhitening": NeighbourWhitening(bank=["kernels", "statistics"], options={"kernels": {"num_features": 168}}),
    "ConnectivityMAE": ConnectivityMAE(window=8, stride=4, dim=8, num_layers=1, steps=2),
}


def small(name: str) -> ArrayTransformer:
    """A fresh one of a class."""
    return replace(SMALL[name])


def windows(count: int = 8, num_channels: int = 3, num_samples: int = 32, seed: int = 0) -> np.ndarray:
    """Noise about lines of different slopes."""
    draws = np.random.default_rng(seed).standard_normal((count, num_channels, num_samples))
    return draws.cumsum(axis=2) * 3.0 + 1.0
