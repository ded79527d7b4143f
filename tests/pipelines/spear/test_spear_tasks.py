"""What the tasks of a SPEAR recipe refuse: rows of another kind of labels, and numbers that make no interval."""

from __future__ import annotations

import math

import pytest

from audiossl.errors import ConfigError, DataError
from audiossl.files import write_jsonl
from audiossl.pipelines.spear.config import EvaluationConfig, TaskConfig
from audiossl.pipelines.spear.labels import read_labels

CLIPS, SEGMENTS = {"id": "b", "label": "en"}, {"id": "a", "segments": [["AH", 0.0, 0.1]]}


def test_labels_by_id(tmp_path):
    write_jsonl(tmp_path / "who.jsonl", [CLIPS])
    assert read_labels(tmp_path / "who.jsonl", TaskConfig("who", "clips")) == {"b": CLIPS}
    write_jsonl(tmp_path / "phones.jsonl", [SEGMENTS])
    assert read_labels(tmp_path / "phones.jsonl", TaskConfig("phones", "frames")) == {"a": SEGMENTS}


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        ("clips", [CLIPS, SEGMENTS], '"label": "en"'),
        ("frames", [SEGMENTS, CLIPS], '"segments": '),
        ("segments", [SEGMENTS, {"segments": []}], '"segments": '),
    ],
)
def test_a_row_of_other_labels_is_named(tmp_path, kind, rows, expected):
    write_jsonl(tmp_path / "who.jsonl", rows)
    with pytest.raises(
        DataError, match=rf"who\.jsonl: row 2 of the task 'who' of kind {kind}: expected rows such as .*{expected}"
    ):
        read_labels(tmp_path / "who.jsonl", TaskConfig("who", kind))


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [
        ("bootstrap", 0, "at least 1"),
        ("bootstrap", -1, "at least 1"),
        ("rate", 0.0, "above 0"),
        ("rate", math.nan, "above 0"),
        ("context", -1, "at least 0"),
    ],
)
def test_numbers_that_cannot_be(option, value, least):
    with pytest.raises(ConfigError, match=rf"evaluation\.{option} should be {least}.*got {value}\."):
        EvaluationConfig(**{option: value})
