"""Tables of series as people write them: with an index, with headers that are no names, with blank lines, in another order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def write(path: Path, header: list[str] | None, table: np.ndarray, decimals: int = 4, separator: str = "\t") -> Path:
    lines = [separator.join(header)] if header else []
    path.write_text("\n".join([*lines, *(separator.join(f"{value:.{decimals}f}" for value in row) for row in table)]) + "\n")
    return path


@pytest.mark.parametrize(
    "header",
    [["2001", "2002", "2101"], ["7_1", "7_2", "17_1"], ["1001", "1000", "17"], ["2001.0", "2002.0", "5000.0"], ["-5", "7", "9"]],
)
def test_headers_of_numbers_are_headers(tmp_path, header):
    """GeoDa 390, nilearn 4274: AAL, FreeSurfer and Schaefer name regions so; one such volume makes every correlation 1."""
    values = np.random.default_rng(1).standard_normal((30, 3)).round(3)
    series, names = read_series(write(tmp_path / "x.tsv", header, values), regions_first=False)
    assert names == tuple(header) and np.array_equal(series, values.T)
    indexed = tmp_path / "y.tsv"
    pandas.DataFrame(values, columns=header).to_csv(indexed, sep="\t")
    series, names = read_series(indexed, regions_first=False)
    assert names == tuple(header) and np.array_equal(series, values.T)


@pytest.mark.parametrize(
    ("header", "table", "decimals"),
    [
        (["2001", "2002", "2101"], np.round(900 + 30 * VALUES), 0),  # whole numbers all through, the first line beyond them
        (["901", "902", "899"], 900 + 30 * VALUES, 2),  # whole numbers among fractions
        (["7.1", "7.2", "17.1"], VALUES, 4),
        (["7"], VALUES[:, :1], 4),
        (["546.0", "475.0"], (30 * VALUES[:, :2]).round(1), 1),  # one in a hundred volumes of two regions is whole at one decimal
        (["1_000", "7.2", "8.5"], VALUES, 4),
        (["1,5", "7.2", "8.5"], VALUES, 4),
        (["inf", "7.2", "8.5"], VALUES, 4),
    ],
)
def test_a_first_line_that_may_be_either_is_asked_for(tmp_path, header, table, decimals):
    path = write(tmp_path / "x.tsv", header, table, decimals)
    with pytest.raises(DataError, match=r"x\.tsv.*header=True .*header=False"):
        read_series(path, regions_first=False)
    series, names = read_series(path, regions_first=False, header=True)
    assert names == tuple(header) and np.allclose(series, table.T, atol=1e-6)
    assert read_series(path, regions_first=False, num_volumes=8)[1] == tuple(header)
    if all("_" not in word and "," not in word and word != "inf" for word in header):
        assert read_series(path, regions_first=False, header=False)[0].shape == (table.shape[1], 9)
        assert read_series(path, regions_first=False, num_volumes=9)[0].shape == (table.shape[1], 9)


@given(
    st.integers(2, 6),
    st.integers(3, 30),
    st.sampled_from([0, 1, 4]),
    st.floats(0, 5000),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_values_are_never_taken_for_a_header(tmp_path_factory, regions, volumes, decimals, offset, is_bright, seed):
    """Raw units and standardised ones, whole and not, a first volume that is brighter than all: every volume, or a question."""
    table = np.random.default_rng(seed).standard_normal((volumes, regions)) * 30 + offset
    table[0] += 500 * is_bright
    path = write(tmp_path_factory.mktemp("x") / "x.tsv", None, table, decimals)
    try:
        series, names = read_series(path, regions_first=False)
    except DataError as error:
        assert "header=True" in str(error) and (is_bright or decimals < 4)
        series, names = read_series(path, regions_first=False, header=False)
    assert names == () and np.allclose(series, table.T, atol=0.51 * 10.0**-decimals)


def test_a_declared_number_of_volumes_is_checked(tmp_path):
    path = write(tmp_path / "x.tsv", ["2001", "2002", "2101"], VALUES)
    assert read_series(path, regions_first=False, num_volumes=8)[0].shape == (3, 8)
    with pytest.raises(DataError, match="expected 7 volumes, got 8"):
        read_series(path, regions_first=False, num_volumes=7, header=True)
    np.save(tmp_path / "x.npy", VALUES.T)
    with pytest.raises(DataError, match=r"x\.npy.*expected 7 volumes, got 8"):
        read_series(tmp_path / "x.npy", regions_first=True, num_volumes=7)


@pytest.mark.parametrize("first", [0, 1, 10])
@pytest.mark.parametrize("header", [False, True])
def test_an_index_is_no_region_with_or_without_a_header(tmp_path, first, header):
    frame = pandas.DataFrame(VALUES, pandas.RangeIndex(first, first + 8, name="volume"), ["a", "b", "c"])
    frame.to_csv(tmp_path / "x.csv", header=header)
    series, names = read_series(tmp_path / "x.csv", regions_first=False)
    assert np.array_equal(series, VALUES.T) and names == (("a", "b", "c") if header else ())
    kept, _ = read_series(tmp_path / "x.csv", regions_first=False, index=False)
    assert np.array_equal(kept[0], np.arange(first, first + 8))


def test_times_in_the_first_column_are_asked_for(tmp_path):
    for header in (None, ["time", "a", "b", "c"]):
        path = write(tmp_path / "x.tsv", header, np.column_stack([0.72 * np.arange(8), VALUES]))
        with pytest.raises(DataError, match=r"first column rises evenly from 0\.0000 to 5\.0400.*index=True"):
            read_series(path, regions_first=False)
        assert np.array_equal(read_series(path, regions_first=False, index=True)[0], VALUES.T)
        assert read_series(path, regions_first=False, index=False)[0].shape == (4, 8)


def test_tables_that_r_writes(tmp_path):
    """Row names without a name for their column, words in quotation marks, NA for what is missing."""
    rows = [f'"{i + 1}" ' + " ".join(map(str, row)) for i, row in enumerate(VALUES)]
    rows[2] = '"3" NA 0.5 0.25'
    (tmp_path / "x.txt").write_text("\n".join(['"LH" "RH" "7Networks"', *rows]) + "\n")
    series, names = read_series(tmp_path / "x.txt", regions_first=False)
    assert names == ("LH", "RH", "7Networks") and np.isnan(series[0, 2]) and series[1:, 2].tolist() == [0.5, 0.25]
    assert np.array_equal(np.delete(series, 2, 1), np.delete(VALUES.T, 2, 1))


@pytest.mark.parametrize(
    "word", ["1,5", "1_000", "inf", "-Infinity", "0x1f", "1.0D+03", "1 000", "\u0661", "\u22121.5", "1.2.3", "none", "?"]
)
def test_text_that_is_no_plain_number_is_no_value(tmp_path, word):
    """Python's float takes some of these: 1_000 for 1000, an Arabic digit, infinity."""
    path = write(tmp_path / "x.tsv", ["a", "b", "c"], VALUES)
    lines = path.read_text().splitlines()
    lines[4] = f"0.5\t{word}\t1"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.tsv.*line 5 .*column 2: expected a number with a decimal point"):
        read_series(path, regions_first=False)


