from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.knn import fit_knn
from audiossl.evaluation.probes import standardisation


def test_agrees_with_the_obvious_way(blobs, monkeypatch):
    monkeypatch.setattr("audiossl.evaluation.knn.CHUNK_SIMILARITIES", 5000)  # many chunks
    x, y = blobs(300)
    new, _ = blobs(80, seed=1)
    found = fit_knn(x, y, x, y, 4, k_grid=[7])
    mean, deviation = standardisation(x)
    for query, predicted in zip(new, found.predict(new), strict=True):
        similarity = functional.cosine_similarity((x - mean) / deviation, ((query - mean) / deviation)[None])
        nearest = similarity.argsort(descending=True)[:7]
        votes = torch.bincount(y[nearest], minlength=4)
        winners = (votes == votes.max()).nonzero()[:, 0].tolist()
        best = max(winners, key=lambda label: similarity[nearest[y[nearest] == label]].sum().item())
        assert predicted == best


def test_one_neighbour_of_a_reference_is_itself(blobs):
    x, y = blobs(200)
    assert (fit_knn(x, y, x, y, 4, k_grid=[1]).predict(x) == y).all()


def test_k_is_chosen_on_valid_and_ties_go_to_the_smaller(blobs):
    x, y = blobs(400, spread=20.0)
    assert fit_knn(x, y, x, y, 4, k_grid=[5, 1, 3]).k == 1
    x, y = blobs(2000, spread=0.7, dim=4)
    valid, valid_y = blobs(2000, spread=0.7, dim=4, seed=1)
    found = fit_knn(x, y, valid, valid_y, 4, k_grid=[1, 40])
    assert found.k == 40 and found.valid_accuracy[40] > found.valid_accuracy[1]


def test_more_neighbours_than_references():
    x = torch.eye(3)
    found = fit_knn(x, torch.tensor([0, 0, 1]), x, torch.tensor([0, 0, 1]), 2, k_grid=[50])
    assert found.predict(x).tolist() == [0, 0, 0]


def test_references_are_drawn_from_the_generator(blobs):
    x, y = blobs(300)
    a, b, c = (
        fit_knn(x, y, x, y, 4, max_references=50, generator=torch.Generator().manual_seed(seed)).references for seed in (0, 0, 1)
    )
    assert len(a) == 50 and torch.equal(a, b) and not torch.equal(a, c)
    with pytest.raises(ValueError, match="generator"):
        fit_knn(x, y, x, y, 4, max_references=50)
    with pytest.raises(DataError, match="neighbours"):
        fit_knn(x, y, x, y, 4, k_grid=[0])
