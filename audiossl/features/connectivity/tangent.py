"""The tangent space at the mean covariance of training subjects (Varoquaux et al. 2010, MICCAI)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError


class TangentSpace:
    """Maps covariances to log(W C W), where W is the inverse root of the geometric mean of those it was fitted to.

    It is fitted, so it belongs inside a cross-validation: fit on training subjects, transform any. In float64.
    """

    def __init__(self) -> None:
        self.mean: Float[Tensor, "N N"] | None = None
        self._whitening: Float[Tensor, "N N"] | None = None

    def fit(self, covariances: Float[Tensor, "B N N"], max_steps: int = 30, tolerance: float = 1e-7) -> TangentSpace:
        """Find the geometric mean by gradient descent on the manifold, as nilearn does.

        Raises:
            DataError: if a covariance is not positive definite.
        """
        matrices = covariances.double()
        if bool((torch.linalg.eigvalsh(matrices)[..., 0] <= 0).any()):
            raise DataError("expected positive definite covariances, got one that is not: use shrinkage='ledoit_wolf'")
        mean, step, last = matrices.mean(0), 1.0, None
        for _ in range(max_steps):
            root, inverse = _power(mean, 0.5), _power(mean, -0.5)
            tangent = _of_eigenvalues(inverse @ matrices @ inverse, torch.log).mean(0)
            norm = float(torch.linalg.matrix_norm(tangent)) / tangent.numel()
            mean = root @ _of_eigenvalues(step * tangent, torch.exp) @ root
            if norm < tolerance:
                break
            step, last = (step / 2 if last is not None and norm > last else step), norm
        self.mean, self._whitening = mean, _power(mean, -0.5)
        return self

    def transform(self, covariances: Float[Tensor, "B N N"]) -> Float[Tensor, "B N N"]:
        """Map covariances to the tangent space.

        Raises:
            DataError: if nothing was fitted, or the regions are others.
        """
        if self._whitening is None or self._whitening.shape != covariances.shape[1:]:
            fitted = "nothing" if self._whitening is None else f"{len(self._whitening)} regions"
            raise DataError(f"expected covariances of what was fitted ({fitted}), got {covariances.shape[-1]} regions")
        return _of_eigenvalues(self._whitening @ covariances.double() @ self._whitening, torch.log)


def _power(matrix: Float[Tensor, "*B N N"], exponent: float) -> Float[Tensor, "*B N N"]:
    return _of_eigenvalues(matrix, lambda values: values.clamp(min=1e-300) ** exponent)


def _of_eigenvalues(matrix: Float[Tensor, "*B N N"], function: Callable[[Tensor], Tensor]) -> Float[Tensor, "*B N N"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * function(values)[..., None, :]) @ vectors.mT
