"""Batches of signals and tokens."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import DataError
from audiossl.objectives.batch import TokenBatch, collate_tokens
from audiossl.objectives.labelled_batch import collate_labelled


def test_collate_pads_signals_and_tokens():
    codes = [torch.full((5, 2), 156, dtype=torch.uint8), torch.full((3, 2), 255, dtype=torch.uint8)]
    batch = collate_tokens(
        ["a", "b"],
        [torch.ones(1, 1600), torch.ones(1, 1000)],
        [{"speech": codes[0], "audio": torch.ones(2, 4, dtype=torch.uint8)}, {"speech": codes[1]}],
        epoch=3,
        seed=4,
    )
    assert batch.signal.shape == (2, 1, 1600)
    assert float(batch.signal[1, 0, 1000:].abs().sum()) == 0
    assert batch.seconds == pytest.approx(2600 / 16000)
    assert batch.tokens["speech"].dtype == torch.int64
    assert batch.tokens["speech"][1].tolist() == [[255, 255]] * 3 + [[-100, -100]] * 2
    assert batch.tokens["speech"][0].unique().tolist() == [156], "uint8 has no -100, so codes came through untouched"
    assert (batch.tokens["audio"][1] == -100).all(), "an item without this stream"
    assert (batch.epoch, batch.seed) == (3, 4)
    assert batch.to("cpu").ids == ["a", "b"]


def test_uint8_tokens_and_wrong_sizes_are_refused():
    signal, lengths = torch.zeros(1, 1, 100), torch.tensor([100])
    with pytest.raises(DataError, match="int64"):
        TokenBatch(signal, lengths, ["a"], {"speech": torch.zeros(1, 3, 2, dtype=torch.uint8)})
    with pytest.raises(DataError, match="2 items"):
        TokenBatch(signal, lengths, ["a"], {"speech": torch.zeros(2, 3, 2, dtype=torch.int64)})


def test_halves_hold_every_item_once():
    signals = [torch.full((1, 10 + i), float(i)) for i in range(5)]
    tokens = collate_tokens(list("abcde"), signals, [{"speech": torch.full((3, 2), i)} for i in range(5)], epoch=3, seed=4)
    labelled = collate_labelled(list("abcde"), signals, [torch.full((i + 1,), i) for i in range(5)], epoch=3, seed=4)
    for batch in (tokens, labelled):
        halves = batch.halves()
        assert [len(half.ids) for half in halves] == [2, 3] and [item for half in halves for item in half.ids] == list("abcde")
        assert torch.equal(torch.cat([half.signal for half in halves]), batch.signal)
        assert torch.equal(torch.cat([half.lengths for half in halves]), batch.lengths)
        assert [(half.epoch, half.seed) for half in halves] == [(3, 4)] * 2
        assert sum(half.seconds for half in halves) == pytest.approx(batch.seconds)
        assert halves[0].halves()[0].halves() == []
    assert torch.equal(torch.cat([half.tokens["speech"] for half in tokens.halves()]), tokens.tokens["speech"])
    assert torch.equal(torch.cat([half.targets for half in labelled.halves()]), labelled.targets)
    assert torch.equal(torch.cat([half.target_lengths for half in labelled.halves()]), labelled.target_lengths)
