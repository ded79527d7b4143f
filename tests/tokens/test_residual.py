"""Residual quantisation against the library that trains it."""

from __future__ import annotations

import pytest
import torch
from vector_quantize_pytorch import ResidualVQ

from audiossl.errors import ConfigError, DataError
from audiossl.tokens.gram_table import BLOCK
from audiossl.tokens.residual import ResidualQuantizer, sum_of_centers


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(12, 12, generator=generator) * 0.8 ** torch.arange(12)
    return torch.randn(4000, 12, generator=generator) @ mixing.T + 3


@pytest.fixture(scope="module")
def fitted(frames) -> ResidualQuantizer:
    return ResidualQuantizer.fit(frames[:3000], 3, 16, progress=False, steps=10)


def test_codes_and_frames_are_those_of_the_library(fitted, frames):
    library = ResidualVQ(dim=12, num_quantizers=3, codebook_size=16).eval()
    for layer, centers in zip(library.layers, fitted.centers, strict=True):
        layer._codebook.embed.copy_(centers[None])
    with torch.no_grad():
        quantised, indices, _ = library(fitted.normalise(frames)[None])
    codes = fitted.encode(frames)
    same = (codes.long() == indices[0]).all(1)
    assert same.float().mean() > 0.995  # the library adds |x|^2, which may turn a tie
    torch.testing.assert_close(fitted.normalise(fitted.decode(codes))[same], quantised[0][same], rtol=1e-4, atol=1e-4)


def test_search_is_greedy(fitted, frames):
    rest = fitted.normalise(frames[:50])
    codes = fitted.encode(frames[:50]).long()
    for i, frame in enumerate(rest):
        for n, centers in enumerate(fitted.scaled_centers()):
            distances = (frame - centers).square().sum(1)
            assert distances[codes[i, n]] <= distances.min() + 1e-5
            frame = frame - centers[codes[i, n]]


def test_every_codebook_is_used_and_each_lowers_the_error(fitted, frames):
    codes = fitted.encode(frames)
    for column in codes.T:
        assert len(column.unique()) == 16
    normal, centers = fitted.normalise(frames), fitted.scaled_centers()
    errors = [(normal - sum_of_centers(centers[:n], codes[:, :n])).square().mean() for n in (1, 2, 3)]
    assert 1 > errors[0] > 1.2 * errors[1] > 1.2**2 * errors[2]


def test_first_codebook_is_as_good_as_kmeans(fitted, frames):
    from sklearn.cluster import KMeans

    normal = fitted.normalise(frames)
    reference = KMeans(16, n_init=3, random_state=0).fit(normal[:3000].numpy())
    best = torch.cdist(normal[3000:], torch.from_numpy(reference.cluster_centers_)).min(1).values.square().mean()
    found = torch.cdist(normal[3000:], fitted.centers[0]).min(1).values.square().mean()
    assert found < 1.08 * best


def test_chunks_do_not_change_codes(fitted, frames):
    whole = fitted.encode(frames)
    for cut in (1, BLOCK - 1, BLOCK + 7):
        assert torch.equal(torch.cat([fitted.encode(frames[:cut]), fitted.encode(frames[cut:])]), whole)
    assert fitted.encode(frames[:0]).shape == (0, 3) and fitted.decode(whole[:0]).shape == (0, 12)


def test_training_depends_on_its_seed_alone(fitted, frames):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    again = ResidualQuantizer.fit(frames[:3000], 3, 16, progress=False, steps=10)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again.id == fitted.id
    assert ResidualQuantizer.fit(frames[:3000], 3, 16, progress=False, steps=10, seed=1).id != fitted.id


def test_wrong_codes_and_steps_say_so(fitted, frames):
    with pytest.raises(DataError, match="-100"):
        fitted.decode(torch.full((2, 3), -100))
    with pytest.raises(DataError, match="integers"):
        fitted.decode(torch.zeros(2, 4, dtype=torch.int64))
    with pytest.raises(DataError, match="integers"):
        fitted.decode(torch.zeros(2, 3))
    with pytest.raises(ConfigError, match="step"):
        ResidualQuantizer.fit(frames, 3, 16, steps=0)
