"""What the options of benchmarks have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import ConfigError


def default_output(benchmark: str, name: str) -> Path:
    """Folder of a model's results on a benchmark.

    >>> default_output("superb", "hf:microsoft/wavlm-large:21").as_posix()
    'runs/superb_hf_microsoft_wavlm-large_21'
    """
    return Path("runs") / f"{benchmark}_{re.sub(r'[^A-Za-z0-9.-]+', '_', name).strip('_.')}"


def words(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """One name, or several."""
    return (value,) if isinstance(value, str) else value


def refuse_overrides(benchmark: str, overrides: Sequence[str]) -> None:
    """Refuse `key=value` words where there is no recipe that they could change.

    Raises:
        ConfigError: naming them.
    """
    if overrides:
        raise ConfigError(f"{benchmark} takes options, no key=value; got {' '.join(overrides)}")
