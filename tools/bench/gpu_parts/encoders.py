"""Forward passes and training steps of Zipformers next to WavLM and HuBERT of equal size: random weights, bf16, equal audio."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from peers import make_peer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from audiossl.models import Zipformer
from gpu_parts.peak import bf16_tflops
from gpu_parts.setting import Rows, Setting
from gpu_parts.timing import call_gib, medians

RATE = 16000
FAMILIES = ("zipformer", "wavlm", "hubert")
PLAIN = {"layerdrop": 0.0, "apply_spec_augment": False}  # each step of a peer does all of its work


def make(family: str, size: str) -> nn.Module:
    """A model with random weights."""
    torch.manual_seed(0)
    if family != "zipformer":
        return make_peer(family, size, **PLAIN)
    narrow: dict[str, Any] = {"encoder_dim": [32] * 5, "feedforward_dim": [16] * 5} if size == "tiny" else {}
    return Zipformer.from_preset(size, **narrow)


def output_of(model: nn.Module, clips: Tensor, lengths: Tensor) -> Tensor:
    """Final frames of clips (B, S) in bf16."""
    with torch.autocast(clips.device.type, torch.bfloat16):
        return model(clips[:, None], lengths).last if isinstance(model, Zipformer) else model(clips).last_hidden_state


def forward(model: nn.Module, clips: Tensor, lengths: Tensor) -> Tensor:
    """Encode."""
    with torch.no_grad():
        return output_of(model.eval(), clips, lengths)


def training_step(model: nn.Module, optimiser: torch.optim.Optimizer, clips: Tensor, lengths: Tensor) -> None:
    """Forward, backward and AdamW for the mean square of the output."""
    output_of(model.train(), clips, lengths).float().square().mean().backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def compiled(model: nn.Module) -> nn.Module:
    """The same model, compiled for one shape; of ours all but log-mel and the checks of lengths."""
    whole: Any = model
    if isinstance(model, Zipformer):
        whole.forward_features = torch.compile(model.forward_features, dynamic=False)
    else:
        whole.forward = torch.compile(model.forward, dynamic=False)
    return model


def work_of(model: nn.Module, task: str, clips: Tensor, lengths: Tensor) -> Callable[[], Any]:
    """A forward pass or a training step of a model."""
    if task == "forward":
        return lambda: forward(model, clips, lengths)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-5, fused=clips.device.type == "cuda" or None)
    return lambda: training_step(model, optimiser, clips, lengths)


def measure(setting: Setting) -> list[dict[str, object]]:
    """Audio seconds per second, share of the peak and memory, by size, way and task."""
    rows, peak = Rows(), bf16_tflops(setting)
    for size in setting.size(("base", "large"), ("tiny",)):
        seconds, count = setting.size(15.0, 0.2), setting.size({"base": 16, "large": 8}, {"tiny": 2})[size]
        clips = 0.1 * torch.randn(count, round(seconds * RATE), device=setting.device)
        lengths = torch.full((count,), clips.shape[1], device=setting.device)
        flops: dict[str, float] = {}
        for way, task in product(setting.size(("eager", "compiled"), ("eager",)), ("forward", "training")):
            torch.compiler.reset()
            work: dict[str, Callable[[], Any]] = {}
            for family in FAMILIES:
                with rows.attempt(f"{family}-{size} {task} {way}"):
                    model = make(family, size).to(setting.device)
                    run = work_of(compiled(model) if way == "compiled" else model, task, clips, lengths)
                    run()
                    if way == "eager":  # of compiled code not all products are seen
                        flops[f"{family} {task}"] = flops_of(run)
                    work[family] = run
            spent = medians(work, setting.device, setting.repeats)
            for family, took in spent.items():
                case, tflops = f"{family}-{size} {task} {way}", flops.get(f"{family} {task}", 0.0) / took / 1e12
                rows.add(case, "audio s/s", count * seconds / took)
                rows.add(case, "times WavLM", spent["wavlm"] / took if "wavlm" in spent else None)
                rows.add(case, "TFLOP/s", tflops)
                rows.add(case, "share of peak, %", 100 * tflops / peak)
                rows.add(case, "memory of the call, GiB", call_gib(work[family], setting.device))
    return rows.rows


def flops_of(run: Callable[[], Any]) -> float:
    """Floating point operations of products, convolutions and fused attention in a call."""
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())
