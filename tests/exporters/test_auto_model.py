"""`transformers.AutoModel` on folders of ours: local code, batches as clips alone, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

import audiossl
from audiossl.errors import ConfigError, DataError
from audiossl.models import Zipformer, hub
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.extractor_config import write_extractor
from audiossl.models.model_facts import ModelFacts
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", autouse=True)
def _registered():
    audiossl.register_transformers()
    audiossl.register_transformers()  # changes nothing


def auto(folder, **options):
    return transformers.AutoModel.from_pretrained(str(folder), **options)


def test_a_padded_batch_gives_what_clips_give_alone(checkpoint):
    model, encoder = auto(checkpoint), hub.load(checkpoint)
    lengths = torch.tensor([16000, 9000, 4321])
    signal = 0.1 * torch.randn(3, 16000)  # noise also where the mask is 0
    mask = (torch.arange(16000) < lengths[:, None]).long()
    batch = model(signal, attention_mask=mask, output_hidden_states=True)
    assert not model.training and len(batch.hidden_states) == encoder.num_layers == model.config.num_hidden_layers
    assert batch.last_hidden_state.shape[2] == model.config.hidden_size == encoder.dim
    for row, size in enumerate(lengths.tolist()):
        alone = model(signal[row : row + 1, :size], output_hidden_states=True)
        ours = encoder(signal[row : row + 1, None, :size], lengths[row : row + 1])
        count = int(batch.last_lengths[row])
        assert count == alone.last_hidden_state.shape[1] == int(batch.lengths[row])
        torch.testing.assert_close(batch.last_hidden_state[row, :count], alone.last_hidden_state[0], atol=1e-5, rtol=1e-5)
        assert torch.equal(alone.last_hidden_state, ours.last) and not batch.last_hidden_state[row, count:].any()
        for whole, one in zip(batch.hidden_states, alone.hidden_states, strict=True):
            torch.testing.assert_close(whole[row, :count], one[0], atol=1e-5, rtol=1e-5)


def test_hidden_states_only_where_they_are_asked_for(checkpoint):
    model, signal = auto(checkpoint), torch.randn(1, 8000)
    assert model(signal).hidden_states is None
    plain = model(signal, return_dict=False, output_hidden_states=True)
    assert isinstance(plain, tuple) and torch.equal(plain[0], model(signal).last_hidden_state)
    assert auto(checkpoint, output_hidden_states=True)(signal).hidden_states is not None


def test_the_extractor_pads_and_marks(checkpoint, tmp_path):
    encoder = hub.load(checkpoint)
    hub.save(encoder, tmp_path)
    write_extractor(ModelFacts.of(encoder, "me/mine"), tmp_path)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(str(tmp_path))
    clips = [torch.randn(9000).numpy(), torch.randn(16000).numpy()]
    batch = extractor(clips, sampling_rate=16000, padding=True, return_tensors="pt")
    frames = auto(tmp_path)(**batch)
    alone = auto(tmp_path)(torch.from_numpy(clips[0])[None]).last_hidden_state[0]
    torch.testing.assert_close(frames.last_hidden_state[0, : len(alone)], alone, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="sampling rate"):
        extractor(clips, sampling_rate=8000)


def test_sensors_and_brains(tmp_path):
    takes = SensorInput(("x", "y"), ("g", "g"), 50.0)
    sensors = SensorEncoder(ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)), takes).eval()
    brains = ConnectivityEncoder(["a", "b", "c", "d"], 0.8, ConnectivityConfig(window=10, stride=5, dim=8, num_layers=1)).eval()
    for encoder, channels in ((sensors, 2), (brains, 4)):
        folder = tmp_path / str(channels)
        hub.save(encoder, folder, {"dataset": "steps", "subjects": ["a"]})
        signal, lengths = torch.randn(2, channels, 60), torch.tensor([60, 40])
        model = auto(folder)
        found = model(signal, attention_mask=(torch.arange(60) < lengths[:, None]).long())
        ours = encoder(signal[1:, :, :40], lengths[1:]).last
        torch.testing.assert_close(found.last_hidden_state[1:, : ours.shape[1]], ours, atol=1e-5, rtol=1e-5)
        model.save_pretrained(tmp_path / "again")
        assert json.loads((tmp_path / "again" / "config.json").read_text()) == json.loads((folder / "config.json").read_text())


def test_what_is_refused(checkpoint, tmp_path):
    model = auto(checkpoint)
    with pytest.raises(DataError, match="pad on the right"):
        model(torch.randn(1, 8000), attention_mask=(torch.arange(8000) >= 100).long()[None])
    with pytest.raises(ConfigError, match="without device_map='auto'"):
        type(model).from_pretrained(str(checkpoint), device_map="auto")
    with pytest.raises(ConfigError, match=r"float16"):
        auto(checkpoint, dtype=torch.float16)
    with pytest.raises(ConfigError, match="comes with its weights"):
        transformers.AutoModel.from_config(model.config)
    hub.save(ConnectivityEncoder(["a", "b"], 1.0, ConnectivityConfig(window=10, dim=4, num_layers=1)), tmp_path)
    with pytest.raises(ConfigError, match="of type 'audiossl_connectivity', expected 'spear'"):
        type(model).from_pretrained(tmp_path)


def test_hf_names_say_how_such_a_folder_is_loaded(checkpoint, hub_stub, monkeypatch):
    wanted = r"is an encoder of audiossl, of type spear: load it as '.*', without hf:"
    with pytest.raises(ConfigError, match=wanted):
        audiossl.load(f"hf:{checkpoint}")
    monkeypatch.delitem(transformers.models.auto.configuration_auto.CONFIG_MAPPING._extra_content, "spear")
    Zipformer.from_pretrained(checkpoint).push_to_hub("anna/enc")
    for name in (checkpoint, "anna/enc"):  # also where nobody registered anything
        with pytest.raises(ConfigError, match=wanted):
            audiossl.load(f"hf:{name}")


def test_code_that_a_config_points_to_is_not_run(checkpoint, tmp_path):
    hub.save(hub.load(checkpoint), tmp_path)
    assert "auto_map" in json.loads((tmp_path / "config.json").read_text())
    mark = tmp_path / "was_run"
    for name in ("configuration_spear.py", "modeling_spear.py"):
        (tmp_path / name).write_text(f"open({str(mark)!r}, 'w')\n")
    assert auto(tmp_path).encoder.dim == 16 and not mark.exists()


def test_a_repository_of_the_hub(checkpoint, hub_stub, tmp_path):
    model = hub.load(checkpoint)
    assert isinstance(model, Zipformer)
    model.push_to_hub("anna/enc")
    signal = torch.randn(1, 8000)
    found = transformers.AutoModel.from_pretrained("anna/enc", cache_dir=str(tmp_path / "cache"))
    assert torch.equal(found(signal).last_hidden_state, model(signal[:, None], torch.tensor([8000])).last)
    assert found.push_to_hub("anna/enc2") and hub_stub.repositories["anna/enc2"].files == {
        name: content.replace(b"anna/enc", b"anna/enc2").replace(b"# enc\n", b"# enc2\n") if name == "README.md" else content
        for name, content in hub_stub.repositories["anna/enc"].files.items()
    }
