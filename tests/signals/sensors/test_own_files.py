"""Files as people keep them: how tables are written, what time is, gaps, labels, and whose a file is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from edf_files import stamped, write_edf
from own_data import RATE, walk_table, write_people

from audiossl.errors import ConfigError, DataError
from audiossl.signals.file_search import find_files
from audiossl.signals.sensors.clock import read_clock
from audiossl.signals.sensors.columns import read_columns
from audiossl.signals.sensors.grid import on_grid, stretches
from audiossl.signals.sensors.own_files import SUFFIXES, OwnFiles, Reading
from audiossl.signals.sensors.recording import SensorRecording


def table(folder, *lines, name="a.csv", encoding="utf-8"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def read(folder, *channels, **words):
    found = list(Reading(OwnFiles(tuple(find_files([folder], SUFFIXES)), channels, **words)))
    return [one for one in found if isinstance(one, SensorRecording)], [
        one for one in found if not isinstance(one, SensorRecording)
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_semicolons_commas_units_and_marks(tmp_path, encoding):
    columns = read_columns(table(tmp_path, "t;x (g);y", "s;g;m/s²", "0,5;1,25;", "1,0;-2;nan", encoding=encoding))
    assert columns.names == ("t", "x", "y") and columns.units["x"] == "g" and columns.units["y"] == "m/s²"
    assert columns.numbers("x").tolist() == [1.25, -2.0] and np.isnan(columns.numbers("y")).all()
    with pytest.raises(DataError, match=r"line 4: expected a number in column x, got 'two'"):
        read_columns(table(tmp_path, "t;x", "s;g", "0,5;1", "1,0;two")).numbers("x")


def test_parquet_and_arrays_are_tables_too(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"t": [0.0, 0.1], "x": [1, 2]}), tmp_path / "a.parquet")
    np.savez(tmp_path / "b.npz", t=np.arange(4.0), acc=np.ones((3, 4)))
    np.save(tmp_path / "c.npy", np.zeros((2, 2)))
    assert read_columns(tmp_path / "a.parquet").numbers("x").tolist() == [1.0, 2.0]
    assert read_columns(tmp_path / "b.npz").names == ("t", "acc_0", "acc_1", "acc_2")
    with pytest.raises(DataError, match="does not say which side is time"):
        read_columns(tmp_path / "c.npy")
    with pytest.raises(DataError, match="is empty"):
        read_columns(table(tmp_path, ""))


@pytest.mark.parametrize(
    ("header", "cells", "rate", "unit"),
    [
        ("t", ("0", "0.02"), 0, "s"),
        ("t_ms", ("0", "20"), 0, "ms"),
        ("time (ms)", ("0", "20"), 0, "ms"),
        ("t", ("0", "20"), 52.3, "ms"),
        ("t", ("1700000000000", "1700000000020"), 0, "ms"),
        ("t", ("2024-05-31 14:02:07.100", "2024-05-31 14:02:07.120"), 0, "datetime"),
        ("t", ("2024-05-31T14:02:07.100+02:00", "2024-05-31T14:02:07.120+02:00"), 0, "datetime"),
    ],
)
def test_units_of_time(tmp_path, header, cells, rate, unit):
    columns = read_columns(table(tmp_path, f"{header},x", *(f"{cell},1" for cell in cells)))
    times, found = read_clock(columns, columns.names[0], rate=float(rate))
    assert found == unit and times.tolist() == pytest.approx([0.0, 0.02], abs=1e-6)


def test_time_that_may_be_either_is_asked_for(tmp_path):
    counted = read_columns(table(tmp_path, "t,x", "0,1", "1,1", "2,1"))
    with pytest.raises(ConfigError, match="a number of samples, or seconds"):
        read_clock(counted, "t", rate=50.0)
    steps = read_columns(table(tmp_path, "t,x", "0,1", "20,1", "40,1"))
    with pytest.raises(ConfigError, match=r"time_unit=ms \(50 Hz\)"):
        read_clock(steps, "t")
    with pytest.raises(DataError, match="line 3: no time in column t"):
        read_clock(read_columns(table(tmp_path, "t,x", "0,1", ",1")), "t")


def test_stretches_and_grid():
    times = np.array([0.0, 0.1, 0.3, 0.2, 0.2, 0.4, 1.5, 1.6, 0.0, 0.1])
    values = np.array([[0.0, 1, 3, 2, 2, 4, 15, 16, 7, 8]])
    counts = Counter()
    found = list(stretches(times, np.arange(10), values, account=counts))
    assert [one.rows.tolist() for one in found] == [[0, 1, 3, 2, 5], [6, 7], [8, 9]]
    assert (counts["gaps"], counts["restarts"], counts["copies of rows"], counts["rows out of order"]) == (1, 1, 1, 1)
    values[0, 4] = 9
    with pytest.raises(DataError, match="1 rows have the time of the row before and other values"):
        list(stretches(times, np.arange(10), values))
    wave = np.sin(2 * np.pi * 1.5 * np.arange(500) / 100)[None]
    half = on_grid(wave, np.arange(500) / 100, 50.0)
    assert half.shape == (1, 250) and np.abs(half[0, 20:-20] - wave[0, 40:-40:2]).max() < 0.02
    jittered = np.arange(500) / 100 + np.random.default_rng(0).uniform(-0.02, 0.02, 500).cumsum() * 0.01
    assert on_grid(wave, jittered, 100.0).shape[1] == pytest.approx(500, abs=3)


def test_people_labels_and_rates(tmp_path):
    lines = [walk_table(person, seconds=4.0) for person in range(3)]
    table(tmp_path, lines[0][0], *(line for one in lines for line in one[1:]), name="all.csv")
    found, rejected = read(tmp_path, "x", "y", "z", time="t", label="activity", person="subject")
    assert [one.subject for one in found] == ["p0", "p1", "p2"] and not rejected and found[0].rate == RATE
    labels = [(mark.start, mark.value) for mark in found[1].annotations["activity"]]
    assert labels == [(0.0, "sit"), (pytest.approx(2.0, abs=0.02), "walk")]


def test_holes_in_labels_and_samples_stay_holes(tmp_path):
    cells = [line.split(",") for line in walk_table(0, seconds=4.0)]
    for row in range(50, 80):
        cells[row][4] = ""
    cells[10][1], cells[20][1] = "NaN", ""
    table(tmp_path, *map(",".join, cells))
    (one,), _ = read(tmp_path, "x", "y", "z", time="t", label="activity")
    known = [(mark.start * RATE, mark.end * RATE) for mark in one.annotations["activity"]]
    assert known[0] == (0.0, pytest.approx(49, abs=0.01)) and known[1][0] == pytest.approx(79, abs=0.01)
    assert np.flatnonzero(np.isnan(one.values[0])).tolist() == [9, 19]


def test_whose_a_file_is(tmp_path):
    for name in ("ann", "ben"):
        for part in ("a", "b"):
            write_people(tmp_path / name, 1, seconds=1.0, seed=ord(name[0]) + ord(part))
            (tmp_path / name / "person0.csv").rename(tmp_path / name / f"{part}.csv")
    words = {"time": "t", "label": "activity"}
    with pytest.raises(ConfigError, match="files of the same names lie in ann, ben"):
        read(tmp_path, "x", **words)
    assert {one.subject for one in read(tmp_path, "x", person="folder", **words)[0]} == {"ann", "ben"}
    assert {one.subject for one in read(tmp_path, "x", person=r"(\w)en|ann", **words)[0]} <= {"b"}
    assert {one.id for one in read(tmp_path, "x", person="file", **words)[0]} == {"ann_a", "ann_b", "ben_a", "ben_b"}


def test_rates_and_units_that_differ_are_named(tmp_path):
    write_people(tmp_path, 1, seconds=2.0)
    table(tmp_path, *walk_table(1, seconds=2.0, rate=104.6), name="fast.csv")
    with pytest.raises(ConfigError, match=r"files have several, 52 Hz \(1 file\), 100 Hz \(1 file\)"):
        read(tmp_path, "x", time="t")
    assert {one.rate for one in read(tmp_path, "x", time="t", rate=50.0)[0]} == {50.0}
    table(tmp_path, "t,x (g)", "0,1", "0.02,1", name="g.csv")
    with pytest.raises(ConfigError, match=r"says none|says g"):
        read(tmp_path, "x", time="t", rate=50.0)


def test_edf_files_and_their_notes(tmp_path):
    steps = np.arange(200, dtype=np.int16)
    raw = [b"+0\x14\x14\x00+1\x152\x14sleep\x14\x00", b"+2\x14\x14\x00"]
    signals = [
        ("C3", "uV", (-100, 100), steps),
        ("C4", "uV", (-100, 100), steps[:100]),
        ("EDF Annotations", "", (-1, 1), stamped(raw)),
    ]
    write_edf(tmp_path / "night.edf", signals, 2, 2, kind="EDF+C")
    (one,), rejected = read(tmp_path, label="stage")
    assert one.channels == ("C3", "C4") and one.rate == 50.0 and one.num_samples == 200 and one.units == ("uV", "uV")
    assert [(mark.start, mark.end, mark.value) for mark in one.annotations["stage"]] == [(1.0, 3.0, "sleep")] and not rejected
    with pytest.raises(ConfigError, match="channels: no file has a column 'C5'"):
        read(tmp_path, "C5", label="stage")
