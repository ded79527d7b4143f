"""Tables of sensors and of BOLD runs into the store that audio goes into, and models that do not take them."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from own_data import write_people, write_runs

import audiossl
from audiossl.embedding.extract import embed_paths
from audiossl.embedding.plan import plan_embedding
from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import ConfigError
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput


@pytest.fixture(scope="module")
def walker():
    torch.manual_seed(0)
    network = ResNet1d(3, 25.0, ResNet1dConfig(width=8, num_blocks=2, dim=8))
    return audiossl.load(SensorEncoder(network.eval(), SensorInput(("x", "y", "z"), ("m/s^2",) * 3, 25.0, "none")))


@pytest.fixture(scope="module")
def brain():
    torch.manual_seed(0)
    regions = tuple(f"R{number}" for number in range(8))
    return audiossl.load(ConnectivityEncoder(regions, 2.0, ConnectivityConfig(window=20, stride=10, dim=8, num_layers=1)).eval())


def test_tables_and_arrays_of_sensors(tmp_path, walker, capsys):
    write_people(tmp_path / "people", 2, rate=25.0, seconds=8.0)
    (tmp_path / "people" / "broken.csv").write_text("t,x,y\n0,1,1\n0.04,1,1\n")
    np.save(tmp_path / "people" / "array.npy", np.random.default_rng(0).normal(size=(100, 3)))
    summary = embed_paths(walker, [tmp_path / "people"], tmp_path / "store", dtype="float32", progress=False)
    assert (summary.num_written, summary.num_rejected) == (3, 1) and "no column 'z'" in summary.first_rejected
    store = EmbeddingStore.open(tmp_path / "store")
    lines = (tmp_path / "people" / "person1.csv").read_text().splitlines()[1:]
    signal = np.array([[float(cell) for cell in line.split(",")[1:4]] for line in lines], np.float32).T
    assert torch.allclose(torch.from_numpy(np.array(store["person1"])), walker.embed(signal).frames, atol=1e-5)
    assert "array.npy: no column of times" in capsys.readouterr().err
    again = embed_paths(walker, [tmp_path / "people"], tmp_path / "store", dtype="float32", progress=False)
    assert (again.num_written, again.num_present) == (0, 3)
    plan = plan_embedding(walker, [tmp_path / "people"], tmp_path / "other", where="subject == 'p0'")
    assert plan.num_recordings == 1 and plan.hours == pytest.approx(8 / 3600, rel=0.02)


def test_units_and_gaps(tmp_path, walker):
    lines = [f"{i / 25 + 3 * (i >= 60):.3f},{i % 5},0,1" for i in range(120)]
    (tmp_path / "g.csv").write_text("time,x (g),y (g),z (g)\n" + "\n".join(lines))
    embed_paths(walker, [tmp_path / "g.csv"], tmp_path / "store", dtype="float32", progress=False)
    store = EmbeddingStore.open(tmp_path / "store")
    signal = 9.80665 * np.array([[float(cell) for cell in line.split(",")[1:]] for line in lines], np.float32).T
    assert sorted(store.ids) == ["g_1", "g_2"], "a gap of 3 s parts two recordings"
    assert torch.allclose(torch.from_numpy(np.array(store["g_2"])), walker.embed(signal[:, 60:]).frames, atol=1e-4)


def test_a_folder_of_bold_runs_with_people(tmp_path, brain, capsys):
    write_runs(tmp_path / "tables", 6)
    table, where = tmp_path / "people.csv", "sex == 'f'"
    summary = embed_paths(brain, [tmp_path / "tables"], tmp_path / "store", pool="mean", table=table, where=where, progress=False)
    assert summary.num_written == 3 and "taken for 2 s" in capsys.readouterr().err
    assert len(EmbeddingStore.open(tmp_path / "store").ids) == 3


def test_what_a_model_does_not_take_is_named(tmp_path, walker, brain):
    folder = write_people(tmp_path / "people", 1)
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    np.save(tmp_path / "a.npy", np.zeros((3, 100)))
    for model, place, message in (
        (walker, "a.wav", r"a\.wav is a file of audio; .* takes 3 channels at 25 Hz"),
        (brain, "a.wav", r"a\.wav is a file of audio"),
        ("logmel", "people/person0.csv", r"person0\.csv holds series of numbers, .*logmel takes audio"),
        ("logmel", "a.npy", r"a\.npy holds series of numbers"),
        (walker, "nothing.csv", "found nothing at"),
    ):
        with pytest.raises(ConfigError, match=message):
            embed_paths(audiossl.load(model), [tmp_path / place], tmp_path / "store", progress=False)
    summary = embed_paths(brain, [folder], tmp_path / "store", progress=False)
    assert summary.num_written == 0 and summary.num_rejected == 1
