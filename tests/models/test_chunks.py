from __future__ import annotations

import torch

from audiossl.models.chunks import WHOLE, Chunks

CPU = torch.device("cpu")


def test_frames_see_their_chunk_and_the_left_context():
    hidden = Chunks.of(2, 2).hidden(7, CPU)
    for row in range(7):
        for column in range(7):
            assert bool(hidden[row, column]) == (not row // 2 - 1 <= column // 2 <= row // 2)


def test_all_of_the_past_or_all():
    assert Chunks.of(2, -1).hidden(4, CPU).tolist() == [[False, False, True, True]] * 2 + [[False] * 4] * 2
    assert Chunks.of(-1, 2) == WHOLE
    assert WHOLE.hidden(4, CPU) is None


def test_left_context_is_whole_chunks_and_at_least_one():
    assert Chunks.of(8, 20) == Chunks(8, 16)
    assert Chunks.of(8, 4) == Chunks(8, 8)


def test_slower_stacks_see_every_nth_row_and_column():
    chunks = Chunks.of(8, 16)
    torch.testing.assert_close(chunks.slower(4).hidden(13, CPU), chunks.hidden(50, CPU)[::4, ::4])
    assert WHOLE.slower(4) == WHOLE


def test_draws_come_from_both_lists():
    drawn = {Chunks.draw((4, 8, -1), (8, -1)) for _ in range(200)}
    assert drawn == {Chunks(4, 8), Chunks(8, 8), Chunks(4, None), Chunks(8, None), WHOLE}
