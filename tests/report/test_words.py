import pytest

from audiossl.report.words import in_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"), (True, "yes"), (False, "no"), ([], "none"), ({}, "none"), ((), "none"), (12345, "12,345"), ("a_b", "a_b"),
        (0.07136240321480627, "0.07136"), (12345.678, "12,346"), ([1, 0.5, None], "1, 0.5, none"), (float("nan"), "nan"),
        ({"people_left_out": ["p1", "p2"], "p_value": None}, "people left out: p1, p2; p value: none"),
    ],
)  # fmt: skip
def test_no_python_is_left(value, text):
    assert in_words(value) == text
