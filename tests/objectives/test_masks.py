"""Span masks: their shares, their limits, and their independence of the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.objectives.masks import Spans, draw_masks, pool_mask, span_mask
from audiossl.seeds import derive_generator


def runs(mask):
    """Lengths of the runs of True."""
    text = "".join("x" if value else " " for value in mask.tolist())
    return [len(run) for run in text.split()]


@pytest.mark.parametrize(
    ("size", "probability", "length", "least", "share"),
    [(1500, 0.5, 10, 2, 0.40), (1500, 0.65, 10, 2, 0.49), (128, 0.25, 15, 0, 0.23), (128, 0.25, 20, 0, 0.23)],
)
def test_share_of_masked_positions(size, probability, length, least, share):
    """The measured shares of the reference: 15 s of frames, and 128 bins."""
    generator = derive_generator(1, "shares")
    masks = torch.stack([span_mask(size, probability, length, least, generator) for _ in range(1000)])
    assert float(masks.float().mean()) == pytest.approx(share, abs=0.012)


@settings(max_examples=200, deadline=None)
@given(size=st.integers(0, 400), p=st.floats(0.01, 1), length=st.integers(1, 30), least=st.integers(0, 4), seed=st.integers(0, 9))
def test_spans_are_whole_and_few(size, p, length, least, seed):
    mask = span_mask(size, p, length, least, torch.Generator().manual_seed(seed))
    most = min(max(int(p * size / length) + 1, least), size // length)
    assert int(mask.sum()) <= most * length
    if size - length > most:
        assert all(run >= length for run in runs(mask)), "away from very short clips no span is cut"
    if size < length:
        assert not mask.any()


def test_number_of_spans_is_right_on_average():
    """Length 1 makes spans countable: distinct starts, so as many positions as spans; 0.3 * 10 + u, rounded down."""
    counts = [int(span_mask(12, 0.3, 1, 0, derive_generator(seed)).sum()) for seed in range(2000)]
    assert set(counts) == {3, 4}
    assert sum(counts) / len(counts) == pytest.approx(3.6, abs=0.05)
    assert int(span_mask(12, 0.01, 1, 2, derive_generator(1)).sum()) == 2, "the least number of spans"


def test_very_short_clips():
    one = [span_mask(10, 0.5, 10, 2, derive_generator(seed)) for seed in range(50)]
    assert {tuple(runs(mask)) for mask in one} == {(10,), (9,)}, "starts 0 and 1, cut at the end"


def test_masks_do_not_depend_on_the_batch():
    spans = Spans(0.5, 10, 2), Spans(0.25, 15)
    together = draw_masks(torch.tensor([300, 120, 450]), 450, 128, ["a", "b", "c"], 7, 3, *spans)
    alone = draw_masks(torch.tensor([120]), 120, 128, ["b"], 7, 3, *spans)
    assert torch.equal(together[0][1, :120], alone[0][0])
    assert torch.equal(together[1][1], alone[1][0])
    assert not together[0][0, 300:].any()
    assert not together[0][1, 120:].any()
    for other in (["d"], 7, 3), (["b"], 8, 3), (["b"], 7, 4):
        assert not torch.equal(draw_masks(torch.tensor([120]), 120, 128, *other, *spans)[0], alone[0])


def test_switched_off():
    time, channel = draw_masks(torch.tensor([50]), 50, 16, ["a"], 0, 0, Spans(0.0, 10), Spans(0.0, 3))
    assert not time.any()
    assert not channel.any()
    with pytest.raises(ConfigError, match="probability"):
        Spans(1.5, 10)


def test_pooling_to_encoder_frames():
    mask = torch.zeros(1, 13, dtype=torch.bool)
    mask[0, [3, 4, 6, 12]] = True
    # Frames of two features from the third on: (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), and one beyond the end.
    assert pool_mask(mask, 2, 3, 6).tolist() == [[True, True, False, False, True, False]]
    # Frames of four: (3..6) has 3, (7..10) none, (11..14) one.
    assert pool_mask(mask, 4, 3, 3).tolist() == [[True, False, False]]
