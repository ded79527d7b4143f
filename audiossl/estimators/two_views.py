"""Estimators of the objectives on two augmented views of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from audiossl.estimators.window_objective import WindowObjective
from audiossl.objectives import barlow_twins, byol, decoupled, nnclr, simclr, vicreg
from audiossl.objectives.objective import Objective

# Changes that suit any channels: an array does not say which of them are axes that could be rotated together.
ANY_CHANNELS: Mapping[str, object] = {"kinds": "heart_rate"}


@dataclass(eq=False, repr=False, kw_only=True)
class TwoViewObjective(WindowObjective):
    """Base of estimators on two augmented views.

    Attributes:
        augmentations: fields of `AugmentationConfig`. None permutes, adds noise, scales and shifts. Recipes of movement take
            `{"kinds": "imu", "axes": [0, 3]}`, which also rotates the axes in channels 0 to 2 and 3 to 5.
        projector: widths of the projector's layers; None takes the objective's own.
        batch_norm: normalise hidden layers of heads over the batch; None takes the objective's own.
    """

    augmentations: Mapping[str, object] | None = None
    projector: Sequence[int] | None = None
    batch_norm: bool | None = None

    def _options(self) -> dict[str, object]:
        return {"augmentations": ANY_CHANNELS, **super()._options()}


@dataclass(eq=False, repr=False, kw_only=True)
class SimCLR(TwoViewObjective):
    """Two views of a window find each other among those of others (NT-Xent, arXiv 2002.05709).

    Attributes:
        temperature: temperature of the loss.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> SimCLR(steps=2, dim=16, width=4, num_blocks=2).fit(X, groups=[1, 1, 1, 1, 2, 2, 2, 2]).transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = simclr.SimCLR
    config: ClassVar[type] = simclr.SimCLRConfig

    temperature: float | int = 0.1


@dataclass(eq=False, repr=False, kw_only=True)
class DCL(TwoViewObjective):
    """SimCLR without the positive in the denominator, which lets small batches learn (DCL and DCLW, arXiv 2110.06848).

    Attributes:
        temperature: temperature of the loss.
        weighted: DCLW: pairs that are less alike than the average count up to twice.
        sigma: width of these weights.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> DCL(steps=2, dim=16, width=4, num_blocks=2, weighted=True).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = decoupled.DCL
    config: ClassVar[type] = decoupled.DCLConfig

    temperature: float | int = 0.1
    weighted: bool = False
    sigma: float | int = 0.5


@dataclass(eq=False, repr=False, kw_only=True)
class BYOL(TwoViewObjective):
    """Predict what a slowly moving copy makes of the other view, without negatives (arXiv 2006.07733).

    Attributes:
        predictor: widths of the predictor's layers; None takes the objective's own.
        momentum: momentum of the copy, at the start.
        momentum_steps: updates over which it rises to 1; 0 keeps it.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> BYOL(steps=2, dim=16, width=4, num_blocks=2).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = byol.BYOL
    config: ClassVar[type] = byol.BYOLConfig

    predictor: Sequence[int] | None = None
    momentum: float | int = 0.996
    momentum_steps: int = 0


@dataclass(eq=False, repr=False, kw_only=True)
class VICReg(TwoViewObjective):
    """Views agree, every dimension varies over the batch, and no two vary together (arXiv 2105.04906).

    Attributes:
        invariance, variance, covariance: weights of the three terms.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> VICReg(steps=2, dim=16, width=4, num_blocks=2).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = vicreg.VICReg
    config: ClassVar[type] = vicreg.VICRegConfig

    invariance: float | int = 25.0
    variance: float | int = 25.0
    covariance: float | int = 1.0


@dataclass(eq=False, repr=False, kw_only=True)
class BarlowTwins(TwoViewObjective):
    """The cross-correlation of two views' embeddings becomes the identity (arXiv 2103.03230).

    Attributes:
        redundancy: weight of the correlations off the diagonal.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> BarlowTwins(steps=2, dim=16, width=4, num_blocks=2).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = barlow_twins.BarlowTwins
    config: ClassVar[type] = barlow_twins.BarlowTwinsConfig

    redundancy: float | int = 0.005


@dataclass(eq=False, repr=False, kw_only=True)
class NNCLR(TwoViewObjective):
    """The nearest past neighbour of another group takes the place of a window's own view (arXiv 2104.14548).

    Attributes:
        predictor: widths of the predictor's layers; None takes the objective's own.
        temperature: temperature of the loss.
        queue: past embeddings that are searched.
        other_subjects: neighbours are of other groups than the window's own; without groups, of other windows.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> NNCLR(steps=2, dim=16, width=4, num_blocks=2, queue=8).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = nnclr.NNCLR
    config: ClassVar[type] = nnclr.NNCLRConfig

    predictor: Sequence[int] | None = None
    temperature: float | int = 0.1
    queue: int = 2048
    other_subjects: bool = True
