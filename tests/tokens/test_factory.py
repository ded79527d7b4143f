"""What all kinds of quantisers keep: one contract behind one word of a recipe."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from audiossl.errors import ConfigError, DataError, MissingExtraError
from audiossl.tokens import Quantizer, diagnose, fit_quantiser, load_quantiser
from audiossl.tokens.factory import QUANTISERS, QuantiserConfig, check_options, find_quantiser

EXTRA = "vector_quantize_pytorch"


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(16, 16, generator=generator))[0]
    return torch.randn(5000, 16, generator=generator) @ (rotation * 0.85 ** torch.arange(16)).T + 3


@pytest.fixture(scope="module", params=list(QUANTISERS))
def fitted(request, frames) -> Quantizer:
    return fit_quantiser(frames[:4000], request.param, 4, 32)


def error(quantiser: Quantizer, frames: torch.Tensor) -> float:
    rebuilt = quantiser.normalise(quantiser.decode(quantiser.encode(frames)))
    return float((quantiser.normalise(frames) - rebuilt).square().mean())


def test_recipes_know_every_kind():
    assert all(find_quantiser(kind).kind == QuantiserConfig(kind).kind == kind for kind in QUANTISERS)
    with pytest.raises(ConfigError, match="no quantiser 'vq'"):
        fit_quantiser(torch.randn(100, 4), "vq")


def test_saved_quantisers_come_back_the_same(fitted, frames, tmp_path):
    fitted.save(tmp_path / "quantiser")
    loaded = load_quantiser(tmp_path / "quantiser")
    codes = fitted.encode(frames)
    assert type(loaded) is type(fitted) and loaded.id == fitted.id != "00000000"
    assert torch.equal(loaded.encode(np.asarray(frames)), codes)
    assert torch.equal(loaded.decode(codes), fitted.decode(codes))


def test_codes_have_the_promised_shape_and_type(fitted, frames):
    codes = fitted.encode(frames)
    assert codes.shape == (5000, fitted.num_codebooks) and codes.dtype == torch.uint8
    assert int(codes.max()) < fitted.codebook_size
    assert fitted.decode(codes.view(50, 100, -1)).shape == (50, 100, 16)


def test_decoded_frames_are_sums_of_the_scaled_centres(fitted, frames):
    codes = fitted.encode(frames[:40])
    centers = fitted.scaled_centers().detach()
    assert centers.shape == (fitted.num_codebooks, fitted.codebook_size, 16)
    for row, rebuilt in zip(codes.tolist(), fitted.decode(codes), strict=True):
        total = sum(centers[n, code] for n, code in enumerate(row))
        torch.testing.assert_close(rebuilt, total * fitted.std + fitted.mean, rtol=1e-4, atol=1e-4)


def test_each_frame_is_encoded_alone(fitted, frames):
    order = torch.randperm(len(frames))
    assert torch.equal(fitted.encode(frames[order]), fitted.encode(frames)[order])


def test_same_seed_gives_the_same_id(fitted, frames):
    assert fit_quantiser(frames[:4000].numpy(), fitted.kind, 4, 32).id == fitted.id


def test_diagnosis_works_for_every_kind(fitted, frames):
    assert diagnose(fitted, frames[4000:]).to_json()


def test_broken_frames_are_refused(fitted, frames):
    bad = frames[:1000].clone()
    bad[7, 3] = torch.nan
    with pytest.raises(DataError, match="frame 7"):
        fitted.encode(bad)
    with pytest.raises(DataError, match="frame 7"):
        fit_quantiser(bad, fitted.kind, 4, 32)
    with pytest.raises(DataError, match="too few"):
        fit_quantiser(frames[:20], fitted.kind, 4, 32)
    with pytest.raises(DataError, match="shape"):
        fitted.encode(frames[:, :5])


@pytest.mark.parametrize("kind", ["mvq", "rvq", "fsq"])
def test_more_codebooks_mean_less_error(kind, frames):
    errors = [error(fit_quantiser(frames[:4000], kind, n, 16), frames[4000:]) for n in (1, 2, 4)]
    assert 1 > errors[0] > 1.1 * errors[1] > 1.1**2 * errors[2]


def test_kinds_rank_as_theory_says(frames):
    """Joint search is better than greedy, learned codebooks better than fixed grids, and all better than one codebook."""
    mvq, rvq, fsq, kmeans = (
        error(fit_quantiser(frames[:4000], kind, 4, 32), frames[4000:]) for kind in ("mvq", "rvq", "fsq", "kmeans")
    )
    assert mvq < rvq < fsq < kmeans


@pytest.mark.parametrize("kind", ["rvq", "fsq"])
def test_missing_extra_names_its_install_command(kind, frames, monkeypatch):
    monkeypatch.setitem(sys.modules, EXTRA, None)
    with pytest.raises(MissingExtraError, match=r"audiossl\[quantisers\]"):
        fit_quantiser(frames, kind, 2, 16)


def test_fitted_residual_quantiser_needs_no_extra(frames, tmp_path, monkeypatch):
    fitted = fit_quantiser(frames, "rvq", 2, 16)
    fitted.save(tmp_path / "quantiser")
    codes = fitted.encode(frames)
    monkeypatch.setitem(sys.modules, EXTRA, None)
    loaded = load_quantiser(tmp_path / "quantiser")
    assert torch.equal(loaded.encode(frames), codes) and loaded.decode(codes).shape == frames.shape


def test_options_of_another_kind_are_refused_by_name(frames):
    with pytest.raises(ConfigError, match=r"quantiser\.options\.steps: expected one of the keys seed, normalise, got 'steps'"):
        fit_quantiser(frames, "kmeans", 1, 8, steps=3)


def test_every_kind_takes_a_stream(frames):
    for kind in ("rvq", "fsq", "kmeans"):
        streamed = fit_quantiser(iter(torch.as_tensor(frames).split(50)), kind, 2, 16)
        assert streamed.id == fit_quantiser(frames, kind, 2, 16).id


OWN = """
import torch

