"""Quantisers by the word a recipe uses."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from audiossl.errors import ConfigError, StoreError
from audiossl.options import nearest
from audiossl.tokens.contract import Quantizer, read_quantiser_config
from audiossl.tokens.finite_scalar import FiniteScalarQuantizer
from audiossl.tokens.frame_sample import gather_frames
from audiossl.tokens.kmeans import KMeansQuantizer
from audiossl.tokens.quantiser import MultiCodebookQuantizer
from audiossl.tokens.residual import ResidualQuantizer

AnyKind = type[MultiCodebookQuantizer] | type[ResidualQuantizer] | type[FiniteScalarQuantizer] | type[KMeansQuantizer]
KINDS: dict[str, AnyKind] = {
    kind.kind: kind for kind in (MultiCodebookQuantizer, ResidualQuantizer, FiniteScalarQuantizer, KMeansQuantizer)
}


def check_options(kind: str, options: Iterable[str]) -> None:
    """Refuse a kind that there is not, or options that its `fit` does not take.

    Raises:
        ConfigError: naming them.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no quantiser '{kind}'; choose one of {', '.join(KINDS)}")
    known = [
        name for name, parameter in signature(KINDS[kind].fit).parameters.items() if parameter.kind is Parameter.KEYWORD_ONLY
    ]
    if unknown := sorted(set(options) - set(known)):
        meant = nearest(unknown[0], known)
        raise ConfigError(
            f"a quantiser of kind '{kind}' takes no {', '.join(unknown)}{meant}; its options are {', '.join(known)}"
        )


def fit_quantiser(
    frames: Tensor | np.ndarray | Iterable[Tensor | np.ndarray],
    kind: str = "mvq",
    num_codebooks: int = 8,
    codebook_size: int = 256,
    **options: Any,
) -> Quantizer:
    """Train the quantiser named `kind`; options as in its `fit`.

    Args:
        frames: (T, D), or a stream of such blocks, of which a uniform sample is kept (`gather_frames`).
        kind: `mvq`; `rvq` or `fsq` from the extra `quantisers`; or `kmeans`, which has one codebook whatever `num_codebooks`
            says.
        num_codebooks: N, codes per frame.
        codebook_size: K, entries per codebook.
        options: further arguments of `fit`, such as `seed` and `normalise`.

    Raises:
        ConfigError: for an unknown kind, or an option that its `fit` does not take.
    """
    check_options(kind, options)
    return KINDS[kind].fit(gather_frames(frames, options.get("seed", 0)), num_codebooks, codebook_size, **options)


def load_quantiser(folder: str | Path) -> Quantizer:
    """Read a saved quantiser of any kind.

    Raises:
        StoreError: if the folder holds no whole quantiser.
    """
    kind = read_quantiser_config(Path(folder))["kind"]
    if kind not in KINDS:
        raise StoreError(f"{folder} holds a quantiser of unknown kind '{kind}'; this version knows {', '.join(KINDS)}")
    return KINDS[kind].load(folder)
