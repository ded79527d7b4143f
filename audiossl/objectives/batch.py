"""A padded batch of signals with the tokens to predict from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from audiossl.errors import DataError
from audiossl.lengths import on_host, pad_stack, told
from audiossl.objectives.signal_batch import DivisibleBatch
from audiossl.tokens.alignment import IGNORE


@dataclass
class TokenBatch(DivisibleBatch):
    """Signals, tokens and the key of their random draws.

    Attributes:
        signal: (B, C, S), zero beyond each length.
        lengths: valid samples.
        ids: ids of the items; masks are drawn from (seed, epoch, id), so crops of one recording need ids of their own.
        tokens: codes of each stream, (B, Tc, N), int64, padded with -100.
        epoch, seed: the rest of the key.
        rate: Hz.

    Raises:
        DataError: if tokens are not int64 (uint8 would turn the padding -100 into the legal code 156) or do not fit the batch.

    >>> import torch
    >>> codes = torch.zeros(25, 8, dtype=torch.uint8)
    >>> signals, tokens = [torch.zeros(1, 8000), torch.zeros(1, 4000)], [{"tokens": codes}, {"tokens": codes[:12]}]
    >>> batch = collate_tokens(["a", "b"], signals, tokens)
    >>> batch.seconds, batch.tokens["tokens"].shape, int(batch.tokens["tokens"][1, -1, 0])
    (0.75, torch.Size([2, 25, 8]), -100)
    """

    signal: Float[Tensor, "B C S"]
    lengths: Int[Tensor, "B"]
    ids: Sequence[str]
    tokens: Mapping[str, Shaped[Tensor, "_ _ _"]]
    epoch: int = 0
    seed: int = 0
    rate: float = 16000.0

    def __post_init__(self) -> None:
        for name, codes in self.tokens.items():
            if codes.dtype != torch.int64:
                raise DataError(f"tokens '{name}' are {codes.dtype}; convert them to int64 before padding with {IGNORE}.")
            if len(codes) != len(self.ids):
                raise DataError(f"tokens '{name}' hold {len(codes)} items, the batch has {len(self.ids)} ids.")


def collate_tokens(
    ids: Sequence[str],
    signals: Sequence[Float[Tensor, "C _"]],
    tokens: Sequence[Mapping[str, Shaped[Tensor, "_ _"]]],
    *,
    epoch: int = 0,
    seed: int = 0,
    sample_rate: float = 16000.0,
) -> TokenBatch:
    """Pad items to a batch; where an item lacks a stream of the others, it gets -100.

    Args:
        ids, signals: an id and a (C, S) signal per item.
        tokens: per item the codes (Tc, N) of each stream, of any integer type.

    >>> import torch
    >>> batch = collate_tokens(["a"], [torch.zeros(1, 8000)], [{"tokens": torch.zeros(25, 8, dtype=torch.uint8)}])
    >>> batch.tokens["tokens"].dtype
    torch.int64
    """
    signal, lengths = pad_stack([signal.T for signal in signals])
    streams = {name: codes.shape[1] for item in tokens for name, codes in item.items()}
    padded = {}
    for name, num_codebooks in streams.items():
        missing = torch.empty(0, num_codebooks, dtype=torch.int64)
        codes, counts = pad_stack([item.get(name, missing).to(torch.int64) for item in tokens], value=float(IGNORE))
        padded[name] = told(codes, on_host(counts))
    return TokenBatch(signal.transpose(1, 2).contiguous(), lengths, list(ids), padded, epoch, seed, sample_rate)
