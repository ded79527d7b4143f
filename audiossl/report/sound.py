"""Sound as a data URI."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError
from audiossl.report.media import data_uri


def embed_sound(samples: Float[np.ndarray, "*C S"], sample_rate: int) -> str:
    """Write samples as 16-bit FLAC, lossless and about half of WAV, and return the data URI; peaks beyond +-1 are clipped.

    Raises:
        DataError: if there are no samples, more than 8 channels, or samples that are not finite.
    """
    import soundfile

    channels = np.atleast_2d(samples)
    if channels.ndim != 2 or channels.size == 0 or len(channels) > 8:
        raise DataError(f"a player takes samples (S,) or (C, S) of 1 to 8 channels, and at least one; got shape {samples.shape}")
    if not np.isfinite(channels).all():
        raise DataError("a player takes finite samples; these hold NaN or infinity. Check the recording.")
    sound = io.BytesIO()
    soundfile.write(sound, channels.T.clip(-1.0, 1.0), sample_rate, format="FLAC", subtype="PCM_16")
    return data_uri("audio/flac", sound.getvalue())
