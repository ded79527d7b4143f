from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.probes import fit_linear_probe, standardisation


def test_agrees_with_scikit_learn(blobs):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    mix = torch.randn(8, 8, generator=torch.Generator().manual_seed(1)) * torch.logspace(-2, 2, 8)  # correlated, badly scaled
    (x, y), (new, _) = blobs(600), blobs(300, seed=1)
    x, new = x @ mix + 5, new @ mix + 5
    for l2 in (1e-1, 1e-3):
        probe = fit_linear_probe(x, y, x, y, 4, l2_grid=[l2], max_iterations=200)
        scaler = StandardScaler().fit(x.numpy())
        peer = LogisticRegression(C=1 / (l2 * 600), tol=1e-8, max_iter=5000).fit(scaler.transform(x.numpy()), y.numpy())
        expected = torch.from_numpy(peer.predict_proba(scaler.transform(new.numpy()))).float()
        assert (probe.logits(new).softmax(dim=1) - expected).abs().max() < 5e-3


def test_solution_is_stationary(blobs):
    x, y = blobs(500)
    probe = fit_linear_probe(x, y, x, y, 4, l2_grid=[1e-2])
    mean, deviation = standardisation(x)
    weight = (probe.weight * deviation[:, None]).requires_grad_()
    bias = (probe.bias + mean @ probe.weight).requires_grad_()
    loss = functional.cross_entropy((x - mean) / deviation @ weight + bias, y) + 1e-2 / 2 * weight.square().sum()
    loss.backward()
    assert weight.grad.abs().max() < 1e-3 and bias.grad.abs().max() < 1e-3


def test_separable_data_is_solved(blobs):
    x, y = blobs(400, spread=20.0)
    new, new_y = blobs(400, spread=20.0, seed=1)
    probe = fit_linear_probe(x, y, new, new_y, 4)
    assert (probe.predict(new) == new_y).all()
    assert probe.l2 == 1e-2  # all strengths are equal here: the strongest is kept


def test_strength_is_the_best_on_valid():
    generator = torch.Generator().manual_seed(0)
    x, valid = torch.randn(60, 50, generator=generator), torch.randn(2000, 50, generator=generator)
    direction = torch.randn(50, generator=generator)
    y, valid_y = ((side @ direction + 4 * torch.randn(len(side), generator=generator)) > 0 for side in (x, valid))
    probe = fit_linear_probe(x, y.long(), valid, valid_y.long(), 2, l2_grid=[1e-6, 1.0])
    assert probe.valid_accuracy[probe.l2] == max(probe.valid_accuracy.values())
    assert probe.l2 == 1.0  # few noisy examples: the weak one overfits
    assert probe.valid_accuracy[1e-6] < probe.valid_accuracy[1.0]


def test_scale_and_shift_of_features_do_not_matter(blobs):
    x, y = blobs(300)
    new, _ = blobs(100, seed=1)
    scale, shift = torch.logspace(-3, 3, 8), torch.linspace(-3, 3, 8)
    a = fit_linear_probe(x, y, x, y, 4).predict(new)
    b = fit_linear_probe(x * scale + shift, y, x * scale + shift, y, 4).predict(new * scale + shift)
    assert (a == b).float().mean() > 0.99


def test_statistics_come_from_train_only(blobs):
    x, y = blobs(300)
    weights = [fit_linear_probe(x, y, valid, y, 4, l2_grid=[1e-2]).weight for valid in (x, x * 100 + 7)]
    assert torch.equal(*weights)


def test_constant_features_are_harmless(blobs):
    x, y = blobs(300)
    padded = torch.cat([x, torch.zeros(300, 1), torch.full((300, 1), 0.1)], dim=1)
    a, b = fit_linear_probe(x, y, x, y, 4).logits(x), fit_linear_probe(padded, y, padded, y, 4).logits(padded)
    assert (a - b).abs().max() < 2e-2


def test_more_features_than_examples():
    x = torch.randn(30, 200)
    y = torch.arange(30) % 3
    assert (fit_linear_probe(x, y, x, y, 3).predict(x) == y).all()


def test_unknown_validation_labels_are_errors(blobs):
    x, y = blobs(300, spread=20.0)
    probe = fit_linear_probe(x, y, x[:10], torch.tensor([-1] * 5 + y[5:10].tolist()), 4)
    assert probe.valid_accuracy[probe.l2] == pytest.approx(0.5)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_broken_splits_are_named(split):
    good, y = torch.randn(20, 3), torch.arange(20) % 2
    bad = good.clone()
    bad[3, 1] = np.inf
    empty, none = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    for x, labels in ((bad, y), (empty, none)):
        args = (x, labels, good, y) if split == "train" else (good, y, x, labels)
        with pytest.raises(DataError, match=split):
            fit_linear_probe(*args, 2)
    with pytest.raises(DataError, match=r"classes 0 \.\. 0"):
        fit_linear_probe(good, y, good, y, 1)


def test_with_one_example_a_class_the_deviation_decides_what_counts():
    """A weight is as its feature's difference over the square of what this is divided by; alone both features count alike."""
    x, y, deviation = torch.tensor([[3.0, 1.0], [1.0, 1.2]]), torch.tensor([0, 1]), torch.tensor([0.5, 4.0])
    probe = fit_linear_probe(x, y, x, y, 2, l2_grid=[1e-2], deviation=deviation)
    towards = probe.weight[:, 0] * deviation.square() / (x[0] - x[1])
    assert float(towards[0]) == pytest.approx(float(towards[1]), rel=1e-3) and towards[0] > 0
    alone = fit_linear_probe(x, y, x, y, 2, l2_grid=[1e-2]).weight[:, 0] * (x[0] - x[1])
    assert float(alone[0]) == pytest.approx(float(alone[1]), rel=1e-3)


def test_the_own_deviation_is_what_is_taken_by_default(blobs):
    x, y = blobs(200)
    probes = [fit_linear_probe(x, y, x, y, 4, deviation=given) for given in (None, standardisation(x)[1])]
    assert torch.equal(probes[0].weight, probes[1].weight)
