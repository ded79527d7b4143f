"""Tiny copies of sensor data sets in their true layouts on disk, and what every prepare script must keep."""

from __future__ import annotations

import pickle
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from edf_files import write_edf, write_edf_notes
from scipy.io import savemat

from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Rejected, SensorRecording

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def prepare_of(name):
    """The module of a recipe's prepare script."""
    return load_script(RECIPES / name / "prepare.py", functions=("recordings",)).module


def recordings_of(module, root, limit=None):
    """All recordings and rejections, after a second run has given the same."""
    first, second = (list(module.recordings(root, limit)) for _ in range(2))
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        if isinstance(one, Rejected):
            assert one == other
            continue
        for field in ("id", "subject", "rate", "channels", "units", "annotations", "custom"):
            assert getattr(one, field) == getattr(other, field)
        np.testing.assert_array_equal(one.values, other.values)
        assert one.values.dtype == np.float32
    assert len({item.id for item in first}) == len(first)
    return first


def cut(path):
    """Damage a file as an interrupted copy does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def only_rejection(items, name):
    """The one rejection among the items, which names this file."""
    (rejected,) = (item for item in items if isinstance(item, Rejected))
    assert name in rejected.reason
    assert all(isinstance(item, SensorRecording) for item in items if item is not rejected)
    return rejected


def pulse(seconds, rate, bpm):
    """A heart beat with a slow drift, as a wrist sensor sees it."""
    time = np.arange(round(seconds * rate)) / rate
    return 40 * np.sin(2 * np.pi * bpm / 60 * time) + 100 * np.sin(2 * np.pi * 0.05 * time) - 45


def write_spc_training(folder, seconds=12.0):
    """Training part of the IEEE Signal Processing Cup: `sig` 6 x S (ECG, two PPG, acceleration) at 125 Hz, `BPM0` L x 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for person in range(1, 13):
        name = f"DATA_{person:02d}_TYPE{1 if person == 1 else 2:02d}"
        ppg = pulse(seconds, 125, 60 + 5 * person)
        noise = np.random.default_rng(person).normal(size=(4, len(ppg)))
        savemat(folder / f"{name}.mat", {"sig": np.stack([noise[0], ppg, 3 * ppg, *noise[1:]])})
        savemat(folder / f"{name}_BPMtrace.mat", {"BPM0": np.full((3, 1), 60.0 + 5 * person)})


