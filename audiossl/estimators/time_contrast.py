"""Estimators of the objectives that contrast the frames of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from audiossl.estimators.window_objective import WindowObjective
from audiossl.objectives import ts2vec, ts_tcc
from audiossl.objectives.objective import Objective


@dataclass(eq=False, repr=False, kw_only=True)
class TSTCC(WindowObjective):
    """The past of a weakly changed view predicts the future of a strongly changed one, and the reverse (arXiv 2106.14112).

    Attributes:
        weak, strong: changes of the two views, in this order; None takes the objective's own.
        augmentations: fields of `AugmentationConfig`: how strong they are.
        prediction_steps: future frames that are predicted, at most; the objective's option `steps`.
        context: width of the context.
        projector: widths of the layers after the context; None takes the objective's own.
        batch_norm: normalise hidden layers of the projector over the batch.
        temporal, contextual: weights of both contrasts.
        temperature: temperature of contextual contrast.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> TSTCC(steps=2, dim=16, width=4, num_blocks=4).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = ts_tcc.TSTCC
    config: ClassVar[type] = ts_tcc.TSTCCConfig

    weak: Sequence[str] | None = None
    strong: Sequence[str] | None = None
    augmentations: Mapping[str, object] | None = None
    prediction_steps: int = 3
    context: int = 64
    projector: Sequence[int] | None = None
    batch_norm: bool = True
    temporal: float | int = 1.0
    contextual: float | int = 0.7
    temperature: float | int = 0.2

    def _options(self) -> dict[str, object]:
        return {**super()._options(), "steps": self.prediction_steps}

    def _shortest(self) -> int:
        return 2 ** (self.num_blocks // 2) + 1  # a frame, and one ahead


@dataclass(eq=False, repr=False, kw_only=True)
class TS2Vec(WindowObjective):
    """Overlapping crops agree frame by frame, among other windows and other times, at every scale (arXiv 2106.10466).

    Attributes:
        instance_weight: weight of the contrast between windows; the rest, up to 1, is that between times.
        hidden: the objective's option for a `DilatedCNN`; the residual network here sees all samples.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> TS2Vec(steps=2, dim=16, width=4, num_blocks=4).fit_transform(X).shape
    (8, 16)
    """

    objective: ClassVar[type[Objective]] = ts2vec.TS2Vec
    config: ClassVar[type] = ts2vec.TS2VecConfig

    instance_weight: float | int = 0.5
    hidden: float | int = 0.5

    def _shortest(self) -> int:
        return 2 * 2 ** (self.num_blocks // 2)  # crops are of two frames or more
