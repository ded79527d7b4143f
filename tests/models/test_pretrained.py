"""`from_pretrained` and `push_to_hub` on encoders: folders, the stand-in of the hub, and what is refused."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from audiossl.errors import ConfigError, StoreError
from audiossl.models import Zipformer, hub
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput


def zipformer() -> Zipformer:
    return Zipformer.from_preset("tiny", num_mel_bins=24, encoder_dim=[32] * 5, feedforward_dim=[32] * 5)


def sensor_encoder() -> SensorEncoder:
    takes = SensorInput(("x", "y"), ("g", "g"), 50.0)
    return SensorEncoder(ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)), takes, [1.0, -2.0], [3.0, 0.5])


def connectivity_encoder() -> ConnectivityEncoder:
    return ConnectivityEncoder(["a", "b", "c", "d"], 0.8, ConnectivityConfig(window=10, stride=5, dim=8, num_layers=1))


@pytest.mark.parametrize("make", [zipformer, sensor_encoder, connectivity_encoder])
def test_pushed_and_loaded(make, hub_stub):
    model = make()
    assert model.push_to_hub("anna/enc", private=True) == f"{hub_stub.url}/anna/enc"
    kept = hub_stub.repositories["anna/enc"]
    assert kept.private and "auto_map" not in json.loads(kept.files["config.json"]) and b"# enc" in kept.files["README.md"]
    assert ("preprocessor_config.json" in kept.files) == (make is zipformer)
    again = type(model).from_pretrained("anna/enc")
    assert type(again) is type(model) and not again.training
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    asked = len(hub_stub.asked)
    type(model).from_pretrained("anna/enc", revision=kept.sha, local_files_only=True)
    assert len(hub_stub.asked) == asked


def test_a_folder_and_the_wrong_class(tmp_path):
    folder = zipformer().save_pretrained(tmp_path / "enc")
    assert Zipformer.from_pretrained(str(folder)).dim == 32
    with pytest.raises(StoreError, match="holds no sensor encoder that can be read, but a Zipformer"):
        SensorEncoder.from_pretrained(folder)


def test_a_config_imports_no_class(tmp_path):
    folder = zipformer().save_pretrained(tmp_path / "enc")
    (folder / "config.json").write_text(json.dumps({"model_type": "antigravity:fly"}))
    with pytest.raises(ConfigError, match="nothing was imported"):
        Zipformer.from_pretrained(folder)
    assert "antigravity" not in sys.modules


def test_a_repository_that_is_not_there_or_is_private(hub_stub, monkeypatch):
    with pytest.raises(StoreError, match="could not be fetched from the Hugging Face hub"):
        Zipformer.from_pretrained("anna/nothing")
    zipformer().push_to_hub("anna/enc", private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(StoreError, match="could not be fetched"):
        hub.load("anna/enc")
    with pytest.raises(ConfigError, match="does not give the repository"):
        zipformer().push_to_hub("anna/enc2")


def test_no_token_and_no_owner(hub_stub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="set HF_TOKEN"):
        zipformer().push_to_hub("anna/enc")
    with pytest.raises(ConfigError, match="say whose repository"):
        zipformer().push_to_hub("enc")
    assert hub_stub.asked == []
