"""Segments of recordings as items, read from their mean frame."""

from __future__ import annotations

import torch

from audiossl.evaluation.frame_task import Segment
from audiossl.evaluation.readout import Readout
from audiossl.evaluation.segment_task import SegmentTask
from audiossl.evaluation.splits import Splits

WORDS = ("yes", "no", "maybe")


def recording(number: int) -> list[Segment]:
    """Three words of half a second with gaps between them, in an order of the recording's own."""
    order = [WORDS[(number + place) % 3] for place in range(3)]
    return [Segment(word, place * 1.0, place * 1.0 + 0.5) for place, word in enumerate(order)]


SEGMENTS = {f"r{number:02d}": recording(number) for number in range(30)}
SPLITS = Splits(
    {"train": sorted(SEGMENTS)[:18], "valid": sorted(SEGMENTS)[18:24], "test": sorted(SEGMENTS)[24:]},
    {id_: id_ for id_ in SEGMENTS},
)


def frames_of(id_: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames at 10 Hz that hold the number of their word, and rubbish in the gaps."""
    times = (torch.arange(30, dtype=torch.float64) + 0.5) / 10
    frames = torch.full((30, 3), 100.0)
    for span in SEGMENTS[id_]:
        frames[(times >= span.start) & (times < span.end)] = torch.eye(3)[WORDS.index(span.label)]
    return frames, times


def test_mean_of_the_frames_inside_and_nothing_else():
    task = SegmentTask("d", "words", SEGMENTS, SPLITS)
    vector_of = task.vectors_of(frames_of)
    for key, (_, span) in task.spans.items():
        assert torch.equal(vector_of(key), torch.eye(3)[WORDS.index(span.label)])
    outcome = task.run("model", vector_of, Readout(num_resamples=50, k_grid=(1,)))
    assert [row.value for row in outcome.rows] == [1.0, 1.0]
    assert outcome.rows[0].n == 18 and outcome.total.tolist() == [3.0] * 6  # intervals resample recordings, not words


def test_segment_between_two_frames_takes_the_nearest():
    spans = {id_: [Segment(spans[0].label, 0.21, 0.24), *spans[1:]] for id_, spans in SEGMENTS.items()}
    task = SegmentTask("d", "words", spans, SPLITS)
    assert torch.equal(task.vectors_of(frames_of)("r00@0"), torch.eye(3)[WORDS.index(spans["r00"][0].label)])
