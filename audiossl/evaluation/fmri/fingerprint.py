"""Fingerprinting: identify the person of a short segment in a gallery of people (Finn et al. 2015, Nature Neuroscience 18)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.intervals import Interval, rate_interval
from audiossl.seeds import derive_generator


def draw_segments(first: list[int], second: list[int], length: int, num_draws: int, seed: int) -> Int[Tensor, "D 2 P"]:
    """Draw places of segments, one of the gallery and one to be identified, for every person and draw.

    Args:
        first, second: number of places in each person's gallery part and in the part that segments to identify come from.
        length: volumes of a segment, part of the key of the draws.
        num_draws: D.
        seed: seed of the draws, which are the same for every model.

    Raises:
        DataError: if a part has no place for a segment.
    """
    places = torch.tensor([first, second])
    if int(places.min()) < 1:
        raise DataError(f"expected a place for a segment of {length} volumes in every part, got none")
    draws = torch.rand(num_draws, 2, len(first), generator=derive_generator(seed, "segments", length), dtype=torch.float64)
    return (draws * places).long()


def similarities(gallery: Float[Tensor, "D P E"], probes: Float[Tensor, "D P E"]) -> Float[Tensor, "D P P"]:
    """Correlation of every vector to identify (rows) with every vector of the gallery."""
    unit = [unit_vectors(vectors.double()) for vectors in (probes, gallery)]
    return unit[0] @ unit[1].mT


def unit_vectors(vectors: Float[Tensor, "D P E"]) -> Float[Tensor, "D P E"]:
    """Vectors without their mean, of length 1; a vector of one entry or a constant one stays 0."""
    centred = vectors - vectors.mean(-1, keepdim=True)
    return centred / torch.linalg.vector_norm(centred, dim=-1, keepdim=True).clamp(min=1e-12)


@dataclass(frozen=True)
class Fingerprint:
    """Who was recognised.

    Attributes:
        hits: hits of every draw, direction (segments looked up in the gallery, the gallery looked up in segments) and person.
        gap: mean similarity with oneself minus that with others, of every draw: differential identifiability.
    """

    hits: Bool[Tensor, "D 2 P"]
    gap: Float[Tensor, "D"]

    @classmethod
    def of(cls, gallery: Float[Tensor, "D P E"], probes: Float[Tensor, "D P E"]) -> Fingerprint:
        """Look everybody up in both directions.

        Raises:
            DataError: if there are fewer than two people or a vector is not finite.
        """
        if gallery.shape[1] < 2 or not bool(torch.isfinite(gallery).all() and torch.isfinite(probes).all()):
            raise DataError(f"expected finite vectors of at least two people, got {gallery.shape[1]} people")
        found, own = similarities(gallery, probes), torch.arange(gallery.shape[1])
        hits = torch.stack([found.argmax(2) == own, found.argmax(1) == own], dim=1)
        count = len(own)
        mine = found.diagonal(dim1=1, dim2=2)
        others = (found.sum((1, 2)) - mine.sum(1)) / (count * (count - 1))
        return cls(hits, (mine.mean(1) - others).float())

    @property
    def accuracy(self) -> float:
        """Share of right answers over draws, directions and people."""
        return float(self.hits.double().mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the accuracy over draws."""
        return float(self.hits.double().mean((1, 2)).std())

    def interval(self) -> Interval:
        """The accuracy with its 95 % interval over people; answers of a person are averaged over draws and directions.

        The gallery stays as it is: the interval says how much the answer depends on whom segments are of, not on who else is
        there.
        """
        of_people = self.hits.double().mean((0, 1))
        return rate_interval(of_people, torch.ones_like(of_people))
