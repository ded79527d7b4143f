"""Checks of objectives' options: what is wrong is named with what is allowed, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audiossl.errors import ConfigError


def require_positive(name: str, value: object) -> None:
    """Check a number that divides or scales.

    Raises:
        ConfigError: unless it is finite and above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value > 0 and math.isfinite(value)):
        raise ConfigError(f"expected {name} above 0, got {value!r}")


def require_widths(name: str, widths: object, fewest: int = 0) -> None:
    """Check the widths of a head's layers.

    Raises:
        ConfigError: unless there are at least so many, and all are whole numbers above 0.
    """
    listed = widths if isinstance(widths, Sequence) else ()
    whole = isinstance(widths, Sequence) and all(isinstance(width, int) and width > 0 for width in listed)
    if not whole or len(listed) < fewest:
        raise ConfigError(f"expected {name} to be widths of at least {fewest} layers, such as [128, 128], got {widths!r}")


def require_same_width(projector: Sequence[int], predictor: Sequence[int]) -> None:
    """Check that there are predictions and projections, and that they can be compared.

    Raises:
        ConfigError: if one has no layers, or the last widths differ.
    """
    require_widths("projector", projector, fewest=1)
    require_widths("predictor", predictor, fewest=1)
    if predictor[-1] != projector[-1]:
        raise ConfigError(
            f"expected the predictor to end as wide as the projector, which is {projector[-1]} wide, got predictor={[*predictor]}"
        )
