"""GMML: rebuild groups of samples that were corrupted (arXiv 2205.14986)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.corrupted_input import encode_corrupted
from audiossl.objectives.frame_decoder import FrameDecoder
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.objectives.option_checks import require_widths
from audiossl.objectives.other_windows import OtherWindows
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class GMMLConfig:
    """Corruption, decoder and loss.

    Attributes:
        least, most: share of a window that is corrupted, drawn between them.
        shortest, longest: share of a window that a span takes, drawn between them.
        fills: what spans are filled with, drawn for each: of `noise` (with the channels' mean and deviation), `zeros`, `own` (a
            span of the same window) and `alien` (the same span of another window).
        decoder: widths of the decoder's layers before its convolution.
        spectral: weight of the error of magnitude spectra, for waveforms; 0 for none.
        resolutions: samples of the frames of these spectra, which overlap by three quarters.

    Raises:
        ConfigError: for shares out of range, or an unknown fill.

    >>> GMMLConfig(fills=["noise", "alien"]).most
    0.75
    """

    least: float = 0.5
    most: float = 0.75
    shortest: float = 0.1
    longest: float = 0.3
    fills: list[str] = field(default_factory=lambda: ["noise", "zeros", "own", "alien"])
    decoder: list[int] = field(default_factory=lambda: [256])
    spectral: float = 0.0
    resolutions: list[int] = field(default_factory=lambda: [256, 512, 1024])

    def __post_init__(self) -> None:
        require_widths("decoder", self.decoder)
        require_widths("resolutions", self.resolutions, fewest=1)
        for low, high in (("least", "most"), ("shortest", "longest")):
            if not 0 < getattr(self, low) <= getattr(self, high) < 1:
                got = f"{getattr(self, low)} and {getattr(self, high)}"
                raise ConfigError(f"expected shares with 0 < {low} <= {high} < 1, got {got}")
        if not self.fills or {*self.fills} - {*FILLS}:
            raise ConfigError(f"expected fills of {', '.join(FILLS)}, got {self.fills}")
        if self.spectral < 0 or min(self.resolutions) < 4:
            raise ConfigError(
                f"expected spectral of at least 0 and resolutions of at least 4, got {self.spectral}, {self.resolutions}"
            )


class GMML(Objective[Encoder, WindowBatch]):
    """Spans of a window are corrupted until half to three quarters of it are; a light decoder of the frames rebuilds them.

    Isolated samples would be found by interpolation, spans are not. The encoder sees all positions, and is not told which were
    corrupted. The loss of a window is the mean absolute error over its corrupted samples, `absolute`, and that of its magnitude
    spectra, `spectral`, where it is asked for. Spans are drawn from (seed, epoch, id), windows for alien spans from all ranks.
    Batch norms of the encoder keep the statistics of windows as they are. Partners are not used.

    Args:
        encoder: encoder of the windows, which is trained.
        config: corruption, decoder and loss.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> GMML(encoder)(WindowBatch.of(torch.randn(4, 6, 64))).weight
    4.0
    """

    Config = GMMLConfig

    def __init__(self, encoder: Encoder, config: GMMLConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config = config or GMMLConfig()
        self.decoder = FrameDecoder(encoder, config.decoder)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows."""
        corrupted, changed = corrupt(batch, self.config)
        frames = encode_corrupted(self.encoder, corrupted, batch.signal, batch.lengths)
        size, clean = batch.signal.shape[2], batch.signal.float()
        with torch.autocast(clean.device.type, enabled=False):
            rebuilt = self.decoder(frames.last, size)
            changed = changed & self.decoder.covers(frames.last_lengths, batch.lengths, size)
            rebuilt = torch.where(changed[:, None], rebuilt, clean)
            count = (changed.sum(1) * clean.shape[1]).clamp(min=1)
            terms = {"absolute": ((rebuilt - clean).abs().sum((1, 2)) / count).sum()}
            if self.config.spectral:
                errors = [spectral_error(rebuilt, clean, changed, batch.lengths, num) for num in self.config.resolutions]
                terms["spectral"] = self.config.spectral * torch.stack(errors).mean(0).sum()
        weight = float(len(batch.ids))
        parts = {name: Ratio(term.detach(), weight) for name, term in terms.items()}
        return Loss(torch.stack(list(terms.values())).sum(), weight, parts)