def write_spc_test(folder, seconds=12.0):
    """Test part: `sig` 5 x S (two PPG, acceleration) in TestData, `BPM0` in TrueBPM."""
    names = ("S01_T01", "S02_T01", "S02_T02", "S03_T02", "S04_T02", "S05_T02", "S06_T01", "S06_T02", "S07_T02", "S08_T01")
    for part in ("TestData", "TrueBPM"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        ppg = pulse(seconds, 125, 80 + place)
        noise = np.random.default_rng(100 + place).normal(size=(3, len(ppg)))
        savemat(folder / "TestData" / f"TEST_{name}.mat", {"sig": np.stack([ppg, ppg, *noise])})
        savemat(folder / "TrueBPM" / f"True_{name}.mat", {"BPM0": np.full((3, 1), 80.0 + place)})


def dalia_pickle(person, seconds=13.0):
    """The content of S1.pkl of PPG-DaLiA, pickled as by Python 2."""
    bvp = pulse(seconds, 64, 60 + 2 * person)[:, None]
    labels = np.full(int((seconds - 8) // 2) + 1, 60.0 + 2 * person)
    content = {
        "signal": {
            "wrist": {"BVP": bvp, "ACC": np.zeros((round(32 * seconds), 3)), "EDA": np.zeros((round(4 * seconds), 1))},
            "chest": {"ECG": np.zeros((round(700 * seconds), 1))},
        },
        "label": labels,
        "activity": np.zeros((round(4 * seconds), 1)),
        "rpeaks": np.arange(9),
        "questionnaire": {"AGE": 34, "Gender": " m"},
        "subject": f"S{person}",
    }
    return pickle.dumps(content, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_dalia(folder, people=range(1, 16)):
    """PPG_FieldStudy of PPG-DaLiA, unpacked."""
    for person in people:
        path = folder / "PPG_FieldStudy" / f"S{person}" / f"S{person}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dalia_pickle(person))


def write_dalia_archive(folder):
    """The archive's own content: an archive."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "data.zip", "w") as files:
        for person in range(1, 16):
            files.writestr(f"PPG_FieldStudy/S{person}/S{person}.pkl", dalia_pickle(person))


def write_clemson(folder, num_samples=1000):
    """Synchronised release of the Clemson pedometer data; the sample files of semi-regular walks are spelt with a small r."""
    for person in range(1, 31):
        for gait, spelling in (("Regular", "Regular"), ("SemiRegular", "Semiregular"), ("Irregular", "Irregular")):
            place = folder / f"P{person:03d}" / gait
            place.mkdir(parents=True, exist_ok=True)
            values = np.tile([0.0, 0.6, -0.8, 9, 9, 9, 9, 9, 9], (num_samples, 1))
            np.savetxt(place / f"P{person:03d}_{spelling}.txt", values, fmt="%.4f")
            feet = ("right", "left")
            steps = [f"{5 + 9 * step} {feet[step % 2]}" for step in range(100)]
            (place / "steps.txt").write_text("\n".join(["2 leftshift", *steps, f"{num_samples + 40} rightshift"]) + "\n")


LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def write_ecg(folder, name, codes, seconds=10.0):
    """A record of PhysioNet's challenges: lead k is a constant of k / 10 mV with a beat of 1 Hz on it."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(500 * seconds)) / 500
    values = np.stack([np.round(100 * place + 500 * np.sin(2 * np.pi * time)) for place in range(12)]).astype(np.int16)
    lines = [f"{name} 12 500 {len(time)} 05-Feb-2020 11:39:16"]
    lines += [
        f"{name}.mat 16+24 1000/mV 16 0 {row[0]} {row.sum(dtype=np.int16)} 0 {lead}"
        for lead, row in zip(LEADS, values, strict=True)
    ]
    lines += ["#Age: 74", "#Sex: Male", f"#Dx: {codes}", "#Rx: Unknown", "#Hx: Unknown", "#Sx: Unknown"]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    savemat(folder / f"{name}.mat", {"val": values}, format="4")


def write_cpsc(folder):
    """CPSC2018 in the Challenge of 2020, two groups; the fourth record is too short."""
    write_ecg(folder / "training" / "cpsc_2018" / "g1", "A0001", "426783006", seconds=15.0)
    write_ecg(folder / "training" / "cpsc_2018" / "g1", "A0002", "59118001,164889003")
    write_ecg(folder / "training" / "cpsc_2018" / "g2", "A0003", "164884008", seconds=11.01)
    write_ecg(folder / "training" / "cpsc_2018" / "g2", "A0004", "164889003", seconds=9.0)
    write_ecg(folder / "training" / "georgia" / "g1", "E00001", "426783006")


def write_chapman(folder):
    """Chapman-Shaoxing with a record of Ningbo behind it."""
    write_ecg(folder / "WFDBRecords" / "01" / "010", "JS00001", "164889003,59118001,164934002")
    write_ecg(folder / "WFDBRecords" / "01" / "010", "JS00002", "426177001,164934002")
    write_ecg(folder / "WFDBRecords" / "01" / "011", "JS00103", "39732003,427084000")
    write_ecg(folder / "WFDBRecords" / "10" / "106", "JS10646", "426783006")
    write_ecg(folder / "WFDBRecords" / "10" / "107", "JS10647", "426783006")


NIGHTS = (("SC4001E0", "SC4001EC"), ("SC4002E0", "SC4002EC"), ("SC4011E0", "SC4011EH"), ("ST7011J0", "ST7011JP"))


def write_sleep(
    folder, epochs=(("W", 140), ("1", 1), ("2", 2), ("Movement time", 1), ("3", 1), ("4", 1), ("R", 2), ("W", 80), ("?", 3))
):
    """Sleep-EDF: nights of both studies, 100 Hz EEG beside a slower signal; the score goes on behind the end of the signal."""
    notes, onset = [], 0
    for stage, count in epochs:
        notes.append((onset, 30 * count, stage if stage == "Movement time" else f"Sleep stage {stage}"))
        onset += 30 * count
    num_epochs = onset // 30 - 1
    for night, hypnogram in NIGHTS:
        place = folder / ("sleep-cassette" if night.startswith("SC") else "sleep-telemetry")
        place.mkdir(parents=True, exist_ok=True)
        eeg = np.repeat(np.arange(num_epochs), 3000)  # each epoch holds its number
        signals = [("EEG Fpz-Cz", "uV", (-2048, 2047), eeg), ("Temp rectal", "DegC", (34, 40), np.zeros(30 * num_epochs))]
        write_edf(place / f"{night}-PSG.edf", signals, record_seconds=30, num_records=num_epochs)
        write_edf_notes(place / f"{hypnogram}-Hypnogram.edf", notes)


def write_heartpy(folder, seconds=70.0):
    """The data of heartpy's wheel, with the marks of a wheel: beats 60, 72 and 90 times a minute."""
    place = folder / "heartpy" / "data"
    place.mkdir(parents=True, exist_ok=True)
    (folder / "heartpy-1.2.7.dist-info").mkdir(exist_ok=True)
    rows = [f"{value:.0f}" for value in 500 + pulse(seconds, 100, 60)]
    (place / "data.csv").write_text("\n".join(rows))
    rows = [f"{1000 * place / 117:.6f},{value:.0f}" for place, value in enumerate(500 + pulse(seconds, 117, 72))]
    (place / "data2.csv").write_text("\n".join(["timer,hr", *rows]) + "\n")
    first = datetime(2016, 11, 24, 13, 58, 58, 81000)
    dates = [first + timedelta(milliseconds=16 * (place * 10 // 16)) for place in range(round(2 * seconds * 100))]
    rows = [f"{date},{value:.0f}" for date, value in zip(dates, 500 + pulse(2 * seconds, 100, 90), strict=True)]
    (place / "data3.csv").write_text("\n".join(["datetime,hr", *rows]))
