"""Sleep-EDF in miniature."""

from __future__ import annotations

import numpy as np
import pytest
from edf_files import write_edf_notes
from sensor_layouts import cut, only_rejection, prepare_of, recordings_of, write_sleep

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation

PREPARE = prepare_of("sleep_edf")


@pytest.fixture
def root(tmp_path):
    write_sleep(tmp_path)
    return tmp_path


def test_nights_are_cut_to_half_an_hour_around_sleep(root):
    items = recordings_of(PREPARE, root)
    assert [(item.id, item.subject) for item in items] == [
        ("SC4001E0", "SC400"),
        ("SC4002E0", "SC400"),
        ("SC4011E0", "SC401"),
        ("ST7011J0", "ST701"),
    ]
    night = items[0]
    assert (night.rate, night.channels, night.units) == (100.0, ("EEG Fpz-Cz",), ("uV",))
    assert night.custom == {"session": "1", "study": "SC"}
    # Sleep is in epochs 140 to 147, of which 143 is movement.
    numbers = np.repeat(np.arange(80, 208), 3000)
    np.testing.assert_allclose(night.values[0], numbers, atol=1e-3)
    stages = {140: "N1", 141: "N2", 142: "N2", 144: "N3", 145: "N3", 146: "REM", 147: "REM"}
    expected = [(place, stages.get(place, "W")) for place in range(80, 208) if place != 143]
    assert night.annotations["stage"] == tuple(
        Annotation(30.0 * (place - 80), 30.0 * (place - 79), stage) for place, stage in expected
    )
    assert [item.id for item in recordings_of(PREPARE, root, limit=1)] == ["SC4001E0"]


def test_nights_that_begin_or_end_with_sleep_are_kept_whole(tmp_path):
    write_sleep(tmp_path, epochs=(("2", 3), ("W", 1), ("R", 2), ("?", 1)))
    night = recordings_of(PREPARE, tmp_path, limit=1)[0]
    assert night.values.shape == (1, 6 * 3000)
    assert [stretch.value for stretch in night.annotations["stage"]] == ["N2", "N2", "N2", "W", "REM", "REM"]


def test_damaged_nights_are_rejected_by_name(root):
    folder = root / "sleep-cassette"
    cut(folder / "SC4002E0-PSG.edf")
    assert only_rejection(recordings_of(PREPARE, root), "SC4002E0-PSG.edf: ").id == "SC4002E0"
    write_sleep(root)
    hypnogram = folder / "SC4002EC-Hypnogram.edf"
    cut(hypnogram)
    only_rejection(recordings_of(PREPARE, root), "SC4002EC-Hypnogram.edf: ")
    for notes, reason in [
        ([(0, 60, "Sleep stage 5")], "expected a sleep stage, got 'Sleep stage 5'"),
        ([(0, 45, "Sleep stage 1")], "expected stages in epochs of 30 s"),
        ([(0, 60, "Sleep stage 1"), (30, 30, "Sleep stage 2")], "'Sleep stage 2' at 30 s begins before the stage before it ends"),
        ([(0, 600, "Sleep stage W")], "expected epochs of sleep"),
    ]:
        write_edf_notes(hypnogram, notes)
        only_rejection(recordings_of(PREPARE, root), f"SC4002EC-Hypnogram.edf: {reason}")
    for start, reason in [
        ("25.04.8916.13.00", "'Sleep stage 1' at 86400 s lies outside the signal's"),
        ("24.04.8916.12.30", "'Sleep stage 1' at -30 s lies outside the signal's"),
        ("24.04.8916.13.10", "expected stages in epochs of 30 s, got 60 s at 10 s"),
        ("yesterday", "expected a start as dd.mm.yyhh.mm.ss, got 'yesterday'"),
    ]:
        write_edf_notes(hypnogram, [(0, 60, "Sleep stage 1")], start=start)
        only_rejection(recordings_of(PREPARE, root), f"SC4002EC-Hypnogram.edf: {reason}")


def test_a_hypnogram_that_begins_later_is_moved(root):
    """Its stages count from its own start."""
    hypnogram = root / "sleep-cassette" / "SC4002EC-Hypnogram.edf"
    write_edf_notes(hypnogram, [(0, 60, "Sleep stage 1"), (60, 30, "Sleep stage 2")], start="24.04.8916.14.30")  # 90 s later
    (night,) = [item for item in recordings_of(PREPARE, root) if item.id == "SC4002E0"]
    stages = [(stretch.start, stretch.value) for stretch in night.annotations["stage"]]
    assert stages == [(90.0, "N1"), (120.0, "N1"), (150.0, "N2")]


def test_missing_files_are_named(root, tmp_path):
    (root / "sleep-telemetry" / "ST7011JP-Hypnogram.edf").unlink()
    with pytest.raises(DataError, match=r"expected one ST7011J\?-Hypnogram\.edf"):
        list(PREPARE.recordings(root, None))
