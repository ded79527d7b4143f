from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.signals.levels import ChannelLevels, SignalFaults, measure


def faults(samples: np.ndarray, block: int = 1000) -> SignalFaults:
    levels = ChannelLevels(samples.shape[1])
    for first in range(0, len(samples), block):
        levels.add(samples[first : first + block].astype(np.float32))
    return levels.faults()


def noise(num_channels: int, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal((5000, num_channels))


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.75, 1.0), st.sampled_from([2, 3, 8]))
def test_channels_that_do_not_cancel_are_averaged(correlation: float, num_channels: int) -> None:
    correlation = max(correlation, -0.6 / (num_channels - 1))
    independent, common = noise(num_channels), noise(1, seed=1)
    if correlation >= 0:
        samples = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * independent
    else:  # a part of the mean taken away
        samples = independent + (np.sqrt(1 + (num_channels - 1) * correlation) - 1) * independent.mean(axis=1, keepdims=True)
    assert faults(samples) == SignalFaults()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.55, 1.0), st.floats(0, 0.1), st.integers(0, 1))
def test_opposite_phase_keeps_the_loudest(gain: float, hiss: float, loudest: int) -> None:
    signal = noise(1)
    samples = np.concatenate([signal, -gain * signal], axis=1)[:, :: 1 - 2 * loudest] + hiss * 0.1 * noise(2, seed=2)
    found = faults(samples)
    assert found.is_cancelled and not found.has_dead_channel and not found.is_silent
    assert found.channels == (loudest,) or gain > 0.99


def test_dead_channels_are_left_out_and_offsets_do_not_matter() -> None:
    samples = noise(3)
    samples[:, 1] = 0.2  # a constant is no signal
    assert faults(samples) == SignalFaults(channels=(0, 2), has_dead_channel=True)
    assert faults(0.5 + noise(2)) == SignalFaults()
    signal = noise(1)
    opposite = faults(np.concatenate([signal + 0.1, np.zeros_like(signal), 0.1 - signal], axis=1))
    assert (opposite.channels, opposite.is_cancelled, opposite.has_dead_channel) == ((0,), True, True)


def test_silence_quietness_and_flat_tops() -> None:
    assert faults(np.zeros((100, 2))).is_silent and faults(np.full((100, 1), 0.3)).is_silent
    assert faults(noise(1, 9e-4)).is_quiet and not faults(noise(1, 1.1e-3)).is_quiet
    top = noise(1)
    top[500:503] = 1.0
    assert faults(top).is_clipped and not faults(np.where(top == 1, [[0.9]], top)).is_clipped
    top[502] = 0.2
    assert not faults(top).is_clipped  # two samples may be equal by chance
    assert faults(np.zeros((0, 1))) == SignalFaults()


def test_arrays_of_many_microphones_are_measured_in_no_time() -> None:
    assert faults(noise(1000)) == SignalFaults()
    assert faults(np.zeros((10, 1000))).is_silent


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_measure_reads_a_file(tmp_path, container: str) -> None:
    signal = noise(1)
    soundfile.write(tmp_path / "a", np.concatenate([signal, -signal], axis=1), 16_000, format=container)
    assert measure(tmp_path / "a") == SignalFaults(channels=(0,), is_cancelled=True)
    assert measure(str(tmp_path / "a")).channels == (0,)
