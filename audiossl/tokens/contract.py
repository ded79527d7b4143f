"""What every quantiser shares: an id, stored normalisation, saving and loading without pickle."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import read_json, whole_folder, write_json
from audiossl.kinds import place_of
from audiossl.tokens.gram_table import BLOCK
from audiossl.tokens.offsets import common_offset
from audiossl.tokens.precision import full_precision

CONFIG_FILE = "quantiser.json"
WEIGHTS_FILE = "quantiser.safetensors"
AnyQuantizer = TypeVar("AnyQuantizer", bound="Quantizer")

ID_LENGTH = 8  # hexadecimal digits; the length that the multi_quantization package stores


class Quantizer(nn.Module):
    """Base of quantisers: frames (T, D) to codes (T, N) and back.

    Attributes:
        kind: word that names the quantiser in recipes and saved folders; classes from outside need none.
        dim: D, width of a frame.
        num_codebooks: N, codes per frame.
        codebook_size: K, entries per codebook.
        mean, std: per channel; frames are normalised by them before the search, and decoded frames are brought back. A
            quantiser that keeps the scale of its frames has std 1, and a mean other than 0 only if frames lie far from zero.
        id_buf: the ASCII codes of `id`.

    Raises:
        ConfigError: for a size out of range.

    >>> from audiossl.tokens.kmeans import KMeansQuantizer
    >>> quantiser = KMeansQuantizer.fit(torch.randn(200, 6), codebook_size=8)
    >>> quantiser.decode(quantiser.encode(torch.randn(3, 6))).shape
    torch.Size([3, 6])
    """

    kind: ClassVar[str] = ""
    mean: Tensor
    std: Tensor
    id_buf: Tensor

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int) -> None:
        super().__init__()
        if dim < 1 or num_codebooks < 1 or not 2 <= codebook_size <= 65536:
            raise ConfigError(
                f"a quantiser needs dim >= 1, num_codebooks >= 1 and 2 <= codebook_size <= 65536, "
                f"not dim={dim}, num_codebooks={num_codebooks}, codebook_size={codebook_size}"
            )
        self.dim, self.num_codebooks, self.codebook_size = dim, num_codebooks, codebook_size
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.register_buffer("id_buf", torch.full((ID_LENGTH,), ord("0"), dtype=torch.uint8))

    @property
    def id(self) -> str:
        """Hexadecimal name of these exact parameters; token stores carry it."""
        return bytes(self.id_buf.tolist()).decode("ascii")

    @property
    def code_dtype(self) -> torch.dtype:
        """uint8, or uint16 for codebooks of more than 256 entries."""
        return torch.uint8 if self.codebook_size <= 256 else torch.uint16

    def stamp_id(self) -> None:
        """Set `id` to a digest of all parameters and buffers; called once, when training ends."""
        digest = hashlib.blake2b(f"{self.kind} {self.num_codebooks} {self.codebook_size}".encode(), digest_size=ID_LENGTH // 2)
        for name, value in sorted(self.state_dict().items()):
            if name != "id_buf":
                digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        self.id_buf.copy_(torch.tensor(list(digest.hexdigest().encode("ascii")), dtype=torch.uint8))

    @torch.no_grad()
    def set_normalisation(self, frames: Float[Tensor, "T D"], normalise: bool) -> None:
        """Store what `normalise` does: mean and deviation of each channel of `frames`, or only take out a common offset."""
        if normalise:
            mean, std = channel_statistics(frames)
            self.mean.copy_(mean)
            self.std.copy_(std)
        else:
            self.mean.copy_(common_offset(frames))

    def normalise(self, frames: Float[Tensor, "T D"]) -> Float[Tensor, "T D"]:
        """Bring frames to the space of the codebooks, in float32."""
        return (frames.to(self.mean.device, torch.float32) - self.mean) / self.std

    def scaled_centers(self) -> Float[Tensor, "N K D"]:
        """Codebooks in the normalised space."""
        raise NotImplementedError

    def encode(self, frames: Tensor | np.ndarray, quality: str = "default") -> UInt[Tensor, "T N"]:
        """Find the codes of frames."""
        raise NotImplementedError

    @classmethod
    def search_name(cls, num_codebooks: int, quality: str) -> str:
        """Name and version of the search, where another one would find other codes; stores and fingerprints hold it."""
        return ""

    def encode_blocks(
        self, frames: Tensor | np.ndarray, search: Callable[[Tensor], Tensor], size: int = BLOCK, pad: bool = True
    ) -> UInt[Tensor, "T N"]:
        """Search frames (T, D) block by block, in full float32 on the quantiser's device; memory does not grow with T.

        Args:
            frames: any floating type; an array may be memory-mapped.
            search: normalised frames (size, D) to codes (size, N); without `pad` of as many frames as there are.
            size: frames of a block; with `pad` fixed, so that chunking never changes a code.
            pad: fill the last block up with zeros.

        Raises:
            DataError: if the frames have the wrong shape or hold NaN.
        """
        tensor = as_frames(frames, self.dim)
        codes = torch.empty(len(tensor), self.num_codebooks, dtype=self.code_dtype)
        with full_precision(self.mean.device):
            for first in range(0, len(tensor), size):
                block = tensor[first : first + size].to(self.mean.device, torch.float32)
                check_finite(block)
                block = self.normalise(block)
                found = search(F.pad(block, (0, 0, 0, size - len(block))) if pad else block)
                codes[first : first + size] = found[: len(block)].cpu().to(self.code_dtype)
        return codes

    def decode(self, codes: Tensor) -> Float[Tensor, "*T D"]:
        """Rebuild frames from codes (*T, N) of any integer type."""
        raise NotImplementedError

    @classmethod
    def saved_kind(cls) -> str:
        """What a saved folder calls the class: its kind, or the place of a class from outside the package."""
        return cls.kind if cls.__module__.partition(".")[0] == "audiossl" else place_of(cls)

    def save(self, folder: str | Path) -> None:
        """Write `quantiser.json` and `quantiser.safetensors`; the folder appears whole."""
        from safetensors.torch import save_file

        with whole_folder(Path(folder)) as partial:
            shape = {"dim": self.dim, "num_codebooks": self.num_codebooks, "codebook_size": self.codebook_size}
            write_json(partial / CONFIG_FILE, {"kind": self.saved_kind(), "id": self.id, **shape})
            save_file(
                {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}, partial / WEIGHTS_FILE
            )

    @classmethod
    def load(cls: type[AnyQuantizer], folder: str | Path) -> AnyQuantizer:
        """Read a quantiser written by `save`.

        Raises:
            StoreError: if the folder is not a whole quantiser of this kind.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        config = read_quantiser_config(Path(folder))
        if config["kind"] != cls.saved_kind():
            raise StoreError(
                f"{folder} holds a quantiser of kind '{config['kind']}', not '{cls.saved_kind()}'; use load_quantiser"
            )
        try:
            quantiser = cls(config["dim"], config["num_codebooks"], config["codebook_size"])
            quantiser.load_state_dict(load_file(Path(folder) / WEIGHTS_FILE))
        except (OSError, KeyError, RuntimeError, SafetensorError) as error:
            raise StoreError(f"the quantiser in {folder} is damaged ({error}); fit it again or copy it again") from error
        if quantiser.id != config["id"]:
            raise StoreError(
                f"the quantiser in {folder} mixes two: id {config['id']} in its config, {quantiser.id} in its weights"
            )
        return quantiser.eval()


