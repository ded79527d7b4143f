"""Maps of embeddings: many dimensions on two, for the eye."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer

from audiossl.errors import DataError
from audiossl.seeds import derive_generator

KEPT_COMPONENTS = 50


@dataclass(frozen=True)
class EmbeddingMap:
    """Places of embeddings on a plane: `points` (m, 2), and `chosen` (m,), the rows of the input that they stand for."""

    points: Float[np.ndarray, "m 2"]
    chosen: Integer[np.ndarray, "m"]


def map_embeddings(embeddings: Float[np.ndarray, "n D"], *, limit: int = 2000, seed: int = 0) -> EmbeddingMap:
    """Lay embeddings out on a plane: principal components, then t-SNE (van der Maaten and Hinton, JMLR 9, 2008).

    Deterministic in `seed`. More than `limit` rows are thinned at random. Distances between far clusters mean little.

    Raises:
        DataError: if there are no rows, or values that are not finite.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if embeddings.size == 0 or not np.isfinite(embeddings).all():
        raise DataError(f"a map needs finite embeddings (n, D), and at least one; got shape {embeddings.shape}")
    chosen = np.arange(len(embeddings))
    if len(embeddings) > limit:
        order = torch.randperm(len(embeddings), generator=derive_generator(seed, "embedding map"))
        chosen = np.sort(order[:limit].numpy())
    components = principal_components(embeddings[chosen], KEPT_COMPONENTS)
    start = np.zeros((len(chosen), 2))
    start[:, : components.shape[1]] = components[:, :2]
    spread = start[:, 0].std()
    if len(chosen) < 8 or spread == 0:  # too few to have neighbourhoods, or all the same
        return EmbeddingMap(start, chosen)
    tsne = TSNE(
        n_components=2,
        perplexity=min(30.0, (len(chosen) - 1) / 3),
        init=1e-4 * start / spread,
        learning_rate="auto",
        max_iter=750,
        random_state=seed,
    )
    # One thread: its short parallel loops gain little from two, and on a busy machine they wait for each other.
    with threadpool_limits(1):
        points = tsne.fit_transform(components.astype(np.float32))
    return EmbeddingMap(points.astype(np.float64), chosen)


def principal_components(values: Float[np.ndarray, "n D"], most: int) -> Float[np.ndarray, "n P"]:
    """Coordinates along the (at most `most`) directions of largest variance; each direction's largest entry is positive."""
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    variance, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, np.argsort(-variance)[:most]]
    largest = np.abs(directions).argmax(axis=0)
    return centred @ (directions * np.sign(directions[largest, np.arange(directions.shape[1])]))
