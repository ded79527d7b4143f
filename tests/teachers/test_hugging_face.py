"""Hugging Face encoders: tiny random models of every family, built here; nothing is downloaded."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, DataError
from audiossl.models.encoder import Encoder
from audiossl.teachers.hugging_face import HuggingFaceEncoder

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 8,
    "conv_dim": (8, 8, 8), "conv_kernel": (10, 4, 4), "conv_stride": (5, 4, 4), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
FAMILIES = {
    "wavlm": ("WavLM", {"num_buckets": 16}),
    "wavlm pre-norm": (
        "WavLM",
        {"num_buckets": 16, "do_stable_layer_norm": True, "feat_extract_norm": "layer"},
    ),
    "hubert": ("Hubert", {}),
    "wav2vec2": ("Wav2Vec2", {}),
    "data2vec": ("Data2VecAudio", {"conv_pos_kernel_size": 3}),
}


def make_model(family: str):
    torch.manual_seed(0)
    name, extra = FAMILIES[family]
    return getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**SMALL, **extra)).eval()


def make_whisper():
    torch.manual_seed(0)
    sizes = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in
             {"layers": 2, "attention_heads": 2, "ffn_dim": 24}.items()}  # fmt: skip
    config = transformers.WhisperConfig(
        vocab_size=20,
        num_mel_bins=80,
        d_model=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        **sizes,
    )
    return transformers.WhisperModel(config).eval(), transformers.WhisperFeatureExtractor(feature_size=80)


def batch(*sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise at every place, so that padding holds garbage."""
    return torch.randn(len(sizes), 1, max(sizes)) * 0.1 + 0.05, torch.tensor(sizes)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_the_models_own(family):
    model = make_model(family)
    encoder = HuggingFaceEncoder(model)
    assert isinstance(encoder, Encoder) and (encoder.num_layers, encoder.dim) == (4, 16)
    signal, lengths = batch(4000, 1234, encoder.min_samples)
    frames = encoder(signal, lengths)
    assert frames.lengths.tolist() == model._get_feat_extract_output_lengths(lengths).tolist()
    for i, length in enumerate(lengths.tolist()):
        with torch.no_grad():
            output = model(signal[i, :, :length], output_hidden_states=True)
        expected = [*output.hidden_states[:-1], output.last_hidden_state]  # with the final norm of pre-norm models
        assert len(expected) == len(frames.layers) == 4
        for ours, theirs in zip(frames.layers, expected, strict=True):
            assert torch.equal(ours[i, : theirs.shape[1]], theirs[0])
    assert frames.last is frames.layers[-1] and not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("family", ["wavlm", "wavlm pre-norm"])
