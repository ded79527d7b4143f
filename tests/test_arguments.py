from __future__ import annotations

import pytest

from audiossl.arguments import read_arguments
from audiossl.errors import ConfigError


def test_arguments_of_a_function_are_read_as_fields_are():
    def fit(frames: list[int], *, seed: int = 0, names: list[str] = [], rate: float) -> None:  # noqa: B006
        """Its first argument is the caller's."""

    assert read_arguments(fit, {"rate": "0.5", "names": ["a"]}, skip=1) == {"rate": 0.5, "names": ["a"]}
    for values, complaint in (
        ({"rat": 1, "rate": 1}, r"options.rat: expected one of the keys seed, names, rate, .*did you mean rate"),
        ({"rate": "fast"}, "options.rate: expected a number, got 'fast'"),
        ({"seed": 1}, "options: expected the keys that are required: rate"),
        ({"rate": 1, "frames": []}, "options.frames: expected one of the keys"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            read_arguments(fit, values, "options", skip=1)
