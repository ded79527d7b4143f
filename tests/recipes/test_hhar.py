"""HHAR: two sensors with times of their own become one recording; holes, clocks and files that are not as they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imu_layouts import hhar_rows, write_hhar

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Annotation, Rejected

PREPARE = load_script(Path(__file__).resolve().parents[2] / "recipes/hhar/prepare.py", functions=("recordings",)).module
ACC, GYRO = (1.0, -2.0, 3.0), (0.5, 0.25, -0.125)


def times(start: float, end: float, rate: float, seed: int = 0) -> np.ndarray:
    """Times of samples with jitter; microseconds, so that nothing is rounded on the way."""
    even = np.arange(start, end, 1 / rate)
    return np.round(even + np.random.default_rng(seed).uniform(-0.2, 0.2, len(even)) / rate, 6)


def rows(person: str, phone: str, seconds: np.ndarray, slopes: tuple[float, ...], label: str = "walk", **options):
    return list(hhar_rows(person, phone, seconds, slopes, [label] * len(seconds), **options))


def lines(start: float, count: int) -> np.ndarray:
    """What the six channels are on the grid."""
    grid = start + np.arange(count) / 50
    return np.stack([slope * grid + place for slopes in (ACC, GYRO) for place, slope in enumerate(slopes)])


def test_every_axis_is_on_the_grid(tmp_path):
    acc_times, gyro_times = times(0, 3, 200, 1), times(0.5, 3.5, 100, 2)
    folder = write_hhar(
        tmp_path,
        [*rows("a", "nexus4_1", acc_times, ACC), *rows("b", "s3_2", acc_times, ACC), *rows("a", "samsungold_1", acc_times, ACC)],
        [*rows("a", "nexus4_1", gyro_times, GYRO), *rows("b", "s3_2", gyro_times, GYRO)],
    )
    first, second = PREPARE.recordings(tmp_path, None)
    assert (first.id, first.subject, first.rate, first.custom) == ("a_nexus4_1_001", "a", 50.0, {"phone": "nexus4_1"})
    assert (second.id, second.subject) == ("b_s3_2_001", "b")
    count = int((acc_times[-1] - gyro_times[0]) * 50) + 1
    np.testing.assert_allclose(first.values, lines(gyro_times[0], count), rtol=1e-5, atol=1e-5)
    assert first.annotations == {"activity": (Annotation(0.0, count / 50, "walking"),)}
    again, _ = PREPARE.recordings(folder, None)
    np.testing.assert_array_equal(again.values, first.values)
    assert again.annotations == first.annotations
    assert [one.id for one in PREPARE.recordings(tmp_path, 1)] == ["a_nexus4_1_001"]


def test_order_and_repetition_of_rows_do_not_matter(tmp_path):
    acc, gyro = rows("a", "s3_1", times(0, 2, 150), ACC), rows("a", "s3_1", times(0, 2, 150, 3), GYRO)
    write_hhar(tmp_path / "sorted", acc, gyro)
    np.random.default_rng(0).shuffle(acc)
    write_hhar(tmp_path / "shuffled", [*acc, acc[5]], [*gyro[50:], *gyro[:50]])
    (expected,), (found,) = (PREPARE.recordings(tmp_path / name, None) for name in ("sorted", "shuffled"))
    np.testing.assert_array_equal(found.values, expected.values)


def test_holes(tmp_path):
    even = np.round(np.arange(0, 6, 0.01), 6)
    with_hole = even[(even <= 1.0) | (even >= 1.5)]  # missing samples
    interrupted = even[(even <= 3.0) | (even >= 4.5)]  # another recording
    write_hhar(tmp_path, rows("c", "s3mini_1", with_hole, ACC), rows("c", "s3mini_1", interrupted, GYRO))
    first, second = PREPARE.recordings(tmp_path, None)
    assert (first.num_samples, second.num_samples) == (151, 75)
    missing = np.isnan(first.values)
    assert np.flatnonzero(missing[0]).tolist() == list(range(51, 75)) and (missing[:3] == missing[0]).all()
    assert not missing[3:].any()
    np.testing.assert_allclose(np.where(missing, 0, first.values), np.where(missing, 0, lines(0, 151)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(second.values, lines(4.5, 75), rtol=1e-5, atol=1e-5)


def test_labels(tmp_path):
    even = np.round(np.arange(0, 3, 0.01), 6)
    labels = ["null"] * 100 + ["stairsup"] * 50 + ["bike"] * 150
    write_hhar(tmp_path, list(hhar_rows("a", "s3_1", even, ACC, labels)), rows("a", "s3_1", even, GYRO, label="sit"))
    (found,) = PREPARE.recordings(tmp_path, None)
    assert found.annotations["activity"] == (Annotation(1.0, 1.5, "upstairs"), Annotation(1.5, 3.0, "biking"))


def test_what_cannot_be_paired_is_rejected(tmp_path):
    early, late = times(0, 2, 100), times(50, 52, 100)
    restarted = rows("d", "nexus4_1", early, ACC, delay=40) + rows("d", "nexus4_1", early + 3, ACC, delay=2)
    folder = write_hhar(
        tmp_path,
        [*rows("a", "s3_1", early, ACC), *rows("b", "s3_1", early, ACC), *restarted],
        [*rows("b", "s3_1", late, GYRO), *rows("c", "s3_1", early, GYRO), *rows("d", "nexus4_1", early, GYRO)],
    )
    rejected = {one.id: one.reason for one in PREPARE.recordings(tmp_path, None) if isinstance(one, Rejected)}
    assert all(reason.startswith(f"{folder}: ") for reason in rejected.values())
    assert {id_: reason.partition(": ")[2] for id_, reason in rejected.items()} == {
        "a_s3_1": "Phones_gyroscope.csv has no samples of s3_1 on a",
        "b_s3_1": "Phones_accelerometer.csv and Phones_gyroscope.csv share no time of s3_1 on b",
        "c_s3_1": "Phones_accelerometer.csv has no samples of s3_1 on c",
        "d_nexus4_1": "Phones_accelerometer.csv: samples arrive 37 s before ones created earlier",
    }


def test_a_stray_time_costs_no_memory(tmp_path):
    even = np.round(np.arange(0, 1, 0.01), 6)
    stray = np.append(even, 3e8)  # ten years later
    write_hhar(tmp_path, rows("a", "s3_1", stray, ACC), rows("a", "s3_1", stray, GYRO))
    assert [one.num_samples for one in PREPARE.recordings(tmp_path, None)] == [50, 1]


def test_damaged_or_missing_files_are_named(tmp_path):
    acc, gyro = rows("a", "s3_1", times(0, 1, 50), ACC), rows("a", "s3_1", times(0, 1, 50), GYRO)
    for cut in (-20, -2):
        folder = write_hhar(tmp_path, acc, [*gyro[:-1], gyro[-1][:cut]])
        with pytest.raises(DataError, match=r"Phones_gyroscope\.csv"):
            list(PREPARE.recordings(tmp_path, None))
    for damaged in (acc[3].replace(",", ",one", 3), acc[3].replace(acc[3].split(",")[2], "")):
        write_hhar(tmp_path, [*acc[:3], damaged, *acc[4:]], gyro)
        with pytest.raises(DataError, match=r"Phones_accelerometer\.csv"):
            list(PREPARE.recordings(tmp_path, None))
    write_hhar(tmp_path, acc, [])
    with pytest.raises(DataError, match=r"Phones_gyroscope\.csv holds no rows"):
        list(PREPARE.recordings(tmp_path, None))
    (folder / "Phones_gyroscope.csv").unlink()
    with pytest.raises(DataError, match=r"lacks Phones_gyroscope\.csv"):
        list(PREPARE.recordings(tmp_path, None))
