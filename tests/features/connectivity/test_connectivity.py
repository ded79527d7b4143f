"""Connectivity against numpy, scikit-learn and nilearn, and its graphs and windows against their definitions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EmpiricalCovariance, LedoitWolf

from audiossl.errors import ConfigError, DataError
from audiossl.features.connectivity import (
    TangentSpace,
    WindowPlan,
    adjacency,
    correlation,
    covariance,
    dynamic_correlation,
    fisher_z,
    from_vector,
    partial_correlation,
    precision,
    vectorise,
    window_starts,
)

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5}


def series(*shape: int, seed: int = 0) -> torch.Tensor:
    """Correlated series around a large mean, as scanners give them."""
    draws = torch.Generator().manual_seed(seed)
    noise = torch.randn(*shape, generator=draws, dtype=torch.float64)
    mixed = noise + 0.8 * noise.roll(1, -2) + noise.mean(-2, keepdim=True)
    return 50 * mixed + 900


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_correlation_equals_numpy(dtype):
    x = series(3, 12, 80)
    found = correlation(x.to(dtype))
    assert found.dtype == dtype
    for one, mine in zip(x, found, strict=True):
        assert np.allclose(mine, np.corrcoef(one), atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shrinkage", ["none", "ledoit_wolf"])
def test_every_kind_equals_nilearn(dtype, shrinkage):
    connectome = pytest.importorskip("nilearn.connectome")
    x = (series(5, 8, 60) - 900) / 50
    estimator = EmpiricalCovariance(store_precision=False) if shrinkage == "none" else LedoitWolf(store_precision=False)
    given = [one.T.numpy() for one in x]

    def of_nilearn(kind: str) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return connectome.ConnectivityMeasure(estimator, kind=kind, standardize=False).fit_transform(given)

    mine = x.to(dtype)
    found = {
        "correlation": correlation(mine, shrinkage=shrinkage),
        "covariance": covariance(mine, shrinkage=shrinkage),
        "precision": precision(mine, shrinkage=shrinkage),
        "partial correlation": partial_correlation(mine, shrinkage=shrinkage),
    }
    for kind, value in found.items():
        assert np.allclose(value, of_nilearn(kind), atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype]), kind
    if dtype == torch.float64:
        covariances = covariance(mine, shrinkage=shrinkage)
        tangent = TangentSpace().fit(covariances)
        assert np.allclose(tangent.transform(covariances), of_nilearn("tangent"), atol=1e-6)


def test_tangent_vectors_of_equal_matrices_are_zero_and_other_regions_are_refused():
    matrices = covariance(series(1, 6, 90)).expand(4, 6, 6)
    tangent = TangentSpace().fit(matrices)
    assert float(tangent.transform(matrices).abs().max()) < 1e-8
    with pytest.raises(DataError, match="6 regions"):
        tangent.transform(torch.eye(5, dtype=torch.float64)[None])
    with pytest.raises(DataError, match="positive definite"):
        TangentSpace().fit(covariance(series(2, 30, 10)))


@given(
    seed=st.integers(0, 2**32 - 1),
    regions=st.integers(2, 12),
    kind=st.sampled_from(["few volumes", "twins", "a sum", "constant", "missing"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(deadline=None, max_examples=60)
def test_singular_covariances_are_refused_whatever_their_rounding(seed, regions, kind, dtype):
    """pyRiemann 14 and 65, nilearn 1460: some had a logarithm of 1e-8 taken, others ended in an error of LAPACK."""
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(3, regions, regions if kind == "few volumes" else 200, generator=draws, dtype=torch.float64)
    fitted = TangentSpace().fit(covariance(torch.randn(3, regions, 200, generator=draws, dtype=torch.float64)))
    if kind == "twins":
        x[1, 1] = x[1, 0]
    elif kind == "a sum":
        x[1, 0] = x[1, 1:].sum(0) / 3 if regions > 2 else 2 * x[1, 1]
    elif kind == "constant":
        x[1, 0] = 5.0
    elif kind == "missing":
        x[1, 0, 3] = torch.nan
    matrices = covariance(x.to(dtype))
    number = 0 if kind == "few volumes" else 1
    for use in (lambda m: TangentSpace().fit(m), lambda m: TangentSpace().fit(m.double()), fitted.transform):
        with pytest.raises(DataError, match=f"positive definite covariances, got .* such as number {number}: too few volumes"):
            use(matrices)
    with pytest.raises(DataError, match="has no inverse"):
        precision(x, shrinkage="none")
    with pytest.raises(DataError, match="got none"):
        TangentSpace().fit(matrices[:0])


def test_covariances_that_are_not_singular_are_fitted():
    """Of strongly correlated regions, of float32, and shrunk ones of fewer volumes than regions."""
    x = series(4, 12, 80).float()
    for matrices in (covariance(x), covariance(x[..., :9], shrinkage="ledoit_wolf")):
        space = TangentSpace().fit(matrices)
        assert float(space.transform(matrices).mean(0).abs().max()) < 1e-4


def test_censored_volumes_count_for_nothing():
    x = series(2, 7, 40)
    kept = torch.rand(2, 40, generator=torch.Generator().manual_seed(1)) < 0.7
    wild = x.masked_fill(~kept[:, None], torch.nan)
    for one, mask, found, cov in zip(x, kept, correlation(wild, kept), covariance(wild, kept, "ledoit_wolf"), strict=True):
        assert np.allclose(found, np.corrcoef(one[:, mask]), atol=1e-9)
        assert np.allclose(cov, LedoitWolf().fit(one[:, mask].T.numpy()).covariance_, atol=1e-6)
    with pytest.raises(DataError, match="at least 2 volumes"):
        correlation(x, torch.zeros(2, 40, dtype=torch.bool))


def test_constant_and_missing_regions_correlate_with_nothing():
    x = series(5, 30).float()
    x[1] = 812.3
    x[3, 4] = torch.nan
    with pytest.warns(UserWarning, match="2 of 5 regions are constant or have missing values"):
        found = correlation(x)
    assert torch.isfinite(found).all() and not found[[1, 3]].any() and not found[:, [1, 3]].any()
    good = [0, 2, 4]
    assert np.allclose(found[good][:, good], np.corrcoef(x[good]), atol=1e-5)


def test_too_few_volumes_have_no_precision():
    with pytest.raises(DataError, match="no inverse: use shrinkage"):
        precision(series(20, 10), shrinkage="none")
    assert torch.isfinite(partial_correlation(series(20, 10))).all()


@pytest.mark.parametrize(
    ("volumes", "stride", "count"), [(490, 16, 28), (600, 3, 184), (600, 16, 35), (1200, 3, 384), (1200, 16, 72), (50, 16, 1)]
)
def test_window_counts(volumes, stride, count):
    starts = window_starts(volumes, 50, stride)
    assert len(starts) == count == (volumes - 50) // stride + 1
    assert starts[-1] + 50 <= volumes < starts[-1] + 50 + stride


def test_windows_in_seconds():
    assert WindowPlan(36, 2.16, "seconds").in_volumes(0.72) == (50, 3)
    assert WindowPlan().in_volumes(2.0) == (50, 16)
    assert WindowPlan(100, 10, "seconds").slowest(2.0) == pytest.approx(0.01)
    with pytest.raises(ConfigError, match="2 and 1 volumes"):
        WindowPlan(4, 2, "seconds").in_volumes(2.0)
    with pytest.raises(DataError, match="a run of 49 volumes is shorter than a window of 50"):
        window_starts(49, 50, 16)


def test_dynamic_correlation_is_numpys_in_every_window(monkeypatch):
    from audiossl.features.connectivity import sliding_windows

    x = series(2, 6, 100)
    whole = dynamic_correlation(x, 20, 7)
    assert whole.shape == (2, 12, 6, 6)
    for run, k in ((0, 0), (1, 5), (1, 11)):
        assert np.allclose(whole[run, k], np.corrcoef(x[run, :, 7 * k : 7 * k + 20]), atol=1e-9)
    monkeypatch.setattr(sliding_windows, "BLOCK", 200)
    assert torch.equal(dynamic_correlation(x, 20, 7), whole)


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 25), st.floats(0.05, 0.95), st.sampled_from(["signed", "absolute", "negative"]), st.integers(0, 99))
def test_graphs_have_their_density_and_the_strongest_pairs(num_regions, density, sign, seed):
    matrix = correlation(series(num_regions, 40, seed=seed))
    graph = adjacency(matrix, density, sign)
    assert torch.equal(graph, graph.mT) and not graph.diagonal().any()
    pairs = num_regions * (num_regions - 1) // 2
    assert int(vectorise(graph).sum()) == round(density * pairs)
    value = {"signed": matrix, "absolute": matrix.abs(), "negative": -matrix}[sign]
    inside, outside = vectorise(value)[vectorise(graph)], vectorise(value)[~vectorise(graph)]
    assert not len(inside) or not len(outside) or inside.min() > outside.max()


def test_graphs_refuse_other_options():
    for options in ({"density": 0.0}, {"density": 1.5}, {"sign": "both"}):
        with pytest.raises(ConfigError if "density" in options else Exception):
            adjacency(torch.eye(4), **options)


@given(st.integers(2, 9))
def test_vectors_and_matrices(num_regions):
    matrix = correlation(series(2, num_regions, 30))
    assert torch.allclose(from_vector(vectorise(matrix)), matrix)
    assert torch.isfinite(fisher_z(matrix)).all()
    assert fisher_z(torch.tensor([0.5])).item() == pytest.approx(np.arctanh(0.5), abs=1e-6)
    with pytest.raises(DataError, match="got 4"):
        from_vector(torch.zeros(4))
