"""Batches of a corpus in step with its tokens."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.pipelines.spear.batches import TokenBatches
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.loading_options import LoadingOptions
from audiossl.signals.mixing import MixingConfig
from audiossl.tokens.store import TokenStore
from audiossl.tokens.store_writer import TokenWriter
from audiossl.world import World

SECONDS = {"a": 0.5, "b": 1.3, "long": 5.0}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three recordings whose tokens are their own frame numbers."""
    folder = tmp_path_factory.mktemp("recordings")
    items = []
    with TokenWriter(folder / "tokens", quantiser_id="q", num_codebooks=2, codebook_size=256, frame_rate=50.0) as writer:
        for name, seconds in SECONDS.items():
            noise = np.random.default_rng(len(name)).normal(0, 0.1, int(16000 * seconds))
            soundfile.write(folder / f"{name}.wav", noise, 16000)
            items.append(
                Item(name, folder / f"{name}.wav", custom={"domain": "audio" if name == "b" else "speech", "source": name})
            )
            count = torch.arange(int(seconds * 50) + 1)
            writer.add(name, torch.stack([count, count % 7], dim=1).to(torch.uint8))
    build_corpus(items, folder / "corpus", progress=False)
    return Corpus.open(folder / "corpus"), TokenStore.open(folder / "tokens")


def make_batches(recordings, targets=lambda item: ["speech"], stores=None, **options):
    corpus, store = recordings
    options = {"batch_seconds": 6.0, "max_item_seconds": 2.0, "seed": 1, **options}
    return TokenBatches(corpus, stores or {"speech": store}, targets, **options)


def test_pieces_carry_their_own_tokens(recordings):
    corpus, store = recordings
    batches = TokenBatches(corpus, {"speech": store}, lambda item: ["speech"], batch_seconds=6.0, max_item_seconds=2.0, seed=1)
    seen = {}
    for batch in batches(0):
        for row, id_ in enumerate(batch.ids):
            codes = batch.tokens["speech"][row]
            codes = codes[codes[:, 0] >= 0]
            samples = int(batch.lengths[row])
            first = codes[0, 0].item()
            assert codes[:, 0].tolist() == list(range(first, first + len(codes)))
            assert len(codes) == samples // 320
            item = id_.split("@")[0]
            source = corpus.read(next(i for i in corpus.items if i.id == item))
            assert torch.equal(batch.signal[row, 0, :samples], source[first * 320 : first * 320 + samples])
            seen.setdefault(item, []).append((first, samples))
    assert sorted(seen) == sorted(SECONDS)
    for item, pieces in seen.items():
        assert sum(samples for _, samples in pieces) == int(16000 * SECONDS[item])
    assert len(seen["long"]) == 3 and len(seen["a"]) == 1


