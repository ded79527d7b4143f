import numpy as np
import torch
from sensor_data import recording

from audiossl.signals.sensors.next_windows import follows
from audiossl.signals.sensors.windows import WindowConfig, WindowSet, cut_windows

CONFIG = WindowConfig(seconds=1.0, hop=0.5, normalise="none")


def window_set(recordings, config=CONFIG):
    return WindowSet(recordings, cut_windows(recordings, config, None), "none")


def test_windows_of_two_recordings_of_one_person_are_no_neighbours():
    windows = window_set([recording("a1", "a", 100), recording("a2", "a", 100), recording("b1", "b", 50)])
    assert windows.ids == ["a1@0", "a1@25", "a1@50", "a2@0", "a2@25", "a2@50", "b1@0"]
    assert follows(windows, range(7), 0.5).tolist() == [False, True, True, False, True, True, False]


def test_windows_across_one_that_was_left_out_are_no_neighbours():
    """Of the recording samples 100 to 150 are missing; and of the rows that are asked about, one may be left out."""
    gapped = recording("a1", "a", 300)
    values = np.array(gapped.values)
    values[:, 100:150] = np.nan
    windows = window_set([type(gapped)("a1", "a", 50.0, gapped.channels, gapped.units, values)])
    starts = [int(id_.partition("@")[2]) for id_ in windows.ids]
    found = follows(windows, range(len(windows)), 0.5)
    assert starts == [0, 25, 50, 150, 175, 200, 225, 250] and found.tolist() == [False, True, True, False, *[True] * 4]
    assert follows(windows, [0, 2, 3, 4], 0.5).tolist() == [False, False, False, True]


def test_hops_that_are_no_whole_number_of_samples_are_met_to_a_sample():
    config = WindowConfig(seconds=1.0, hop=0.53, normalise="none")
    windows = window_set([recording("a1", "a", 1000)], config)
    gaps = {int(b.partition("@")[2]) - int(a.partition("@")[2]) for a, b in zip(windows.ids, windows.ids[1:], strict=False)}
    assert gaps == {26, 27}
    assert torch.equal(follows(windows, range(len(windows)), 0.53), torch.arange(len(windows)) > 0)
    assert not follows(windows, range(len(windows)), 1.06).any()
