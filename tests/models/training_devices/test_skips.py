"""How often sequences and channels are dropped, and that nothing else changes."""

from __future__ import annotations

import pytest
import torch

from audiossl.models.training_devices.skips import FeatureMask, add_kept, keep_sequences, shared_dropout


def test_share_of_dropped_sequences():
    kept = keep_sequences(torch.zeros(4000, 2, 3), 0.2)
    assert kept.shape == (4000, 1, 1)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept.mean().item() == pytest.approx(0.8, abs=0.02)  # three standard deviations


def test_nothing_is_made_where_all_are_kept():
    x, branch = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    assert keep_sequences(x, 0.0) is None
    assert keep_sequences(x, 1e-9) is None
    assert torch.equal(add_kept(x, branch, None), x + branch)
    kept = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    assert torch.equal(add_kept(x, branch, kept), torch.stack([x[0], x[1] + branch[1]]))


def test_dropout_is_the_same_at_all_times():
    out = shared_dropout(torch.ones(20, 7, 500), 0.3)
    assert (out == out[:, :1]).all()
    assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.015)
    assert out[out > 0].unique().item() == pytest.approx(1 / 0.7)
    x = torch.ones(2, 3, 4)
    assert shared_dropout(x, 0.0) is x


def test_feature_masks_take_two_steps():
    mask, x = FeatureMask(), torch.ones(8000, 1, 12)
    mask.draw(len(x))
    out = mask.apply(x, unmasked_dim=4)[:, 0]
    assert (out[:, :4] == 1).all()
    assert (out[:, 4:8] == out[:, 4:5]).all()
    assert (out[:, 8:] == out[:, 8:9]).all()
    assert (out[:, 4] == 0).float().mean().item() == pytest.approx(1 / 8, abs=0.012)
    assert ((out[:, 4] == 1) & (out[:, 8] == 0)).float().mean().item() == pytest.approx(7 / 64, abs=0.011)
    assert torch.equal(mask.apply(x, unmasked_dim=4)[:, 0], out), "one draw for all stacks"


def test_feature_masks_cost_nothing_where_nothing_is_drawn():
    mask, x = FeatureMask(), torch.ones(3, 2, 4)
    mask.draw(3, probability=0.0)
    assert mask.apply(x, 2) is x
