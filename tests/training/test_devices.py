"""Devices that are not there are refused by name."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import choose_device
from audiossl.world import World


def test_devices_that_are_there():
    assert choose_device(TrainingConfig(device="cpu"), World()) == torch.device("cpu")
    assert choose_device(TrainingConfig(device="auto"), World()).type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["cuda:77", "nonsense", "", "cuda:-1", "cpu:x", "meta", "xpu", "hpu", "vulkan"])
def test_devices_that_are_not(name):
    with pytest.raises(ConfigError, match=rf"training\.device is '?{name}'?, .*Use auto"):
        choose_device(TrainingConfig(device=name), World())


@pytest.mark.parametrize(("name", "there"), [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())])
def test_devices_of_some_machines(name, there):
    if there:
        pytest.skip(f"this machine has {name}")
    with pytest.raises(ConfigError, match=rf"training\.device is {name}, but"):
        choose_device(TrainingConfig(device=name), World())
