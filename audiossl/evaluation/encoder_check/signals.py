"""Checks on unusual signals, long files, copies and memory."""

from __future__ import annotations

import copy
import resource
from pathlib import Path

import torch
from torch import Tensor

from audiossl.embedding.embedder import Embedder
from audiossl.errors import AudiosslError
from audiossl.evaluation.encoder_check.finding import Finding, Status, graded

STATM = Path("/proc/self/statm")  # size and resident pages of this process, on Linux


def check_unusual(embedder: Embedder, channels: int) -> list[Finding]:
    """Silence, a constant, clipping and one sample give finite frames; NaN is refused or kept out."""
    size = max(embedder.min_samples, round(embedder.sample_rate))
    square = torch.sign(torch.sin(torch.arange(size) / 3.0)).expand(channels, size)
    signals = {
        "silence": torch.zeros(channels, size),
        "constant signal": torch.full((channels, size), 0.5),
        "clipped signal": square,
        "a single sample": torch.full((channels, 1), 0.1),
    }
    found = [_finite(embedder, name, signal) for name, signal in signals.items()]
    broken = 0.1 * torch.randn(channels, size)
    broken[:, size // 2] = torch.nan
    try:
        frames = embedder.embed(broken).frames
        is_finite = bool(torch.isfinite(frames).all())
        status: Status = "warn" if is_finite else "fail"
        advice = "NaN in a signal should be an error" if is_finite else "NaN went through: refuse it, or users store it unseen"
        found.append(Finding("NaN in a signal", status, "finite frames" if is_finite else "NaN frames", advice))
    except AudiosslError:
        found.append(Finding("NaN in a signal", "pass", "refused"))
    return found


def _finite(embedder: Embedder, name: str, signal: Tensor) -> Finding:
    try:
        frames = embedder.embed(signal).frames
    except Exception as error:  # whatever a foreign model throws is the finding
        return Finding(
            name, "fail", f"{type(error).__name__}: {str(error).splitlines()[0][:80]}", "a clip like this ends a long job"
        )
    bad = int((~torch.isfinite(frames)).sum())
    advice = "divide by max(deviation, eps) and take logarithms of max(x, eps)"
    return Finding(name, "fail" if bad else "pass", f"{bad} of {frames.numel()} values not finite", advice if bad else "")


def check_drift(embedder: Embedder, channels: int, seconds: float) -> Finding:
    """The last frame of a long file is where its time says, within a frame."""
    signal = torch.zeros(channels, round(seconds * embedder.sample_rate))
    embedding = embedder.embed(signal)
    rate = embedder.last_frame_rate
    end = float(embedding.times[-1]) + 0.5 / rate
    advice = f"over {seconds:.0f} s; compute times from frame numbers in float64, not by adding rounded hops"
    return graded("drift over a long file", abs(end - seconds) * rate, 2.0, 5.0, " frames", advice)


def check_copy(embedder: Embedder, channels: int) -> Finding:
    """Weights that are taken out and put into a copy give the same frames."""
    signal = 0.1 * torch.randn(channels, max(embedder.min_samples, round(embedder.sample_rate)))
    twin = copy.deepcopy(embedder)
    twin.load_state_dict({name: value.clone() for name, value in embedder.state_dict().items()})
    gap = float((embedder.embed(signal).frames - twin.embed(signal).frames).abs().max())
    return graded("saved and loaded", gap, 0.0, 1e-6, "", "something that decides the output is not in state_dict")


def check_devices(embedder: Embedder, channels: int) -> Finding:
    """Frames on an accelerator are those of the CPU, where there is one."""
    if not torch.cuda.is_available():
        return Finding("other devices", "pass", "no accelerator here")
    signal = 0.1 * torch.randn(channels, max(embedder.min_samples, round(embedder.sample_rate)))
    before, home = embedder.embed(signal).frames, embedder.device
    try:
        there = embedder.to("cuda").embed(signal).frames
    except RuntimeError as error:
        return Finding("other devices", "fail", str(error).splitlines()[0][:80], "register every tensor as a buffer or parameter")
    finally:
        embedder.to(home)
    gap = float((before - there).abs().max() / before.abs().max().clamp(min=1e-12))
    return graded("other devices", gap, 1e-3, 1e-2, " of the largest value", "look for float16 or TF32 in convolutions")


def check_memory(embedder: Embedder, channels: int, times: int) -> Finding:
    """Embedding again and again does not take more memory."""
    if not STATM.is_file():
        return Finding("memory", "pass", "not measured on this system")
    signal = 0.1 * torch.randn(channels, max(embedder.min_samples, round(embedder.sample_rate)))
    sizes = []
    for _ in range(2):
        for _ in range(times):
            embedder.embed(signal)
        sizes.append(int(STATM.read_text().split()[1]) * resource.getpagesize() / 2**20)
    advice = "something keeps its input: a cache or a list of states"
    return graded("memory", sizes[1] - sizes[0], 16.0, 32.0, f" MiB more after {times} clips", advice)
