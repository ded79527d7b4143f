from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.evaluation import FrameTask, Readout, Segment, Splits, difference, sample_at
from audiossl.evaluation.frame_task import ordered, segment_at

LABELS = "abcd"
QUICK = Readout(num_resamples=200)


def corpus(num_items=30, seed=0, labels=LABELS):
    """Items of random segments of 0.2 to 0.4 s from 0.1 s on, five to a speaker."""
    generator = torch.Generator().manual_seed(seed)
    segments = {}
    for number in range(num_items):
        start, inside = 0.1, []
        for _ in range(6):
            length = 0.2 + 0.2 * torch.rand((), generator=generator).item()
            label = labels[int(torch.randint(len(labels), (), generator=generator))]
            inside.append(Segment(label, start, start + length))
            start += length
        segments[f"item {number:03d}"] = inside
    ids = list(segments)
    cut, next_cut = num_items // 2, num_items * 3 // 4
    return segments, Splits(
        {"train": ids[:cut], "valid": ids[cut:next_cut], "test": ids[next_cut:]},
        {item_id: f"speaker {'xyz'[(i >= cut) + (i >= next_cut)]} {i % 4}" for i, item_id in enumerate(ids)},
    )


def frames_of(segments, rate=50.0, noise=0.3, dim=6):
    """A model that sees the label of each frame through noise."""
    codes = torch.randn(27, dim, generator=torch.Generator().manual_seed(7)) * 3

    def give(item_id):
        times = (torch.arange(int(2.6 * rate), dtype=torch.float64) + 0.5) / rate
        inside = segments[item_id]
        place = segment_at(ordered(inside, item_id), times)
        letters = torch.tensor([ord(inside[p].label) - 97 if p >= 0 else 26 for p in place.tolist()])
        generator = torch.Generator().manual_seed(int(item_id[-3:]))
        return codes[letters] + noise * torch.randn(len(times), dim, generator=generator), times

    return give


def test_labels_at_the_edges():
    segments = [Segment("a", 0.1, 0.2), Segment("b", 0.2, 0.3), Segment("c", 0.5, 0.6)]
    times = torch.tensor([0.0, 0.0999, 0.1, 0.15, 0.2, 0.29999, 0.3, 0.4, 0.5, 0.6, 9.0], dtype=torch.float64)
    assert segment_at(segments, times).tolist() == [-1, -1, 0, 0, 1, 1, -1, -1, 2, -1, -1]


def test_rounding_of_a_boundary_does_not_move_a_label():
    cells = [Segment(str(i), i * 0.01, (i + 1) * 0.01) for i in range(2000)]  # 7 * 0.01 is not 0.07
    times = torch.arange(2000, dtype=torch.float64) / 100
    assert segment_at(cells, times).tolist() == list(range(2000))


@given(
    centres=st.lists(st.integers(0, 400), min_size=1, max_size=30, unique=True).map(sorted),
    at=st.lists(st.integers(-50, 500), min_size=1, max_size=20),
    context=st.integers(0, 3),
)
def test_sample_at_is_nearest_frame_with_neighbours(centres, at, context):
    times = torch.tensor(centres, dtype=torch.float64) / 100
    frames = torch.arange(len(centres), dtype=torch.float32)[:, None]
    got = sample_at(frames, times, torch.tensor(at, dtype=torch.float64) / 100, context)
    for row, instant in zip(got.tolist(), at, strict=True):
        nearest = min(range(len(centres)), key=lambda i: (abs(centres[i] - instant), i))
        assert row == [min(max(nearest + offset, 0), len(centres) - 1) for offset in range(-context, context + 1)]


def test_instants_are_the_labelled_cells_of_the_grid():
    segments, splits = corpus()
    task = FrameTask("toy", "letters", segments, splits)
    times, y = task.instants("item 000")
    inside = segments["item 000"]
    grid = [(k + 0.5) / 50 for k in range(1000)]
    expected = [(t, s.label) for t in grid for s in inside if s.start <= t < s.end]
    assert times.tolist() == pytest.approx([t for t, _ in expected])
    assert [task.labels[number] for number in y.tolist()] == [label for _, label in expected]


