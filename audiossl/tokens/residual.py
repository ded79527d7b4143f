"""Residual vector quantisation: each codebook quantises what the ones before it left over."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt
from torch import Tensor

from audiossl.errors import ConfigError, import_extra
from audiossl.seeds import derive_generator, derive_seed
from audiossl.tokens.contract import Quantizer, as_frames, check_training_frames, sum_of_centers
from audiossl.tokens.offsets import common_offset
from audiossl.tokens.precision import full_precision

BATCH_FRAMES = 64  # frames per codebook entry and update
STEPS = 30
DECAY = 0.8  # what is left of the averages after each update
DEAD_BELOW = 2  # frames per update; an entry that is chosen less often restarts at a random frame


class ResidualQuantizer(Quantizer):
    """Greedy chain of codebooks, as neural audio codecs use it (SoundStream, arXiv 2107.03312).

    The codebooks are trained by the ResidualVQ of vector-quantize-pytorch, from k-means and by moving averages. A fitted or
    saved quantiser does not need that package.

    Args:
        dim: D, width of a frame.
        num_codebooks: N, length of the chain.
        codebook_size: K, entries per codebook.

    >>> quantiser = ResidualQuantizer.fit(torch.randn(200, 6), 2, codebook_size=8, steps=2, progress=False)
    >>> quantiser.encode(torch.randn(3, 6)).shape
    torch.Size([3, 2])
    """

    kind = "rvq"
    centers: Tensor

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int = 256) -> None:
        """Make an untrained quantiser; `fit` makes a useful one."""
        super().__init__(dim, num_codebooks, codebook_size)
        self.register_buffer("centers", torch.zeros(num_codebooks, codebook_size, dim))

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        frames: Tensor | np.ndarray,
        num_codebooks: int,
        codebook_size: int = 256,
        *,
        seed: int = 0,
        normalise: bool = True,
        steps: int = STEPS,
        progress: bool = True,
    ) -> ResidualQuantizer:
        """Train a quantiser on frames (T, D).

        Args:
            frames: a tensor or an array, in any order.
            num_codebooks: N, codes per frame.
            codebook_size: K, entries per codebook.
            seed: seed of the shuffle, the initial clusters and restarted entries.
            normalise: quantise (frame - mean) / std per channel; decoding undoes it.
            steps: updates of the centres.
            progress: show a bar on stderr where that is a terminal.

        Raises:
            ConfigError: if `steps` is below 1.
            DataError: if frames are too few, constant or hold NaN.
            MissingExtraError: if vector-quantize-pytorch is not installed.
        """
        from rich.console import Console
        from rich.progress import track

        library = import_extra("vector_quantize_pytorch", "quantisers")
        tensor = as_frames(frames)
        check_training_frames(tensor, codebook_size)
        if steps < 1:
            raise ConfigError(f"a quantiser needs at least one training step, not {steps}")
        quantiser = cls(tensor.shape[1], num_codebooks, codebook_size)
        quantiser.set_normalisation(tensor, normalise)
        console = Console(stderr=True)
        shown = progress and console.is_terminal
        generator = derive_generator(seed, "residual quantiser batches")
        size = min(BATCH_FRAMES * codebook_size, len(tensor))
        order, first = torch.randperm(len(tensor), generator=generator), 0
        # The library draws clusters and restarts from the global generator; its state must not leak in or out.
        with torch.random.fork_rng(devices=[]), full_precision(quantiser.mean.device):
            torch.default_generator.manual_seed(derive_seed(seed, "residual quantiser"))
            layers = library.ResidualVQ(
                dim=quantiser.dim,
                num_quantizers=num_codebooks,
                codebook_size=codebook_size,
                kmeans_init=True,
                decay=DECAY,
                threshold_ema_dead_code=DEAD_BELOW * size / (BATCH_FRAMES * codebook_size),  # small batches fill entries less
                commitment_weight=0.0,
                rotation_trick=False,
            )
            layers.train()
            for _ in track(range(steps), "quantiser", console=console, transient=True, disable=not shown):
                if first + size > len(tensor):
                    order, first = torch.randperm(len(tensor), generator=generator), 0
                layers(quantiser.normalise(tensor[order[first : first + size]])[None])
                first += size
        quantiser.centers.copy_(layers.codebooks)
        quantiser.stamp_id()
        return quantiser.eval()

    def scaled_centers(self) -> Float[Tensor, "N K D"]:
        """The codebooks, in the normalised space."""
        return self.centers

    @torch.no_grad()
    def encode(self, frames: Tensor | np.ndarray, quality: str = "default") -> UInt[Tensor, "T N"]:
        """Find the nearest entry of each codebook to what the former ones left; every quality is this one search.

        Raises:
            DataError: if the frames have the wrong shape or hold NaN.
        """
        offsets = common_offset(self.centers)
        centers = self.centers - offsets[:, None]
        squares = centers.square().sum(2)

        def chain(block: Float[Tensor, "B D"]) -> Int[Tensor, "B N"]:
            found, rest = [], block
            for offset, entries, square in zip(offsets, centers, squares, strict=True):
                rest = rest - offset
                nearest = torch.addmm(square, rest, entries.T, alpha=-2).argmin(1)
                rest = rest - entries[nearest]
                found.append(nearest)
            return torch.stack(found, dim=1)

        return self.encode_blocks(frames, chain)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Float[Tensor, "*T D"]:
        """Sum the chosen centres; codes (*T, N) of any integer type.

        Raises:
            DataError: if the last axis is not N, or a code is outside 0..K-1.
        """
        return sum_of_centers(self.centers, codes) * self.std + self.mean
