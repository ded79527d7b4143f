"""What a device can multiply at most: from its data sheet, and measured by a large product."""

from __future__ import annotations

import re

import torch

from gpu_parts.setting import Rows, Setting
from gpu_parts.timing import medians

# Dense bf16 products with float32 sums, TFLOP/s, as the makers state them. The first name that is part of the device's counts.
TFLOPS = {
    "B200": 2250.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "H200": 989.0,
    "GH200": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
    "RTX 4090": 165.0,
}


def name_of(device: torch.device) -> str:
    """Name of a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def stated_tflops(name: str) -> float | None:
    """Peak of a device by its name; None where the table does not know it."""
    words = re.split(r"[\s-]+", name)
    return next((peak for key, peak in TFLOPS.items() if all(word in words for word in key.split())), None)


def measured_tflops(setting: Setting, dtype: torch.dtype) -> float:
    """TFLOP/s of one large product."""
    size = setting.size(8192, 128)
    a, b = (torch.randn(size, size, device=setting.device).to(dtype) for _ in range(2))
    return 2 * size**3 / medians({"product": lambda: a @ b}, setting.device, setting.repeats)["product"] / 1e12


def bf16_tflops(setting: Setting) -> float:
    """What shares of the peak are of: the stated value, else the measured one."""
    return stated_tflops(name_of(setting.device)) or measured_tflops(setting, torch.bfloat16)


def measure(setting: Setting) -> list[dict[str, object]]:
    """Stated and measured peaks."""
    rows, stated = Rows(), stated_tflops(name_of(setting.device))
    rows.add("bf16", "stated TFLOP/s", stated, "" if stated else "the table does not know this device")
    rows.add("bf16", "measured TFLOP/s", measured_tflops(setting, torch.bfloat16))
    rows.add("float32", "measured TFLOP/s", measured_tflops(setting, torch.float32))
    return rows.rows