def read_quantiser_config(folder: Path) -> dict[str, Any]:  # Any: values of a JSON file
    """Read the config of a saved quantiser.

    Raises:
        StoreError: if the folder holds none.
    """
    try:
        config = read_json(folder / CONFIG_FILE)
        return {key: config[key] for key in ("kind", "id", "dim", "num_codebooks", "codebook_size")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder} is not a saved quantiser: {CONFIG_FILE} is missing or damaged ({error})") from error


def sum_of_centers(centers: Float[Tensor, "N K D"], codes: Tensor) -> Float[Tensor, "*T D"]:
    """Sum one centre of each codebook; codes (*T, N) of any integer type.

    Raises:
        DataError: if the last axis is not N, or a code is outside 0..K-1.
    """
    N, K, D = centers.shape
    if codes.shape[-1:] != (N,) or codes.is_floating_point():
        raise DataError(f"codes must be integers (..., {N}), not {codes.dtype} of shape {tuple(codes.shape)}")
    flat = codes.reshape(-1, N).to(centers.device, torch.int64)
    if len(flat) and not 0 <= int(flat.min()) <= int(flat.max()) < K:
        raise DataError(
            f"codes must lie in 0..{K - 1}, these reach from {int(flat.min())} to {int(flat.max())}; "
            "remove padding (-100) before decoding, and look whether the codes belong to another quantiser"
        )
    if not len(flat):
        return centers.new_zeros(*codes.shape[:-1], D)
    offsets = torch.arange(N, device=centers.device) * K
    return F.embedding_bag(flat + offsets, centers.reshape(N * K, D), mode="sum").view(*codes.shape[:-1], D)


