"""Signals in one piece, whatever their length: `window_seconds=None`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import audiossl
from audiossl.embedding import Embedder, embed_paths
from audiossl.embedding.memory import SCRATCH, LiveBytes, extrapolate
from audiossl.errors import DataError
from audiossl.free_memory import free_memory
from audiossl.models import Zipformer


@pytest.fixture(scope="module")
def zipformer():
    torch.manual_seed(0)
    return Zipformer.from_preset("tiny", encoder_dim=[32] * 5, feedforward_dim=[16] * 5, num_mel_bins=16).eval()


def noise(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples))


@torch.no_grad()
def test_whole_is_one_forward_pass(zipformer):
    """35 s is longer than a window of the default, and attention sees all of it."""
    signal = noise(35 * 16_000)
    expected = zipformer(signal[None, None], torch.tensor([len(signal)]))
    whole = Embedder(zipformer, window_seconds=None)
    assert torch.equal(whole.embed(signal).frames, expected.last[0])
    assert torch.equal(whole.embed(signal, layers=[0, 2]).frames, torch.stack([expected.layers[i][0] for i in (0, 2)]))
    windowed = Embedder(zipformer).embed(signal)
    assert torch.equal(windowed.times, whole.embed(signal).times)
    assert (windowed.frames - expected.last[0]).abs().max() > 1e-4  # so the equality above can fail


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(600, 9000), window=st.sampled_from([0.5, 0.7, 1.0, 2.3]), layers=st.sampled_from(["last", "all"]))
def test_windows_of_convolutions_give_the_frames_and_times_of_the_whole(make_toy, samples, window, layers):
    toy = make_toy()
    whole = Embedder(toy, window_seconds=None).embed(noise(samples), layers=layers)
    pieces = Embedder(toy, window_seconds=window, context_seconds=0.1).embed(noise(samples), layers=layers)
    assert pieces.frames.shape == whole.frames.shape
    torch.testing.assert_close(pieces.frames, whole.frames, rtol=0, atol=1e-6)
    assert torch.equal(pieces.times, whole.times)


def test_a_click_is_found_where_it_is_on_either_side_of_a_join(toy):
    """Windows of 1 s with 0.2 s of context meet at 0.8, 1.4, 2.0 s; the frame with most energy is that of the click."""
    embedder = Embedder(toy, window_seconds=1.0, context_seconds=0.2)
    joins = [(embedder.plan.window - embedder.plan.context + i * embedder.plan.hop) for i in range(3)]
    quiet = embedder.embed(torch.zeros(4000), layers=[0])
    for sample in [join + shift for join in joins for shift in (-25, -5, 0, 5, 25)]:
        signal = torch.zeros(4000)
        signal[sample] = 1.0
        found = embedder.embed(signal, layers=[0])
        loudest = (found.frames - quiet.frames)[0].square().sum(1).argmax()
        assert abs(float(found.times[loudest]) - sample / 1000) <= 0.5 * (toy.width + 2 * toy.hop) / 1000


def test_long_signals_of_a_list_run_alone_and_short_ones_in_batches(toy):
    sizes = []
    toy.register_forward_pre_hook(lambda module, args: sizes.append(tuple(args[0].shape)))
    signals = [noise(samples) for samples in (70_000, 500, 31_000, 700, 64_000)]
    whole = Embedder(toy, window_seconds=None)
    assert whole.batched_samples == 30_000 and whole.window_seconds == math.inf
    found = whole.embed(signals)
    assert sorted(sizes) == [(1, 1, 31_000), (1, 1, 64_000), (1, 1, 70_000), (2, 1, 700)]
    for signal, embedding in zip(signals, found, strict=True):
        assert (embedding.frames - Embedder(toy, window_seconds=1e6).embed(signal).frames).abs().max() < 1e-5


def test_what_would_not_fit_is_refused_before_it_runs(toy, tmp_path, monkeypatch):
    """In a store it is a rejected item like any other, and the files around it are embedded."""
    monkeypatch.setattr("audiossl.embedding.embedder.free_memory", lambda device: 10**6)
    whole = Embedder(toy, window_seconds=None)
    with pytest.raises(
        DataError, match=r"130 s in one piece \(window_seconds=None\) would need about \d\.\d GiB, 0\.0 GiB are free on cpu"
    ):
        whole.embed(noise(130_000))
    assert len(whole.embed(noise(110_000)).times) == 2750  # short enough not to ask
    for name, samples in (("long.wav", 130_000), ("short.wav", 3000)):
        soundfile.write(tmp_path / name, noise(samples).numpy(), 1000)
    with pytest.raises(DataError, match=r"long\.wav: 130 s in one piece"):
        whole.embed(tmp_path / "long.wav")
    summary = embed_paths(whole, [tmp_path / "long.wav", tmp_path / "short.wav"], tmp_path / "store", progress=False)
    assert (summary.num_written, summary.num_rejected) == (1, 1) and "in one piece" in summary.first_rejected


def test_the_estimate_of_attention_is_that_of_its_closed_form():
    """n x n scores before and after the softmax, and n frames of 16 channels."""
    peaks = {}
    for frames in (100, 200):
        x = torch.zeros(frames, 16)
        with LiveBytes(torch.device("cpu")) as live:
            (x @ x.T).softmax(-1) @ x
        peaks[frames] = live.peak
        assert live.peak == 4 * (2 * frames**2 + 16 * frames)
    assert extrapolate(peaks, 1000) == round(SCRATCH * 4 * (2 * 1000**2 + 16 * 1000))
    assert extrapolate({100: 1000, 200: 2000}, 1000) == round(SCRATCH * 10_000)  # what has no square grows in a straight line


def test_live_bytes_count_storages_once_and_forget_them():
    with LiveBytes(torch.device("cpu")) as live:
        kept = torch.zeros(100)
        view = kept[10:].view(9, 10).t()
        assert live.now == 400
        del kept
        assert live.now == 400
        del view
        assert (live.now, live.peak) == (0, 400)


def test_load_takes_the_window():
    whole = audiossl.load("logmel", window_seconds=None)
    assert whole.window_seconds == math.inf
    assert audiossl.load(whole) is whole and audiossl.load(whole, window_seconds=20).window_seconds == 20
    signal = np.zeros(31 * 16_000, np.float32)
    assert torch.equal(whole.embed(signal).times, audiossl.load("logmel").embed(signal).times)
    assert whole.digest != audiossl.load("logmel").digest


def test_a_model_with_a_longest_input_keeps_it(toy):
    toy.max_samples = 2000
    embedder = Embedder(toy, window_seconds=None)
    assert embedder.window_seconds == 2.0 and embedder.embed(noise(5000)).frames.shape == (125, 6)


def test_free_memory_of_this_machine(tmp_path, monkeypatch):
    free = free_memory()
    assert free is None or 0 < free < 2**50
    assert free_memory(torch.device("meta")) is None
    (tmp_path / "lines").write_text("MemTotal: 2000 kB\nMemAvailable:   1000 kB\n")
    monkeypatch.setattr("audiossl.free_memory.MEMORY_LINES", tmp_path / "lines")
    monkeypatch.setattr("audiossl.free_memory.GROUP", tmp_path)
    assert free_memory() == 1_024_000
    for name, text in (("memory.max", "500000\n"), ("memory.current", "200000\n"), ("memory.stat", "inactive_file 50000\n")):
        (tmp_path / name).write_text(text)
    assert free_memory() == 350_000
    monkeypatch.setattr("audiossl.free_memory.MEMORY_LINES", tmp_path / "no lines")
    assert free_memory() is None
