"""Results of a device against those of the CPU, within bounds: frames, gradients, batches and a short training."""

from __future__ import annotations

import shutil

import torch
from torch import Tensor

from audiossl.embedding import Embedder
from audiossl.models import Zipformer
from audiossl.training import TrainingConfig
from gpu_parts.encoders import RATE, make
from gpu_parts.setting import Rows, Setting
from gpu_parts.synthetic import losses_of, train

FLOAT32, BF16, ALONE, LOSSES = 1e-3, 5e-2, 1e-4, 2e-3  # relative; float32 without TF32


def relative(found: Tensor, wanted: Tensor) -> float:
    """Norm of the difference over the norm."""
    return float((found - wanted).norm() / wanted.norm())


def gradient_of(model: Zipformer, clips: Tensor, lengths: Tensor) -> Tensor:
    """Gradient of the mean square of the output, as one vector on the CPU."""
    model.zero_grad()
    model.train()(clips, lengths).last.square().mean().backward()
    return torch.cat([param.grad.flatten().cpu() for param in model.parameters() if param.grad is not None])


def measure(setting: Setting) -> list[dict[str, object]]:
    """Differences with their bounds."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return _measure(setting)


def _measure(setting: Setting) -> list[dict[str, object]]:
    rows, device = Rows(), setting.device
    clips = 0.1 * torch.randn(2, 1, setting.size(4 * RATE, RATE // 4))
    lengths = torch.tensor([clips.shape[2], clips.shape[2] * 3 // 4])
    for size in setting.size(("tiny", "base"), ("tiny",)):
        case, model = f"zipformer-{size}", make("zipformer", size) if setting.short else Zipformer.from_preset(size)
        with rows.attempt(case):
            assert isinstance(model, Zipformer)
            alone = clips[1:, :, : int(lengths[1])]
            with torch.no_grad():
                wanted = model.eval()(clips, lengths).last
            gradient = gradient_of(model, clips, lengths)
            model.to(device)
            there, sizes = clips.to(device), lengths.to(device)
            rows.bound(case, "gradient, float32", relative(gradient_of(model, there, sizes), gradient), FLOAT32)
            with torch.no_grad():
                found = model.eval()(there, sizes).last
                rows.bound(case, "frames, float32", relative(found[0].cpu(), wanted[0]), FLOAT32)
                by_itself = model(alone.to(device), sizes[1:]).last[0]
                rows.bound(case, "frames alone against in a batch", relative(found[1, : len(by_itself)], by_itself), ALONE)
                with torch.autocast(device.type, torch.bfloat16):
                    rows.bound(case, "frames, bf16", relative(model(there, sizes).last[0].float().cpu(), wanted[0]), BF16)
            frames = Embedder(model).embed(clips[0]).frames
            rows.bound(case, "embed, float32", relative(frames, wanted[0]), FLOAT32)
    with rows.attempt("pre-training"):
        config = TrainingConfig(max_steps=setting.size(20, 2), precision="float32", lr=0.01, warmup_steps=2, log_every=1)
        found, wanted = (_losses(setting, config, name, where) for name, where in (("there", str(device)), ("cpu", "cpu")))
        gap = max(abs(a / b - 1) for a, b in zip(found, wanted, strict=True))
        rows.bound("pre-training", f"largest difference of {config.max_steps} losses, float32", gap, LOSSES)
    return rows.rows


def _losses(setting: Setting, config: TrainingConfig, name: str, device: str) -> list[float]:
    shutil.rmtree(setting.work / name, ignore_errors=True)
    train(setting.work / name, setting.size("tiny", "narrow"), config, device, setting.size(20.0, 0.4))
    return losses_of(setting.work / name)