def as_frames(frames: Tensor | np.ndarray, dim: int | None = None) -> Float[Tensor, "T D"]:
    """Take a (T, D) tensor or array of any floating type as a tensor, without copying.

    Raises:
        DataError: if the shape or the type is wrong.
    """
    if isinstance(frames, np.ndarray):
        with warnings.catch_warnings():  # torch warns of read-only arrays, such as memory maps; nothing here writes to frames
            warnings.simplefilter("ignore", UserWarning)
            tensor = torch.from_numpy(frames)
    else:
        tensor = frames
    if tensor.ndim != 2 or not tensor.is_floating_point() or (dim is not None and tensor.shape[1] != dim):
        raise DataError(
            f"frames must be floating point of shape (T, {dim or 'D'}), not {tensor.dtype} of shape {tuple(tensor.shape)}"
        )
    return tensor


def check_finite(frames: Float[Tensor, "T D"]) -> None:
    """Refuse NaN and infinity.

    Raises:
        DataError: naming the first bad frame.
    """
    good = torch.isfinite(frames).all(1)
    if not bool(good.all()):
        bad = (~good).nonzero()[:, 0]
        raise DataError(
            f"{len(bad)} of {len(frames)} frames hold NaN or infinity, the first is frame {int(bad[0])} of its block; "
            "drop these frames, or fix the teacher that made them (silence through a logarithm, fp16 overflow)"
        )


def check_training_frames(frames: Float[Tensor, "T D"], codebook_size: int) -> None:
    """Refuse frames that no quantiser can be fitted to.

    Raises:
        DataError: if frames are too few, not finite, or all the same.
    """
    if len(frames) < 2 * codebook_size:
        raise DataError(
            f"{len(frames)} frames are too few for codebooks of {codebook_size} entries: give at least {2 * codebook_size} "
            f"(a good quantiser wants some {200 * codebook_size}), or choose a smaller codebook_size"
        )
    blocks = frames.split(8192)  # a memory map may be larger than memory
    for block in blocks:
        check_finite(block)
    if all(bool((block == frames[0]).all()) for block in blocks):
        raise DataError("all frames are the same vector, there is nothing to quantise; look at the teacher's output")


def channel_statistics(frames: Float[Tensor, "T D"]) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
    """Mean and standard deviation per channel; a constant channel gets 1, so that its rounding errors are not blown up."""
    blocks = frames.split(8192)
    mean = torch.stack([block.double().sum(0) for block in blocks]).sum(0) / len(frames)
    std = (torch.stack([(block.double() - mean).square().sum(0) for block in blocks]).sum(0) / len(frames)).sqrt()
    constant = std <= 3e-7 * mean.abs() + 1e-8  # a few units in the last place of float32
    return mean.float(), torch.where(constant, 1.0, std).float()


def channel_moments(blocks: Iterable[Float[Tensor, "_ D"]]) -> tuple[Float[Tensor, "D"], Float[Tensor, "D D"]]:
    """Mean and covariance over blocks of frames, in double precision; the blocks are read once."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for block in blocks:
        values = block.double()
        count, total, squares = count + len(values), total + values.sum(0), squares + values.T @ values
    mean = total / max(count, 1)
    return mean, squares / max(count, 1) - mean[:, None] * mean