@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", ",")])
@pytest.mark.parametrize("at_header", [True, False])
def test_a_delimiter_at_the_end_of_lines_is_no_region(tmp_path, suffix, separator, at_header):
    path = tmp_path / f"x{suffix}"
    rows = [separator.join(map(str, row)) + separator for row in VALUES]
    path.write_text("\n".join([separator.join("abc") + separator * at_header, *rows]) + "\n")
    series, names = read_series(path, regions_first=False)
    assert names == ("a", "b", "c") and np.array_equal(series, VALUES.T)
    path.write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"last column is empty in every line: is that a delimiter at the end"):
        read_series(path, regions_first=False)


def test_a_named_region_without_values_stays(tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\tc\n" + "".join(f"{row[0]}\t{row[1]}\t\n" for row in VALUES))
    series, names = read_series(tmp_path / "x.tsv", regions_first=False)
    assert names == ("a", "b", "c") and np.isnan(series[2]).all() and np.array_equal(series[:2], VALUES.T[:2])


@pytest.mark.parametrize(
    ("header", "table", "decimals"),
    [
        (["1001", "1001", "1002"], VALUES, 4),  # labels of regions that come twice
        (["1001", "n/a", "1002"], VALUES, 4),
        (["2001", "2002", "2101", "2102", "2201", "2202"], np.round(2000 + 300 * np.tile(VALUES, 2)), 0),  # within whole values
    ],
)
def test_labels_that_repeat_lack_or_lie_within_values_are_asked_for(tmp_path, header, table, decimals):
    path = write(tmp_path / "x.tsv", header, table, decimals)
    with pytest.raises(DataError, match=r"may be names of columns or values\. Say header=True"):
        read_series(path, regions_first=False)
    assert read_series(path, regions_first=False, header=False)[0].shape[1] == 9


def test_a_first_volume_of_zeros_is_a_volume(tmp_path):
    series, names = read_series(write(tmp_path / "x.tsv", ["0", "0", "0"], 900 + 30 * VALUES), regions_first=False)
    assert names == () and series.shape == (3, 9) and not series[:, 0].any()


def test_participants_come_once_and_columns_too(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id \tage\nsub-1\t 20 \nsub-2\t30\t\n".replace("30\t", "30"))
    assert read_participants(tmp_path) == {"1": {"age": 20.0}, "2": {"age": 30.0}}
    for rows in ("sub-1\t20\nsub-1\t30\n", "sub-1\t20\n1\t30\n"):
        path.write_text("participant_id\tage\n" + rows)
        with pytest.raises(
            DataError, match=r"participants\.tsv: expected a column participant_id with a name for each row, once; got 1"
        ):
            read_participants(tmp_path)
    path.write_text("participant_id\tage\tage\nsub-1\t20\t30\n")
    with pytest.raises(DataError, match=r"participants\.tsv: expected each column once, got age twice"):
        read_participants(tmp_path)
