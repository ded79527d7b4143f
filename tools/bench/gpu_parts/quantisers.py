"""The multi-codebook quantiser on a device: every quality next to multi_quantization with the same codebooks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from audiossl.errors import import_extra
from audiossl.tokens import MultiCodebookQuantizer
from audiossl.tokens.diagnostics import relative_error
from gpu_parts.setting import Rows, Setting
from gpu_parts.timing import medians, seconds_of

QUALITIES = ("fast", "default", "best")


def decaying_frames(count: int, dim: int, seed: int) -> Tensor:
    """Gaussian frames with the spectrum of teacher frames, variance (1 + i / 30)^-2 along axes that are the same for any seed."""
    axes = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(12345)))[0]
    deviations = 1 / (1 + torch.arange(dim) / 30)
    basis = (deviations / deviations.square().mean().sqrt())[:, None] * axes.T
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)) @ basis


def reference_of(quantiser: MultiCodebookQuantizer, device: torch.device) -> Callable[[Tensor, int], Tensor]:
    """The search of multi_quantization with the codebooks of a quantiser: frames and passes to codes."""
    library = import_extra("multi_quantization", "test")
    reference = library.Quantizer(quantiser.dim, quantiser.codebook_size, quantiser.num_codebooks)
    reference.load_state_dict(quantiser.to_multi_quantization())
    reference.to(device)
    return lambda frames, passes: reference.encode(quantiser.normalise(frames), passes)


@torch.no_grad()
def measure(setting: Setting) -> list[dict[str, object]]:
    """Time of a fit, frames per second and error of every search, and the share of codes that the CPU finds as well."""
    rows, device = Rows(), setting.device
    dim, codebooks, entries = setting.size((1024, 16, 256), (16, 2, 32))
    train = decaying_frames(setting.size(100_000, 400), dim, 1)
    frames = decaying_frames(setting.size(8192, 64), dim, 2).to(device)
    few = frames[: setting.size(1024, 32)]
    found: list[MultiCodebookQuantizer] = []

    def fit() -> None:
        options = {"steps": setting.size(None, 1), "device": device, "normalise": False, "progress": False}
        found.append(MultiCodebookQuantizer.fit(train, codebooks, entries, **options))

    rows.add("fit", f"seconds, {len(train)} frames", seconds_of(fit, device))
    quantiser = found[0]
    work: dict[str, Callable[[], Tensor]] = {
        quality: lambda quality=quality: quantiser.encode(frames, quality) for quality in QUALITIES
    }
    with rows.attempt("reference"):
        search = reference_of(quantiser, device)
        search(few, 1)
        work |= {f"reference, {passes} passes": lambda passes=passes: search(frames, passes) for passes in (1, 5)}
    spent = medians(work, device, setting.repeats)
    cpu = MultiCodebookQuantizer.from_multi_quantization(quantiser.to_multi_quantization())
    cpu.load_state_dict({name: value.cpu() for name, value in quantiser.state_dict().items()})
    for name, took in spent.items():
        rows.add(name, "frames/s", len(frames) / took)
        rows.add(
            name, "times reference, 5 passes", spent["reference, 5 passes"] / took if "reference, 5 passes" in spent else None
        )
        rows.add(name, "relative error", relative_error(quantiser, frames, work[name]().cpu()))
        if name in QUALITIES:
            same = (quantiser.encode(few, name).long().cpu() == cpu.encode(few.cpu(), name).long()).float().mean()
            rows.bound(name, "share of other codes than on CPU", 1 - float(same), 1e-3)
    return rows.rows
