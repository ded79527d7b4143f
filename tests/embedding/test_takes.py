"""Arrays are held to the rules of files, whatever their memory looks like."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.embedding import Embedder
from audiossl.embedding.sources import open_source
from audiossl.embedding.takes import Takes
from audiossl.errors import DataError
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.signals.sensors.filters import resample

AUDIO = Takes(16_000.0)
SENSORS = Takes(50.0, ("acc_x", "acc_y", "acc_z"), ("g",) * 3, True)


@pytest.fixture(scope="module")
def sensor_model() -> Embedder:
    torch.manual_seed(0)
    encoder = ResNet1d(3, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)).eval()
    takes = SensorInput(("acc_x", "acc_y", "acc_z"), ("g",) * 3, 50.0)
    return Embedder(SensorEncoder(encoder, takes, [0.1, 0.2, 0.3], [1.0] * 3), "wrist")


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 4),
    kind=st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<f2"]),
    layout=st.sampled_from(["C", "F", "reversed", "strided", "read only", "masked", "tensor", "grad"]),
)
def test_any_layout_gives_the_mean_of_the_channels(channels, kind, layout):
    values = np.random.default_rng(channels).uniform(-1, 1, (channels, 3200)).astype("<f2")
    given_ = np.asarray(values.astype(kind), order="F" if layout == "F" else "C")
    if layout == "reversed":
        given_ = np.ascontiguousarray(given_[:, ::-1])[:, ::-1]
    elif layout == "strided":
        given_ = np.repeat(given_, 2, axis=1)[:, ::2]
    elif layout == "read only":
        given_.flags.writeable = False
    elif layout == "masked":
        given_ = np.ma.masked_array(given_, mask=False)
    elif layout in ("tensor", "grad"):
        given_ = torch.from_numpy(values.astype("<f4")).requires_grad_(layout == "grad")
    found = AUDIO.admit(given_, None, "x")
    assert found.shape == (1, 3200) and found.dtype == torch.float32 and not found.requires_grad
    np.testing.assert_allclose(found[0], values.astype(np.float64).mean(0), atol=1e-6)


def test_an_array_of_two_channels_equals_the_file_of_the_same(tmp_path, make_toy):
    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 6000)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", stereo.T, 4000, subtype="FLOAT")
    for rate in (4000.0, 1000.0):
        model = Embedder(make_toy(sample_rate=rate))
        of_array, of_file = model.embed(stereo, 4000).frames, model.embed(tmp_path / "a.wav").frames
        assert (of_array - of_file).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("takes", "signal", "rate", "message"),
    [
        (AUDIO, np.full(4000, 40.0), None, "amplitude 40"),
        (AUDIO, np.array([0.0, np.nan]), None, "NaN"),
        (AUDIO, np.ma.masked_array(np.zeros(4000), mask=[True] + [False] * 3999), None, "NaN"),
        (AUDIO, np.array([1e300]), None, "infinity"),
        (AUDIO, np.zeros(4000, np.int16), None, "32768"),
        (AUDIO, np.zeros(4000, bool), None, "floating-point"),
        (AUDIO, np.zeros(4000, complex), None, "floating-point"),
        (AUDIO, np.array(["a"]), None, "floating-point"),
        (AUDIO, np.zeros((4000, 2)), None, "transpose"),
        (AUDIO, np.zeros((3, 128)), None, r"audio at 16000 Hz; 3 channels of 128 samples \(8 ms\) are no audio"),
        (AUDIO, np.zeros((1, 1, 9)), None, "shape"),
        (AUDIO, np.zeros(4000), 52.3, "52.3 Hz is no audio"),
        (AUDIO, np.zeros(4000), 2e6, "is no audio"),
        (AUDIO, np.zeros(4000), -1, "above 0 Hz"),
        (AUDIO, np.zeros(4000), float("nan"), "above 0 Hz"),
        (AUDIO, np.zeros(4000), True, "above 0 Hz"),
        (SENSORS, np.zeros((2, 100)), None, r"3 channels, got 2. It takes 3 channels at 50 Hz: acc_x \(g\), acc_y \(g\), acc_z"),
        (SENSORS, np.zeros((100, 3)), None, "transpose"),
        (SENSORS, np.zeros(100), None, "got 1"),
        (SENSORS, np.zeros((3, 100), np.int16), None, "convert counts to units"),
        (SENSORS, np.full((3, 100), np.inf), None, "infinity"),
        (SENSORS, np.zeros((3, 100)), 0, "above 0 Hz"),
        (Takes(50.0), np.array([np.nan]), None, "NaN"),
    ],
)
def test_what_a_model_does_not_take_is_refused(takes, signal, rate, message):
    with pytest.raises(DataError, match=message):
        takes.admit(signal, rate, "x")


def test_windows_of_sensors_are_embedded_one_by_one_with_missing_samples_as_in_training(sensor_model):
    windows = np.random.default_rng(0).standard_normal((5, 3, 128)).astype(np.float32)
    windows[1, 2, 30:50] = np.nan
    with torch.no_grad():
        expected = sensor_model.encoder(torch.from_numpy(windows), torch.full((5,), 128)).last.mean(1)
    for given_ in (windows, torch.from_numpy(windows), list(windows)):
        found = sensor_model.embed(given_)
        assert torch.allclose(torch.stack([one.pooled for one in found]), expected, atol=1e-5)
    with pytest.raises(DataError, match="signal 0 of the list for wrist: the model takes 3 channels, got 2"):
        sensor_model.embed(windows[:, :2])


@pytest.mark.parametrize(("rate", "level"), [(100.0, 1.0), (31.25, -9.81), (64, 0.3)])
def test_sensors_are_resampled_as_for_training(sensor_model, rate, level):
    signal = np.full((3, 200), level, np.float32)
    signal[0, 50:60] = np.nan
    found = SENSORS.admit(signal, rate, "x").numpy()
    np.testing.assert_array_equal(found, resample(signal, float(rate), 50.0))
    assert np.nanmax(np.abs(found - level)) < 1e-5
    assert torch.equal(sensor_model.embed(signal, rate).frames, sensor_model.embed(found).frames)


def test_it_says_what_it_takes():
    assert str(AUDIO) == "audio at 16000 Hz" and str(Takes(50.0)) == "signals at 50 Hz"
    assert str(Takes(2000.0, ("emg",), ("mV",))) == "1 channel at 2000 Hz: emg (mV)" and not Takes(2000.0, ("emg",)).is_audio
    assert str(Takes(0.5, tuple(f"r{n}" for n in range(20)))).endswith("r11, ...")


@pytest.mark.parametrize("left", [-0.9, 0.0, 0.5])
def test_a_channel_that_survives_is_kept_in_files_and_arrays_alike(tmp_path, left):
    right = 0.3 * np.sin(np.arange(16000) / 7).astype(np.float32)
    stereo = np.stack([np.float32(left) * right, right])
    soundfile.write(tmp_path / "a.wav", stereo.T, 16000, subtype="FLOAT")
    source = open_source(tmp_path / "a.wav", 16000.0)
    of_file, of_array = source.read(), open_source(stereo, 16000.0).read()
    expected = right if left <= 0 else 0.75 * right  # opposite phase, a dead channel; two channels are averaged
    assert np.allclose(of_file[0], expected, atol=1e-6) and np.allclose(of_array[0], expected, atol=1e-6)
    assert np.allclose(np.concatenate([block[0] for block in source.blocks()]), expected, atol=1e-6)


def test_a_recording_of_which_nothing_is_known_is_refused():
    takes = Takes(50.0, ("x", "y"), ("g", "g"), reads_missing=True)
    with pytest.raises(DataError, match=r"every sample is missing"):
        takes.admit(np.full((2, 9), np.nan, np.float32), None, "window 3")