from audiossl.tokens import Quantizer


class Signs(Quantizer):
    def __init__(self, dim, num_codebooks, codebook_size=2):
        super().__init__(dim, num_codebooks, codebook_size)
        self.register_buffer("size", torch.ones(dim))

    @classmethod
    def fit(cls, frames, num_codebooks, codebook_size=2, *, seed: int = 0, scale: float = 1.0):
        quantiser = cls(frames.shape[1], num_codebooks, codebook_size)
        quantiser.size.copy_(scale * frames.abs().mean(0))
        quantiser.stamp_id()
        return quantiser.eval()

    def encode(self, frames, quality="default"):
        return (torch.as_tensor(frames)[:, : self.num_codebooks] > 0).to(torch.uint8)

    def decode(self, codes):
        return (codes.float() * 2 - 1) * self.size[: self.num_codebooks]
"""


def test_a_class_from_outside_is_fitted_saved_and_loaded_when_trusted(frames, tmp_path):
    file = tmp_path / "signs.py"
    file.write_text(OWN)
    kind = f"{file}:Signs"
    fitted = fit_quantiser(frames, kind, 3, 2, scale="2")
    assert torch.allclose(fitted.size, 2 * frames.abs().mean(0))
    fitted.save(tmp_path / "quantiser")
    with pytest.raises(ConfigError, match=r"names the class signs\.py:Signs.*nothing was imported.*trust_code"):
        load_quantiser(tmp_path / "quantiser")
    loaded = load_quantiser(tmp_path / "quantiser", trust_code=kind)
    assert loaded.id == fitted.id and torch.equal(loaded.encode(frames), fitted.encode(frames))
    config = QuantiserConfig(kind)
    before = config.decides()
    assert before["source"] and "source" not in QuantiserConfig().decides()
    file.write_text(OWN + "# changed\n")
    assert config.decides()["source"] != before["source"]
    for call, complaint in (
        (lambda: fit_quantiser(frames, kind, 3, 2, scale="wide"), "quantiser.options.scale: expected a number, got 'wide'"),
        (lambda: QuantiserConfig("signs"), "no quantiser 'signs'; choose one of mvq, .*my_module:MyClass"),
        (lambda: check_options("mvq", {"step": 3}), r"quantiser.options.step: .*did you mean steps"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            call()
