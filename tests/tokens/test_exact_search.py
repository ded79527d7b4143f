"""The exact mode against the multi_quantization package itself."""

from __future__ import annotations

import warnings

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.tokens import MultiCodebookQuantizer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reference = pytest.importorskip("multi_quantization")


def reference_quantiser(dim: int, num_codebooks: int, codebook_size: int):
    """A reference quantiser in the state of mid-training: centres of falling size, a classifier near them, scales off zero."""
    quantiser = reference.Quantizer(dim, codebook_size, num_codebooks)
    with torch.no_grad():
        quantiser.centers.mul_(torch.linspace(1.5, 0.7, num_codebooks)[:, None, None])
        quantiser.to_logits.weight.add_(quantiser.centers.flatten(0, 1))
        quantiser.logits_scale.fill_(0.03)
        quantiser.centers_scale.fill_(0.05)
    return quantiser


@pytest.mark.parametrize("passes", [0, 1, 5])
@pytest.mark.parametrize(("num_codebooks", "codebook_size"), [(8, 16), (16, 16), (4, 256), (8, 256), (16, 256), (1, 64)])
def test_exact_equals_the_reference(num_codebooks, codebook_size, passes):
    theirs = reference_quantiser(24, num_codebooks, codebook_size)
    ours = MultiCodebookQuantizer.from_multi_quantization(theirs.state_dict())
    frames = torch.randn(80 if num_codebooks * codebook_size > 1024 else 600, 24)
    expected = theirs.encode(frames, refine_indexes_iters=passes, as_bytes=False)
    codes = ours.encode(frames, quality="exact", passes=passes)
    assert torch.equal(codes.long(), expected)
    torch.testing.assert_close(ours.decode(codes), theirs.decode(expected).detach(), rtol=1e-5, atol=1e-5)


def test_default_passes_are_those_of_the_reference():
    theirs = reference_quantiser(12, 4, 16)
    frames = torch.randn(300, 12)
    ours = MultiCodebookQuantizer.from_multi_quantization(theirs.state_dict())
    assert torch.equal(ours.encode(frames, "exact").long(), theirs.encode(frames, as_bytes=False))


def test_state_dict_goes_there_and_back_with_its_id():
    theirs = reference_quantiser(12, 4, 16)
    ours = MultiCodebookQuantizer.from_multi_quantization(theirs.state_dict())
    assert ours.id == theirs.get_id()
    again = reference.Quantizer(12, 16, 4)
    again.load_state_dict(ours.to_multi_quantization())
    assert again.get_id() == ours.id
    frames = torch.randn(50, 12)
    assert torch.equal(again.encode(frames), theirs.encode(frames))


def test_our_fit_works_in_the_reference():
    frames = torch.randn(2000, 8) @ torch.randn(8, 8)
    ours = MultiCodebookQuantizer.fit(frames, 2, 16, progress=False, steps=5)
    theirs = reference.Quantizer(8, 16, 2)
    theirs.load_state_dict(ours.to_multi_quantization())
    codes = theirs.encode(ours.normalise(frames), as_bytes=False)
    assert torch.equal(codes, ours.encode(frames, "exact").long())


def test_exact_needs_powers_of_two():
    with pytest.raises(ConfigError, match="powers of two"):
        MultiCodebookQuantizer(4, 3, 16).encode(torch.randn(5, 4), "exact")
    with pytest.raises(ConfigError, match="powers of two"):
        MultiCodebookQuantizer(4, 2, 10).to_multi_quantization()


def test_a_foreign_state_dict_is_refused():
    with pytest.raises(ConfigError, match="state dict"):
        MultiCodebookQuantizer.from_multi_quantization({"weight": torch.zeros(3)})
