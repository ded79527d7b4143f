from __future__ import annotations

from audiossl.signals.sensors.turns import in_turn


def test_each_subject_comes_before_any_comes_again():
    assert in_turn(["a1", "a2", "a3", "b1", "c1", "c2"], lambda name: name[0]) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_without_items():
    assert in_turn([], str) == []
