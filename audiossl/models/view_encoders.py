"""Encoders of a signal's coefficients in a basis or frame, for any length (arXiv 2510.22655, section 2 and table 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.features.frames import DCT2, STFT, Gabor, Haar, RealFourier
from audiossl.lengths import padding_mask
from audiossl.models.masked_norm import MaskedBatchNorm

ViewKind = Literal["fourier", "dct", "haar", "gabor", "stft"]
BASES = {"fourier": RealFourier, "dct": DCT2, "haar": Haar}
# Half of the paper's scales and every fourth frame: an eighth of the work; chosen on validation people of HAPT (its README).
GABOR = {"num_scales": 24, "min_scale": 2.0, "max_scale": 32.0, "mode": "tight", "hop": 4}
STFT_OPTIONS = {"size": 32, "hop": 4}


def make_view_encoder(kind: str, num_channels: int, dim: int, options: Mapping[str, object] | None = None) -> nn.Module:
    """Make the encoder of a view; it is called as `encoder(signal, lengths)` with the signal itself and gives (B, dim).

    Args:
        kind: kind of the view.
        num_channels: number of channels of the signal.
        dim: width of the representation.
        options: options of the transform (`gabor`: those of `Gabor`, `stft`: those of `STFT`) and of its network: `widths`,
            `kernel`, `gain`, `bins`.

    Raises:
        ConfigError: for another kind or an option that it does not have.
    """
    given: dict[str, Any] = dict(options or {})
    if kind not in get_args(ViewKind):
        raise ConfigError(f"there is no view '{kind}'; choose of time, {', '.join(get_args(ViewKind))}")
    sizes = {name: given.pop(name) for name in ("widths", "kernel", "bins", "gain") if name in given}
    _check_sizes(kind, sizes)
    try:
        if kind in BASES:
            return BasisEncoder(kind, num_channels, dim, **sizes, **given)
        frame = STFT(**{**STFT_OPTIONS, **given}, output="magnitude") if kind == "stft" else _gabor(given)
        num_rows = frame.size // 2 + 1 if isinstance(frame, STFT) else frame.num_scales
        return PlaneEncoder(frame, num_rows, num_channels, dim, **sizes)
    except TypeError as error:
        raise ConfigError(f"an option of the view '{kind}' is not known, set already, or of another type: {error}") from error


def _check_sizes(kind: str, sizes: dict[str, Any]) -> None:
    """Check the options of a view's network; whether it has them is checked by the network itself."""
    widths = sizes.get("widths", [1] * 4)
    count = len(widths) if isinstance(widths, list | tuple) and all(_is_whole(width) for width in widths) else 0
    if count == 0 or (kind not in BASES and count != 4):
        wanted = "at least one width" if kind in BASES else "four widths"
        raise ConfigError(f"the view '{kind}' takes {wanted} of layers, such as [16, 32, 64, 128], got widths={widths!r}")
    kernel, bins, gain = sizes.get("kernel", 3), sizes.get("bins", 16), sizes.get("gain", 30.0)
    if not _is_whole(kernel) or kernel % 2 == 0:
        raise ConfigError(f"the view '{kind}' takes an odd kernel, such as 3, which keeps sizes, got {kernel!r}")
    if not _is_whole(bins):
        raise ConfigError(f"the view '{kind}' takes at least one of bins, got {bins!r}")
    if isinstance(gain, bool) or not isinstance(gain, int | float) or gain < 0:
        raise ConfigError(f"the view '{kind}' takes a gain of at least 0, got {gain!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _gabor(options: dict[str, Any]) -> Gabor:
    return Gabor(**{**GABOR, **options}, output="magnitude")


class BasisEncoder(nn.Module):
    """Convolutions over the coefficients of a basis; frequency is kept in `bins` cells.

    Fourier coefficients enter as amplitude and phase, each through a branch of its own, others with their sign. Amplitudes are
    compressed by log(1 + x). No norm is used, so a window does not see its batch.
    """

    runs_unequally = True  # once for each length of windows in a batch

    def __init__(self, basis: str, num_channels: int, dim: int, bins: int = 16, widths: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        self.transform = BASES[basis]()
        self.has_phase, self.bins = basis == "fourier", bins
        count = 2 if self.has_phase else 1
        if dim % count:
            raise ConfigError(f"expected an even width for amplitude and phase, got {dim}")
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(num_channels, widths[0], 3, padding=1),
                nn.ReLU(),
                *(_Halving(before, after) for before, after in pairwise(widths)),
            )
            for _ in range(count)
        )
        self.heads = nn.ModuleList(nn.Linear(widths[-1] * bins, dim // count) for _ in range(count))

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Encode windows; those of one length run together, since coefficients of another length mean other frequencies."""
        if bool((lengths == signal.shape[2]).all()):
            return self._encode(signal)
        rows = [(lengths == size).nonzero()[:, 0] for size in lengths.unique()]
        parts = [self._encode(signal[row, :, : int(lengths[row[0]])]) for row in rows]
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def _encode(self, signal: Float[Tensor, "B C L"]) -> Float[Tensor, "B D"]:
        coefficients = self.transform(signal)
        amplitude = coefficients.abs().log1p()
        views = [amplitude, coefficients.angle()] if self.has_phase else [amplitude * coefficients.sign()]
        pooled = [
            functional.adaptive_avg_pool1d(branch(view), self.bins) for branch, view in zip(self.branches, views, strict=True)
        ]
        return torch.cat([head(cells.flatten(1)) for head, cells in zip(self.heads, pooled, strict=True)], dim=1)


class _Halving(nn.Module):
    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.down, self.mid = nn.Conv1d(num_in, num_out, 3, 2, 1), nn.Conv1d(num_out, num_out, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C K"]) -> Float[Tensor, "B C2 K2"]:
        skip = functional.pad(functional.max_pool1d(x, 2, ceil_mode=True), (0, 0, 0, self.mid.in_channels - x.shape[1]))
        return (self.mid(self.down(x).relu()) + skip).relu()


class PlaneEncoder(nn.Module):
    """The contracting half of a small U-Net over (scale, time); the mean over time is taken at each scale.

    Magnitudes enter as log(1 + gain |W|); a gain of 0 leaves them as they are, as published. They enter the second and third
    halving again, averaged. Widths are about half of the published ones, which are (32, 64, 96, 128) with 5 x 5 kernels.
    """

    def __init__(
        self,
        frame: Gabor | STFT,
        num_rows: int,
        num_channels: int,
        dim: int,
        widths: Sequence[int] = (16, 32, 64, 128),
        kernel: int = 3,
        gain: float = 30.0,
    ) -> None:
        super().__init__()
        self.frame, self.gain = frame, gain
        self.norm = MaskedBatchNorm(num_channels)
        entering = [num_channels, widths[0], widths[1] + num_channels, widths[2] + num_channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, kernel, 1 if index == 0 else 2, kernel // 2)
            for index, (before, after) in enumerate(zip(entering, widths, strict=True))
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for width in widths)
        self.head = nn.Linear(widths[-1] * -(-num_rows // 8), dim)

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Encode windows; padding is kept out of every convolution, norm and mean."""
        features, frames = self.last_plane(signal, lengths)
        is_whole = bool((lengths == signal.shape[2]).all())
        mean = features.sum(-1) / (features.shape[-1] if is_whole else frames[:, None, None])
        return self.head(mean.flatten(1))

    def last_plane(
        self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B D A T"], Int[Tensor, "B"]]:
        """What the last convolution gives at each of A scales, zero beyond the frames of each window, and the number of these."""
        plane = self.frame(signal, lengths)
        plane = plane.mul(self.gain).log1p() if self.gain else plane
        frames = self.frame.num_frames(lengths)
        is_whole = bool((lengths == signal.shape[2]).all())
        valid = None if is_whole else ~padding_mask(frames, plane.shape[-1])
        plane = self.norm(plane, valid)
        features = hidden = self.norms[0](self.convs[0](plane.contiguous(memory_format=torch.channels_last)), valid).relu()
        for conv, norm in zip(self.convs[1:], self.norms[1:], strict=True):
            hidden, plane = conv(hidden), _halve(plane, valid)
            frames = (frames + 1) // 2
            valid = None if is_whole else ~padding_mask(frames, hidden.shape[-1])
            hidden = norm(hidden, valid).relu()
            features, hidden = hidden, torch.cat([hidden, plane], dim=1)
        return features, frames


def _halve(plane: Float[Tensor, "B C A T"], valid: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B C A2 T2"]:
    """Average 2 x 2 cells, of those that hold signal."""
    mean = functional.avg_pool2d(plane, 2, ceil_mode=True)
    if valid is None:
        return mean
    share = functional.avg_pool1d(valid[:, None].float(), 2, ceil_mode=True)
    return mean / share.clamp(min=0.5)[:, :, None]
