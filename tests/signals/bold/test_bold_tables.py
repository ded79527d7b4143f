"""Tables of series as people write them: with an index, with headers that are no names, with blank lines, in another order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.signals.bold.bids import read_participants
from audiossl.signals.bold.tables import in_order, read_series

pandas = pytest.importorskip("pandas")
VALUES = np.random.default_rng(0).standard_normal((8, 3)).round(3)  # volumes x regions


@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", ",")])
@pytest.mark.parametrize("first", [0, 1])
def test_the_index_that_pandas_writes_is_no_region(tmp_path, suffix, separator, first):
    path = tmp_path / f"x{suffix}"
    pandas.DataFrame(VALUES, range(first, first + 8), ["a", "b", "c"]).to_csv(path, sep=separator)
    series, names = read_series(path, regions_first=False)
    assert names == ("a", "b", "c") and np.array_equal(series, VALUES.T)


def test_an_index_that_does_not_count_is_an_error(tmp_path):
    pandas.DataFrame(VALUES, np.arange(8) * 0.72, ["a", "b", "c"]).to_csv(tmp_path / "x.tsv", sep="\t")
    with pytest.raises(DataError, match=r"x\.tsv.*no name in column 1: is that an index"):
        read_series(tmp_path / "x.tsv", regions_first=False)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("suffix", "separator", "index"),
    [(".tsv", "\t", True), (".tsv", "\t", False), (".csv", ",", True), (".csv", ",", False), (".txt", " ", False)],
)
def test_a_header_that_counts_columns_is_no_volume(tmp_path, suffix, separator, index, first):
    path = tmp_path / f"x{suffix}"
    pandas.DataFrame(VALUES, columns=range(first, first + 3)).to_csv(path, sep=separator, index=index)
    with pytest.raises(DataError, match=rf"x\{suffix}.*counts columns from {first} to {first + 2}: a header without names"):
        read_series(path, regions_first=False)


def test_missing_values_blank_lines_and_marks_of_encoding(tmp_path):
    holes = VALUES.copy()
    holes[0, 0] = holes[3] = np.nan
    pandas.DataFrame(holes).to_csv(tmp_path / "x.tsv", sep="\t", header=False, index=False)
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert lines[3] == "\t\t"  # a volume without values, not a blank line
    (tmp_path / "x.tsv").write_text("\ufeff\n" + "\n\n".join(lines) + "\n \n", encoding="utf-8")
    series, names = read_series(tmp_path / "x.tsv", regions_first=False)
    assert names == () and np.array_equal(series, holes.T, equal_nan=True)


def test_headers_behind_a_sign(tmp_path):
    """As numpy and AFNI write them; the last remark is the header where it has as many words as there are columns."""
    for header, expected in [
        ("a b c", ("a", "b", "c")),
        ("1 2 3", ("1", "2", "3")),
        ("made by me", ()),
        ("x\na b c", ("a", "b", "c")),
    ]:
        np.savetxt(tmp_path / "x.1D", VALUES[:, :3] if header != "made by me" else VALUES[:, :2], header=header)
        series, names = read_series(tmp_path / "x.1D", regions_first=False)
        assert names == expected and series.shape[1] == 8


def test_regions_come_into_the_order_of_the_atlas():
    file = Path("sub-1.tsv")
    series = VALUES.T
    assert np.array_equal(in_order(series, ("c", "a", "b"), ["a", "b", "c"], file), series[[1, 2, 0]])
    assert in_order(series, (), ["a", "b", "c"], file) is series
    with pytest.raises(DataError, match=r"sub-1\.tsv: expected the 3 regions of the atlas in its header.*such as b"):
        in_order(series, ("c", "a", "x"), ["a", "b", "c"], file)
    with pytest.raises(DataError, match=r"come twice, such as b"):
        in_order(series, ("c", "a", "a"), ["a", "b", "c"], file)


def test_blank_lines_of_participants_are_skipped(tmp_path):
    (tmp_path / "participants.tsv").write_text("\nparticipant_id\tage\tfd\n\nsub-1\t20\tN/A\n   \nsub-2\tnan\t0.1\n\n")
    assert read_participants(tmp_path) == {"1": {"age": 20.0}, "2": {"fd": 0.1}}
    (tmp_path / "participants.tsv").write_text("participant_id\tage\n\nsub-1\n")
    with pytest.raises(DataError, match=r"participants\.tsv, line 3: expected 2 columns, got 1"):
        read_participants(tmp_path)
