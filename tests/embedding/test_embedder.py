from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audiossl.embedding import Embedder
from audiossl.embedding.embedder import length_batches
from audiossl.errors import ConfigError, DataError
from audiossl.models.encoder import Encoder, Frames


def whole(encoder, signal):
    with torch.no_grad():
        return encoder(signal.reshape(1, -1, signal.shape[-1]), torch.tensor([signal.shape[-1]]))


def test_short_signal_equals_the_encoder_exactly(toy):
    embedder = Embedder(toy)
    signal = torch.randn(1234)
    expected = whole(toy, signal)
    last, every, some = (embedder.embed(signal, layers=layers) for layers in ("last", "all", [-1, 0]))
    assert torch.equal(last.frames, expected.last[0])
    assert torch.equal(every.frames, torch.stack(expected.layers)[:, 0])
    assert torch.equal(some.frames, every.frames[[2, 0]])
    assert torch.equal(last.pooled, last.frames.mean(0)) and every.pooled.shape == (3, 6)
    assert not last.frames.requires_grad


def test_times_are_frame_centres(toy):
    embedder = Embedder(toy)
    signal = torch.randn(1000)
    # frame t covers samples [20 t, 20 t + 32): its centre is 16 + 20 t samples; the final output averages pairs of frames
    every = embedder.embed(signal, layers="all")
    assert torch.allclose(every.times, (16 + 20 * torch.arange(every.frames.shape[1], dtype=torch.float64)) / 1000, atol=1e-12)
    last = embedder.embed(signal)
    assert last.times[0].item() == pytest.approx((16 + 36) / 2 / 1000, abs=1e-12)
    assert last.times.diff().sub(0.04).abs().max() < 1e-12


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 6000), window=st.floats(0.6, 2.0), layers=st.sampled_from(["last", "all"]))
def test_windowed_equals_whole_where_the_context_is_wide_enough(make_toy, size, window, layers):
    toy = make_toy()
    windowed = Embedder(toy, window_seconds=window, context_seconds=0.2)
    signal = torch.randn(size, generator=torch.Generator().manual_seed(size))
    expected = Embedder(toy, window_seconds=100.0).embed(signal, layers=layers)
    got = windowed.embed(signal, layers=layers)
    assert got.frames.shape == expected.frames.shape  # never a frame more or less than a whole run
    assert (got.frames - expected.frames).abs().max() < 1e-6
    assert torch.equal(got.times, expected.times)


def test_window_below_the_receptive_field_differs_and_so_the_test_above_can_fail(toy):
    toy.blocks = nn.ModuleList(nn.Conv1d(6, 6, 41, padding=20) for _ in range(3))
    signal = torch.randn(6000)
    a, b = (Embedder(toy, window_seconds=seconds, context_seconds=0.2).embed(signal) for seconds in (1.0, 100.0))
    assert a.frames.shape == b.frames.shape
    assert (a.frames - b.frames).abs().max() > 1e-4


def test_list_equals_one_by_one_in_order(toy):
    embedder = Embedder(toy, window_seconds=1.0, context_seconds=0.2)
    signals = [torch.randn(size) for size in (900, 5, 2500, 400, 333, 900, 1000, 32, 4001)]
    for layers in ("last", "all"):
        for got, signal in zip(embedder.embed(signals, layers=layers), signals, strict=True):
            alone = embedder.embed(signal, layers=layers)
            assert got.frames.shape == alone.frames.shape
            assert (got.frames - alone.frames).abs().max() < 1e-5
    assert embedder.embed([]) == []


def test_batches_are_bounded_and_hold_similar_lengths():
    lengths = {i: int(size) for i, size in enumerate(torch.randint(1, 100, (200,)))}
    batches = length_batches(lengths, 400)
    assert sorted(key for batch in batches for key in batch) == list(range(200))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 400 for batch in batches)
    assert len(batches) <= 2 * sum(lengths.values()) / 400