def test_clear_features_score_nearly_one_and_noise_scores_chance():
    segments, splits = corpus()
    task = FrameTask("toy", "letters", segments, splits)
    clear = task.run("clear", frames_of(segments), readout=QUICK)
    assert [row.metric for row in clear.rows] == ["accuracy", "knn_accuracy"]
    for row in clear.rows:
        assert row.value > 0.97 and row.low <= row.value <= row.high
    torch.manual_seed(1)
    blind = task.run("blind", lambda item_id: (torch.randn(130, 6), torch.arange(130).double() / 50), readout=QUICK)
    test = task.examples("test", frames_of(segments))
    most = torch.bincount(test.y).max().item() / len(test.y)
    assert blind.rows[0].low - 0.05 <= 0.25 <= blind.rows[0].high + 0.05 and blind.rows[0].value < most + 0.1
    better = difference(clear, blind)
    assert better.low > 0.5 and better.value == pytest.approx(clear.rows[0].value - blind.rows[0].value)


def test_models_of_any_frame_rate_share_the_test_instants():
    segments, splits = corpus()
    task = FrameTask("toy", "letters", segments, splits)
    outcomes = [task.run("m", frames_of(segments, rate), readout=QUICK) for rate in (25.0, 50.0, 100.0)]
    assert len({row.n for outcome in outcomes for row in outcome.rows}) == 1
    assert all(torch.equal(outcome.total, outcomes[0].total) for outcome in outcomes)


def test_context_helps_where_frames_are_noisy():
    segments, splits = corpus(60)
    task = FrameTask("toy", "letters", segments, splits)
    noisy = frames_of(segments, noise=6.0)
    only_probe = Readout(knn=False, num_resamples=200)
    alone, stacked = (task.run("m", noisy, context, only_probe) for context in (0, 4))
    assert task.examples("valid", noisy, 4).x.shape[1] == 9 * 6
    assert stacked.rows[0].value > alone.rows[0].value + 0.05


def test_order_of_items_does_not_matter():
    segments, splits = corpus()
    shuffled = Splits({split: list(reversed(ids)) for split, ids in splits.ids.items()}, dict(reversed(splits.groups.items())))
    turned = {item_id: list(reversed(inside)) for item_id, inside in reversed(segments.items())}
    a = FrameTask("toy", "letters", segments, splits).run("m", frames_of(segments, noise=3.0), readout=QUICK)
    b = FrameTask("toy", "letters", turned, shuffled).run("m", frames_of(segments, noise=3.0), readout=QUICK)
    assert a.rows == b.rows and a.chosen == b.chosen


def test_test_labels_choose_nothing():
    segments, splits = corpus()
    model = frames_of(segments, noise=4.0)
    outcomes = []
    for seed in range(4):
        permuted = dict(segments)
        order = torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(seed)).tolist()
        for item_id in splits.ids["test"]:
            permuted[item_id] = [Segment(LABELS[order[LABELS.index(s.label)]], s.start, s.end) for s in segments[item_id]]
        outcomes.append(FrameTask("toy", "letters", permuted, splits).run("m", model, readout=QUICK))
    assert all(outcome.chosen == outcomes[0].chosen for outcome in outcomes)
    assert all(outcome.valid_accuracy == outcomes[0].valid_accuracy for outcome in outcomes)
    assert len({outcome.rows[0].value for outcome in outcomes}) > 1  # the scores, though, are of the labels


def test_labels_unknown_to_train_count_as_errors():
    segments, splits = corpus()
    task = FrameTask("toy", "letters", segments, splits)
    for item_id in splits.ids["test"]:
        segments[item_id] = [Segment("z", s.start, s.end) for s in segments[item_id]]
    strange = FrameTask("toy", "letters", segments, splits)
    assert strange.labels == task.labels
    row = strange.run("m", frames_of(segments), readout=QUICK).rows[0]
    assert row.value == 0.0 and row.n == sum(len(task.instants(item_id)[0]) for item_id in splits.ids["test"])


def test_bad_tasks_are_refused():
    segments, splits = corpus()
    with pytest.raises(DataError, match="item 003"):
        FrameTask("toy", "letters", {**segments, "item 003": []}, splits)
    with pytest.raises(DataError, match=r"item 003.*overlap"):
        FrameTask("toy", "letters", {**segments, "item 003": [Segment("a", 0, 1), Segment("b", 0.5, 2)]}, splits)
    with pytest.raises(DataError, match=r"item 003.*after"):
        FrameTask("toy", "letters", {**segments, "item 003": [Segment("a", 1, 1)]}, splits)
    task = FrameTask("toy", "letters", segments, splits)
    with pytest.raises(DataError, match="item 000"):
        task.run("m", lambda item_id: (torch.zeros(3, 2), torch.zeros(4)))
