"""The file for MTEB and the encoder behind it, without MTEB; the real one is in tests/kits/test_real_mteb.py."""

from __future__ import annotations

import io
import sys
import types

import numpy as np
import pytest
import soundfile
import torch
from test_export_hear import imported

from audiossl.errors import ConfigError, DataError
from audiossl.exporters.mteb import MtebEncoder, MtebExport
from audiossl.exporters.source import model_source
from audiossl.load import load


class RecordedMeta(types.SimpleNamespace):
    """Stands in for MTEB's `ModelMeta`, which checks the same fields."""

    def load_model(self):
        return self.loader(self.name, revision=self.revision, **self.loader_kwargs)


@pytest.fixture
def mteb(monkeypatch):
    models = types.ModuleType("mteb.models")
    models.ModelMeta = RecordedMeta
    monkeypatch.setitem(sys.modules, "mteb", types.ModuleType("mteb"))
    monkeypatch.setitem(sys.modules, "mteb.models", models)


def clip(seconds, rate=16000, seed=0):
    sound = 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate))
    return {"array": sound, "sampling_rate": rate}


def test_vectors_are_those_of_embed_in_any_batch(checkpoint):
    encoder, model = MtebEncoder("mine", model=str(checkpoint)), load(checkpoint)
    clips = [clip(0.5, seed=1), clip(1.25, seed=2), clip(0.8, seed=3)]
    together = encoder.encode([{"audio": clips[:2]}, {"audio": clips[2:]}])
    assert together.dtype == np.float32 and together.shape == (3, encoder.embed_dim)
    for row, one in zip(together, clips, strict=True):
        np.testing.assert_allclose(row, encoder.encode([{"audio": [one]}])[0], atol=1e-5)
        np.testing.assert_allclose(row, model.embed(one["array"].astype(np.float32)).pooled, atol=1e-5)


def test_rates_channels_and_files_of_one_batch(tmp_path):
    encoder = MtebEncoder("logmel")
    stereo = {"array": np.stack([clip(1.0)["array"]] * 2), "sampling_rate": 16000}
    packed = io.BytesIO()
    soundfile.write(packed, clip(1.0)["array"], 16000, format="FLAC")
    soundfile.write(tmp_path / "a.wav", clip(1.0)["array"], 16000, subtype="FLOAT")
    files = [{"bytes": packed.getvalue(), "path": "a.flac"}, {"bytes": None, "path": str(tmp_path / "a.wav")}]
    rows = encoder.encode([{"audio": [clip(1.0), clip(0.5, 8000), stereo, *files]}])
    assert rows.shape == (5, 80)
    np.testing.assert_allclose(rows[2:], rows[:1].repeat(3, 0), atol=0.02)  # 16 bits of the FLAC
    assert abs(rows[1] - rows[0]).max() > 1
    with pytest.raises(DataError, match="clip 1: expected audio as array"):
        encoder.encode([{"audio": [clip(0.5), "a.wav"]}])


def test_layers_and_pooling(checkpoint):
    encoder = MtebEncoder("mine", model=str(checkpoint), layers=[0, -1], pooling="mean+max")
    frames = load(checkpoint).embed(clip(0.7)["array"].astype(np.float32), layers=[0, -1]).frames
    row = encoder.encode([{"audio": [clip(0.7)]}])[0]
    expected = torch.cat([frames[0].mean(0), frames[1].mean(0), frames[0].amax(0), frames[1].amax(0)])
    np.testing.assert_allclose(row, expected, atol=1e-5)
    with pytest.raises(ConfigError, match="below 3"):
        MtebEncoder("mine", model=str(checkpoint), layers=[9])


def test_cosines():
    encoder = MtebEncoder("logmel")
    one, other = np.array([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 2.0], [2.0, 2.0]])
    torch.testing.assert_close(encoder.similarity(one, other), torch.tensor([[0.0, 0.5**0.5], [0.5**0.5, 1.0]]))
    torch.testing.assert_close(encoder.similarity_pairwise(one, other), torch.tensor([0.0, 1.0]))


def test_what_is_not_known_stays_unknown(mteb, checkpoint, tmp_path):
    path = MtebExport().write(model_source(str(checkpoint)), tmp_path / "my_encoder.py")
    meta = imported(path).meta
    assert meta.loader is MtebEncoder and meta.embed_dim == 16 and meta.modalities == ["audio"]
    assert meta.n_parameters == sum(one.numel() for one in load(checkpoint).parameters())
    unknown = ("license", "training_datasets", "languages", "reference", "release_date", "open_weights", "public_training_code")
    assert all(getattr(meta, name) is None for name in (*unknown, "public_training_data"))
    assert "at 16000 Hz" in path.read_text()
    model = meta.load_model()
    assert MtebEncoder.of(meta).mteb_model_meta is meta and MtebEncoder.of(meta).embedder.digest == meta.revision
    assert model.encode([{"audio": [clip(0.3)]}]).shape == (1, 16)


def test_what_is_said_is_written(mteb, tmp_path):
    said = MtebExport(name="me/mine", licence="mit", training_datasets=("ESC50", "AudioSet"), languages=("eng-Latn",))
    meta = imported(said.write(model_source("logmel"), tmp_path / "a.py")).meta
    assert (meta.name, meta.license, meta.training_datasets) == ("me/mine", "mit", {"ESC50", "AudioSet"})
    none = imported(MtebExport(training_datasets=()).write(model_source("logmel"), tmp_path / "b.py")).meta
    assert none.training_datasets == set() and none.name == "audiossl/logmel" and none.n_parameters == 0
    with pytest.raises(ConfigError, match="ORGANISATION/NAME, as MTEB does, got 'mine'"):
        MtebExport(name="mine").write(model_source("logmel"), tmp_path / "c.py")


def test_other_weights_are_refused(mteb, checkpoint, tmp_path):
    meta = imported(MtebExport().write(model_source(str(checkpoint)), tmp_path / "my_encoder.py")).meta
    meta.loader_kwargs["model"] = "logmel"
    with pytest.raises(ConfigError, match="not what was exported"):
        meta.load_model()


def test_an_object_in_memory_is_saved_next_to_the_file(mteb, checkpoint, tmp_path):
    model = load(checkpoint).encoder
    meta = imported(MtebExport().write(model_source(model), tmp_path / "mine.py")).meta
    assert (tmp_path / "mine_model").is_dir() and meta.load_model().embed_dim == 16
