import numpy as np
import pytest
from sensor_data import people

from audiossl.errors import DataError
from audiossl.signals.sensors.statistics import ChannelStatistics


def test_equal_to_numpy_over_known_samples_of_chosen_subjects():
    recordings = people(4)
    recordings[1].values[0, 100:] = np.nan
    found = ChannelStatistics.fit(recordings, ["p1", "p2"])
    values = np.concatenate([recordings[1].values, recordings[2].values], axis=1).astype(np.float64)
    np.testing.assert_allclose(found.mean, np.nanmean(values, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, np.nanstd(values, axis=1), rtol=1e-5)
    assert found.subjects == ("p1", "p2")


def test_other_subjects_leave_no_trace():
    recordings = people(4)
    before = ChannelStatistics.fit(recordings, ["p0"])
    recordings[3].values[:] = 1e6
    after = ChannelStatistics.fit(recordings, ["p0"])
    assert before.mean.tolist() == after.mean.tolist()
    assert before.deviation.tolist() == after.deviation.tolist()


def test_large_offsets_keep_their_digits_and_constants_stay_finite():
    recordings = people(1)
    recordings[0].values[0] += 1e5
    recordings[0].values[1] = 7.0
    found = ChannelStatistics.fit(recordings, ["p0"])
    np.testing.assert_allclose(found.deviation[0], recordings[0].values[0].astype(np.float64).std(), rtol=1e-4)
    assert (float(found.mean[1]), float(found.deviation[1])) == (7.0, 1.0)


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e-13), (2e-6, 1e-12), (1e6, 1.0)])
def test_constant_is_said_of_the_size_of_a_channel(offset, scale):
    recordings = people(1)
    values = recordings[0].values
    values[0] = offset + scale * np.random.default_rng(0).standard_normal(values.shape[1])
    expected = values[0].astype(np.float64).std()
    np.testing.assert_allclose(ChannelStatistics.fit(recordings, ["p0"]).deviation[0], expected, rtol=1e-4)
    values[0] = offset + scale
    assert float(ChannelStatistics.fit(recordings, ["p0"]).deviation[0]) == 1.0


def test_a_channel_without_samples_is_refused():
    recordings = people(1)
    recordings[0].values[1] = np.nan
    for subjects in (["p0"], ["nobody"]):
        with pytest.raises(DataError, match="expected samples of every channel"):
            ChannelStatistics.fit(recordings, subjects)
