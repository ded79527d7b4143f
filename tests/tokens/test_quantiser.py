"""Search, decoding and saving of the multi-codebook quantiser."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.tokens import KMeansQuantizer, MultiCodebookQuantizer, fit_quantiser, load_quantiser
from audiossl.tokens.gram_table import BLOCK
from audiossl.tokens.search import without_numba

QUALITIES = ("fast", "default", "best")


def make(dim: int, num_codebooks: int, codebook_size: int, seed: int = 0) -> MultiCodebookQuantizer:
    quantiser = MultiCodebookQuantizer(dim, num_codebooks, codebook_size, seed=seed)
    with torch.no_grad():
        quantiser.centers_scale.fill_(0.05)
        quantiser.mean.copy_(torch.linspace(-1, 1, dim))
        quantiser.std.copy_(torch.linspace(0.5, 2, dim))
    return quantiser


def squared_error(quantiser, frames, codes):
    return (quantiser.normalise(frames) - quantiser.normalise(quantiser.decode(codes))).square().sum(1)


@pytest.fixture(scope="module")
def by_torch():
    """Shapes that hypothesis draws would all be compiled; the codes are the same."""
    with without_numba():
        yield


@pytest.fixture(scope="module")
def fitted() -> tuple[MultiCodebookQuantizer, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(16, 16, generator=generator) * 0.8 ** torch.arange(16)
    frames = torch.randn(6000, 16, generator=generator) @ mixing.T + 3
    return MultiCodebookQuantizer.fit(frames[:5000], 4, 32, progress=False, steps=8), frames[5000:]


def test_decode_is_the_sum_of_the_chosen_centres():
    quantiser = make(6, 3, 5)
    codes = torch.randint(5, (4, 7, 3), dtype=torch.uint8)
    centers = math.exp(0.5) * quantiser.centers.detach()
    expected = torch.zeros(4, 7, 6)
    for i, j, n in itertools.product(range(4), range(7), range(3)):
        expected[i, j] += centers[n, int(codes[i, j, n])]
    torch.testing.assert_close(quantiser.decode(codes), expected * quantiser.std + quantiser.mean)


@pytest.mark.parametrize(("num_codebooks", "codebook_size"), [(1, 9), (2, 5), (3, 4), (4, 3)])
def test_no_search_beats_the_global_optimum_and_best_nearly_meets_it(num_codebooks, codebook_size):
    quantiser = make(5, num_codebooks, codebook_size)
    frames = torch.randn(200, 5) * 2
    every = torch.tensor(list(itertools.product(range(codebook_size), repeat=num_codebooks)))
    optimum = torch.stack([squared_error(quantiser, frame[None], every).min() for frame in frames])
    for quality in QUALITIES:
        found = squared_error(quantiser, frames, quantiser.encode(frames, quality))
        assert (found >= optimum - 1e-4).all()
    assert (found <= optimum + 1e-4).float().mean() > 0.97  # best


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 9), st.integers(2, 20), st.integers(1, 12), st.sampled_from(QUALITIES), st.integers(0, 99))
def test_error_is_never_above_that_of_a_greedy_choice(by_torch, num_codebooks, codebook_size, dim, quality, seed):
    quantiser = make(dim, num_codebooks, codebook_size, seed)
    frames = 3 * torch.randn(17, dim, generator=torch.Generator().manual_seed(seed))
    start = squared_error(quantiser, frames, quantiser.encode(frames, quality, passes=0))
    found = squared_error(quantiser, frames, quantiser.encode(frames, quality))
    assert (found <= start + num_codebooks**2 * quantiser.gram_table().unit + 1e-4 * start).all()  # decode rounds once more


def test_harder_searches_find_lower_errors(fitted):
    quantiser, frames = fitted
    errors = [float(squared_error(quantiser, frames, quantiser.encode(frames, quality)).mean()) for quality in QUALITIES]
    guess = float(squared_error(quantiser, frames, quantiser.encode(frames, "fast", passes=0)).mean())
    assert guess > errors[0] > errors[1] >= errors[2]


@pytest.mark.parametrize("quality", QUALITIES)
def test_order_and_chunks_change_nothing(fitted, quality):
    quantiser, frames = fitted
    codes = quantiser.encode(frames, quality)
    order = torch.randperm(len(frames))
    assert torch.equal(quantiser.encode(frames[order], quality), codes[order])
    chunks = [quantiser.encode(chunk, quality) for chunk in frames.split([1, 2, BLOCK, 300, len(frames) - 303 - BLOCK])]
    assert torch.equal(torch.cat(chunks), codes)
    assert quantiser.encode(frames[:0], quality).shape == (0, 4)


def test_centres_sums_are_fixed_points(fitted):
    quantiser, frames = fitted
    rebuilt = quantiser.decode(quantiser.encode(frames, "best"))
    again = quantiser.decode(quantiser.encode(rebuilt, "best"))
    exact = (again - rebuilt).abs().amax(1) < 1e-4
    assert exact.float().mean() > 0.95  # the search is not exhaustive


def test_arrays_and_half_precision_are_taken(fitted, tmp_path):
    quantiser, frames = fitted
    np.save(tmp_path / "frames.npy", frames.numpy())
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    assert torch.equal(quantiser.encode(mapped), quantiser.encode(frames))
    assert torch.equal(quantiser.encode(frames.numpy()), quantiser.encode(frames))
    half = frames.half()
    assert torch.equal(quantiser.encode(half), quantiser.encode(half.float()))


def test_large_codebooks_give_uint16(tmp_path):
    quantiser = make(4, 2, 300)
    codes = quantiser.encode(torch.randn(300, 4) * 2)
    assert codes.dtype == torch.uint16 and int(codes.long().max()) > 255
    assert quantiser.decode(codes).shape == (300, 4)
    assert make(4, 2, 256).encode(torch.randn(3, 4)).dtype == torch.uint8


def test_product_step_leaves_decoder_and_first_guess(fitted):
    quantiser, frames = fitted
    with torch.no_grad():
        quantiser = MultiCodebookQuantizer.from_multi_quantization(quantiser.to_multi_quantization())
        quantiser.logits_scale.fill_(0.02)
        quantiser.centers_scale.fill_(-0.03)
    merged = quantiser.product()
    assert (merged.num_codebooks, merged.codebook_size) == (2, 1024)
    codes, merged_codes = (q.logits(q.normalise(frames)).argmax(-1) for q in (quantiser, merged))
    assert torch.equal(merged_codes, codes[:, 0::2] * 32 + codes[:, 1::2])
    torch.testing.assert_close(merged.decode(merged_codes), quantiser.decode(codes), rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="odd"):
        make(4, 3, 4).product()


def test_the_table_follows_the_centres(fitted):
    quantiser, frames = fitted
    changed = pickle.loads(pickle.dumps(quantiser))
    changed.encode(frames)
    with torch.no_grad():
        changed.centers.mul_(-1)
    fresh = pickle.loads(pickle.dumps(changed))
    assert torch.equal(changed.encode(frames), fresh.encode(frames))


def test_save_and_load_keep_id_and_codes(fitted, tmp_path):
    quantiser, frames = fitted
    quantiser.save(tmp_path / "quantiser")
    for loaded in (MultiCodebookQuantizer.load(tmp_path / "quantiser"), load_quantiser(tmp_path / "quantiser")):
        assert loaded.id == quantiser.id and len(loaded.id) == 8 and int(loaded.id, 16) >= 0
        assert torch.equal(loaded.encode(frames), quantiser.encode(frames))
    with pytest.raises(StoreError, match="kind"):
        KMeansQuantizer.load(tmp_path / "quantiser")


def test_damaged_folders_are_refused(fitted, tmp_path):
    with pytest.raises(StoreError, match="not a saved quantiser"):
        load_quantiser(tmp_path)
    fitted[0].save(tmp_path / "q")
    weights = tmp_path / "q" / "quantiser.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(StoreError, match="damaged"):
        load_quantiser(tmp_path / "q")
    fitted[0].save(tmp_path / "q")
    other = make(16, 4, 32)
    other.stamp_id()
    other.save(tmp_path / "r")
    (tmp_path / "r" / "quantiser.safetensors").rename(weights)
    with pytest.raises(StoreError, match="mixes two"):
        load_quantiser(tmp_path / "q")


def test_wrong_frames_and_codes_say_so(fitted):
    quantiser, frames = fitted
    bad = frames.clone()
    bad[7, 3] = torch.nan
    with pytest.raises(DataError, match="frame 7"):
        quantiser.encode(bad)
    with pytest.raises(DataError, match="shape"):
        quantiser.encode(frames[:, :5])
    with pytest.raises(ConfigError, match="quality"):
        quantiser.encode(frames, "excellent")
    with pytest.raises(DataError, match="-100"):
        quantiser.decode(torch.full((2, 4), -100))
    with pytest.raises(DataError, match="integers"):
        quantiser.decode(torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(ConfigError, match="GiB"):
        make(1, 32, 2000).encode(torch.zeros(1, 1))


def test_kmeans_meets_the_same_contract(fitted, tmp_path):
    _, frames = fitted
    quantiser = fit_quantiser(frames, "kmeans", codebook_size=20, seed=3)
    codes = quantiser.encode(frames)
    assert codes.shape == (len(frames), 1) and codes.dtype == torch.uint8
    distances = torch.cdist(quantiser.normalise(frames), quantiser.scaled_centers()[0])
    assert torch.equal(codes[:, 0].long(), distances.argmin(1))
    assert torch.equal(quantiser.encode(quantiser.decode(codes)), codes)
    quantiser.save(tmp_path / "k")
    loaded = load_quantiser(tmp_path / "k")
    assert isinstance(loaded, KMeansQuantizer) and loaded.id == quantiser.id
    assert torch.equal(loaded.encode(np.asarray(frames)), codes)
    with pytest.raises(ConfigError, match="no quantiser"):
        fit_quantiser(frames, "vq")
