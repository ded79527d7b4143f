"""HEAR's archives, and what the stand-ins are made with."""

from __future__ import annotations

import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hear_toy_tasks import write_scene_task

from audiossl.errors import DataError
from audiossl.evaluation.hear.task import find_tasks, read_task
from audiossl.pipelines.prepare_script import load_script

RECIPE = Path(__file__).parents[2] / "recipes" / "hear"


def pack(folder, archive, name):
    task = write_scene_task(folder, clips_per_class=1)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(task, f"tasks/{name}")


def test_archives_are_unpacked_into_tasks(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    prepare = load_script(RECIPE / "prepare.py", ["prepare_tasks"]).module.prepare_tasks
    with pytest.raises(DataError, match="found none"):
        prepare(tmp_path / "tasks", data)
    pack(tmp_path / "made", data / "hear-esc50-48000.tar.gz", "esc50-v2.0.0-full")
    prepare(tmp_path / "tasks", data)
    (task,) = find_tasks(tmp_path / "tasks")
    assert task.name == "esc50-v2.0.0-full" and read_task(task).files("fold00")
    pack(tmp_path / "made_too", data / "other.tar.gz", "something-else")
    with pytest.raises(DataError, match=r"other\.tar\.gz: expected official tasks"):
        prepare(tmp_path / "again", data)


def sound_font(path, samples):
    """One instrument with one zone: keys 40 to 80, a sample at key 60 whose second half is a loop."""

    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data

    generators = [(43, 40 | 80 << 8), (53, 0), (58, 60)]
    lists = {
        b"inst": struct.pack("<20sH", b"tone", 0) + struct.pack("<20sH", b"EOI", 1),
        b"ibag": struct.pack("<HH", 0, 0) + struct.pack("<HH", len(generators), 0),
        b"igen": b"".join(struct.pack("<HH", *item) for item in generators) + bytes(4),
        b"shdr": struct.pack("<20s5IBbHH", b"tone", 0, len(samples), len(samples) // 2, len(samples), 16000, 69, 0, 0, 1)
        + bytes(46),
    }
    pdta = b"pdta" + b"".join(chunk(name, data) for name, data in lists.items())
    pcm = (32767 * samples).astype("<i2").tobytes()
    path.write_bytes(chunk(b"RIFF", b"sfbk" + chunk(b"LIST", b"sdta" + chunk(b"smpl", pcm)) + chunk(b"LIST", pdta)))


def test_notes_have_their_pitch(tmp_path):
    read = load_script(RECIPE / "sound_font.py", ["read_instruments"]).module.read_instruments
    period = 40  # samples: 400 Hz at key 60
    sound_font(tmp_path / "font.sf2", 0.5 * np.sin(2 * np.pi * np.arange(20 * period) / period))
    (zone,) = read(tmp_path / "font.sf2")["tone"]
    assert (zone.low, zone.high, zone.root) == (40, 80, 60)
    for key, pitch in ((60, 400.0), (72, 800.0), (48, 200.0)):
        note = zone.play(float(key), 1.0, 16000)
        assert len(note) == 16000 and np.abs(np.fft.rfft(note)).argmax() == pytest.approx(pitch, abs=1)
    (tmp_path / "no.sf2").write_bytes(b"RIFF0000sfbk")
    with pytest.raises(DataError, match=r"no\.sf2 cannot be read"):
        read(tmp_path / "no.sf2")
    (tmp_path / "wave.sf2").write_bytes(b"RIFF0000WAVE")
    with pytest.raises(DataError, match="no SoundFont 2 file"):
        read(tmp_path / "wave.sf2")
