"""Checks on batches: the contract, frame counts, padding, company, repetition."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.embedding.embedder import CONTRACT, Embedder
from audiossl.evaluation.encoder_check.finding import Finding, graded
from audiossl.seeds import derive_generator

SECONDS = (0.4, 0.75, 1.3, 2.0)  # of the clips of a batch


def clips(embedder: Embedder, channels: int) -> tuple[Float[Tensor, "B C S"], Int[Tensor, "B"]]:
    """A padded batch of noise with a slow swell, zeros behind each clip."""
    lengths = torch.tensor([max(embedder.min_samples, round(seconds * embedder.sample_rate)) for seconds in SECONDS])
    size = int(lengths.max())
    generator = derive_generator(1, "encoder check")
    swell = torch.linspace(0, 6.28, size).sin().mul(0.5).add(0.6)
    signal = 0.1 * torch.randn(len(lengths), channels, size, generator=generator) * swell
    return signal * (torch.arange(size) < lengths[:, None])[:, None], lengths


def check_contract(embedder: Embedder, channels: int) -> Finding:
    """Attributes, shapes and types are those of `audiossl.models.encoder.Encoder`."""
    if missing := [name for name in CONTRACT if not hasattr(embedder.encoder, name)]:
        return Finding(
            "contract", "fail", f"lacks {', '.join(missing)}", "give the encoder what audiossl.models.encoder asks for"
        )
    signal, lengths = clips(embedder, channels)
    frames = _run(embedder, signal, lengths)
    shapes = {tuple(layer.shape) for layer in frames.layers}
    wrong = len(frames.layers) != embedder.num_layers or any(shape[0] != len(lengths) for shape in shapes) or len(shapes) > 1
    if wrong or {layer.shape[-1] for layer in frames.layers} != {embedder.dim}:
        advice = f"return {embedder.num_layers} layers (B, T, {embedder.dim}), as it declares"
        return Finding("contract", "fail", f"{len(frames.layers)} layers, {sorted(shapes)}", advice)
    if not all(
        torch.isfinite(layer[i, :size]).all() for layer in frames.layers for i, size in enumerate(frames.lengths.tolist())
    ):
        return Finding("contract", "fail", "frames that are not finite", "look for divisions by a deviation or logarithms of 0")
    if {layer.dtype for layer in frames.layers} != {torch.float32}:
        kinds = ", ".join(sorted({str(layer.dtype) for layer in frames.layers}))
        return Finding("contract", "warn", kinds, "return float32; half precision loses the small differences that probes read")
    return Finding("contract", "pass", f"{embedder.num_layers} layers of width {embedder.dim}")


def check_frame_count(embedder: Embedder, channels: int, longest: float) -> Finding:
    """Frames come at the declared rate, from the shortest clip to `longest` seconds, which is the most that is read at once."""
    worst, at = 0.0, 0.0
    for seconds in [*(size for size in (0.01, 0.1, 0.5, 1.0, 1.07, 1.98, 5.0, 12.34) if size < longest), longest]:
        samples = max(embedder.min_samples, round(seconds * embedder.sample_rate))
        length = torch.tensor([samples])
        count = int(_run(embedder, torch.zeros(1, channels, samples), length).lengths[0])
        gap = abs(count - samples / embedder.sample_rate * embedder.frame_rate)
        if gap > worst:
            worst, at = gap, samples / embedder.sample_rate
    advice = f"at {at:.2f} s; declare frame_rate as it is, or pad the signal so that T = ceil(samples / stride)"
    return graded("frame count", worst, 1.5, 4.0, " frames off", advice)


def check_padding(embedder: Embedder, channels: int) -> Finding:
    """A clip gives the same frames alone and in a batch of longer ones."""
    signal, lengths = clips(embedder, channels)
    together = _run(embedder, signal, lengths)
    worst = 0.0
    for index, size in enumerate(lengths.tolist()):
        alone = _run(embedder, signal[index : index + 1, :, :size], lengths[index : index + 1])
        count = int(alone.lengths[0])
        if int(together.lengths[index]) != count:
            found = f"{int(together.lengths[index])} frames in a batch, {count} alone"
            return Finding("padding", "fail", found, "count frames of each clip by its own length")
        for whole, part in zip(together.layers, alone.layers, strict=True):
            scale = part[0, :count].square().mean().sqrt().clamp(min=1e-12)
            worst = max(worst, float((whole[index, :count] - part[0, :count]).abs().max() / scale))
    advice = "padding leaks into frames: mask it in attention, convolutions and norms over time, or embed clip by clip"
    return graded("padding", 100 * worst, 0.01, 0.5, " % of a frame's size", advice)


def check_company(embedder: Embedder, channels: int) -> Finding:
    """The order of a batch changes nothing."""
    signal, lengths = clips(embedder, channels)
    order = torch.tensor([2, 0, 3, 1])
    first, second = _run(embedder, signal, lengths), _run(embedder, signal[order], lengths[order])
    sizes = first.lengths.tolist()
    worst = max(
        float((one[index, : sizes[index]] - other[place, : sizes[index]]).abs().max())
        for one, other in zip(first.layers, second.layers, strict=True)
        for place, index in enumerate(order.tolist())
    )
    return graded(
        "company in a batch", worst, 1e-4, 1e-2, "", "an item sees its neighbours: look for batch norm in training mode"
    )


def check_repetition(embedder: Embedder, channels: int) -> Finding:
    """Two passes in evaluation mode agree to the bit."""
    signal, lengths = clips(embedder, channels)
    passes = [_run(embedder, signal, lengths).layers for _ in range(2)]
    worst = max(float((one - other).abs().max()) for one, other in zip(*passes, strict=True))
    return graded("repetition", worst, 0.0, 1e-5, "", "something is drawn in evaluation mode: dropout, layer drop or dither")


@torch.no_grad()
def _run(embedder: Embedder, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]):  # noqa: ANN202
    embedder.eval()
    return embedder.encoder(signal.to(embedder.device), lengths.to(embedder.device))
