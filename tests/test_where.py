"""Conditions on columns: what they mean, what they refuse, and that they run nothing."""

from __future__ import annotations

import datetime
import operator
from decimal import Decimal

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.where import parse_where

ROWS = [
    {"speaker": "a", "age": "12", "score": 1.0, "größe": 1, "is clean": True},
    {"speaker": "b", "age": "x", "score": 2.0, "größe": 2, "is clean": False},
    {"speaker": None, "age": None, "score": float("nan"), "größe": 3, "is clean": None},
    {"speaker": "a", "age": "3", "score": 4.0, "größe": 4, "is clean": True},
]
TABLE = pyarrow.Table.from_pylist(ROWS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("speaker == 'a'", [0, 3]),
        ('speaker=="a"and größe>1', [3]),
        ("speaker != 'a'", [1, 2]),
        ("speaker in ['b', null]", [1, 2]),
        ("speaker not in ('a')", [1, 2]),
        ("speaker in []", []),
        ("speaker == null or score == None", [2]),
        ("speaker == ''", [2]),  # an empty cell is a missing one
        ("age == 12", [0]),  # cells of CSV files are text
        ("age == 12.0", [0]),
        ("age != 'x' and age < 5", [3]),  # the second is not asked where the first does not hold
        ("age == 'x' or age < 5", [1, 3]),
        ("not (speaker == 'a' or größe < 3)", [2]),
        ("not not speaker == 'b'", [1]),
        ("`is clean` == true", [0, 3]),
        ("`is clean` == 1", [0, 3]),
        ("1 < score <= 4", [1, 3]),
        ("score >= größe", [0, 1, 3]),
        ("score > -1e-3", [0, 1, 3]),
        ("speaker == 'a' or speaker == 'b' and größe == 1", [0, 3]),  # `and` binds more
    ],
)
def test_a_condition_holds_for_the_same_rows_of_a_list_and_of_an_arrow_table(text, expected):
    where = parse_where(text)

    assert [number for number, row in enumerate(ROWS) if where(row)] == expected
    assert np.flatnonzero(where.mask(TABLE)).tolist() == expected
    assert np.flatnonzero(where.mask(pyarrow.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]))).tolist() == expected
    assert where.keep(ROWS) == [ROWS[number] for number in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column, got the end at character 1"),
        ("speaker = 'a'", "got '=' at character 9 .* equality is written =="),
        ("speaker", "expected a comparison .* after the column 'speaker', got the end"),
        ("__import__('os').system('x')", "functions are not called"),
        ("speaker.upper() == 'A'", "functions are not called"),
        ("(lambda: 1)() == 1", "after the column 'lambda', got ':'"),
        ("speaker == 'a'; x", "expected and, or, or the end, got ';'"),
        ("'a' == 'b'", "expected a column on one side of each comparison .* got ''a' == 'b''"),
        ("speaker in 'a'", r"expected a list such as \['a', 'b'\] after in"),
        ("speaker in ['a' 'b']", "expected a comma or ]"),
        ("(speaker == 'a'", "expected a closing parenthesis"),
        ("speaker == 'a", "got ''' at character 12 .* which nothing closes"),
        ("speaker == 'a' & age == 1", "write and, or, not"),
        ("age == 1e", "expected a column or a value, got '1'"),
        ("age not 3", "expected in, got '3'"),
        ("(" * 10_000 + "age == 1" + ")" * 10_000, "at most 50 parentheses"),
        ("not " * 10_000 + "age == 1", "at most 50"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_where(text)


@pytest.mark.parametrize("holds", [lambda where: where(ROWS[0]), lambda where: where.keep(ROWS), lambda where: where.mask(TABLE)])
def test_a_column_that_is_not_there_is_named_with_the_nearest(holds):
    with pytest.raises(
        ConfigError, match=r"no column is called 'speker' \(did you mean speaker\?\); the columns are speaker, age"
    ):
        holds(parse_where("age == 'y' and speker == 'a'"))
    with pytest.raises(ConfigError, match="is the text 'anna' meant"):
        holds(parse_where("speaker == anna"))


def test_values_without_an_order_are_named():
    with pytest.raises(ConfigError, match="column age: 'x' and 5 have no order"):
        parse_where("age < 5").mask(TABLE)
    with pytest.raises(ConfigError, match="no order"):
        parse_where("`is clean` < true")(ROWS[0])


def test_a_row_may_lack_a_column_that_another_has():
    assert parse_where("b != 1").keep([{"a": 1}, {"a": 1, "b": 1}]) == [{"a": 1}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime.datetime(2024, 5, 1, 10), "when >= '2024-05-01' and when < '2024-05-02'"),
        (datetime.date(2024, 5, 1), "when == '2024-05-01'"),
        (Decimal("1.5"), "when == 1.5"),
        (np.float32(1.5), "when == 1.5"),
        (np.int64(2**60), f"when == {2**60}"),
        (np.str_("a"), "when == 'a'"),
        (True, "when == 'True'"),
        ([1], "when == '[1]'"),
    ],
)
def test_cells_of_other_types_are_compared_as_one_writes_them(value, text):
    assert parse_where(text)({"when": value})
    if isinstance(value, datetime.date | Decimal | list):
        assert parse_where(text).mask(pyarrow.table({"when": [value]})).tolist() == [True]


@given(
    st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=9),
    st.integers(-3, 3),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
)
def test_masks_equal_python_comparisons(values, bound, symbol):
    call = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}[
        symbol
    ]
    table = pyarrow.table({"x": pyarrow.array(values, pyarrow.int64())})

    expected = [symbol == "!=" if value is None else call(value, bound) for value in values]
    assert parse_where(f"x {symbol} {bound}").mask(table).tolist() == expected
