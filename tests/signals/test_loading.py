from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.batches import Batch, BatchLoader, collate, plan_batches
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus

NUM_ITEMS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for number in range(NUM_ITEMS):
        soundfile.write(root / f"{number}.wav", rng.uniform(-0.5, 0.5, int(rng.integers(2000, 20_000))), 16_000)
    build_corpus([Item(f"i{number}", root / f"{number}.wav") for number in range(NUM_ITEMS)], root / "c")
    return root / "c"


@pytest.fixture
def corpus(folder: Path) -> Corpus:
    return Corpus.open(folder)


@pytest.fixture
def batches(corpus: Corpus) -> list[list[int]]:
    return plan_batches(corpus.durations, 3.0, seed=0, epoch=0, num_buckets=4).of_rank(0)


def same(first: Batch, second: Batch) -> bool:
    return first.ids == second.ids and torch.equal(first.signal, second.signal) and torch.equal(first.lengths, second.lengths)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 3))
def test_collate_pads_with_zeros(sizes: list[int], num_channels: int) -> None:
    signals = [torch.randn(num_channels, size) for size in sizes]
    batch = collate([(f"{n}", signal) for n, signal in enumerate(signals)])
    assert batch.signal.shape == (len(sizes), num_channels, max(sizes))
    assert batch.lengths.tolist() == sizes
    assert batch.ids == [f"{n}" for n in range(len(sizes))]
    for row, signal in zip(batch.signal, signals, strict=True):
        assert torch.equal(row[:, : signal.shape[1]], signal)
        assert not row[:, signal.shape[1] :].any()
    mono = collate([("a", signals[0][0])])
    assert torch.equal(mono.signal[0, 0], signals[0][0])


def test_the_batches_are_those_of_the_plan(corpus: Corpus, batches: list[list[int]]) -> None:
    loader = BatchLoader(corpus, batches)
    assert len(loader) == len(batches) > 8
    loaded = list(loader)
    assert len(loaded) == len(batches)
    for batch, plan in zip(loaded, batches, strict=True):
        assert same(batch, collate([(corpus.items[i].id, corpus.read(corpus.items[i])) for i in plan]))
    assert not loader.failed


@pytest.mark.parametrize(("num_threads", "prefetch"), [(1, 1), (4, 2), (2, 100)])
def test_threads_do_not_change_the_order(corpus: Corpus, batches: list[list[int]], num_threads: int, prefetch: int) -> None:
    loader = BatchLoader(corpus, batches, num_threads=num_threads, prefetch=prefetch)
    assert all(same(a, b) for a, b in zip(loader, BatchLoader(corpus, batches), strict=True))


@pytest.mark.parametrize("step", [0, 1, 5, 1000])
def test_resume_is_an_index(corpus: Corpus, batches: list[list[int]], step: int) -> None:
    rest = BatchLoader(corpus, batches, step, crop_seconds=0.3)
    assert len(rest) == max(0, len(batches) - step)
    assert all(same(a, b) for a, b in zip(rest, list(BatchLoader(corpus, batches, crop_seconds=0.3))[step:], strict=True))


def test_crops_depend_on_seed_epoch_and_id_alone(corpus: Corpus) -> None:
    def crops(batches: list[list[int]], **options: int) -> dict[str, torch.Tensor]:
        loader = BatchLoader(corpus, batches, crop_seconds=0.25, **options)
        return {
            item_id: signal[0, :length]
            for batch in loader
            for item_id, signal, length in zip(batch.ids, batch.signal, batch.lengths.tolist(), strict=True)
        }

    one = crops([[n] for n in range(NUM_ITEMS)])
    other = crops([list(range(NUM_ITEMS))[::-1]], num_threads=4)
    later = crops([list(range(NUM_ITEMS))], epoch=1)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    for item in corpus.items:
        whole = corpus.read(item)
        assert len(one[item.id]) == min(len(whole), 4000)
        assert any(torch.equal(one[item.id], part) for part in whole.unfold(0, len(one[item.id]), 1))
    moved = [item.id for item in corpus.items if item.num_samples > 4000 and not torch.equal(one[item.id], later[item.id])]
    assert len(moved) > 0.9 * sum(item.num_samples > 4000 for item in corpus.items)


