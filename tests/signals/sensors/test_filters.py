"""Filters of sensor recordings: sines pass or vanish as the formula says, and missing samples touch nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.sensors.filters import bandpass, resample


def sine(frequency, rate, seconds, phase=0.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate + phase).astype(np.float32)[None]


def butterworth_gain(frequency, rate, low, high, order):
    """Gain of two passes: the analogue prototype at the bilinear transform's frequencies."""
    warped, below, above = (np.tan(np.pi * value / rate) for value in (frequency, low, high))
    distance = (warped**2 - below * above) / (warped * (above - below))
    return 1 / (1 + distance ** (2 * order))


@pytest.mark.parametrize("frequency", [0.25, 0.5, 1.4, 2.9, 4.0, 6.0])
def test_bandpass_scales_a_sine_by_the_formula_and_does_not_delay_it(frequency):
    wave = sine(frequency, 64, 120)
    filtered = bandpass(wave, 64.0, 0.5, 4.0)
    gain = butterworth_gain(frequency, 64, 0.5, 4.0, 4)
    middle = slice(30 * 64, 90 * 64)  # away from the ends
    np.testing.assert_allclose(filtered[:, middle], gain * wave[:, middle], atol=2e-4)
    assert filtered.dtype == np.float32


def test_bandpass_filters_stretches_alone_and_drops_short_ones():
    values = np.random.default_rng(0).normal(size=(2, 600)).astype(np.float32)
    broken = values.copy()
    broken[0, 250] = np.nan
    broken[0, 580] = np.nan  # leaves 19 samples, too few
    filtered = bandpass(broken, 64.0, 0.5, 4.0)
    np.testing.assert_array_equal(filtered[1:], bandpass(values[1:], 64.0, 0.5, 4.0))
    np.testing.assert_array_equal(filtered[:1, :250], bandpass(values[:1, :250], 64.0, 0.5, 4.0))
    np.testing.assert_array_equal(filtered[:1, 251:580], bandpass(values[:1, 251:580], 64.0, 0.5, 4.0))
    assert np.isnan(filtered[0, 250]) and np.isnan(filtered[0, 580:]).all()


def test_bandpass_says_what_it_cannot_filter():
    with pytest.raises(DataError, match="more than 27 samples"):
        bandpass(np.zeros((1, 27), np.float32), 64.0, 0.5, 4.0)
    with pytest.raises(DataError, match=r"within \(0, 4\) Hz"):
        bandpass(np.zeros((1, 100), np.float32), 8.0, 0.5, 4.0)


@given(
    st.integers(1, 400), st.sampled_from([(125.0, 25.0), (64.0, 25.0), (25.0, 64.0), (117.0, 25.0), (100.42, 25.0), (15.0, 15.0)])
)
def test_resample_keeps_constants_and_length(num_samples, rates):
    rate, new_rate = rates
    resampled = resample(np.full((2, num_samples), -3.25, np.float32), rate, new_rate)
    assert resampled.shape == (2, int(np.ceil(round(num_samples * new_rate / rate, 6))))
    np.testing.assert_allclose(resampled, -3.25, rtol=1e-6)


@pytest.mark.parametrize(("rate", "new_rate"), [(125.0, 25.0), (64.0, 25.0), (100.42, 25.0), (25.0, 100.0)])
def test_resample_samples_a_slow_sine_at_the_new_times(rate, new_rate):
    resampled = resample(sine(1.3, rate, 40), rate, new_rate)
    expected = np.sin(2 * np.pi * 1.3 * np.arange(resampled.shape[1]) / new_rate)
    np.testing.assert_allclose(resampled[0, 50:-50], expected[50:-50], atol=2e-3)


def test_resample_removes_what_the_new_rate_cannot_carry():
    assert np.abs(resample(sine(40, 125, 20), 125.0, 25.0)[:, 50:-50]).max() < 2e-3


def test_resample_marks_new_samples_beside_missing_ones_and_keeps_far_ones():
    wave = sine(1.3, 100, 20)
    broken = wave.copy()
    broken[0, 1000:1010] = np.nan
    resampled, whole = resample(broken, 100.0, 40.0), resample(wave, 100.0, 40.0)  # every 2.5 samples
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(resampled[0])), [400, 401, 402, 403])  # places 1000 to 1007.5
    far = np.r_[0:380, 425:800]
    np.testing.assert_allclose(resampled[:, far], whole[:, far], atol=1e-5)
    assert np.isnan(resample(np.full((1, 7), np.nan, np.float32), 64.0, 25.0)).all()


def test_resample_says_which_rates_it_cannot_bridge():
    with pytest.raises(DataError, match="above 0 Hz"):
        resample(np.zeros((1, 9), np.float32), 0.0, 25.0)
    with pytest.raises(DataError, match="10000 times"):
        resample(np.zeros((1, 9), np.float32), 1e6, 1e-3)


@pytest.mark.parametrize(("rate", "new_rate"), [(50.0, 50.0 * 30_001 / 30_000), (50.0, 25.0 * 30_001 / 30_000)])
def test_resample_does_not_drift_in_long_recordings(rate, new_rate):
    """A ratio near a simple one was taken for it, and was off by seconds after a day."""
    samples = 30_000
    resampled = resample(np.linspace(0, samples - 1, samples)[None] / rate, rate, new_rate)
    assert abs(resampled.shape[1] - samples * new_rate / rate) <= 1
    times = np.arange(resampled.shape[1]) / new_rate
    inside = times < (samples - 1) / rate
    assert np.abs(resampled[0][inside] - times[inside]).max() <= 0.5 / new_rate


def test_rates_are_any_numbers_that_are_finite():
    values = sine(1.3, 50, 4)
    np.testing.assert_array_equal(resample(values, np.float32(50), np.int64(32)), resample(values, 50.0, 32.0))
    for rates in ((np.inf, 32.0), (50.0, np.nan), (0.0, 32.0)):
        with pytest.raises(DataError, match="expected finite rates above 0 Hz"):
            resample(values, *rates)
    values[0, 7] = np.inf
    with pytest.raises(DataError, match="infinite samples cannot be resampled"):
        resample(values, 50.0, 32.0)
