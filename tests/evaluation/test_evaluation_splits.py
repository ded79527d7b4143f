from __future__ import annotations

import pytest

from audiossl.errors import DataError
from audiossl.evaluation import Splits

GROUPS = {"a": "s1", "b": "s2", "c": "s3", "d": "s3"}


def test_ids_are_sorted_and_groups_numbered():
    splits = Splits({"train": ["b"], "valid": ["a"], "test": ["d", "c"]}, GROUPS)
    assert splits.ids["test"] == ["c", "d"]
    assert splits.group_numbers("test") == {"s3": 0}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"train": ["a"], "valid": ["b"], "test": []}, "test: 0"),
        ({"train": ["a"], "valid": ["b"]}, "valid: 1"),
        ({"train": ["a", "b"], "valid": ["b"], "test": ["c"]}, "'b' is in train and in valid"),
        ({"train": ["a"], "valid": ["c"], "test": ["d"]}, "group in one split only, 's3'"),
        ({"train": ["a"], "valid": ["b"], "test": ["e"]}, "'e' has none"),
    ],
)
def test_splits_that_leak_or_lack(ids, message):
    with pytest.raises(DataError, match=message):
        Splits(ids, GROUPS)


def test_sharing_groups_must_be_asked_for():
    ids = {"train": ["a"], "valid": ["c"], "test": ["d"]}
    assert Splits(ids, GROUPS, share_groups=True).ids["test"] == ["d"]
