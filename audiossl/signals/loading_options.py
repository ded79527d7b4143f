"""How batches of recordings are read ahead; none of it decides what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiossl.errors import ConfigError
from audiossl.stage import ADDED


@dataclass(kw_only=True)
class LoadingOptions:
    """How many read, and how far ahead. Batches are the same whatever these are.

    Attributes:
        workers: threads that decode and crop recordings; 0 reads them between two steps.
        prefetch: batches that are read ahead.

    Raises:
        ConfigError: for a negative number, or where nothing would be read ahead.

    >>> LoadingOptions(workers=16).prefetch
    3
    """

    workers: int = field(default=2, metadata=ADDED)
    prefetch: int = field(default=3, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.workers < 0 or self.prefetch < 1:
            raise ConfigError(
                f"data.workers should be at least 0 and data.prefetch at least 1, got {self.workers} and {self.prefetch}."
            )

    def free_options(self) -> frozenset[str]:
        """Names of options that decide nothing of a result."""
        return frozenset({"workers", "prefetch"})
