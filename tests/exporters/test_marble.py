"""The file for MARBLE v2: hidden states as its transforms take them, and its configurations rewritten."""

from __future__ import annotations

import pytest
import torch
import yaml
from test_export_hear import imported

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.exporters.marble import MarbleEncoder, MarbleExport, main
from audiossl.exporters.source import model_source
from audiossl.load import load

CONFIG = """
trainer: {logger: {init_args: {name: probe.Beats.MERT-v1-95M, save_dir: ./output/probe.Beats.MERT-v1-95M/}}, precision: bf16}
model:
  class_path: marble.tasks.Beats.probe.ProbeAudioTask
  init_args:
    sample_rate: 24000
    fps: 75
    encoder: {class_path: marble.encoders.MERT.model.MERT_v1_95M_Encoder, init_args: {train_mode: freeze}}
    emb_transforms:
    - {class_path: marble.modules.transforms.LayerSelector, init_args: {layers: [7, "9..11"]}}
    - {class_path: marble.modules.transforms.MLPReduce, init_args: {num_layers: 13, hidden_size: 768}}
    decoders:
    - {class_path: marble.modules.decoders.MLPDecoder, init_args: {in_dim: 768, out_dim: 3, hidden_layers: [512]}}
data:
  init_args:
    audio_transforms:
      train:
      - {class_path: marble.encoders.MERT.model.MERT_v1_95M_FeatureExtractor, init_args: {squeeze: true}}
      - {class_path: marble.modules.transforms.AddNoise, init_args: {snr_min: 5.0}}
    train: {class_path: marble.tasks.Beats.datamodule.Train, init_args: {sample_rate: 24000, label_freq: 75, clip_seconds: 30}}
"""


@pytest.fixture
def exported(checkpoint, tmp_path):
    return imported(MarbleExport().write(model_source(str(checkpoint)), tmp_path / "my_student.py"))


def test_hidden_states_are_those_of_the_model(exported, checkpoint):
    encoder, model = exported.MyStudentEncoder(), load(checkpoint)
    audio = 0.1 * torch.randn(2, 1, 20000)
    states = encoder(audio)
    assert isinstance(states, tuple) and len(states) == model.num_layers == encoder.N_TRANSFORMER_LAYERS
    stacked = torch.stack([states[i] for i in range(len(states))], dim=1)  # as LayerSelector does
    assert stacked.shape[3] == encoder.NUM_FEATURES and encoder.SAMPLING_RATE == 16000
    assert abs(stacked.shape[2] - 20000 / 16000 * encoder.TOKEN_RATE) <= 4  # convolutions without padding
    torch.testing.assert_close(stacked[1], model.embed(audio[1, 0], layers="all").frames, atol=1e-5, rtol=0)


def test_a_short_clip_of_a_batch_has_the_states_that_it_has_alone(exported):
    encoder = exported.MyStudentEncoder()
    audio = 0.1 * torch.randn(2, 20000)
    together, alone = encoder(audio, torch.tensor([20000, 8000]))[-1], encoder(audio[1:, :8000])[-1]
    torch.testing.assert_close(together[1, : alone.shape[1]], alone[0], atol=1e-5, rtol=0)
    assert (together[1, alone.shape[1] :] == 0).all()


def test_the_final_output_alone(checkpoint, tmp_path):
    module = imported(MarbleExport(layers="last").write(model_source(str(checkpoint)), tmp_path / "last.py"))
    [state] = module.LastEncoder()(torch.zeros(1, 16000))
    assert state.shape[2] == module.LastEncoder.NUM_FEATURES and module.LastEncoder.N_TRANSFORMER_LAYERS == 1


def test_a_configuration_of_marble_is_rewritten(exported, tmp_path, capsys):
    (tmp_path / "probe.MERT-v1-95M.Beats.yaml").write_text(CONFIG)
    main(exported.MyStudentEncoder, exported.__file__, [str(tmp_path / "probe.MERT-v1-95M.Beats.yaml")])
    printed = capsys.readouterr().out
    assert "MERT" not in printed and "75" not in printed and "24000" not in printed
    config, kind = yaml.safe_load(printed), exported.MyStudentEncoder
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    assert model["encoder"] == {"class_path": "my_student.MyStudentEncoder"}
    assert model["emb_transforms"][0]["init_args"] == {"layers": [kind.N_TRANSFORMER_LAYERS - 1]}
    assert model["emb_transforms"][1]["init_args"] == {"num_layers": kind.N_TRANSFORMER_LAYERS, "hidden_size": kind.NUM_FEATURES}
    assert model["decoders"][0]["init_args"] == {"in_dim": kind.NUM_FEATURES, "out_dim": 3, "hidden_layers": [512]}
    assert data["audio_transforms"]["train"] == [
        {"class_path": "marble.modules.transforms.AddNoise", "init_args": {"snr_min": 5.0}}
    ]
    assert data["train"]["init_args"] == {"sample_rate": 16000, "label_freq": kind.TOKEN_RATE, "clip_seconds": 30}
    assert config["trainer"]["logger"]["init_args"]["name"] == "probe.Beats.my_student"


def test_what_cannot_be_rewritten_is_said(exported, make_clicks, tmp_path):
    with pytest.raises(ConfigError, match=r"python my_student\.py configs/"):
        main(exported.MyStudentEncoder, exported.__file__, ["nothing.yaml"])
    (tmp_path / "other.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=r"model\.init_args\.encoder"):
        main(exported.MyStudentEncoder, exported.__file__, [str(tmp_path / "other.yaml")])
    exported.MyStudentEncoder.TOKEN_RATE = 31.25
    (tmp_path / "probe.A.B.yaml").write_text(CONFIG)
    with pytest.raises(ConfigError, match=r"whole frames a second, MyStudentEncoder has 31\.25"):
        main(exported.MyStudentEncoder, exported.__file__, [str(tmp_path / "probe.A.B.yaml")])
    with pytest.raises(ConfigError, match="models of audio"):
        MarbleEncoder(Embedder(make_clicks(sample_rate=100, hop=10)))
