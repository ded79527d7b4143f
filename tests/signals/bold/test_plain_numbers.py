"""Numbers as tables of this field write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.signals.bold.plain_numbers import is_foreign_number, is_number, plain_number, plain_numbers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_back(value):
    assert plain_number(repr(value)) == value and plain_number(f" {value:+.3e} ") == float(f"{value:.3e}")


@pytest.mark.parametrize("word", ["", " ", "n/a", "N/A", "NA", "nan", "NaN", "-nan"])
def test_missing_values(word):
    assert math.isnan(plain_number(word)) and is_number(word) and not is_foreign_number(word)


@pytest.mark.parametrize("word", ["1,5", "1_000", "7_1", "inf", "0x1F", "1.0D+03", "1'000", "1\u00a0000", "1 000", "-1,234.5"])
def test_numbers_in_another_writing_are_seen(word):
    assert is_foreign_number(word) and not is_number(word)
    with pytest.raises(ValueError, match="expected a number with a decimal point"):
        plain_number(word)


@pytest.mark.parametrize("word", ["a", "LH_Vis_1", "1st", "x1", "3T", "-", ".", "e5", "Vis-1"])
def test_words_are_words(word):
    assert not is_foreign_number(word) and not is_number(word)


@given(st.lists(st.sampled_from(["1", "-2.5", "1e3", ".5", "n/a", ""]), min_size=1))
def test_rows_are_read_as_their_cells(words):
    assert repr(plain_numbers(words)) == repr([plain_number(word) for word in words])


@pytest.mark.parametrize("word", ["1-2", "1e", "e", "--1", "1.2.3", "1_000", "\u0661"])
def test_a_row_with_another_word_is_none(word):
    with pytest.raises(ValueError, match="expected a number"):
        plain_numbers(["1", word])
