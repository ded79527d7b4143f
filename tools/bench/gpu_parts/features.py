"""Log-mel, Gabor frames and dynamic connectivity on a device: speed, and equality with the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from audiossl.features import LogMel
from audiossl.features.connectivity import dynamic_correlation
from audiossl.features.frames import Gabor
from gpu_parts.setting import Rows, Setting
from gpu_parts.timing import medians

RATE = 16000
HEARD = 1e-7  # share of a frame's power from which a mel bin counts: below it the logarithm shows the rounding of the FFT


def mel_difference(found: Tensor, wanted: Tensor) -> float:
    """Largest difference of log-mel values among bins that hold more than rounding."""
    power = wanted.exp()
    return float((found - wanted).abs()[power > HEARD * power.sum(-1, keepdim=True)].max())


def share_of_largest(found: Tensor, wanted: Tensor) -> float:
    """Largest difference over the largest value."""
    return float((found - wanted).abs().max() / wanted.abs().max())


@dataclass
class Transform:
    """A transform, what it is given on a device, and how far two devices may be apart.

    Attributes:
        name: name of the rows.
        make: function that puts the transform of an input on a device.
        signal: input, on the CPU.
        amount, unit: how much the input is, in which unit.
        difference, bound: measure of what lies between two devices, and the most that is allowed.
    """

    name: str
    make: Callable[[torch.device], Callable[[Tensor], Tensor]]
    signal: Tensor
    amount: float
    unit: str
    difference: Callable[[Tensor, Tensor], float]
    bound: float


def transforms(setting: Setting) -> list[Transform]:
    """What is measured."""
    size = setting.size
    clips, seconds, batch = size(64, 2), size(30.0, 0.5), size(4096, 4)
    audio, windows = 0.1 * torch.randn(clips, round(seconds * RATE)), torch.randn(batch, 6, 128)

    def log_mel(device: torch.device) -> Callable[[Tensor], Tensor]:
        mel, lengths = LogMel().to(device), torch.full((clips,), audio.shape[1], device=device)
        return lambda x: mel(x, lengths)[0]

    def gabor(hop: int) -> Callable[[torch.device], Callable[[Tensor], Tensor]]:
        return lambda device: Gabor(hop=hop).to(device)

    def connectivity(device: torch.device) -> Callable[[Tensor], Tensor]:
        return lambda x: dynamic_correlation(x, 50, 16)

    found = [Transform("log-mel", log_mel, audio, clips * seconds, "audio s/s", mel_difference, 2e-3)]
    for hop in (1, 4):
        found.append(Transform(f"Gabor, hop {hop}", gabor(hop), windows, batch, "windows/s", share_of_largest, 1e-4))
    for regions, volumes, runs in size(((94, 1200, 64), (400, 490, 16)), ((7, 100, 2),)):
        series = torch.randn(runs, regions, volumes)
        count = runs * ((volumes - 50) // 16 + 1)
        name = f"connectivity, {regions} x {volumes}"
        found.append(Transform(name, connectivity, series, count, "windows/s", share_of_largest, 1e-4))
    return found


@torch.no_grad()
def measure(setting: Setting) -> list[dict[str, object]]:
    """Units of each transform per second on the device and on the CPU, and how far the two are apart."""
    rows = Rows()
    for one in transforms(setting):
        with rows.attempt(one.name):
            cpu, there = one.make(torch.device("cpu")), one.make(setting.device)
            signal = one.signal.to(setting.device)
            rows.bound(one.name, "difference to CPU", one.difference(there(signal).cpu(), cpu(one.signal)), one.bound)
            speed = one.amount / medians({"": lambda: there(signal)}, setting.device, setting.repeats)[""]  # noqa: B023
            own = one.amount / medians({"": lambda: cpu(one.signal)}, torch.device("cpu"), 1)[""]  # noqa: B023
            rows.add(one.name, one.unit, speed)
            rows.add(one.name, "times the CPU of this machine", speed / own)
    return rows.rows
