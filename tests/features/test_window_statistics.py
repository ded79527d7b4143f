import numpy as np
import pytest
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


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e-13), (1e5, 1.0), (-9.81, 1e-3)])
def test_correlation_is_the_same_in_every_unit(offset, scale):
    noise = torch.randn(2, 2, 400, dtype=torch.float64)
    noise[:, 1] += noise[:, 0]
    found = window_statistics((offset + scale * noise).float(), torch.full((2,), 400), num_bins=4)[:, 10]
    np.testing.assert_allclose(found, [np.corrcoef(window)[0, 1] for window in noise], atol=2e-3)


def test_channels_that_are_constant_but_for_rounding_correlate_with_nothing():
    signal = torch.tensor([0.1, 9.81]).expand(1, 2, 2).mT.repeat_interleave(500, 2)
    assert float(window_statistics(signal, torch.tensor([1000]), num_bins=4)[0, 10]) == 0.0