def test_too_short_a_signal_is_padded_with_zeros(toy):
    embedder = Embedder(toy)
    padded = torch.cat([torch.ones(5), torch.zeros(27)])
    assert torch.equal(embedder.embed(torch.ones(5)).frames, embedder.embed(padded).frames)
    assert embedder.embed(torch.ones(1), layers="all").frames.shape == (3, 1, 6)


def test_arrays_of_other_rates_are_resampled(toy):
    embedder = Embedder(toy)
    time = np.arange(0, 2, 1 / 4000)
    high = np.sin(2 * np.pi * 50 * time)
    native = np.sin(2 * np.pi * 50 * np.arange(0, 2, 1 / 1000))
    got, expected = embedder.embed(high, sample_rate=4000), embedder.embed(native)
    assert got.frames.shape == expected.frames.shape
    assert (got.frames - expected.frames)[5:-5].abs().max() < 2e-3
    assert (embedder.embed(high).frames.shape[0] - 4 * expected.frames.shape[0]) in range(-3, 4)


def test_channels_pass_through(make_toy):
    toy = make_toy(sample_rate=50.0, channels=6)
    embedder = Embedder(toy)
    signal = np.random.default_rng(0).normal(size=(6, 700)).astype(np.float32)
    assert torch.equal(embedder.embed(signal).frames, whole(toy, torch.from_numpy(signal)).last[0])
    assert embedder.embed(signal, sample_rate=100.0).frames.shape[0] < embedder.embed(signal).frames.shape[0]


def test_meets_the_encoder_contract_and_delegates(toy):
    embedder = Embedder(toy)
    assert isinstance(embedder, Encoder)
    for name in ("sample_rate", "frame_rate", "last_frame_rate", "frame_offset", "dim", "num_layers", "min_samples", "alignment"):
        assert getattr(embedder, name) == getattr(toy, name)
    assert isinstance(embedder(torch.randn(2, 1, 500), torch.tensor([500, 300])), Frames)
    assert sum(1 for _ in embedder.parameters()) == sum(1 for _ in toy.parameters())


def test_digest_follows_weights_and_windows(make_toy):
    digest = Embedder(make_toy()).digest
    assert digest == Embedder(make_toy(), name="other").digest
    assert digest == Embedder(make_toy().train()).digest
    assert digest != Embedder(make_toy(), window_seconds=20.0).digest
    otherwise = make_toy()
    otherwise.padding = "reference"
    assert digest != Embedder(otherwise).digest
    changed = make_toy()
    with torch.no_grad():
        changed.front.bias[0] += 1e-3
    assert digest != Embedder(changed).digest


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (np.zeros(0, np.float32), "at least one sample"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.zeros(100, np.int16), "32768"),
        (np.zeros((1, 2, 100)), "shape"),
        (np.zeros((500, 2)), "transpose"),
        ([np.zeros(100), np.full(100, np.inf)], "signal 1 of the list"),
    ],
)
def test_bad_signals_end_in_one_message(toy, signal, message):
    with pytest.raises(DataError, match=message):
        Embedder(toy).embed(signal)


@pytest.mark.parametrize("layers", [[3], [-4], []])
def test_unknown_layers(toy, layers):
    with pytest.raises(ConfigError, match="layers"):
        Embedder(toy).layer_numbers(layers)


def test_training_after_embedding_still_has_gradients(toy):
    frames = Embedder(toy).embed(torch.randn(500)).frames
    (nn.Linear(6, 2)(frames).sum()).backward()


def test_an_embedding_shows_its_shapes_and_no_numbers(toy):
    signal = torch.zeros(1, 400)
    embedding = Embedder(toy).embed(signal)
    frames, dim = embedding.frames.shape
    first, last = embedding.times[0], embedding.times[-1]
    assert repr(embedding) == f"Embedding(frames {frames}x{dim}, pooled {dim}, {first:.3f} to {last:.3f} s)"
