"""The supervised anchor: labels alone, with the same views, head and steps as what learns from unlabelled windows."""

from __future__ import annotations

from audiossl.objectives.semi_objective import SemiObjective


class Supervised(SemiObjective):
    """Cross entropy of the labelled windows, in a weak and a strong view; what is unlabelled is not looked at.

    Other methods are to be compared with it: Oliver et al. (arXiv 1804.09170) found most published gains gone against a baseline
    that was tuned as well.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> Supervised(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), num_classes=2).weight
    1.0
    """