@pytest.mark.parametrize("normalise", [False, True])
def test_company_changes_nothing(family, normalise):
    encoder = HuggingFaceEncoder(make_model(family), normalise)
    signal, lengths = batch(4000, 1234, 800)
    together = encoder(signal, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = encoder(signal[i : i + 1, :, :length], lengths[i : i + 1])
        assert int(alone.lengths[0]) == int(together.lengths[i])
        for one, other in zip(alone.layers, together.layers, strict=True):
            assert torch.equal(one[0], other[i, : one.shape[1]])


def test_it_can_be_trained_further():
    encoder = HuggingFaceEncoder(make_model("wavlm")).requires_grad_(True)
    frames = encoder(*batch(4000, 1234))
    sum(layer.square().sum() for layer in frames.layers).backward()
    assert all(parameter.grad is not None for name, parameter in encoder.named_parameters() if "masked_spec_embed" not in name)


def test_normalises_as_the_feature_extractor_does():
    model = make_model("wavlm pre-norm")
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    signal, lengths = batch(3000)
    values = extractor(signal[0, 0].numpy(), sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        expected = model(values).last_hidden_state
    assert (HuggingFaceEncoder(model, normalise_waveform=True)(signal, lengths).last - expected).abs().max() < 1e-5
    assert (HuggingFaceEncoder(model)(signal, lengths).last - expected).abs().max() > 1e-3


def test_grid():
    encoder = HuggingFaceEncoder(make_model("hubert"))
    # Hops 5, 20, 80; fields 10, then 3 more hops of 5, then 3 more of 20: 85 samples.
    assert (encoder.alignment, encoder.min_samples, encoder.frame_rate, encoder.frame_offset) == (80, 85, 200.0, 42.5 / 16000)
    published = HuggingFaceEncoder(transformers.WavLMModel(transformers.WavLMConfig(**{
        **SMALL, "conv_dim": (8,) * 7, "conv_kernel": (10, 3, 3, 3, 3, 2, 2), "conv_stride": (5, 2, 2, 2, 2, 2, 2),
        "num_feat_extract_layers": 7,
    })))  # fmt: skip
    assert (published.alignment, published.min_samples, published.frame_rate) == (320, 400, 50.0)
    assert published.frame_offset == 0.0125
    with pytest.raises(DataError, match="at least 400 samples"):
        published(*batch(800, 399))


def test_last_layer():
    model = make_model("wavlm")
    signal, lengths = batch(2000)
    expected = HuggingFaceEncoder(model)(signal, lengths).layers
    encoder = HuggingFaceEncoder(model, last_layer=1)
    frames = encoder(signal, lengths)
    assert encoder.num_layers == len(frames.layers) == 2 and torch.equal(frames.last, expected[1])
    for layer in (-1, 4):
        with pytest.raises(ConfigError, match=f"layers 0 to 3; layer {layer} was asked for"):
            HuggingFaceEncoder(model, last_layer=layer)


def test_whisper():
    model, extractor = make_whisper()
    encoder = HuggingFaceEncoder(model, mel_extractor=extractor)
    assert isinstance(encoder, Encoder)
    assert (encoder.num_layers, encoder.dim, encoder.frame_rate, encoder.frame_offset) == (3, 16, 50.0, 0.01)
    signal, lengths = batch(8000, 3201)
    frames = encoder(signal, lengths)
    assert frames.lengths.tolist() == [25, 11] and not any(name.startswith("model.decoder") for name in encoder.state_dict())
    mel = extractor(signal[1, 0, :3201].numpy(), sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        expected = model.get_encoder()(mel, output_hidden_states=True).hidden_states
    for ours, theirs in zip(frames.layers, expected, strict=True):
        assert torch.equal(ours[1, :11], theirs[0, :11])
    with pytest.raises(DataError, match=r"at most 30 s at once, got 30\.1 s"):
        encoder(*batch(481_600))


def save(folder, model, **extractor) -> str:
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(**extractor).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("family", ["wavlm", "hubert", "wav2vec2", "data2vec"])
@pytest.mark.parametrize("normalise", [False, True])
def test_from_name(tmp_path, family, normalise):
    model = make_model(family)
    encoder = HuggingFaceEncoder.from_name(save(tmp_path / "mo del", model, do_normalize=normalise), last_layer=2)
    assert encoder.normalise_waveform == normalise and encoder.num_layers == 3
    signal, lengths = batch(2000, 1500)
    expected = HuggingFaceEncoder(model, normalise, last_layer=2)(signal, lengths)
    assert torch.equal(encoder(signal, lengths).last[0], expected.last[0])


def test_from_name_of_a_model_with_a_head(tmp_path):
    torch.manual_seed(0)
    model = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**SMALL)).eval()
    encoder = HuggingFaceEncoder.from_name(save(tmp_path, model, do_normalize=False))
    signal, lengths = batch(2000)
    assert torch.equal(encoder(signal, lengths).last, HuggingFaceEncoder(model.wav2vec2)(signal, lengths).last)


def test_from_name_of_whisper(tmp_path):
    model, extractor = make_whisper()
    model.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    embedder = Embedder(HuggingFaceEncoder.from_name(str(tmp_path), last_layer=1))
    assert embedder.embed(torch.randn(16000) * 0.1).frames.shape == (50, 16)


def test_names_that_are_no_model(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("no-such-owner/no-such-model", "a b c", str(tmp_path)):
        with pytest.raises(ConfigError, match=f"cannot load '{name}' from the Hugging Face hub or a folder"):
            HuggingFaceEncoder.from_name(name)
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="is a bert model; expected WavLM"):
        HuggingFaceEncoder.from_name(str(tmp_path))
    transformers.WavLMConfig(**SMALL).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="cannot load"):
        HuggingFaceEncoder.from_name(str(tmp_path))
    save(tmp_path, make_model("wavlm"))
    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    del tensors["encoder.layers.1.attention.k_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 weights .* encoder.layers.1.attention.k_proj.weight"):
        HuggingFaceEncoder.from_name(str(tmp_path))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="cannot load"):
        HuggingFaceEncoder.from_name(str(tmp_path))
