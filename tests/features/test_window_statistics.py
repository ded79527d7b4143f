import numpy as np
import torch

from audiossl.features.window_statistics import window_statistics


def test_each_number_is_what_numpy_says():
    signal = torch.randn(3, 2, 40)
    found = window_statistics(signal, torch.full((3,), 40), num_bins=4).numpy()
    for row, window in zip(found, signal.numpy(), strict=True):
        spectrum = np.log1p(np.abs(np.fft.rfft(window - window.mean(1, keepdims=True), norm="ortho"))[:, 1:])
        expected = [
            window.mean(1), window.std(1), window.min(1), window.max(1), np.sqrt(np.square(np.diff(window)).mean(1)),
            [np.corrcoef(window)[0, 1]], spectrum.reshape(2, 4, 5).mean(2).ravel(),
        ]  # fmt: skip
        np.testing.assert_allclose(row, np.concatenate(expected), rtol=1e-4, atol=1e-5)


def test_padding_does_not_matter_and_constants_stay_finite():
    signal, lengths = torch.randn(3, 2, 40), torch.tensor([40, 25, 9])
    signal[0, 1] = 3.0
    for row, size in enumerate(lengths):
        signal[row, :, size:] = 0
    together = window_statistics(signal, lengths, num_bins=4)
    assert bool(together.isfinite().all())
    for row, size in enumerate(lengths.tolist()):
        alone = window_statistics(signal[row : row + 1, :, :size], lengths[row : row + 1], num_bins=4)
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)
