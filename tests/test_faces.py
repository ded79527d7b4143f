"""The face of the package and of its rooms."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import audiossl

SHOWN = (
    "",
    "embedding",
    "estimators",
    "evaluation",
    "exporters",
    "kits",
    "report",
    "signals",
    "objectives",
    "models",
    "teachers",
    "tokens",
    "features",
    "features.frames",
    "features.connectivity",
    "training",
)
ROOMS = [name for name in audiossl.__all__ if inspect.ismodule(getattr(audiossl, name))]


def test_the_face_is_exactly_its_list_and_costs_nothing():
    code = "import time; t = time.time(); import audiossl, sys; print('torch' in sys.modules, time.time() - t < 1, dir(audiossl))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"False True {sorted(audiossl.__all__)}"


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_every_public_name_is_there_and_is_described(room):
    module = importlib.import_module(f"audiossl.{room}".rstrip("."))
    assert module.__doc__
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        assert inspect.ismodule(value) or not callable(value) or inspect.getdoc(value), f"{room}.{name} has no docstring"


@pytest.mark.parametrize("room", SHOWN)
def test_every_public_class_and_function_shows_an_example(room):
    module = importlib.import_module(f"audiossl.{room}".rstrip("."))
    values = {name: getattr(module, name) for name in module.__all__}
    described = {name: value for name, value in values.items() if inspect.isclass(value) or inspect.isfunction(value)}
    asked = {name for name, value in described.items() if not (getattr(value, "_is_protocol", False) or _is_error(value))}
    assert asked and {name for name in asked if ">>> " not in (described[name].__doc__ or "")} == set()


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)
