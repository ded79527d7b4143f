"""What is read ahead is the same as what is not, ends where it is left, and fails where its source does."""

from __future__ import annotations

import threading

import pytest
import torch

from audiossl.training.feeding import feed, read_ahead


def threads() -> int:
    return sum(thread.name == "batches ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_the_same_items_in_order(ahead: int):
    assert list(read_ahead(iter(range(20)), ahead)) == list(range(20))
    assert threads() == 0


def test_no_more_is_taken_than_asked_for():
    taken = []

    def source():
        for index in range(50):
            taken.append(index)
            yield index

    items = read_ahead(source(), 2)
    assert next(items) == 0
    items.close()
    assert len(taken) <= 5 and threads() == 0, "two wait, one is in the hands of the thread"


def test_an_error_comes_after_the_items_before_it_and_closes_the_source():
    closed = []

    def source():
        try:
            yield 1
            raise ValueError("item 'b' is broken")
        finally:
            closed.append(True)

    items = read_ahead(source(), 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="item 'b' is broken"):
        next(items)
    assert closed == [True] and threads() == 0


def test_on_a_cpu_nothing_is_read_ahead():
    items = feed(iter("abc"), torch.device("cpu"), 3)
    assert next(items) == "a" and threads() == 0
    assert list(items) == ["b", "c"]
