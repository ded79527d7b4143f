"""BOLD runs: censoring, standardising, exclusions that are named, and the formats they come in."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.bold.matrix import connectivity_matrix
from audiossl.signals.bold.run import (
    RunPolicy,
    below_displacement,
    bold_run,
    common_regions,
    covered,
    kept_volumes,
    select_runs,
    standardised,
)
from audiossl.signals.bold.tables import read_series
from audiossl.signals.sensors.recording import Rejected

REGIONS = ["a", "b", "c", "d"]


def values(seed: int = 0, volumes: int = 60) -> np.ndarray:
    return 800 + 30 * np.random.default_rng(seed).standard_normal((4, volumes)) + np.arange(volumes)


def run(seed: int = 0, **options):
    series = options.pop("series", values(seed))
    return bold_run(f"run{seed}", options.pop("subject", f"p{seed}"), series, 2.0, REGIONS, **options)


def test_standardised_series_have_no_mean_no_trend_and_unit_deviation():
    found = standardised(run())
    assert np.allclose(found.mean(1), 0, atol=1e-6) and np.allclose(found.std(1), 1, atol=1e-5)
    line = np.polyfit(np.arange(60), found.T, 1)[0]
    assert np.allclose(line, 0, atol=1e-6)
    assert np.allclose(standardised(run(), ["c", "a"]), found[[2, 0]])
    untouched = standardised(run(), detrend=False)
    assert np.allclose(untouched, (values() - values().mean(1, keepdims=True)) / values().std(1, keepdims=True), atol=1e-4)


def test_censored_volumes_count_for_nothing_and_are_filled_along_a_line():
    kept = np.ones(60, bool)
    kept[[10, 11, 40]] = False
    wild = values()
    wild[:, ~kept] = 1e6
    censored = run(series=wild, kept=kept)
    assert np.array_equal(kept_volumes(censored), kept)
    found = standardised(censored)
    assert np.allclose(found[:, kept].std(1), 1, atol=1e-5)
    assert np.isnan(found[:, ~kept]).all() and np.isfinite(found[:, kept]).all()
    assert np.array_equal(below_displacement(np.array([np.nan, 0.1, 0.6]), 0.5), [True, True, False])


def test_a_drift_is_a_line_over_time_that_passed_even_where_volumes_were_censored():
    noise = np.random.default_rng(5).standard_normal((4, 300))
    drift = np.linspace(0, 100, 300) * np.arange(1, 5)[:, None]
    kept = np.ones(300, bool)
    kept[50:200] = False
    gaps = bold_run("gaps", "p", noise + drift, 2.0, REGIONS, kept)
    found = standardised(gaps)[:, kept]
    line = np.polyfit(np.flatnonzero(kept), (noise + drift)[:, kept].T, 1)
    rest = (noise + drift)[:, kept] - np.array([np.polyval(row, np.flatnonzero(kept)) for row in line.T])
    assert np.allclose(found, rest / rest.std(1, keepdims=True), atol=1e-3)  # float32 values up to 400
    assert np.abs(np.corrcoef(found) - np.eye(4)).max() < 0.3  # 0.997 with the line over volumes that were moved together
    whole = standardised(bold_run("whole", "p", noise + drift, 2.0, REGIONS))
    stored = (noise + drift).astype(np.float32).astype(np.float64)
    plain = scipy.signal.detrend(stored, axis=1)
    assert np.allclose(whole, plain / plain.std(1, keepdims=True), atol=1e-6)


def test_regions_that_some_run_lacks_are_left_out_by_name():
    series = values(1)
    series[1], series[2] = np.nan, 5.0
    damaged = run(1, series=series)
    assert covered(damaged).tolist() == [True, False, False, True]
    assert common_regions([run(), damaged]) == (["a", "d"], ["b", "c"])
    with pytest.raises(DataError, match=r"run1: 2 regions are constant or have missing values, .*such as b"):
        standardised(damaged)
    with pytest.raises(DataError, match="run0: its atlas lacks 1 regions, such as z"):
        standardised(run(), ["a", "z"])
    with pytest.raises(DataError, match="no region has values in all of 2 runs"):
        common_regions([run(series=np.full((4, 60), 3.0)), run(1)])


@given(
    slope=st.floats(-50, 50).filter(lambda value: abs(value) > 1e-3),
    start=st.floats(-1e4, 1e4),
    decimals=st.integers(0, 7),
    censored=st.sets(st.integers(0, 59), max_size=20),
)
@settings(deadline=None)
def test_a_line_is_no_series_however_it_was_rounded(slope, start, decimals, censored):
    """Rounding noise of a drift, or of a column of times, was brought to unit deviation: ib_insync 350, nilearn pull 54."""
    exact, noise = start + slope * np.arange(60), np.random.default_rng(0).standard_normal(60)
    varied = exact + (1 + 1e-3 * abs(start)) * noise
    found = run(series=np.vstack([np.round(exact, decimals), noise, 500 + 1e-5 * noise, varied]))
    assert covered(found).tolist() == [False, True, False, True]
    with pytest.raises(
        DataError, match="run0: 2 regions are constant or have missing values, or are a mere line over time, such as a"
    ):
        standardised(found)
    kept = np.array([volume not in censored for volume in range(60)])
    gaps = run(series=np.vstack([exact, noise, np.full(60, start), varied]), kept=kept)
    assert covered(gaps).tolist() == [False, True, False, True]
    assert np.isfinite(standardised(gaps, ["b", "d"])[:, kept]).all()


def test_what_is_judged_is_what_is_divided():
    ramp = values()
    ramp[1] = np.arange(60)
    assert covered(run(series=ramp)).tolist() == [True, False, True, True] and covered(run(series=ramp), detrend=False).all()
    assert np.allclose(standardised(run(series=ramp), detrend=False)[1].std(), 1)
    curve = values()
    curve[1] = np.arange(60.0) ** 2  # no line, and nothing else is taken out
    assert covered(run(series=curve)).all()
    two = np.arange(60) < 2
    assert not covered(run(kept=two)).any() and covered(run(kept=two), detrend=False).all()


@pytest.mark.parametrize("kind", [list, np.array, lambda mask: np.array(mask, np.int8), lambda mask: np.array(mask, float)])
def test_masks_of_ones_and_zeros_are_masks(kind):
    """numpy 20977: the complement of ints are -1 and -2, which censored the last two volumes."""
    mask = [int(volume not in (5, 50, 51, 52)) for volume in range(60)]
    assert np.flatnonzero(~kept_volumes(run(kept=kind(mask)))).tolist() == [5, 50, 51, 52]
    assert np.flatnonzero(~kept_volumes(run(kept=[bool(kept) for kept in mask]))).tolist() == [5, 50, 51, 52]


@pytest.mark.parametrize(
    "mask",
    [[1] * 59 + [2], [1] * 59, [1.0] * 59 + [np.nan], list(range(60)), [-1] * 60, [0] * 60, [[1] * 60], np.array(["1"] * 60)],
)
def test_other_masks_are_refused(mask):
    with pytest.raises(DataError, match="run0: expected a mask"):
        run(kept=np.array(mask))


@pytest.mark.parametrize("tr", [0, 0.0, -2.0, 60, True, None, float("nan"), "2", np.bool_(True)])
def test_other_repetition_times_are_refused(tr):
    with pytest.raises(DataError, match="x: expected a repetition time in seconds, above 0 and below 60"):
        bold_run("x", "p", values(), tr, REGIONS)
    assert bold_run("x", "p", values(), np.float32(2), REGIONS).rate == 0.5


def test_runs_that_are_not_used_are_named():
    kept = np.arange(60) < 20
    half = values(3)
    half[:2] = np.nan
    runs = [run(0), run(1, kept=kept), run(3, series=half), Rejected("x", "was damaged")]
    found = list(select_runs(runs, RunPolicy(min_volumes=30, min_seconds=50.0)))
    assert found[0] is runs[0] and found[3] is runs[3]
    assert "keeps 20 volumes, 40 s, of the 30 volumes and 50 s" in found[1].reason
    assert "50% of its regions are constant or missing" in found[2].reason


def test_one_person_under_two_names_is_an_error():
    with pytest.raises(DataError, match="again of p9 has the very values of run0 of p0: one person, two names"):
        list(select_runs([run(0), bold_run("again", "p9", values(0), 2.0, REGIONS)], RunPolicy()))
    one, other = (connectivity_matrix(f"m{name}", name, np.corrcoef(values(0)), REGIONS) for name in ("p0", "p9"))
    with pytest.raises(DataError, match="mp9 of p9 has the very values of mp0 of p0"):
        list(select_runs([one, other], RunPolicy()))


def test_a_copy_of_a_run_is_not_a_second_run():
    copy = bold_run("again", "p0", values(0), 2.0, REGIONS)
    matrices = [connectivity_matrix(name, "p0", np.corrcoef(values(0)), REGIONS) for name in ("m1", "m2")]
    found = list(select_runs([run(0), copy, *matrices, run(1)], RunPolicy()))
    assert [one.id for one in found] == ["run0", "again", "m1", "m2", "run1"]
    assert [one.id for one in found if isinstance(one, Rejected)] == ["again", "m2"]
    assert "very values of run0 of the same person, p0" in found[1].reason


@pytest.mark.parametrize("lost", [slice(0, 1), slice(30, 31), slice(59, 60), slice(0, 25)])
def test_a_copy_that_lacks_volumes_is_one_person_under_two_names(lost):
    """muct 3, spine-generic 166: a copy that lacks one volume passed."""
    shorter = np.delete(values(0), lost, axis=1)
    for first, second in ((values(0), shorter), (shorter, values(0))):
        two = [bold_run(name, name, series, 2.0, REGIONS) for name, series in (("p0", first), ("p9", second))]
        with pytest.raises(DataError, match="p9 of p9 has the very values of p0 of p0: one person, two names"):
            list(select_runs(two, RunPolicy()))


def test_a_copy_that_lacks_a_region_or_has_censored_volumes_is_one():
    lacking, kept = values(0), np.arange(60) > 10
    lacking[2] = np.nan
    for other in (run(1, series=lacking, subject="p9"), run(1, series=values(0), kept=kept, subject="p9")):
        with pytest.raises(DataError, match="one person, two names"):
            list(select_runs([run(0), other], RunPolicy(max_missing=0.5)))


@given(st.integers(1, 5), st.integers(5, 80), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_whole_numbers_of_few_regions_are_no_copies(regions, volumes, seed):
    rng = np.random.default_rng(seed)
    series = [np.round(900 + 30 * rng.standard_normal((regions, volumes))) for _ in range(3)]
    runs = [bold_run(f"p{i}", f"p{i}", one, 2.0, REGIONS[:regions] + ["e"] * (regions > 4)) for i, one in enumerate(series)]
    assert list(select_runs(runs, RunPolicy())) == runs


def test_damaged_runs_of_two_people_are_no_copies():
    empty = [bold_run(name, name, np.zeros((4, 60)), 2.0, REGIONS) for name in ("p0", "p1")]
    found = list(select_runs(empty, RunPolicy()))
    assert all(isinstance(one, Rejected) and "100% of its regions" in one.reason for one in found)


def test_runs_do_not_stay_in_memory():
    passed = select_runs((run(seed, series=values(seed, 5000)) for seed in range(50)), RunPolicy())
    tracemalloc.start()
    try:
        for _ in passed:
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 4 * 5000 * 4, f"{peak} bytes for 50 runs of {4 * 5000 * 4} bytes"


def test_mistakes_are_named():
    with pytest.raises(DataError, match=r"run0: expected 4 regions x volumes.*\(60, 4\)"):
        run(series=values().T)
    with pytest.raises(DataError, match="repetition time in seconds"):
        bold_run("x", "p", values(), 2000.0, REGIONS)
    for other in (values() > 800, values() * 1j, values().astype(object), values().astype(str), values()[0]):
        with pytest.raises(DataError, match="run0: expected 4 regions x volumes of numbers"):
            run(series=other)
    assert run(series=values().astype(np.int16)).values.dtype == np.float32
    with pytest.raises(DataError, match="keeps some"):
        run(kept=np.zeros(60, bool))
    with pytest.raises(DataError, match="region names repeat: a"):
        bold_run("x", "p", values(), 2.0, ["a", "a", "b", "c"])
    assert bold_run("sub-1/ses 2", "p", values(), 2.0, REGIONS).id == "sub-1_ses_2"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".tsv", ".1D", ".txt"])
def test_tables(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        np.save(path, values())
    elif suffix == ".npz":
        np.savez(path, values())
    else:
        delimiter = {".csv": ",", ".tsv": "\t"}.get(suffix, " ")
        np.savetxt(path, values(), delimiter=delimiter, header=delimiter.join(f"v{i}" for i in range(60)), comments="")
    found, names = read_series(path, regions_first=True)
    assert np.allclose(found, values()) and len(names) in (0, 60)
    assert np.allclose(read_series(path, regions_first=False)[0], values().T)
    path.write_bytes(b"1,2\n3\n" if suffix == ".csv" else b"1\t2\n3\n")
    with pytest.raises(DataError, match=rf"x\{suffix} cannot be read"):
        read_series(path, regions_first=True)
    with pytest.raises(DataError, match="is not there"):
        read_series(tmp_path / "none.npy", regions_first=True)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_series(tmp_path / "x.npy", regions_first=True)


def test_masked_values_of_series_are_missing():
    series = np.ma.masked_array(np.random.default_rng(0).standard_normal((2, 40)), np.zeros((2, 40), bool))
    series[1] = np.ma.masked
    run = bold_run("a", "p", series, 2.0, ["one", "two"])
    assert covered(run).tolist() == [True, False] and np.isnan(run.values[1]).all()
