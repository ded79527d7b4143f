"""Batches of a corpus in step with its tokens."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from audiossl.pipelines.token_batches import TokenBatches
from audiossl.signals.corpus import Corpus, Item, build_corpus
from audiossl.tokens.store import TokenStore
from audiossl.tokens.store_writer import TokenWriter

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
            items.append(Item(name, folder / f"{name}.wav"))
            count = torch.arange(int(seconds * 50) + 1)
            writer.add(name, torch.stack([count, count % 7], dim=1).to(torch.uint8))
    build_corpus(items, folder / "corpus", progress=False)
    return Corpus.open(folder / "corpus"), TokenStore.open(folder / "tokens")


def test_pieces_carry_their_own_tokens(recordings):
    corpus, store = recordings
    batches = TokenBatches(corpus, store, "speech", batch_seconds=6.0, max_item_seconds=2.0, seed=1)
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
    batches = TokenBatches(*recordings, "speech", batch_seconds=2.0, max_item_seconds=2.0, seed=1)
    whole = list(batches(3))
    rest = list(batches(3, first_batch=2))
    assert len(whole) == len(rest) + 2 and len(batches) > 0
    for expected, got in zip(whole[2:], rest, strict=True):
        assert expected.ids == got.ids and torch.equal(expected.signal, got.signal)
        assert torch.equal(expected.tokens["speech"], got.tokens["speech"])
    orders = {tuple(id_ for batch in batches(epoch) for id_ in batch.ids) for epoch in range(6)}
    assert len(orders) > 1