def test_any_batch_of_any_epoch_can_be_had_again(recordings):
    batches = make_batches(recordings, batch_seconds=2.0)
    whole = list(batches(3))
    rest = list(batches(3, first_step=2))
    assert len(whole) == len(rest) + 2 and batches.steps_per_epoch(1) > 0
    for expected, got in zip(whole[2:], rest, strict=True):
        assert expected.ids == got.ids and torch.equal(expected.signal, got.signal)
        assert torch.equal(expected.tokens["speech"], got.tokens["speech"])
    orders = {tuple(id_ for batch in batches(epoch) for id_ in batch.ids) for epoch in range(6)}
    assert len(orders) > 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_ranks_share_the_batches_of_a_step(recordings, size):
    """What is seen in a step does not depend on the number of ranks, also where they cannot share it evenly."""
    alone = make_batches(recordings, batch_seconds=1.5, max_item_seconds=0.5)
    together, validation = list(alone(5, 0, 3)), [batch.ids for batch in alone.fixed()]
    dealt = {}
    for rank in range(size):
        batches = make_batches(recordings, batch_seconds=1.5, max_item_seconds=0.5)
        batches.world = World(rank, rank, size)
        mine = list(range(rank, 3, size))
        assert batches.steps_per_epoch(3) >= 2
        rest = [batch.ids for batch in batches(5, 1, 3)]
        read = list(batches(5, 0, 3))
        assert [batch.ids for batch in read][len(mine) :] == rest
        for index, batch in enumerate(read):
            dealt[index // len(mine) * 3 + mine[index % len(mine)]] = batch
        assert [batch.ids for batch in batches.fixed()] == validation[rank::size]
    assert sorted(dealt) == list(range(len(together)))
    for index, batch in enumerate(together):
        assert dealt[index].ids == batch.ids and torch.equal(dealt[index].signal, batch.signal)


def test_streams_come_where_they_are_wanted_and_pieces_begin_on_frames_of_both(recordings, tmp_path):
    _, store = recordings
    with TokenWriter(tmp_path / "slow", quantiser_id="s", num_codebooks=1, codebook_size=256, frame_rate=12.5) as writer:
        for name, seconds in SECONDS.items():
            writer.add(name, torch.arange(int(seconds * 12.5) + 1)[:, None].to(torch.uint8))
    stores = {"speech": store, "audio": TokenStore.open(tmp_path / "slow")}

    def targets(item):
        return ["speech", "audio"] if item.custom["domain"] == "audio" else ["speech"]

    batches = make_batches(recordings, targets, stores, max_item_seconds=0.5)
    for piece, (_, first, _) in batches.origin.items():
        assert first % 1280 == 0, piece
    for batch in batches(0):
        for row, id_ in enumerate(batch.ids):
            has_audio = "audio" in batch.tokens and bool((batch.tokens["audio"][row] >= 0).any())
            assert has_audio == id_.startswith("b")
            assert bool((batch.tokens["speech"][row] >= 0).any())


def test_repeats_hold_on_average_and_copies_have_ids_and_masks_of_their_own(recordings):
    batches = make_batches(recordings, repeats={"audio": 1.5, "a": 0.25, "long": 2.0}, max_item_seconds=10.0)
    counts = {"a": 0, "b": 0, "long": 0}
    for epoch in range(200):
        ids = [batches.epoch(epoch).corpus.items[index].id for step in batches.epoch(epoch).plan.steps for index in step[0]]
        assert len(set(ids)) == len(ids)
        for id_ in ids:
            counts[id_.split("#")[0]] += 1
    assert counts["long"] == 400
    assert abs(counts["b"] / 200 - 1.5) < 0.12 and abs(counts["a"] / 200 - 0.25) < 0.1
    assert any("b#1" in batch.ids for epoch in range(4) for batch in batches(epoch))
    with pytest.raises(ConfigError, match=r"repeats.music"):
        make_batches(recordings, repeats={"music": 2.0})


def test_mixtures_bring_the_tokens_of_both_and_come_again(recordings):
    mixing = MixingConfig(probability=1.0, noise_share=0.0, max_offset=0.3)
    batches = make_batches(recordings, mixing=mixing, main_domain="speech", max_item_seconds=10.0, batch_seconds=20.0)
    mixed = 0
    for batch in [batch for epoch in range(4) for batch in batches(epoch)]:
        for row, id_ in enumerate(batch.ids):
            mixture = batches.epoch(batch.epoch).corpus.mixtures.get(id_)
            if mixture is None:
                continue
            mixed += 1
            codes, samples = batch.tokens["speech"][row], int(batch.lengths[row])
            assert samples == max(SECONDS[id_] * 16000, mixture.offset + mixture.other.num_samples)
            valid = codes[:, 0] >= 0
            assert int(valid.sum()) == samples // 320
            offset, t = mixture.offset // 320, torch.arange(len(codes))
            assert bool(((codes[:, 0] == t) | (codes[:, 0] == t - offset))[valid].all())
            assert id_ != "b"  # audio has no noise to get
    assert mixed > 2
    again = make_batches(recordings, mixing=mixing, main_domain="speech", max_item_seconds=10.0, batch_seconds=20.0)
    for one, other in zip(batches(0), again(0), strict=True):
        assert torch.equal(one.signal, other.signal) and torch.equal(one.tokens["speech"], other.tokens["speech"])


def test_mixtures_longer_than_a_batch_are_not_made_and_missing_noise_is_named(recordings):
    mixing = MixingConfig(probability=1.0, noise_share=0.0)
    batches = make_batches(recordings, mixing=mixing, max_item_seconds=10.0, batch_seconds=5.0)
    assert all(batch.lengths.max() <= 5 * 16000 for epoch in range(5) for batch in batches(epoch))
    with pytest.raises(ConfigError, match="noise"):
        make_batches(recordings, mixing=MixingConfig(probability=0.5))


def test_a_piece_longer_than_a_batch_is_named(recordings):
    with pytest.raises(DataError, match=r"item long lasts 5\.00 s, .*student\.max_item_seconds"):
        make_batches(recordings, batch_seconds=4.0, max_item_seconds=6.0).epoch(0)


def test_no_piece_is_longer_than_asked_for_where_that_is_no_number_of_frames(recordings):
    batches = make_batches(recordings, batch_seconds=1.67, max_item_seconds=1.67)  # 83.5 frames; a third of `long` is 83.3
    pieces = [item for item in batches.epoch(0).corpus.items if item.id.startswith("long")]
    assert len(pieces) == 4 and sum(piece.num_samples for piece in pieces) == 5 * 16_000
    assert max(piece.num_samples for piece in pieces) <= 1.67 * 16_000


def test_batches_are_the_same_whatever_the_workers(recordings):
    alone = make_batches(recordings, batch_seconds=2.0, loading=LoadingOptions(workers=0))
    for workers in (1, 3):
        batches = make_batches(recordings, batch_seconds=2.0, loading=LoadingOptions(workers=workers, prefetch=2))
        for expected, got in zip(alone(3, 1), batches(3, 1), strict=True):
            assert expected.ids == got.ids and torch.equal(expected.signal, got.signal)
            assert torch.equal(expected.tokens["speech"], got.tokens["speech"])
    with pytest.raises(ConfigError, match=r"data\.workers should be at least 0"):
        LoadingOptions(workers=-1)
