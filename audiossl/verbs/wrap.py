"""`audiossl.wrap`: any module that gives frames as an encoder."""

from __future__ import annotations

from torch import nn

from audiossl.console import console
from audiossl.embedding.embedder import Embedder
from audiossl.embedding.module_call import Layout
from audiossl.embedding.wrap import wrap_module
from audiossl.errors import ConfigError
from audiossl.evaluation.encoder_check import check_encoder


def wrap(
    module: nn.Module,
    sample_rate: float | int = 16000,
    hop: int = 320,
    *,
    channels: int = 1,
    layout: Layout = "auto",
    frame_offset: float | int | None = None,
    min_samples: int | None = None,
    batched: bool | None = None,
    name: str | None = None,
    check: bool = False,
) -> Embedder:
    """Make an encoder of a module that gives frames, in one call.

    The module takes signals (B, S), (B, 1, S) or (B, C, S), and is called with `lengths` (B,) if its `forward` has that argument.
    It returns frames, (B, T, D) or (B, D, T): a tensor, a list or tuple of layers, or an output of Hugging Face. What is not said
    by the arguments is found by calling it with noise: how it is called, where time is, how many frames a clip has and where they
    are, and whether padding changes the frames of shorter clips. If it does, every clip runs by itself.

    Args:
        module: module; it is put into evaluation mode.
        sample_rate: Hz of the input.
        hop: samples from one frame to the next.
        channels: C of the input.
        layout: "time_first" for (B, T, D), "time_last" for (B, D, T); found by default.
        frame_offset: seconds to the centre of frame 0; by default the middle of the part of the signal that it depends on.
        min_samples: shortest clip that gives a frame; found by default.
        batched: False to run every clip by itself in any case, True to make it an error where that is needed.
        name: what results and stores call it; the module's class by default.
        check: ask the encoder what `audiossl check` asks.

    Returns:
        An `Embedder`, which is an encoder and has `embed`.

    Raises:
        ConfigError: if the module gives no frames, or at another hop, or a check fails; the message says which.

    >>> from torch import nn
    >>> model = wrap(nn.Conv1d(1, 8, kernel_size=400, stride=320))
    >>> model
    Embedder('Conv1d': WrappedModule; takes audio at 16000 Hz; gives 1 layer of 8 channels at 50 Hz)
    >>> model.frame_offset, model.min_samples
    (0.0125, 400)
    """
    embedder = wrap_module(
        module,
        sample_rate,
        hop,
        channels=channels,
        layout=layout,
        frame_offset=frame_offset,
        min_samples=min_samples,
        batched=batched,
        name=name,
    )
    if check:
        findings = [finding for finding in check_encoder(embedder, quick=True) if finding.status != "pass"]
        failed = [f"{finding.check}: {finding.found} ({finding.advice})" for finding in findings if finding.status == "fail"]
        if failed:
            raise ConfigError(f"{embedder.name} does not keep what an encoder promises; {'; '.join(failed)}")
        for finding in findings:
            console.print(f"[yellow]{embedder.name}, {finding.check}: {finding.found}. {finding.advice}[/yellow]")
    return embedder
