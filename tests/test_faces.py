"""The face of the package and of its rooms."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import audiossl

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
