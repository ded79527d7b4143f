"""Vectors that come twice: found whatever their order, told apart from near ones, counted, and warned of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import draw, write_store

from audiossl.embedding.duplicates import find_duplicates
from audiossl.embedding.index import StoreIndex, read_parts


def indexed(num_items: int) -> StoreIndex:
    empty = read_parts([]).table
    columns = {name: ["x"] * num_items if str(kind) == "string" else [-1] * num_items for name, kind in
               zip(empty.column_names, empty.schema.types, strict=True)}  # fmt: skip
    columns["id"] = [f"i{number}" for number in range(num_items)]
    return StoreIndex(type(empty).from_pydict(columns))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 9))
def test_groups_are_those_of_all_pairs(kinds, size):
    vectors = draw(6, 2, 8)[kinds].astype(np.float32)
    vectors = (vectors * (1 + 1e-7 * draw(*vectors.shape, seed=1))).astype(
        np.float32
    )  # the last bits differ, as in other batches
    rows = np.arange(len(kinds))
    blocks = ((rows[i : i + size], vectors[i : i + size]) for i in range(0, len(rows), size))
    found = find_duplicates(blocks, lambda some: vectors[some], indexed(len(kinds)))
    expected = {kind: [f"i{row}" for row in rows if kinds[row] == kind] for kind in kinds}
    assert sorted(map(sorted, found.groups)) == sorted(sorted(ids) for ids in expected.values() if len(ids) > 1)
    assert found.num_repeated == len(kinds) - len(set(kinds)) and found.share == found.num_repeated / len(kinds)


def test_near_is_not_equal(tmp_path):
    frames = np.repeat(draw(1, 1, 3, 16), 4, axis=0) * (1 + 1e-3 * np.arange(4, dtype=np.float32)[:, None, None, None])
    assert write_store(tmp_path, frames).duplicates().groups == []


@pytest.mark.parametrize("copied", [True, False])
def test_many_are_a_warning_that_tells_copies_from_others(tmp_path, copied):
    frames = draw(10, 1, 3, 4)
    frames[[4, 7]] = frames[1]
    digests = ["same" if copied and number in (1, 4, 7) else f"{number}" for number in range(10)]
    found = write_store(tmp_path, frames, digests=digests).duplicates()
    assert found.groups == [["i1", "i4", "i7"]] and found.num_copies == (2 if copied else 0)
    assert "2 of 10 items have the vector of an earlier one" in found.warning and "i1, i4, i7" in found.warning
    assert ("2 of them a copy of its file" in found.warning) == copied


def test_few_are_none(tmp_path):
    frames = draw(200, 1, 1, 4)
    frames[3] = frames[100]
    found = write_store(tmp_path, frames, shard_items=64).duplicates()
    assert found.num_repeated == 1 and found.warning == "" and str(found) == "1 of 200 items have the vector of an earlier one"
    assert write_store(tmp_path / "none", draw(0, 1, 1, 4)).duplicates().share == 0
