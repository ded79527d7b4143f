import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_data import people, recording

from audiossl.errors import ConfigError, DataError
from audiossl.signals.sensors.recording import Annotation
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.windows import WindowConfig, WindowSet, cut_and_count, cut_windows


def test_windows_by_time_have_a_label_only_where_one_holds_throughout():
    windows = cut_windows([recording()], WindowConfig(seconds=2.0, hop=1.0), "activity")
    assert [window.start for window in windows] == [0, 50, 100, 150, 200, 250, 300, 350, 400]
    assert [window.value for window in windows] == ["walk"] * 4 + [None] + ["sit"] * 4


def graded(rate, seconds, length, hop):
    """A recording of some seconds whose windows by time have a label each, which may end half a sample behind it."""
    samples = int(rate * seconds)
    end = (samples + 0.499) / rate
    count = int((end - length) // hop) + 1
    marks = tuple(Annotation(i * hop, min(i * hop + length, end), float(i)) for i in range(count))
    return recording(samples=samples, rate=rate, annotations={"hr": marks}), count


@pytest.mark.parametrize("rate", [25.0, 64 / 3, 31.25, 33.3, 51.2, 100.0, 102.4, 127.9881, 204.8])
def test_windows_lie_where_time_says_at_any_rate(rate):
    """letswave6#60, biobankAccelerometerAnalysis#33: a hop in whole samples drifts, and labels vanish."""
    one, count = graded(rate, 600, 8.0, 2.0)
    windows = cut_windows([one], WindowConfig(seconds=8.0, hop=2.0), "hr")
    assert count >= 296 and [window.value for window in windows[:count]] == [float(i) for i in range(count)]
    assert max(abs(window.start / rate - 2 * i) for i, window in enumerate(windows)) <= 0.5 / rate + 1e-9


@settings(deadline=None, max_examples=50)
@given(st.floats(1.0, 500.0), st.floats(0.5, 20.0), st.floats(0.3, 20.0), st.sampled_from([0.5, 1.0]))
def test_starts_never_drift_and_labels_of_a_regular_grid_are_kept(rate, length, hop, min_share):
    if hop * rate < 1.5 or length * rate < 2:
        return
    one, count = graded(rate, 90, length, hop)
    windows = cut_windows([one], WindowConfig(seconds=length, hop=hop, min_share=min_share), "hr")
    assert all(abs(window.start - i * hop * rate) <= 0.5 + 1e-6 for i, window in enumerate(windows))
    assert {window.length for window in windows[:-1]} <= {round(length * rate)}
    assert round(length * rate) - windows[-1].length in (0, 1)
    assert all(0 <= window.start <= one.num_samples - window.length for window in windows)
    assert [window.value for window in windows[:count]] == [float(i) for i in range(count)]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 300), st.sampled_from([25.0, 50.0, 100.0, 128.0]))
def test_where_hop_times_rate_is_whole_nothing_moved(size, hop, samples, rate):
    """Starts of windows as they were cut before windows were placed by time."""
    one = recording(samples=samples, rate=rate, annotations={})
    if samples < size:
        return
    windows = cut_windows([one], WindowConfig(seconds=size / rate, hop=hop / rate), None)
    assert [window.start for window in windows] == list(range(0, samples - size + 1, hop))
    assert {window.length for window in windows} == {size}


def test_a_hop_below_a_sample_gives_each_window_once():
    windows = cut_windows([recording(samples=60)], WindowConfig(seconds=1.0, hop=0.009), None)
    assert [window.start for window in windows] == list(range(11))


def test_a_window_from_an_annotation_at_the_end_is_whole_at_any_rate():
    one = recording(samples=819, rate=102.4, annotations={"hr": (Annotation(2.0 - 0.002, 7.998, 60.0),)})
    (window,) = cut_windows([one], WindowConfig(seconds=6.0, by="annotation", min_share=1.0), "hr")
    assert (window.start, window.length, window.value) == (205, 614, 60.0)


def test_labels_that_are_not_known_give_windows_without():
    marks = tuple(Annotation(2.0 * i, 2.0 * i + 2, np.nan if i == 1 else None if i == 2 else float(i)) for i in range(5))
    one = recording(annotations={"hr": marks})
    for by in ("time", "annotation"):
        windows = cut_windows([one], WindowConfig(seconds=2.0, hop=2.0, by=by), "hr")
        assert [window.value for window in windows] == [0.0, None, None, 3.0, 4.0]


def test_declared_kinds_reach_labels_and_classes():
    marks = {"act": (Annotation(0.0, 2.0, 0.0), Annotation(2.0, 4.0, 1.0))}
    one, config = recording(samples=200, annotations=marks), WindowConfig(seconds=2.0, hop=2.0)
    windows, _ = cut_and_count([one], config, "act", ["1"], "class")
    assert [window.value for window in windows] == [None, "1"]
    text = recording(samples=200, annotations={"act": (Annotation(0.0, 2.0, "70.5"), Annotation(2.0, 4.0, "x"))})
    with pytest.raises(DataError, match="a1: act: expected a quantity, as is declared, got 'x'"):
        cut_and_count([text], config, "act", kind="quantity")


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
