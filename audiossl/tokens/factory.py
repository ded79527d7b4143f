"""Quantisers by the word a recipe uses, or by `module:Class`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from torch import Tensor

from audiossl.arguments import read_arguments
from audiossl.errors import ConfigError, StoreError
from audiossl.kinds import Kind, find_kind, source_digest, trusted_class
from audiossl.options import kind_of
from audiossl.tokens.contract import CONFIG_FILE, Quantizer, read_quantiser_config
from audiossl.tokens.frame_sample import gather_frames

QUANTISERS: dict[str, Kind] = {
    "mvq": Kind("audiossl.tokens.quantiser:MultiCodebookQuantizer", "multi-codebook vector quantisation, sums of N vectors"),
    "rvq": Kind("audiossl.tokens.residual:ResidualQuantizer", "residual vector quantisation, codebook after codebook"),
    "fsq": Kind("audiossl.tokens.finite_scalar:FiniteScalarQuantizer", "finite scalar quantisation, fixed grids"),
    "kmeans": Kind("audiossl.tokens.kmeans:KMeansQuantizer", "one codebook of cluster means, as in HuBERT"),
}
NEEDS = ("fit", "encode", "decode", "save", "load")


@dataclass
class QuantiserConfig:
    """Which tokens.

    Attributes:
        kind: mvq, rvq, fsq, kmeans, or module:Class of a `Quantizer` of your own.
        num_codebooks: N, codes per frame.
        codebook_size: K, entries per codebook.
        fit_frames: frames of randomly drawn recordings that the quantiser is fitted to.
        quality: search when recordings are encoded.
        options: further arguments of the quantiser's `fit`, such as `steps`.

    Raises:
        ConfigError: for an unknown kind, or no frames to fit to.

    >>> QuantiserConfig("kmeans", num_codebooks=1, codebook_size=500).quality
    'default'
    """

    kind: str = field(default="mvq", metadata=kind_of(QUANTISERS))
    num_codebooks: int = 8
    codebook_size: int = 256
    fit_frames: int = 100_000
    quality: Literal["fast", "default", "best", "exact"] = "default"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fit_frames < 1:
            raise ConfigError(f"expected at least one frame to fit a quantiser to, got {self.fit_frames}")
        if self.kind not in QUANTISERS:
            find_quantiser(self.kind)

    def search_name(self, quality: str | None = None) -> str:
        """Name and version of the search for codes, of `quality` or of its own; "" where any search finds the same."""
        return find_quantiser(self.kind).search_name(self.num_codebooks, quality or self.quality)

    def decides(self) -> dict[str, object]:
        """What goes into fingerprints: the fields, and the source of a class from outside."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return fields if self.kind in QUANTISERS else {**fields, "source": source_digest(find_quantiser(self.kind))}


def find_quantiser(kind: str) -> type[Quantizer]:
    """The class of a kind: a name in `QUANTISERS`, `module:Class` or `FILE.py:Class`.

    Raises:
        ConfigError: if there is none.

    >>> find_quantiser("mvq").__name__
    'MultiCodebookQuantizer'
    """
    return find_kind(kind, QUANTISERS, "quantiser", NEEDS)


def _fit_of(kind: str) -> Callable[..., Quantizer]:
    return find_kind(kind, QUANTISERS, "quantiser", NEEDS).fit


def check_options(kind: str, options: Mapping[str, object]) -> dict[str, object]:
    """Read the options of a kind's `fit`, each as the type that it takes.

    Raises:
        ConfigError: for an unknown kind, or an option that is unknown or of another type.

    >>> check_options("mvq", {"steps": "10"})
    {'steps': 10}
    """
    return read_arguments(_fit_of(kind), options, "quantiser.options", skip=3)


def fit_quantiser(
    frames: Tensor | np.ndarray | Iterable[Tensor | np.ndarray],
    kind: str = "mvq",
    num_codebooks: int = 8,
    codebook_size: int = 256,
    **options: object,
) -> Quantizer:
    """Train the quantiser named `kind`; options as in its `fit`.

    Args:
        frames: (T, D), or a stream of such blocks, of which a uniform sample is kept (`gather_frames`).
        kind: `mvq`; `rvq` or `fsq` from the extra `quantisers`; `kmeans`, which has one codebook whatever `num_codebooks` says;
            or the place of a class from outside the package.
        num_codebooks: N, codes per frame.
        codebook_size: K, entries per codebook.
        options: further arguments of `fit`, such as `seed` and `normalise`.

    Raises:
        ConfigError: for an unknown kind, or an option that its `fit` does not take.

    >>> import torch
    >>> quantiser = fit_quantiser(torch.randn(200, 6), "kmeans", codebook_size=8)
    >>> quantiser.encode(torch.zeros(3, 6)).shape
    torch.Size([3, 1])
    """
    read = check_options(kind, options)
    return _fit_of(kind)(gather_frames(frames, cast(int, read.get("seed", 0))), num_codebooks, codebook_size, **read)


def load_quantiser(folder: str | Path, *, trust_code: bool | str | type = False) -> Quantizer:
    """Read a saved quantiser of any kind.

    Args:
        folder: written by `Quantizer.save`.
        trust_code: import the class that the folder names, if it is none of ours: True, or the class itself or its place.

    Raises:
        StoreError: if the folder holds no whole quantiser.
        ConfigError: if it names a class that is not trusted.

    >>> import torch
    >>> fit_quantiser(torch.randn(200, 6), "kmeans", codebook_size=8).save("quantiser")
    >>> load_quantiser("quantiser").codebook_size
    8
    """
    kind = read_quantiser_config(Path(folder))["kind"]
    if kind in QUANTISERS:
        return find_quantiser(kind).load(folder)
    if not isinstance(kind, str) or ":" not in kind:
        raise StoreError(f"{folder} holds a quantiser of unknown kind '{kind}'; this version knows {', '.join(QUANTISERS)}")
    return trusted_class(kind, Path(folder) / CONFIG_FILE, trust_code, "quantiser").load(folder)
