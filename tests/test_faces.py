"""The face of the package and of its rooms."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import audiossl

WITH_EXAMPLES = ["", "embedding", "estimators", "evaluation", "exporters", "kits", "load", "report", "signals", "verbs"]
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


@pytest.mark.parametrize("room", [name for name in WITH_EXAMPLES if name not in ("load", "verbs")])
def test_every_class_and_function_of_a_face_has_an_example(room):
    module = importlib.import_module(f"audiossl.{room}".rstrip("."))
    without = []
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)) or value.__module__.split(".")[1] not in WITH_EXAMPLES:
            continue
        is_plain = inspect.isclass(value) and (issubclass(value, Exception) or getattr(value, "_is_protocol", False))
        if not is_plain and ">>> " not in (inspect.getdoc(value) or ""):
            without.append(name)
    assert not without
