"""The Gabor frame against direct sums, its frame bounds and its contract."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError
from audiossl.features.frames import Gabor, frame_bounds


def direct_sum(signal, scales, length):
    """W[a, b] = a^-1/2 sum_n x[n] conj(psi((n - b) / a)), term by term, the wavelet cut at 8 scales."""
    distance = torch.arange(length)[:, None] - torch.arange(length)  # n - b
    rows = []
    for a in scales.tolist():
        t = distance.double() / a
        wavelet = torch.exp(-t.square() - 2j * math.pi * t) / math.sqrt(math.pi) * (t.abs() <= 8)
        rows.append(signal.to(torch.complex128) @ wavelet / math.sqrt(a))
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("length", [1, 2, 17, 100, 211])
def test_paper_mode_is_the_direct_sum(length):
    signal = torch.randn(2, 3, length, dtype=torch.float64)
    frame = Gabor(output="complex")
    expected = direct_sum(signal, frame.scales(length), length)
    assert torch.allclose(frame(signal), expected, atol=1e-12)
    single = Gabor()(signal.float())
    assert single.dtype == torch.float32 and single.shape == (2, 3, 48, length)
    assert (single - expected.abs()).abs().max() < 3e-6 * expected.abs().max()


def test_scales_are_geometric():
    scales = Gabor().scales(200)
    assert scales[0] == pytest.approx(1) and scales[-1] == pytest.approx(128)
    assert torch.allclose(scales[1:] / scales[:-1], torch.tensor(1.10875, dtype=torch.float64), atol=1e-5)
    assert Gabor(1, 4.0, 4.0).scales(9).tolist() == [4]


def test_paper_mode_against_pywavelets():
    pywt = pytest.importorskip("pywt", reason="PyWavelets is the other implementation")
    signal = np.random.default_rng(0).standard_normal((64, 200)).astype(np.float32)
    frame = Gabor()
    scales = frame.scales(200).numpy()
    peer = np.abs(pywt.cwt(signal, scales, "cmor1-1", method="fft")[0])
    ours = frame(torch.from_numpy(signal)[:, None])[:, 0].numpy()
    agreement = np.array([np.corrcoef(peer[i].ravel(), ours[:, i].ravel())[0, 1] for i in range(48)])
    # Its wavelet is read from a table that is integrated and differentiated: poor where it is shorter than a few samples.
    assert agreement[0] < 0.4
    assert (agreement[(scales > 3) & (scales < 48)] > 0.97).all()
    assert (agreement[scales > 48] > 0.95).all()


@pytest.mark.parametrize(("length", "published"), [(100, 1.9e5), (200, 9.2e5)])
def test_published_looseness_is_that_of_pywavelets_on_complex_signals(length, published):
    pywt = pytest.importorskip("pywt", reason="PyWavelets is the other implementation")
    scales = Gabor().scales(length).numpy()
    matrix = np.moveaxis(pywt.cwt(np.eye(length), scales, "cmor1-1", method="fft")[0], 0, 1).reshape(length, -1)
    eigenvalues = np.linalg.eigvalsh(matrix @ matrix.conj().T)
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("length", "ratio"), [(100, 15.16), (200, 53.68)])
def test_frame_bounds_of_paper_mode(length, ratio):
    low, high = frame_bounds(Gabor(), length)
    wavelets = direct_sum(torch.eye(length, dtype=torch.float64), Gabor().scales(length), length).flatten(1)
    eigenvalues = torch.linalg.eigvalsh((wavelets @ wavelets.mH).real)
    assert low == pytest.approx(float(eigenvalues[0])) and high == pytest.approx(float(eigenvalues[-1]))
    assert high / low == pytest.approx(ratio, rel=1e-3)


def test_nyquist_safe_mode_is_the_direct_sum_at_scales_that_fit():
    frame = Gabor(12, mode="nyquist_safe", output="complex")
    scales = frame.scales(201)
    assert scales[0] == pytest.approx(2) and scales[-1] == pytest.approx(12.5)
    signal = torch.randn(1, 2, 201, dtype=torch.float64)
    assert torch.allclose(frame(signal), direct_sum(signal, scales, 201), atol=1e-12)
    low, high = frame_bounds(Gabor(mode="nyquist_safe"), 200)
    assert 0 < low < 1e-5 and 45 < high < 55  # nothing covers the lowest frequencies


def test_nyquist_safe_refuses_what_is_too_short():
    with pytest.raises(DataError, match="at least 33 samples"):
        Gabor(mode="nyquist_safe")(torch.zeros(1, 1, 32))


@pytest.mark.parametrize("num_scales", [1, 2, 48])
@pytest.mark.parametrize("length", [1, 2, 3, 50, 121])
def test_tight_mode_has_bounds_of_one(num_scales, length):
    assert frame_bounds(Gabor(num_scales, mode="tight"), length) == pytest.approx((1, 1), abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(length=st.integers(1, 150), num_scales=st.integers(1, 20))
def test_tight_mode_reconstructs_exactly(length, num_scales):
    frame = Gabor(num_scales, mode="tight", output="complex")
    signal = torch.randn(2, 2, length)
    assert torch.allclose(frame.inverse(frame(signal)), signal, atol=1e-5)
    assert torch.allclose(frame.inverse(frame(signal.double())), signal.double(), atol=1e-12)


def test_only_tight_mode_at_hop_one_reconstructs():
    for frame in (Gabor(), Gabor(mode="tight", hop=2)):
        with pytest.raises(ConfigError, match="mode 'tight' and hop 1"):
            frame.inverse(torch.zeros(1, 1, 48, 8, dtype=torch.complex64))


def test_a_hop_divides_and_spreads_the_bounds_of_tight_mode():
    low, high = frame_bounds(Gabor(mode="tight", hop=2), 120)
    assert low < 0.5 < high and high - low < 1e-3
    low, high = frame_bounds(Gabor(mode="tight", hop=4), 120)
    assert 0.2 < low < 0.25 < high < 0.3


@settings(deadline=None, max_examples=30)
@given(length=st.integers(40, 160), hop=st.integers(1, 9), mode=st.sampled_from(["paper", "nyquist_safe", "tight"]))
def test_a_hop_takes_every_hopth_frame(length, hop, mode):
    signal = torch.randn(2, 1, length, dtype=torch.float64)
    every = Gabor(7, mode=mode, output="complex")(signal)
    assert torch.allclose(Gabor(7, mode=mode, hop=hop, output="complex")(signal), every[..., ::hop], atol=1e-12)
    some = Gabor(7, mode=mode, hop=hop)(signal.float())
    assert torch.allclose(some, every[..., ::hop].abs().float(), atol=1e-5)


def test_long_signals_in_blocks():
    signal = torch.randn(3, 1, 70_000)
    frame = Gabor(4, 2.0, 40.0, hop=160, output="log_magnitude")
    out = frame(signal)
    assert out.shape == (3, 1, 4, 438)
    kernel = torch.arange(-320, 321).double()
    wavelet = torch.exp(-((kernel / 40) ** 2) + 2j * math.pi * kernel / 40) / math.sqrt(math.pi * 40)
    expected = (signal[1, 0, 16000 - 320 : 16000 + 321].double() * wavelet).sum().abs().log1p()
    assert out[1, 0, 3, 100] == pytest.approx(float(expected), abs=1e-5)


@settings(deadline=None, max_examples=20)
@given(
    lengths=st.lists(st.integers(33, 60), min_size=1, max_size=4),
    mode=st.sampled_from(["paper", "nyquist_safe", "tight"]),
    hop=st.integers(1, 3),
)
def test_a_padded_batch_gives_what_each_signal_gives_alone(lengths, mode, hop):
    signal = torch.randn(len(lengths), 2, max(lengths))
    frame = Gabor(6, mode=mode, hop=hop)
    batch, counts = frame(signal, torch.tensor(lengths)), frame.num_frames(torch.tensor(lengths))
    for i, length in enumerate(lengths):
        alone = frame(signal[i : i + 1, :, :length])[0]
        assert alone.shape[-1] == counts[i] == math.ceil(length / hop)
        assert torch.allclose(batch[i, ..., : counts[i]], alone, atol=1e-5)
        assert (batch[i, ..., counts[i] :] == 0).all()


def test_log_magnitude():
    signal = torch.randn(1, 1, 50)
    assert torch.allclose(Gabor(output="log_magnitude")(signal), Gabor()(signal).log1p(), atol=1e-6)


@pytest.mark.parametrize("mode", ["paper", "nyquist_safe", "tight"])
@pytest.mark.parametrize("output", ["magnitude", "log_magnitude", "complex"])
def test_gradients(mode, output):
    frame = Gabor(3, 0.3, 2.0, mode=mode, output=output, hop=2, centre_frequency=0.1)
    signal = torch.randn(2, 1, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: frame(x, torch.tensor([7, 6])), signal)


def test_empty_signals_are_refused():
    for mode in ("paper", "tight"):
        with pytest.raises(DataError, match="expected lengths"):
            Gabor(mode=mode)(torch.zeros(1, 1, 0))


def test_a_used_transform_can_be_copied():
    signal = torch.randn(32, 1, 50)
    frame = Gabor(5)
    expected = frame(signal)
    assert torch.equal(copy.deepcopy(frame)(signal), expected)


def test_silence_has_finite_gradients():
    signal = torch.zeros(1, 1, 40, requires_grad=True)
    Gabor()(signal).sum().backward()
    assert signal.grad is not None and signal.grad.isfinite().all()


def test_nothing_is_in_the_state_and_few_banks_are_kept():
    frame = Gabor(3)
    for length in range(20, 60):
        frame(torch.zeros(1, 1, length))
    assert frame.state_dict() == {}
    assert len(frame._banks) == 16


@pytest.mark.parametrize("options", [{"num_scales": 0}, {"min_scale": 0.0}, {"hop": 0}, {"min_scale": 200.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="expected"):
        Gabor(**options)
