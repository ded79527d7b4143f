"""The linear probe: multinomial logistic regression on standardised features, its L2 strength chosen on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError

L2_GRID = (1e-2, 1e-3, 1e-4)
MAX_ITERATIONS = 40
TOLERANCE = 1e-5  # gradient at which L-BFGS ends


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier: `logits = x @ weight + bias`, with the standardisation of the training data folded in.

    Attributes:
        weight: (D, K).
        bias: (K,).
        l2: the strength that was chosen.
        valid_accuracy: validation accuracy of every strength that was tried.

    >>> LinearProbe(torch.eye(2), torch.zeros(2), 0.01, {0.01: 1.0}).weight.shape
    torch.Size([2, 2])
    """

    weight: Float[Tensor, "D K"]
    bias: Float[Tensor, "K"]
    l2: float
    valid_accuracy: dict[float, float]

    def logits(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Score every class, in float32."""
        return torch.addmm(self.bias, x.float(), self.weight)

    def predict(self, x: Float[Tensor, "N D"]) -> Int[Tensor, "N"]:
        """Name the class with the highest score; the first of equals."""
        return self.logits(x).argmax(dim=1)


def fit_linear_probe(
    train_x: Float[Tensor, "N D"],
    train_y: Int[Tensor, "N"],
    valid_x: Float[Tensor, "M D"],
    valid_y: Int[Tensor, "M"],
    num_classes: int,
    l2_grid: Sequence[float] = L2_GRID,
    max_iterations: int = MAX_ITERATIONS,
    *,
    deviation: Float[Tensor, "D"] | None = None,
) -> LinearProbe:
    """Fit a probe on the training data for every L2 strength and keep the one with the best validation accuracy.

    The loss is mean cross entropy + l2 / 2 x the squared norm of the weights on standardised features (scikit-learn's
    `C = 1 / (l2 N)`). Among equals the stronger L2 wins. Deterministic: no random draw is made.

    Args:
        train_x: features; mean and deviation come from here, unless `deviation` is given.
        train_y: classes 0 .. num_classes - 1.
        valid_x: features to choose with.
        valid_y: classes; those outside 0 .. num_classes - 1 count as errors.
        num_classes: K.
        l2_grid: strengths to try.
        max_iterations: L-BFGS steps for each strength, each begun at the solution of the stronger one.
        deviation: what features are divided by in place of their deviation in the training data, of which few labels say little.
            Their mean decides nothing, since the bias has no penalty.

    Raises:
        DataError: if a split is empty, a feature is not finite or a training class is out of range.

    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(40) % 2
    >>> x = torch.randn(40, 3, generator=generator) + 4 * y[:, None]
    >>> probe = fit_linear_probe(x[:30], y[:30], x[30:], y[30:], num_classes=2)
    >>> probe.valid_accuracy[probe.l2] > 0.9
    True
    """
    check_split("valid", valid_x, valid_y)
    best: LinearProbe | None = None
    accuracies: dict[float, float] = {}
    for probe in fit_probe_path(train_x, train_y, num_classes, l2_grid, max_iterations, deviation=deviation):
        accuracies[probe.l2] = (probe.predict(valid_x) == valid_y).float().mean().item()
        if best is None or accuracies[probe.l2] > accuracies[best.l2]:
            best = probe
    if best is None:
        raise DataError("expected at least one L2 strength to try, got an empty l2_grid")
    return replace(best, valid_accuracy=accuracies)


def fit_probe_path(
    train_x: Float[Tensor, "N D"],
    train_y: Int[Tensor, "N"],
    num_classes: int,
    l2_grid: Sequence[float] = L2_GRID,
    max_iterations: int = MAX_ITERATIONS,
    *,
    deviation: Float[Tensor, "D"] | None = None,
    tolerance: float = TOLERANCE,
) -> list[LinearProbe]:
    """Fit a probe for every L2 strength, the strongest first; arguments and errors as for `fit_linear_probe`.

    A `tolerance` below the default solves the problem further than a choice among strengths needs.
    """
    check_split("train", train_x, train_y)
    if int(train_y.min()) < 0 or int(train_y.max()) >= num_classes:
        raise DataError(f"expected training classes 0 .. {num_classes - 1}, got {int(train_y.min())} .. {int(train_y.max())}")
    train_x = train_x.float()
    mean, own = standardisation(train_x)
    divisor = own if deviation is None else deviation
    solver = _SoftmaxRegression((train_x - mean) / divisor, train_y, num_classes)
    probes = []
    for l2 in sorted(l2_grid, reverse=True):
        weight, bias = solver.solve(l2, max_iterations, tolerance)
        folded = weight / divisor[:, None]
        probes.append(LinearProbe(folded, bias - mean @ folded, l2, {}))
    return probes


def standardisation(x: Float[Tensor, "N D"], *, keep_scale: bool = False) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
    """Mean and deviation of every feature in float32; a constant feature has deviation 1, so that it stays harmless.

    With `keep_scale` every deviation is 1: where scales were learned, dividing columns by their deviations would undo them.
    """
    deviation, mean = torch.std_mean(x.float(), dim=0, correction=0)
    constant = (deviation <= 1e-6 * mean.abs().clamp(min=1e-6)) | keep_scale
    return mean, torch.where(constant, torch.ones_like(deviation), deviation)


def check_split(name: str, x: Float[Tensor, "N D"], y: Int[Tensor, "N"]) -> None:
    """Refuse an empty or broken split.

    Raises:
        DataError: if it has no row or holds NaN or infinity.
    """
    if len(x) == 0:
        raise DataError(f"expected features in the {name} split, got none: does every item of it have labels?")
    if not bool(torch.isfinite(x).all()):
        raise DataError(f"expected finite features in the {name} split, got NaN or infinity: embed again with dtype float32")


class _SoftmaxRegression:
    """L-BFGS on whitened coordinates.

    The Hessian of softmax regression is bounded by 1/2 I ⊗ (X'X / N + 2 l2) (Böhning 1992, "Multinomial logistic regression
    algorithm"). In coordinates V with W = P V and P P' = (X'X / N + 2 l2)^-1 that bound is the identity up to a factor, so
    correlated features cost no extra steps. The penalty stays on W: the optimum is the same.
    """

    def __init__(self, x: Float[Tensor, "N D"], y: Int[Tensor, "N"], num_classes: int) -> None:
        self._x, self._y = x, y.long()
        self._gram = (x.T @ x).double() / len(x)
        self._weight = x.new_zeros((x.shape[1], num_classes))
        self._bias = x.new_zeros(num_classes)

    def solve(self, l2: float, max_iterations: int, tolerance: float) -> tuple[Float[Tensor, "D K"], Float[Tensor, "K"]]:
        """Minimise from the last solution on."""
        ridge = (2 * l2 + 1e-6) * torch.eye(len(self._gram), dtype=torch.float64)
        factor = torch.linalg.cholesky(self._gram + ridge)  # gram + ridge = F F', so W = F'^-1 V
        whitening = torch.linalg.solve_triangular(factor.T, torch.eye(len(factor), dtype=torch.float64), upper=True).float()
        coordinates = (factor.T @ self._weight.double()).float().requires_grad_()
        bias = self._bias.clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [coordinates, bias],
            max_iter=max_iterations,
            history_size=10,
            tolerance_grad=tolerance,
            tolerance_change=min(1e-6, tolerance),
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimiser.zero_grad()
            weight = whitening @ coordinates
            loss = functional.cross_entropy(torch.addmm(bias, self._x, weight), self._y) + l2 / 2 * weight.square().sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        with torch.no_grad():
            self._weight, self._bias = whitening @ coordinates, bias.clone()
        return self._weight, self._bias
