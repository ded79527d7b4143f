"""Does an encoder give the frames that it declares? A wrong rate silently shifts or repeats frames of everything made of them."""

from __future__ import annotations

import torch

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.errors import DataError

FRAMES = 100  # that a clip has more than the other


def require_declared_rate(embedder: Embedder, layers: Layers = "last") -> None:
    """Compare how many frames two clips of noise differ by with how many they should.

    What an encoder loses at the ends of a clip, it loses of both: only a wrong rate shows, from one and a half per cent on.

    Raises:
        DataError: if the encoder declares another rate than it has.
    """
    rate, _ = embedder.grid(layers)
    size = round(FRAMES / rate * embedder.sample_rate / embedder.alignment) * embedder.alignment
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(2 * size, generator=generator)
    given = [embedder.embed(noise[:length], layers=layers).frames.shape[-2] for length in (size, 2 * size)]
    expected = size / embedder.sample_rate * rate
    if abs(given[1] - given[0] - expected) > 1.5:
        raise DataError(
            f"{embedder.name} declares {rate:g} frames per second, so {expected:.0f} frames more for "
            f"{size / embedder.sample_rate:g} s more of audio, and gave {given[1] - given[0]}: its frame_rate is wrong"
        )
