"""The tangent space at the mean covariance of training subjects (Varoquaux et al. 2010, MICCAI)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError

# Share of the largest eigenvalue below which the smallest is zero: covariances of float32 series round a zero to 1e-7 of it.
SINGULAR = 1e-6


class TangentSpace:
    """Maps covariances to log(W C W), where W is the inverse root of the geometric mean of those it was fitted to.

    It is fitted, so it belongs inside a cross-validation: fit on training subjects, transform any. In float64.

    >>> series = torch.randn(5, 3, 50, dtype=torch.float64)
    >>> space = TangentSpace().fit(series @ series.mT / 50)
    >>> space.transform(series @ series.mT / 50).shape
    torch.Size([5, 3, 3])
    """

    def __init__(self) -> None:
        self.mean: Float[Tensor, "N N"] | None = None
        self._whitening: Float[Tensor, "N N"] | None = None

    def fit(self, covariances: Float[Tensor, "B N N"], max_steps: int = 30, tolerance: float = 1e-7) -> TangentSpace:
        """Find the geometric mean by gradient descent on the manifold, as nilearn does.

        Raises:
            DataError: if there is no covariance, or one is not positive definite: not finite, or with an eigenvalue below 1e-6 of
                its largest.
        """
        matrices = _positive_definite(covariances)
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
            DataError: if nothing was fitted, the regions are others, or a covariance is not positive definite.
        """
        if self._whitening is None or self._whitening.shape != covariances.shape[1:]:
            fitted = "nothing" if self._whitening is None else f"{len(self._whitening)} regions"
            raise DataError(f"expected covariances of what was fitted ({fitted}), got {covariances.shape[-1]} regions")
        return _of_eigenvalues(self._whitening @ _positive_definite(covariances) @ self._whitening, torch.log)


def _positive_definite(covariances: Float[Tensor, "B N N"]) -> Float[Tensor, "B N N"]:
    matrices = covariances.double()
    if not len(matrices):
        raise DataError("expected positive definite covariances, got none")
    is_good = torch.isfinite(matrices).all(-1).all(-1)
    # LAPACK fails at what is not finite.
    eigenvalues = torch.linalg.eigvalsh(torch.where(is_good[:, None, None], matrices, 0.0))
    is_good &= eigenvalues[:, 0] > SINGULAR * eigenvalues[:, -1]
    if not bool(is_good.all()):
        bad = (~is_good).nonzero()[:, 0].tolist()
        raise DataError(
            f"expected positive definite covariances, got {len(bad)} of {len(matrices)} that are not, such as number {bad[0]}: "
            "too few volumes, equal regions or missing values. Use shrinkage='ledoit_wolf' and leave such regions out"
        )
    return matrices


def _power(matrix: Float[Tensor, "*B N N"], exponent: float) -> Float[Tensor, "*B N N"]:
    return _of_eigenvalues(matrix, lambda values: values.clamp(min=1e-300) ** exponent)


def _of_eigenvalues(matrix: Float[Tensor, "*B N N"], function: Callable[[Tensor], Tensor]) -> Float[Tensor, "*B N N"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * function(values)[..., None, :]) @ vectors.mT
