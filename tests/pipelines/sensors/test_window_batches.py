import pytest
import torch
from sensor_data import people, recording

from audiossl.errors import ConfigError
from audiossl.pipelines.sensors.batches import WindowBatchConfig, WindowBatches
from audiossl.signals.sensors.windows import WindowConfig, WindowSet, cut_windows


def window_set(count=4):
    recordings = people(count)
    return WindowSet(recordings, cut_windows(recordings, WindowConfig(seconds=1.0, hop=0.5), None), "none")


def test_an_epoch_shows_each_window_once_in_an_order_of_its_own():
    windows = window_set()
    batches = WindowBatches(windows, range(len(windows)), WindowBatchConfig(size=8), seed=3)
    epochs = [[id_ for batch in batches(epoch) for id_ in batch.ids] for epoch in range(2)]
    for ids in epochs:
        assert len(ids) == len(set(ids)) == len(windows) // 8 * 8
    assert epochs[0] != epochs[1]
    assert [id_ for batch in batches(0) for id_ in batch.ids] == epochs[0]
    assert batches.steps_per_epoch(1) == len(windows) // 8


def test_any_step_can_be_resumed_and_batches_are_shared_out_whole():
    windows = window_set()
    batches = WindowBatches(windows, range(len(windows)), WindowBatchConfig(size=8), seed=3)
    whole = [batch.ids for batch in batches(1, 0, 2)]
    assert [batch.ids for batch in batches(1, 2, 2)] == whole[4:]


@pytest.mark.parametrize("subjects", [1, 2, 3])
def test_a_batch_holds_few_subjects(subjects):
    windows = window_set()
    rows = windows.of(["p0", "p1", "p2", "p3"])
    batches = list(WindowBatches(windows, rows, WindowBatchConfig(size=6, subjects=subjects), seed=3)(0))
    assert len(batches) >= 10
    for batch in batches:
        assert len(set(batch.subjects)) <= subjects
        assert len(batch.ids) == 6
    ids = [id_ for batch in batches for id_ in batch.ids]
    assert len(ids) == len(set(ids))


def test_people_with_too_few_windows_are_named_once(capsys):
    recordings = [*people(3), recording("p9_1", "p9", samples=100)]  # 1 window a second and a half
    windows = WindowSet(recordings, cut_windows(recordings, WindowConfig(seconds=1.0, hop=0.5), None), "none")
    for seed in range(2):
        batches = WindowBatches(windows, range(len(windows)), WindowBatchConfig(size=12, subjects=2), seed)
        assert "p9" not in {name for epoch in range(9) for batch in batches(epoch) for name in batch.subjects}
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("take 6 of each; never trained on, with fewer, are p9 (3)") == 1
    assert "p0" not in said


def test_only_chosen_windows_are_read():
    windows = window_set()
    batches = WindowBatches(windows, windows.of(["p1", "p2"]), WindowBatchConfig(size=4), seed=0)
    assert {subject for batch in batches(0) for subject in batch.subjects} == {"p1", "p2"}


def test_partners_are_near_and_of_the_same_recording():
    windows = window_set()
    place = {windows.values[row].numpy().tobytes(): row for row in range(len(windows))}
    batches = WindowBatches(windows, range(len(windows)), WindowBatchConfig(size=8, neighbours=1.0), seed=3)
    distances = set()
    for batch in batches(0):
        for id_, partner in zip(batch.ids, batch.partner, strict=True):
            row = place[partner.numpy().tobytes()]
            name, _, start = windows.ids[row].rpartition("@")
            mine, _, begin = id_.rpartition("@")
            assert name == mine
            distances.add((int(start) - int(begin)) / windows.rate)
    assert distances == {-1.0, -0.5, 0.0, 0.5, 1.0}
    first, second = ([batch.partner for batch in batches(epoch)] for epoch in (0, 0))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_impossible_batches_are_refused():
    windows = window_set()
    with pytest.raises(ConfigError, match="at least two windows"):
        WindowBatches(windows, [3], WindowBatchConfig(), 0)
    with pytest.raises(ConfigError, match="a size of at least 2"):
        WindowBatchConfig(size=1)
    with pytest.raises(ConfigError, match="no subject has 30 windows"):
        list(WindowBatches(windows, range(len(windows)), WindowBatchConfig(size=60, subjects=2), 0)(0))


@pytest.mark.parametrize("rate", [50.0, 51.2, 100 / 3])
def test_partners_are_as_far_as_asked_at_any_rate(rate):
    """Starts are rounded to samples, so that two windows may lie a sample further apart than asked."""
    recordings = [recording("a1", "a", samples=int(rate * 400), rate=rate, annotations={})]
    windows = WindowSet(recordings, cut_windows(recordings, WindowConfig(seconds=2.0, hop=1.0), None), "none")
    partners = WindowBatches(windows, range(len(windows)), WindowBatchConfig(neighbours=3.0), seed=0)._partners
    rows = torch.arange(len(windows))
    assert partners[:, 0].tolist() == (rows - 3).clamp(min=0).tolist()
    assert partners[:, 1].tolist() == (rows + 3).clamp(max=len(windows) - 1).tolist()