def corrupt(batch: WindowBatch, config: GMMLConfig) -> tuple[Float[Tensor, "B C L"], Bool[Tensor, "B L"]]:
    """Corrupt spans of every window.

    Returns:
        the windows, and which samples were filled; the share of them lies between `least` and `most`, but for rounding.
    """
    signal, lengths, key = batch.signal, batch.lengths, (batch.seed, batch.epoch)
    others = OtherWindows(batch.ids, key, signal.device)
    is_asked = "alien" in config.fills
    aliens, sizes = (others.of(signal), others.of(lengths)) if is_asked else (signal, lengths)
    out, changed = signal.clone(), torch.zeros(signal.shape[0], signal.shape[2], dtype=torch.bool, device=signal.device)
    for row, (id_, length, size) in enumerate(zip(batch.ids, lengths.tolist(), sizes.tolist(), strict=True)):
        generator = derive_generator(*key, id_, "corrupt")
        window, alien = signal[row, :, :length], aliens[row, :, :size]
        for start, stop, fill in draw_spans(length, config, generator):
            out[row, :, start:stop] = FILLS[fill](window, alien, (start, stop), generator)
            changed[row, start:stop] = True
    return out, changed


def draw_spans(length: int, config: GMMLConfig, generator: torch.Generator) -> list[tuple[int, int, str]]:
    """Draw spans over a window until enough of it is covered: their starts, ends and fills; later ones lie over earlier ones."""
    wanted = config.least + float(torch.rand((), generator=generator)) * (config.most - config.least)
    most = round(config.most * length)
    covered, count = np.zeros(length, dtype=bool), 0
    spans: list[tuple[int, int, str]] = []
    while count < min(round(wanted * length), most):
        share, place, kind = torch.rand(3, generator=generator).tolist()
        size = max(1, round((config.shortest + share * (config.longest - config.shortest)) * length))
        start = int(place * (length - size + 1))
        fresh = np.cumsum(~covered[start : start + size])
        stop = start + int(np.searchsorted(fresh, most - count, side="right"))  # no more than is allowed
        covered[start:stop] = True
        count = int(np.count_nonzero(covered))
        spans.append((start, stop, config.fills[int(kind * len(config.fills))]))
    return spans


def spectral_error(
    rebuilt: Float[Tensor, "B C L"],
    clean: Float[Tensor, "B C L"],
    changed: Bool[Tensor, "B L"],
    lengths: Int[Tensor, "B"],
    size: int,
) -> Float[Tensor, "B"]:
    """Mean absolute difference of the magnitude spectra (Hann) of those frames that lie in a window and hold changed samples.

    0 where there are none, as in windows that are shorter than a frame.
    """
    if clean.shape[2] < size:
        return clean.new_zeros(len(clean)) + 0 * rebuilt.sum((1, 2))
    hop, window = size // 4, torch.hann_window(size, device=clean.device)

    def magnitudes(x: Float[Tensor, "B C L"]) -> Float[Tensor, "B C F T"]:
        found = torch.stft(x.flatten(0, 1), size, hop, window=window, center=False, normalized=True, return_complex=True)
        # The root of a small number more: at 0 the magnitude has no gradient.
        return (found.real.square() + found.imag.square() + 1e-10).sqrt().unflatten(0, x.shape[:2])

    error = (magnitudes(rebuilt) - magnitudes(clean)).abs().mean((1, 2))
    ends = torch.arange(error.shape[1], device=clean.device) * hop + size
    counted = changed.unfold(1, size, hop).any(2) & (ends <= lengths[:, None])
    return error.masked_fill(~counted, 0.0).sum(1) / counted.sum(1).clamp(min=1)


Fill = Callable[[Tensor, Tensor, tuple[int, int], torch.Generator], Tensor]


def _noise(window: Tensor, alien: Tensor, span: tuple[int, int], generator: torch.Generator) -> Tensor:
    drawn = torch.randn(len(window), span[1] - span[0], generator=generator).to(window)
    return window.mean(1, keepdim=True) + window.std(1, correction=0, keepdim=True) * drawn


def _zeros(window: Tensor, alien: Tensor, span: tuple[int, int], generator: torch.Generator) -> Tensor:
    return torch.zeros_like(window[:, slice(*span)])


def _own(window: Tensor, alien: Tensor, span: tuple[int, int], generator: torch.Generator) -> Tensor:
    size = span[1] - span[0]
    start = int(torch.randint(window.shape[1] - size + 1, (), generator=generator))
    return window[:, start : start + size]


def _alien(window: Tensor, alien: Tensor, span: tuple[int, int], generator: torch.Generator) -> Tensor:
    places = torch.arange(*span, device=window.device) % alien.shape[1]  # of a shorter window, from its start again
    return alien[:, places]


FILLS: dict[str, Fill] = {"noise": _noise, "zeros": _zeros, "own": _own, "alien": _alien}
