"""The multi-codebook quantiser: a frame is the sum of one vector from each of N codebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Float, Int, UInt
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator
from audiossl.tokens.contract import Quantizer, check_training_frames, sum_of_centers
from audiossl.tokens.exact_search import EXACT_BLOCK, check_exact, refine
from audiossl.tokens.frame_sample import gather_frames
from audiossl.tokens.gram_table import GramTable
from audiossl.tokens.quantiser_training import TrainingPlan, train
from audiossl.tokens.search import SEARCH, frames_at_once, search, steps_of

SCALE_SPEED = 10.0  # the reference stores scales divided by ten, which makes its optimiser learn them ten times faster
EXACT_PASSES = 5


class MultiCodebookQuantizer(Quantizer):
    """Direct-sum quantiser; a linear classifier, which `exact` starts from, is kept for exchange with the reference.

    Guo et al., ICASSP 2023, arXiv 2211.00508; parameters as in the multi_quantization package, whose state dicts it can read.

    >>> frames = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    >>> quantiser = MultiCodebookQuantizer.fit(frames, num_codebooks=2, codebook_size=8, progress=False)
    >>> quantiser.encode(frames).shape, quantiser.decode(quantiser.encode(frames)).shape
    (torch.Size([200, 2]), torch.Size([200, 6]))
    """

    kind = "mvq"

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int = 256, *, seed: int = 0) -> None:
        """Make an untrained quantiser; `fit` makes a useful one."""
        super().__init__(dim, num_codebooks, codebook_size)
        self.to_logits = nn.Linear(dim, num_codebooks * codebook_size)
        with torch.no_grad():
            for parameter in (self.to_logits.weight, self.to_logits.bias):
                parameter.uniform_(-(dim**-0.5), dim**-0.5, generator=derive_generator(seed, "quantiser", parameter.ndim))
        self.centers = nn.Parameter(self.to_logits.weight.detach().clone().view(num_codebooks, codebook_size, dim))
        self.logits_scale = nn.Parameter(torch.zeros(()))
        self.centers_scale = nn.Parameter(torch.zeros(()))
        self._table: tuple[object, GramTable] | None = None
        self.stamp_id()

    @classmethod
    def fit(
        cls,
        frames: Tensor | np.ndarray | Iterable[Tensor | np.ndarray],
        num_codebooks: int,
        codebook_size: int = 256,
        *,
        seed: int = 0,
        normalise: bool = True,
        steps: int | None = None,
        device: torch.device | str = "cpu",
        progress: bool = True,
    ) -> MultiCodebookQuantizer:
        """Train a quantiser on frames (T, D).

        Args:
            frames: a tensor or an array (it may be memory-mapped), or an iterable of blocks of frames, read once, of which a
                uniform sample of at most 1 GiB is kept; in any order. Good are some 50 frames for each of the N * K entries.
            num_codebooks: N, codes per frame; any number.
            codebook_size: K, entries per codebook.
            seed: seed of the shuffle and the initial clusters.
            normalise: quantise (frame - mean) / std per channel; decoding undoes it.
            steps: updates of the centres; 40 if None, more keep lowering the error slowly.
            device: device that computes; the frames stay where they are, and batches are moved.
            progress: show a bar on stderr where that is a terminal.

        Raises:
            DataError: if frames are too few, constant, or hold NaN.

        Warns:
            UserWarning: if codebooks give nearly always the same code.
        """
        tensor = gather_frames(frames, seed)
        quantiser = cls(tensor.shape[1], num_codebooks, codebook_size, seed=seed).to(device)
        check_training_frames(tensor, codebook_size)
        quantiser.set_normalisation(tensor, normalise)
        found = train(tensor, num_codebooks, codebook_size, quantiser.normalise, TrainingPlan(seed, steps, progress))
        with torch.no_grad():
            quantiser.centers.copy_(found.centers)
            quantiser.to_logits.weight.copy_(found.weight)
            quantiser.to_logits.bias.copy_(found.bias)
        quantiser.stamp_id()
        return quantiser.eval()

    def scaled_centers(self) -> Float[Tensor, "N K D"]:
        """Codebooks with their learned scale applied, in the normalised space."""
        return (SCALE_SPEED * self.centers_scale).exp() * self.centers

    def logits(self, normalised: Float[Tensor, "T D"]) -> Float[Tensor, "T N K"]:
        """Scores of the classifier for normalised frames."""
        scores = self.to_logits((SCALE_SPEED * self.logits_scale).exp() * normalised)
        return scores.view(len(normalised), self.num_codebooks, self.codebook_size)

    @classmethod
    def search_name(cls, num_codebooks: int, quality: str) -> str:
        """`SEARCH`; "" for `exact`, and for one codebook, whose nearest entry every search finds."""
        return SEARCH if num_codebooks > 1 and quality != "exact" else ""

    @torch.no_grad()
    def encode(self, frames: Tensor | np.ndarray, quality: str = "default", passes: int | None = None) -> UInt[Tensor, "T N"]:
        """Find the codes of frames.

        Each frame is encoded alone: chunking and order change nothing, and memory does not grow with the number of frames.

        Args:
            frames: (T, D), any floating type; an array may be memory-mapped.
            quality: `fast`, `default` and `best` search ever harder (`audiossl.tokens.search`), and their error is never above
                that of codes chosen greedily, codebook after codebook; `exact` gives the codes of the multi_quantization
                package, frame by frame.
            passes: how many times one code of a frame is changed, instead of N (`fast`), 14 N (`default`) or 40 N (`best`);
                refinement passes instead of 5 (`exact`).

        Raises:
            ConfigError: for an unknown quality, or `exact` where N or K is no power of two.
            DataError: if the frames have the wrong shape or hold NaN.
        """
        if quality == "exact":
            check_exact(self.num_codebooks, self.codebook_size)
            wanted = EXACT_PASSES if passes is None else passes
            return self.encode_blocks(frames, lambda block: self._encode_exact(block, wanted), EXACT_BLOCK, pad=False)
        steps = steps_of(quality, self.num_codebooks, passes)
        size = frames_at_once(self.centers.device)
        return self.encode_blocks(frames, lambda block: self._search(block, steps), size, pad=False)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Float[Tensor, "*T D"]:
        """Sum the chosen centres; codes (*T, N) of any integer type.

        Raises:
            DataError: if the last axis is not N, or a code is outside 0..K-1.
        """
        return sum_of_centers(self.scaled_centers(), codes) * self.std + self.mean

    def product(self) -> MultiCodebookQuantizer:
        """Merge neighbouring codebooks: N/2 of K^2 entries, entry k1 * K + k2 the sum of the two; decoder and first guess stay.

        Raises:
            ConfigError: if N is odd.
        """
        if self.num_codebooks % 2:
            raise ConfigError(f"the product step pairs codebooks, {self.num_codebooks} is odd")
        merged = MultiCodebookQuantizer(self.dim, self.num_codebooks // 2, self.codebook_size**2)

        def pair_sums(values: Tensor) -> Tensor:  # (N, K, *) to (N/2, K * K, *)
            return (values[0::2, :, None] + values[1::2, None, :]).flatten(1, 2)

        with torch.no_grad():
            per_codebook = (self.num_codebooks, self.codebook_size)
            merged.centers.copy_(pair_sums(self.centers))
            merged.to_logits.weight.copy_(pair_sums(self.to_logits.weight.view(*per_codebook, -1)).flatten(0, 1))
            merged.to_logits.bias.copy_(pair_sums(self.to_logits.bias.view(*per_codebook)).flatten())
            for name in ("logits_scale", "centers_scale", "mean", "std"):
                getattr(merged, name).copy_(getattr(self, name))
        merged.stamp_id()
        return merged

    @classmethod
    def from_multi_quantization(cls, state_dict: Mapping[str, Tensor]) -> MultiCodebookQuantizer:
        """Take over a quantiser of the multi_quantization package, with its id; frames are not normalised.

        Raises:
            ConfigError: if this is not the state dict of its `Quantizer`.
        """
        try:
            num_codebooks, codebook_size, dim = state_dict["centers"].shape
            quantiser = cls(dim, num_codebooks, codebook_size)
            with torch.no_grad():
                for name in ("centers", "to_logits.weight", "to_logits.bias", "logits_scale", "centers_scale", "id_buf"):
                    quantiser.get_parameter_or_buffer(name).copy_(state_dict[name])
        except (KeyError, ValueError, RuntimeError) as error:
            raise ConfigError(f"this is not the state dict of a multi_quantization Quantizer ({error})") from error
        return quantiser.eval()

    def to_multi_quantization(self) -> dict[str, Tensor]:
        """State dict for `multi_quantization.Quantizer(dim, K, N)`, which then encodes what `normalise(frames)` returns.

        Raises:
            ConfigError: if N or K is no power of two, as that package needs.
        """
        check_exact(self.num_codebooks, self.codebook_size)
        return {name: value.detach().clone() for name, value in self.state_dict().items() if name not in ("mean", "std")}

    def get_parameter_or_buffer(self, name: str) -> Tensor:
        """A tensor of the state dict itself, not a copy."""
        return self.state_dict(keep_vars=True)[name]

    def gram_table(self) -> GramTable:
        """Inner products of all centres, recomputed when the centres have changed."""
        key = tuple((tensor.data_ptr(), tensor._version, tensor.device) for tensor in (self.centers, self.centers_scale))
        if self._table is None or self._table[0] != key:
            self._table = (key, GramTable.build(self.scaled_centers().detach().float()))
        return self._table[1]

    def _encode_exact(self, frames: Float[Tensor, "B D"], passes: int) -> Int[Tensor, "B N"]:
        codes = self.logits(frames).argmax(-1)
        centers = self.scaled_centers()
        for _ in range(passes):
            codes = refine(centers, frames, codes)
        return codes

    def _search(self, frames: Float[Tensor, "B D"], steps: int) -> Int[Tensor, "B N"]:
        offsets = torch.arange(self.num_codebooks, device=self.centers.device) * self.codebook_size
        return search(self.gram_table(), frames, steps) - offsets

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_table": None}  # copies and worker processes build their own
