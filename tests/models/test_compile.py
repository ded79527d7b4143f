from __future__ import annotations

import shutil

import pytest
import torch

from audiossl.models.zipformer import Zipformer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler"),
    pytest.mark.filterwarnings("default"),  # those of the compiler are not ours
]


def small_base() -> Zipformer:
    """The stacks of the base model, narrow."""
    sizes = {"feedforward_dim": (24,) * 7, "encoder_dim": (16,) * 7, "encoder_unmasked_dim": (8,) * 7, "num_heads": (2,) * 7}
    return Zipformer.from_preset("base", num_mel_bins=16, **sizes)


@pytest.mark.parametrize("build", [small_base, lambda: Zipformer.from_preset("tiny")], ids=["base", "tiny"])
def test_one_graph_gives_the_same_layers(build, stirred):
    torch.compiler.reset()
    model = stirred(build())
    compiled = torch.compile(model.forward_features, fullgraph=True)
    features, lengths = torch.randn(2, 998, model.config.num_mel_bins), torch.tensor([998, 700])
    with torch.no_grad():
        ours, expected = compiled(features, lengths), model.forward_features(features, lengths)
    assert ours.lengths.tolist() == expected.lengths.tolist()
    for layer, wanted in zip((*ours.layers, ours.last), (*expected.layers, expected.last), strict=True):
        for row, length in enumerate(expected.lengths.tolist()):
            torch.testing.assert_close(layer[row, :length], wanted[row, :length], atol=5e-5, rtol=1e-4)
