import numpy as np
import pytest
import torch
from sensor_data import people, recording

from audiossl.errors import ConfigError, DataError
from audiossl.signals.sensors.recording import Annotation
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.windows import WindowConfig, WindowSet, cut_windows


def test_windows_by_time_have_a_label_only_where_one_holds_throughout():
    windows = cut_windows([recording()], WindowConfig(seconds=2.0, hop=1.0), "activity")
    assert [window.start for window in windows] == [0, 50, 100, 150, 200, 250, 300, 350, 400]
    assert [window.value for window in windows] == ["walk"] * 4 + [None] + ["sit"] * 4


def test_windows_by_annotation_start_where_it_does():
    marks = {"heart_rate": tuple(Annotation(float(t), t + 8.0, 60.0 + t) for t in (0, 2))}
    config = WindowConfig(seconds=8.0, hop=2.0, by="annotation")
    windows = cut_windows([recording(annotations=marks)], config, "heart_rate")
    assert [(window.start, window.length, window.value) for window in windows] == [(0, 400, 60.0), (100, 400, 62.0)]


def test_a_window_by_annotation_keeps_the_label_that_it_outlasts():
    """Words of asterisk are shorter than windows; by time such a window has no label."""
    marks = {"word": (Annotation(1.0, 1.4, "one"), Annotation(1.4, 5.0, "two"))}
    one = recording(annotations=marks)
    windows = cut_windows([one], WindowConfig(seconds=1.0, hop=1.0, by="annotation"), "word")
    assert [(window.start, window.value) for window in windows] == [(50, "one"), (70, "two")]
    assert cut_windows([one], WindowConfig(seconds=1.0, hop=1.0), "word")[1].value is None


def test_missing_samples_become_zero_and_empty_windows_are_left_out():
    one = recording(offset=5.0)
    one.values[0, 60:160] = np.nan  # all of the second window
    one.values[1, 5] = np.nan
    windows = cut_windows([one], WindowConfig(seconds=2.0, hop=2.0, min_share=0.6), None)
    assert [window.start for window in windows] == [0, 200, 300, 400]
    for normalise in ("training", "window", "none"):
        found = WindowSet([one], windows, normalise, ChannelStatistics.fit([one], ["a"]))
        assert found.values[0, 1, 5] == 0
        assert not found.values[0, 0, 60:].any()
        assert found.values.isfinite().all()


def test_short_recordings_give_one_short_window_that_is_zero_behind():
    one, long = recording("s1", "s", samples=80), recording("l1", "l", samples=100, seed=3)
    windows = cut_windows([one, long], WindowConfig(seconds=2.0, hop=2.0, min_share=0.75), None)
    found = WindowSet([one, long], windows, "none")
    assert found.lengths.tolist() == [80, 100]
    assert not found.values[0, :, 80:].any()
    np.testing.assert_array_equal(found.values[0, :, :80], one.values)


def test_window_normalisation_is_that_of_known_samples():
    one = recording(offset=100.0)
    one.values[0, :10] = np.nan
    found = WindowSet([one], cut_windows([one], WindowConfig(seconds=2.0, hop=2.0), None), "window")
    expected = one.values[0, 10:100]
    torch.testing.assert_close(
        found.values[0, 0, 10:], torch.from_numpy((expected - expected.mean()) / expected.std()), rtol=0, atol=1e-4
    )


def test_training_normalisation_uses_the_statistics_it_is_given():
    recordings = people(3)
    statistics = ChannelStatistics.fit(recordings, ["p0"])
    windows = cut_windows(recordings, WindowConfig(seconds=2.0, hop=2.0), "activity")
    found = WindowSet(recordings, windows, "training", statistics)
    p2 = found.values[found.of(["p2"])]
    assert p2.mean() == pytest.approx(2.0, abs=0.2)  # whoever has another offset keeps it
    assert [found.subjects[row] for row in found.of(["p1"])] == ["p1"] * 5
    assert len(found.of(["p1"], labelled=True)) == 4


def test_blocks_of_windows_change_nothing(monkeypatch):
    recordings = people(3)
    recordings[1].values[0, 60:70] = np.nan
    statistics = ChannelStatistics.fit(recordings, ["p0"])
    windows = cut_windows(recordings, WindowConfig(seconds=2.0, hop=1.0), "activity")
    whole = [WindowSet(recordings, windows, normalise, statistics).values for normalise in ("training", "window", "none")]
    monkeypatch.setattr("audiossl.signals.sensors.windows.BLOCK", 2)
    for normalise, values in zip(("training", "window", "none"), whole, strict=True):
        assert torch.equal(WindowSet(recordings, windows, normalise, statistics).values, values)


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(DataError, match="no recording gives a window of 30"):
        cut_windows([recording()], WindowConfig(seconds=30.0, hop=1.0), None)
    with pytest.raises(ConfigError, match="should be above 0"):
        WindowConfig(seconds=0.0)
    with pytest.raises(ConfigError, match="needs the statistics"):
        WindowSet([recording()], cut_windows([recording()], WindowConfig(), None), "training")