@pytest.fixture
def damaged(corpus: Corpus) -> Corpus:
    """The corpus with two files gone."""
    items = [
        type(item)(**(vars(item) | {"path": Path("gone.flac")})) if item.id in ("i3", "i7") else item for item in corpus.items
    ]
    return Corpus(items, corpus.sample_rate, None, Path())


def test_a_failing_file_is_reported_once_and_skipped(damaged: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    failed: dict[str, DataError] = {}
    with caplog.at_level(logging.WARNING):
        for _epoch in range(2):
            loader = BatchLoader(damaged, [[1, 3, 4], [7], [8, 9]], failed=failed)
            loaded = list(loader)
            assert [batch.ids for batch in loaded] == [["i1", "i4"], ["i8", "i9"]]
            assert [len(batch) for batch in loaded] == [2, 2]
            assert loader.failed is failed
    assert list(failed) == ["i3", "i7"]
    assert all("gone.flac: no such file" in str(error) for error in failed.values())
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("batches", "read"),
    [
        ([[1, 4], [3], [7], [8, 9]], [["i1", "i4"], ["i8", "i9"], ["i8", "i9"], ["i8", "i9"]]),
        ([[1, 4], [8], [3, 7]], [["i1", "i4"], ["i8"], ["i1", "i4"]]),  # round the end of the epoch
        ([[3], [1, 7]], [["i1"], ["i1"]]),
    ],
)
def test_a_rank_takes_all_its_steps_though_no_file_of_a_batch_can_be_read(damaged: Corpus, batches, read) -> None:
    loaded = list(BatchLoader(damaged, batches, in_step=True))
    assert [batch.ids for batch in loaded] == read
    for step in range(len(batches) - 1):  # resumed there, the rest is the same
        rest = list(BatchLoader(damaged, batches, step, in_step=True))
        assert all(same(one, other) for one, other in zip(rest, loaded[step:], strict=True))


def test_a_lost_disk_stops_the_run(corpus: Corpus) -> None:
    items = [type(item)(**(vars(item) | {"path": Path("gone.flac")})) for item in corpus.items]
    lost = Corpus(items, corpus.sample_rate, None, Path())
    with pytest.raises(DataError, match=r"21 of 21 items could not be read, such as gone\.flac: no such file"):
        list(BatchLoader(lost, [[n] for n in range(NUM_ITEMS)]))
    with pytest.raises(DataError, match="2 of 2 items could not be read"):
        list(BatchLoader(lost, [[0], [1]]))


def test_other_errors_are_not_swallowed(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(corpus, "read", crash)
    with pytest.raises(RuntimeError, match="a bug"):
        next(iter(BatchLoader(corpus, [[0]])))


def test_threads_end_with_the_loop(corpus: Corpus, batches: list[list[int]]) -> None:
    before = threading.active_count()
    for _ in BatchLoader(corpus, batches):
        assert threading.active_count() > before
        break
    assert threading.active_count() == before
    list(BatchLoader(corpus, batches))
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_are_the_same_whatever_the_workers(corpus: Corpus, batches: list[list[int]], workers: int) -> None:
    loader = BatchLoader(corpus, batches, 2, crop_seconds=0.3, num_threads=workers, prefetch=2)
    expected = BatchLoader(corpus, batches, 2, crop_seconds=0.3)
    assert all(same(a, b) for a, b in zip(loader, expected, strict=True))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_unexpected_error_names_the_item(corpus: Corpus, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Corpus, item: object, *args: int) -> torch.Tensor:
        raise RuntimeError("the decoder fell over")

    monkeypatch.setattr(Corpus, "read", broken)
    with pytest.raises(RuntimeError, match="fell over") as raised:
        list(BatchLoader(corpus, [[4]], num_threads=workers))
    assert raised.value.__notes__ == [f"while item '{corpus.items[4].id}' was read"]
