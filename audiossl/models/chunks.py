"""Chunks of causal Zipformers: the frames that each frame sees, and what training draws (SPEAR, arXiv 2510.25955; icefall)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

UNLIMITED = -1


@dataclass(frozen=True)
class Chunks:
    """A frame sees its own chunk as a whole and so many frames of the chunks before it.

    Attributes:
        size: frames of a chunk; None where a chunk is the whole clip.
        left: frames before the chunk that attention sees, a multiple of `size`; None where it sees all.
    """

    size: int | None
    left: int | None

    @classmethod
    def of(cls, chunk_size: int, left_context_frames: int) -> Chunks:
        """Chunks from two values of a config, where -1 stands for unlimited; the left context is at least one chunk."""
        if chunk_size == UNLIMITED:
            return cls(None, None)
        if left_context_frames == UNLIMITED:
            return cls(chunk_size, None)
        return cls(chunk_size, max(left_context_frames // chunk_size, 1) * chunk_size)

    @classmethod
    def draw(cls, chunk_sizes: tuple[int, ...], left_contexts: tuple[int, ...]) -> Chunks:
        """Draw one value of each list from torch's global state."""
        chunk_size, left = (values[int(torch.randint(len(values), ()))] for values in (chunk_sizes, left_contexts))
        return cls.of(chunk_size, left)

    def slower(self, factor: int) -> Chunks:
        """Return the same chunks in frames that are `factor` times as long."""
        return Chunks(*(None if frames is None else frames // factor for frames in (self.size, self.left)))

    def hidden(self, frames: int, device: torch.device) -> Bool[Tensor, "T T"] | None:
        """Mark the frames (columns) that each frame (row) does not see; None where each sees all."""
        if self.size is None:
            return None
        chunk = torch.arange(frames, device=device) // self.size
        behind = chunk[:, None] - chunk[None, :]
        return behind < 0 if self.left is None else (behind < 0) | (behind > self.left // self.size)


WHOLE = Chunks(None, None)  # a clip is one chunk
