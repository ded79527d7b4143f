"""Ridge regression on standardised features, for quantities and for very wide features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.evaluation.probes import check_split, standardisation

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class Ridge:
    """A linear map `x @ weight + bias`, with the standardisation folded in; `strength` is its L2 penalty per example."""

    weight: Float[Tensor, "D M"]
    bias: Float[Tensor, "M"]
    strength: float

    def predict(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N M"]:
        """Map features, in float32."""
        return torch.addmm(self.bias, x.float(), self.weight)


def fit_ridge_path(
    x: Float[Tensor, "N D"],
    targets: Float[Tensor, "N M"],
    strengths: Sequence[float] = STRENGTHS,
    *,
    deviation: Float[Tensor, "D"] | None = None,
) -> list[Ridge]:
    """Solve min |x w + b - y|^2 / N + strength |w|^2 on standardised features, exactly, for every strength.

    Solved over examples where these are fewer than the features. Features are divided by `deviation`, where it is given, in place
    of their own.

    Raises:
        DataError: if there is no example or a feature is not finite.
    """
    check_split("train", x, torch.zeros(len(x), dtype=torch.int64))
    mean, own = standardisation(x)
    divisor = own if deviation is None else deviation
    z = ((x.float() - mean) / divisor).double()
    centre = targets.double().mean(0)
    y = targets.double() - centre
    is_wide = z.shape[1] > len(z)
    gram = (z @ z.T if is_wide else z.T @ z) / len(z)
    right = y if is_wide else z.T @ y / len(z)
    eye = torch.eye(len(gram), dtype=torch.float64)
    fits = []
    for strength in strengths:
        solved = torch.cholesky_solve(right, torch.linalg.cholesky(gram + strength * eye))
        weight = z.T @ solved / len(z) if is_wide else solved
        folded = (weight / divisor.double()[:, None]).float()
        fits.append(Ridge(folded, (centre - mean.double() @ folded.double()).float(), strength))
    return fits
