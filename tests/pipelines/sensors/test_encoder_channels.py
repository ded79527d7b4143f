"""An encoder meets recordings of other channels, in another order, or in other units: refused, or converted on request."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_data import recording

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.models.connectivity_encoder import ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, SubjectConfig
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.encoder_channels import check_other_encoder, match_channels
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.signals.sensors.windows import WindowConfig
from audiossl.teachers.logmel import LogMelEncoder

TAKES = SensorInput(("acc_x", "acc_y"), ("g", "g"), 50.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"units": ("m/s^2", "m/s^2")},
            r"other units: mine takes acc_x in g, acc_y in g; the recordings, such as a1, have acc_x in m/s\^2, "
            r"acc_y in m/s\^2\. To convert .* convert_units: true",
        ),
        ({"channels": ("acc_y", "acc_x")}, "other order of channels: .* have acc_y in g, acc_x in g.* convert_units: true"),
        ({"channels": ("acc_y", "acc_x"), "units": ("g", "mg")}, "other units and order of channels"),
    ],
)
def test_what_can_be_converted_is_converted_on_request_only(change, said):
    one = replace(recording(), **change)
    with pytest.raises(DataError, match=said):
        match_channels("mine", TAKES, one)
    match_channels("mine", TAKES, one, convert=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": ("gyro_x", "gyro_y")}, "other channels: .* Take an encoder of these channels"),
        ({"channels": ("Acc X", "acc-y")}, "If Acc X and acc_x, acc-y and acc_y are the same, rename them in the prepare script"),
        ({"units": ("g", "rad/s")}, "other units: .* The unit of acc_y cannot be converted"),
        ({"units": ("1", "1")}, "The unit of acc_x cannot be converted"),
        ({"channels": ("acc_x",), "units": ("g",), "values": np.zeros((1, 500), np.float32)}, "other channels"),
    ],
)
@pytest.mark.parametrize("convert", [False, True])
def test_what_cannot_be_converted_is_refused_whatever_is_asked(change, said, convert):
    with pytest.raises(DataError, match=said):
        match_channels("mine", TAKES, replace(recording(), **change), convert)


def test_spellings_of_one_unit_are_one_unit():
    takes = SensorInput(TAKES.channels, ("m/s^2", "uV"), 50.0)
    match_channels("mine", takes, replace(recording(), units=("m/s²", "µV")))


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(4)), st.lists(st.sampled_from(["g", "mg", "m/s^2"]), min_size=8, max_size=8))
def test_converted_signals_are_what_the_encoder_was_trained_on(order, units):
    """Whatever order and units recordings have, the encoder gets the same physical signal."""
    in_base = {"g": 9.80665, "mg": 9.80665e-3, "m/s^2": 1.0}
    names = [f"c{place}" for place in range(4)]
    physical = torch.randn(2, 4, 10, generator=torch.Generator().manual_seed(0))
    takes = SensorInput(tuple(names), tuple(units[:4]), 50.0)
    have = [(names[place], units[4 + place]) for place in order]
    given_values = torch.stack([physical[:, place] / in_base[units[4 + place]] for place in order], 1)
    one = replace(
        recording(annotations={}),
        channels=tuple(name for name, _ in have),
        units=tuple(unit for _, unit in have),
        values=np.zeros((4, 500), np.float32),
    )
    found = match_channels("mine", takes, one, convert=True).convert(given_values)
    expected = torch.stack([physical[:, place] / in_base[units[place]] for place in range(4)], 1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_an_encoder_of_audio_or_of_the_brain_is_refused_by_name():
    one = recording(rate=52.3)
    mono = replace(one, channels=("acc",), units=("g",), values=one.values[:1])
    for found in (one, mono):
        with pytest.raises(DataError, match=r"logmel takes audio, one channel at 16000 Hz; .* acc.* in g.* at 52.3 Hz"):
            check_other_encoder("logmel", LogMelEncoder(), found)
    with pytest.raises(DataError, match=r"gin takes 2 regions of the brain, left, right; .* acc_x in g"):
        check_other_encoder("gin", ConnectivityEncoder(["left", "right"], 2.0), one)


@pytest.mark.parametrize("rate", [8000.0, 16000.0, 44100.0])
def test_an_encoder_of_audio_takes_audio(rate):
    voice = recording(rate=rate, samples=100, annotations={})
    check_other_encoder("logmel", LogMelEncoder(), replace(voice, channels=("voice",), units=("1",), values=voice.values[:1]))


@pytest.fixture
def encoder(tmp_path):
    torch.manual_seed(0)
    network = ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)).eval()
    SensorEncoder(network, TAKES, [0.1, -0.1], [1.0, 2.0]).save(tmp_path / "encoder")
    return tmp_path / "encoder"


def folds_of(tmp_path, encoder, name, change=None, scale=1.0, **options):
    change = change or {}
    recordings = [recording(f"p{i}_1", f"p{i}", 200, seed=i) for i in range(4)]
    order = [recordings[0].channels.index(channel) for channel in change.get("channels", ("acc_x", "acc_y"))]
    write_recordings(
        [replace(one, values=one.values[order] * np.float32(scale), **change) for one in recordings], tmp_path / name
    )
    models = {"statistics": SensorModel("statistics"), "mine": SensorModel("encoder", {"name": str(encoder), **options})}
    config = SensorsRecipe("toy", models, windows=WindowConfig(1.0, 1.0), subjects=SubjectConfig(test=["p3"], valid=1))
    return SensorFolds(tmp_path / name, FoldsConfig.of(config)), make_rows(config)["mine"]


def test_rows_give_the_same_features_in_any_order_and_unit_that_is_converted(tmp_path, encoder):
    found = {}
    for name, change, scale in [
        ("same", {}, 1.0),
        ("metric", {"units": ("m/s^2", "m/s^2")}, 9.80665),
        ("turned", {"channels": ("acc_y", "acc_x")}, 1.0),
    ]:
        folds, row = folds_of(tmp_path, encoder, name, change, scale, convert_units=True)
        row.check_recording(folds.recordings[0])
        row.check(tmp_path, folds)
        found[name] = row.features(folds.open(0), 1)
    torch.testing.assert_close(found["metric"], found["same"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["turned"], found["same"], rtol=1e-4, atol=1e-5)


def test_rows_are_compared_before_any_row_is_worked_on(tmp_path, encoder):
    folds, row = folds_of(tmp_path, encoder, "metric", {"units": ("m/s^2", "m/s^2")}, 9.80665)
    with pytest.raises(DataError, match=r"encoder takes acc_x in g.*acc_x in m/s\^2"):
        row.check_recording(folds.recordings[0])
    with pytest.raises(ConfigError, match=r"models\.mine\.options\.convert_units: expected true or false, got 'please'"):
        folds_of(tmp_path, encoder, "asked", convert_units="please")


def test_a_config_without_channels_is_named(tmp_path, encoder):
    values = json.loads((encoder / "config.json").read_text())
    values.pop("channels")
    (encoder / "config.json").write_text(json.dumps(values))
    folds, row = folds_of(tmp_path, encoder, "set")
    with pytest.raises(StoreError, match=r"config\.json does not say which channels"):
        row.check_recording(folds.recordings[0])
