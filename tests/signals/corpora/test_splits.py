from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError
from audiossl.signals.corpora.corpus import Item
from audiossl.signals.corpora.splits import copies_across, say_copies_across, split_by

FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}


def corpus(num_items: int, num_groups: int) -> list[Item]:
    return [
        Item(str(n), Path(f"{n}.wav"), speaker=f"s{n % num_groups}", custom={"prompt": n % (num_groups + 1), "fold": 0.5})
        for n in range(num_items)
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["speaker", "prompt", "recording", "id"]))
def test_groups_stay_together_and_nothing_is_lost(seed: int, key: str) -> None:
    items = corpus(200, 150)
    sides = split_by(items, key, FRACTIONS, seed)
    assert list(sides) == list(FRACTIONS)
    assert sorted(item_id for ids in sides.values() for item_id in ids) == sorted(item.id for item in items)
    where = {item_id: side for side, ids in sides.items() for item_id in ids}
    groups: dict[object, set[str]] = {}
    for item in items:
        group = {"speaker": item.speaker, "prompt": item.custom["prompt"], "recording": item.path, "id": item.id}[key]
        groups.setdefault(group, set()).add(where[item.id])
    assert all(len(sides_of_group) == 1 for sides_of_group in groups.values())
    for ids in sides.values():
        assert ids == sorted(ids, key=int)  # the order of the items


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(150, 199))
def test_new_items_move_no_others(seed: int, num_old: int) -> None:
    items = corpus(200, 160)
    new = split_by(items, "speaker", FRACTIONS, seed)
    old = split_by(items[:num_old], "speaker", {"train": 0.8, "valid": 0.1, "test": 0.1}, seed)
    reordered = split_by(items[::-1], "speaker", FRACTIONS, seed)
    for side, ids in old.items():
        assert set(ids) <= set(new[side])
        assert set(reordered[side]) == set(new[side])


def test_fractions_are_met_on_average_and_seeds_differ() -> None:
    items = corpus(5_000, 5_000)
    sides = split_by(items, "speaker", FRACTIONS, 0)
    for side, fraction in FRACTIONS.items():
        assert len(sides[side]) / 5_000 == pytest.approx(fraction, abs=0.02)  # more than three standard deviations
    other = split_by(items, "speaker", FRACTIONS, 1)
    overlap = len(set(sides["test"]) & set(other["test"])) / len(sides["test"])
    assert overlap == pytest.approx(0.1, abs=0.05)


def test_a_split_is_the_same_forever() -> None:
    sides = split_by(corpus(12, 12), "speaker", {"train": 0.5, "test": 0.5}, 7)
    assert sides == {"train": ["0", "1", "4", "7", "8", "10"], "test": ["2", "3", "5", "6", "9", "11"]}


def test_missing_keys_and_bad_fractions() -> None:
    items = [*corpus(10, 5), Item("silent one", Path("a.wav"))]
    with pytest.raises(DataError, match="item 'silent one' has no 'speaker'"):
        split_by(items, "speaker", FRACTIONS, 0)
    with pytest.raises(DataError, match=r"item '0' has no 'accent'.* Set split\.by=recording, or .* such as fold, prompt"):
        split_by(items, "accent", FRACTIONS, 0)
    with pytest.raises(DataError, match="the id '0' comes twice"):
        split_by(corpus(10, 5) * 2, "speaker", FRACTIONS, 0)
    for fractions in ({}, {"train": 0.5}, {"train": 1.5, "test": -0.5}):
        with pytest.raises(ConfigError, match="sum to 1"):
            split_by(items, "id", fractions, 0)


def test_an_empty_side_is_an_error_unless_it_was_asked_for() -> None:
    with pytest.raises(DataError, match=r"speaker has 1 groups for the 2 sides .*Set split\.by=id"):
        split_by(corpus(10, 1), "speaker", {"train": 0.5, "test": 0.5}, 0)
    assert split_by(corpus(10, 1), "speaker", {"train": 1.0, "test": 0.0}, 0)["test"] == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 12))
def test_few_groups_give_every_side_that_has_a_share_one(seed: int, num_groups: int) -> None:
    sides = split_by(corpus(num_groups, num_groups), "speaker", FRACTIONS, seed)
    assert all(sides.values())
    rare = {"train": 0.9995, "valid": 0.0005, "test": 0.0}
    sides = split_by(corpus(num_groups, num_groups), "speaker", rare, seed)
    assert [len(sides[side]) for side in rare] == [num_groups - 1, 1, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 20), st.integers(1, 5))
def test_a_growing_corpus_moves_only_what_was_borrowed(seed: int, num_old: int, num_new: int) -> None:
    """An old group changes sides only to or from a side that its hash would leave empty: at most one for each such side."""
    old = split_by(corpus(num_old, num_old), "id", FRACTIONS, seed)
    new = split_by(corpus(num_old + num_new, num_old + num_new), "id", FRACTIONS, seed)
    hashed = split_by(corpus(200, 200), "id", FRACTIONS, seed)  # so many that no side is empty
    side_of = {
        where: {id_: side for side, ids in sides.items() for id_ in ids}
        for where, sides in (("old", old), ("new", new), ("hash", hashed))
    }
    borrowed = {where: {id_ for id_, side in side_of[where].items() if side != side_of["hash"][id_]} for where in ("old", "new")}
    assert all(len(ids) <= 2 for ids in borrowed.values())
    moved = {id_ for id_ in side_of["old"] if side_of["old"][id_] != side_of["new"][id_]}
    assert moved <= borrowed["old"] | borrowed["new"]
    used = {side_of["hash"][id_] for id_ in side_of["old"]}
    assert len(borrowed["old"]) == len(set(FRACTIONS) - used)


def test_too_few_groups_are_an_error_with_a_setting_that_helps() -> None:
    with pytest.raises(DataError, match=r"2 groups for the 3 sides train, valid, test, so that .* Set split\.by=id, which has 9"):
        split_by(corpus(9, 2), "speaker", FRACTIONS, 0)
    assert all(split_by(corpus(9, 2), "id", FRACTIONS, 0).values())
    with pytest.raises(DataError, match=r"Give at least 3 recordings .* or set split\.train=0\.9 split\.test=0\.0"):
        split_by(corpus(2, 2), "speaker", FRACTIONS, 0)
    assert all(len(ids) == 1 for ids in split_by(corpus(2, 2), "speaker", {"train": 0.9, "valid": 0.1}, 0).values())
    with pytest.raises(DataError, match=r"Give at least 3 recordings that are not copies of each other\.$"):
        split_by(corpus(1, 1), "speaker", FRACTIONS, 0)


def test_copies_on_two_given_sides_are_named(capsys):
    names = {"a": "a", "a_sp0.9": "a", "b": "b", "c": "c", "d": "c"}  # d is c's file under another id
    items = [Item(id_, Path(f"{file}.wav")) for id_, file in names.items()]
    given_sides = {"train": ["a", "c"], "valid": ["b", "d"], "test": ["a_sp0.9"]}
    assert copies_across(items, given_sides) == [("a", "a_sp0.9"), ("c", "d")]
    say_copies_across(items, given_sides, "the recipe gives sides")
    assert (
        "2 items hold a sound that is on another side too, such as a and a_sp0.9: the recipe gives sides"
        in capsys.readouterr().err
    )
    assert copies_across(items, {"train": ["a", "a_sp0.9", "b"], "test": ["c", "d"]}) == []
    assert copies_across(items, {"train": ["a", "b", "c"]}) == [], "items on no side are not looked at"
