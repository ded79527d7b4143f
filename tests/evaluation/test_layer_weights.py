from __future__ import annotations

import pytest
import torch

from audiossl.errors import DataError
from audiossl.evaluation.layer_weights import learn_layer_weights
from audiossl.evaluation.weighted_layers import WeightedLayers


@pytest.mark.parametrize(("normalise", "scale"), [(True, 100.0), (False, 1.0)])
def test_informative_layer_is_found(blobs, normalise, scale):
    informative, y = blobs(3000, dim=12)
    stack = torch.randn(5, 3000, 12) * scale
    stack[3] = informative
    train, valid = (stack[:, :2000], y[:2000]), (stack[:, 2000:], y[2000:])
    generator = torch.Generator().manual_seed(0)
    found = learn_layer_weights(*train, *valid, 4, generator, normalise=normalise, batch_size=128)
    assert found.weights.argmax() == 3 and found.weights[3] > 0.5
    assert found.weights.sum().item() == pytest.approx(1.0, abs=1e-6)
    assert found.valid_accuracy > 0.8


def test_weights_begin_equal_and_equal_layers_stay_equal(blobs):
    assert torch.equal(WeightedLayers(4, 3, 2).scores.softmax(0), torch.full((4,), 0.25))
    x, y = blobs(500)
    stack = torch.stack([x] * 3)
    found = learn_layer_weights(stack, y, stack, y, 4, torch.Generator().manual_seed(0))
    assert (found.weights - 1 / 3).abs().max() < 1e-3


def test_same_generator_same_weights_from_float16(blobs):
    x, y = blobs(300)
    stack = torch.stack([x, x.flip(1)]).half()
    a, b = (learn_layer_weights(stack, y, stack, y, 4, torch.Generator().manual_seed(5), epochs=3).weights for _ in range(2))
    assert torch.equal(a, b)


def test_broken_frames_are_refused():
    stack, y = torch.randn(2, 10, 3), torch.arange(10) % 2
    stack[0, 0, 0] = torch.nan
    with pytest.raises(DataError, match="train"):
        learn_layer_weights(stack, y, stack[:, 1:], y[1:], 2, torch.Generator())
