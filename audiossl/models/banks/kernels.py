"""MiniRocket's kernels in torch: random channels and biases, fixed dilated convolutions (arXiv 2012.08791)."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.lengths import padding_mask
from audiossl.models.banks.bank import FeatureBank
from audiossl.models.banks.minirocket import TAPS, KernelOptions
from audiossl.seeds import derive_generator

HIGH = torch.tensor(list(combinations(range(TAPS), 3)))  # taps with weight 2 of each of the 84 kernels; the others have -1
NUM_KERNELS = len(HIGH)
REACH = (TAPS - 1) // 2  # taps on either side
MOST_CHANNELS = 9  # that a kernel sums
GOLDEN = (1 + math.sqrt(5)) / 2  # multiples of it, modulo 1, are spread evenly: the quantiles that are biases


class KernelBank(FeatureBank[KernelOptions]):
    """Shares of values above a bias, after 84 fixed kernels of 9 taps at dilations up to the length of a window.

    The method is MiniRocket's for several channels: each kernel at each dilation sums channels that are drawn, each bias is a
    quantile of what it gives for a window that is drawn, and half of the kernels leave out what lies within their reach of an
    end. Draws are torch's, so features are not those of aeon for any seed; with the same draws they are. Padding changes nothing:
    shares are of a window's own samples. A window that is shorter than a kernel's reach counts with all of its samples.

    >>> bank = KernelBank(KernelOptions(num_features=168))
    >>> bank.fit(torch.randn(4, 3, 64), torch.full((4,), 64), seed=1)
    >>> bank(torch.randn(2, 3, 64), torch.tensor([64, 40])).shape
    torch.Size([2, 168])
    """

    Options = KernelOptions
    min_samples = TAPS
    dilations: Tensor
    counts: Tensor
    channels: Tensor
    biases: Tensor

    def __init__(self, options: KernelOptions | None = None) -> None:
        super().__init__(options)
        for name in ("dilations", "counts", "channels", "biases"):
            self.register_buffer(name, torch.empty(0))

    def fit(self, signal: Float[Tensor, "N C L"], lengths: Int[Tensor, "N"], seed: int) -> None:
        """Draw channels and windows, and take quantiles of these for biases; only the longest windows are drawn.

        Raises:
            DataError: for windows that are shorter than a kernel.
        """
        longest = int(lengths.max())
        if longest < TAPS:
            raise DataError(f"expected windows of at least {TAPS} samples, as long as a kernel, got {longest}")
        dilations, counts = spread_dilations(longest, self.options.num_features, self.options.max_dilations)
        generator = derive_generator(seed, "kernels")
        self.dilations, self.counts = torch.tensor(dilations), torch.tensor(counts)
        self.channels = _draw_channels(len(dilations) * NUM_KERNELS, signal.shape[1], generator)
        whole, found, number = (lengths == longest).nonzero()[:, 0], [], 0
        for index, count in enumerate(counts):
            rows = whole[torch.randint(len(whole), (NUM_KERNELS,), generator=generator)]
            drawn = self._convolved(signal[rows, :, :longest].float(), index).diagonal(dim1=0, dim2=1).T  # window i, kernel i
            for values in drawn:
                quantiles = torch.arange(number + 1, number + count + 1, dtype=torch.float64).mul(GOLDEN).remainder(1).float()
                found.append(values.quantile(quantiles))
                number += count
        self.biases = torch.cat(found)

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Shares of values above the biases: dilation by dilation, kernel by kernel, bias by bias."""
        signal = signal.float().masked_fill(padding_mask(lengths, signal.shape[2])[:, None], 0.0)
        parts, first = [], 0
        for index, count in enumerate(self.counts.tolist()):
            values = self._convolved(signal, index)
            number = self._count_of(values, lengths, index)
            last = first + NUM_KERNELS * count
            biases = self.biases[first:last].reshape(NUM_KERNELS, count)
            above = [(values > biases[:, place, None]).sum(2, dtype=torch.int32) for place in range(count)]
            parts.append((torch.stack(above, dim=2) / number[..., None]).flatten(1))
            first = last
        return torch.cat(parts, dim=1)

    def _convolved(self, signal: Float[Tensor, "B C L"], index: int) -> Float[Tensor, "B K L"]:
        """What all kernels give at one dilation."""
        dilation = int(self.dilations[index])
        taps = torch.full((NUM_KERNELS, TAPS), -1.0).scatter_(1, HIGH, 2.0)
        channels = self.channels[index * NUM_KERNELS : (index + 1) * NUM_KERNELS]
        return functional.conv1d(signal, channels[:, :, None] * taps[:, None], padding=REACH * dilation, dilation=dilation)

    def _count_of(self, values: Tensor, lengths: Int[Tensor, "B"], index: int) -> Int[Tensor, "B K"]:
        """Put what does not count below every bias, and return how many samples count for each kernel."""
        reach = REACH * int(self.dilations[index])
        place = torch.arange(values.shape[2])
        inner = (torch.arange(NUM_KERNELS) + index) % 2 == 1  # kernels that leave ends out, as in MiniRocket
        edge = torch.where(lengths > 2 * reach, reach, 0)[:, None] * inner  # (B, K)
        last = lengths[:, None] - edge
        values.masked_fill_((place < edge[..., None]) | (place >= last[..., None]), -torch.inf)
        return last - edge


def spread_dilations(length: int, num_features: int, max_dilations: int) -> tuple[list[int], list[int]]:
    """Dilations from 1 to where a kernel is as long as a window, and how many features of each kernel have each.

    >>> spread_dilations(32, 84 * 8, 32)
    ([1, 2, 3], [4, 2, 2])
    """
    of_kernel = max(1, num_features // NUM_KERNELS)
    total = min(of_kernel, max_dilations)
    highest = math.log2((length - 1) / (TAPS - 1))
    exponents = torch.linspace(0, highest, total, dtype=torch.float64)
    found, times = torch.exp2(exponents).add(1e-9).int().unique(return_counts=True)
    counts = (times * (of_kernel / total)).int().tolist()
    for index in range(of_kernel - sum(counts)):
        counts[index % len(counts)] += 1
    return found.tolist(), counts


def _draw_channels(count: int, num_channels: int, generator: torch.Generator) -> Float[Tensor, "{count} {num_channels}"]:
    """Channels that each kernel sums, marked by 1: how many is drawn on a logarithmic scale."""
    highest = math.log2(min(num_channels, MOST_CHANNELS) + 1)
    numbers = torch.exp2(torch.rand(count, generator=generator) * highest).int().clamp(max=num_channels)
    order = torch.rand(count, num_channels, generator=generator).argsort(1)
    return (order.argsort(1) < numbers[:, None]).float()
