"""Hugging Face encoders: tiny random models of every family, built here; nothing is downloaded."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import audiossl
from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, DataError
from audiossl.models.encoder import Encoder
from audiossl.teachers.hugging_face import HuggingFaceEncoder
from audiossl.teachers.hugging_face_families import FAMILIES as ROWS
from audiossl.teachers.hugging_face_loading import import_transformers
from audiossl.teachers.teacher import load_teacher, parse_teacher

pytest.importorskip("transformers", reason="the extra hf is not installed")
transformers = import_transformers()

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
    "unispeech": ("UniSpeech", {}),
    "unispeech-sat": ("UniSpeechSat", {}),
    "conformer": ("Wav2Vec2Conformer", {"conv_depthwise_kernel_size": 3}),
}
SQUEEZED = {"sew": "SEW", "sew-d": "SEWD"}


def make_model(family: str):
    torch.manual_seed(0)
    name, extra = FAMILIES[family]
    return getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**SMALL, **extra)).eval()


def make_adapted(**extra):
    torch.manual_seed(0)
    return transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SMALL, add_adapter=True, **extra)).eval()


def make_squeezed(family: str, **extra):
    torch.manual_seed(0)
    name = SQUEEZED[family]
    return getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**SMALL, **extra)).eval()


def make_whisper(mel_bins: int = 80, **extra):
    torch.manual_seed(0)
    sizes = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in
             {"layers": 2, "attention_heads": 2, "ffn_dim": 24}.items()}  # fmt: skip
    config = transformers.WhisperConfig(
        vocab_size=20,
        num_mel_bins=mel_bins,
        d_model=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        **sizes,
        **extra,
    )
    return transformers.WhisperModel(config).eval(), transformers.WhisperFeatureExtractor(feature_size=mel_bins)


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


def test_weights_that_are_no_numbers_and_a_damaged_extractor_are_named(tmp_path):
    model = make_model("wavlm")
    with torch.no_grad():
        next(model.parameters())[0] = torch.nan
    with pytest.raises(ConfigError, match="has weights that are no finite numbers"):
        HuggingFaceEncoder.from_name(save(tmp_path / "diverged", model))
    folder = save(tmp_path / "damaged", make_model("wavlm"))
    (tmp_path / "damaged" / "preprocessor_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"preprocessor_config\.json cannot be read"):
        HuggingFaceEncoder.from_name(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("family", ["wavlm pre-norm", "whisper"])
def test_weights_of_any_precision_are_computed_with_in_float32(tmp_path, family, dtype):
    """Equal to a float32 model with the rounded weights, whatever the config says its precision is."""
    model, extractor = make_whisper() if family == "whisper" else (make_model(family), transformers.Wav2Vec2FeatureExtractor())
    model.to(dtype).save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    encoder = HuggingFaceEncoder.from_name(str(tmp_path))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    signal, lengths = batch(2000)
    expected = HuggingFaceEncoder(model.float(), True, extractor if family == "whisper" else None)(signal, lengths)
    assert torch.equal(encoder(signal, lengths).last, expected.last)


def test_float32_weights_are_not_rounded_to_what_the_config_says(tmp_path):
    model = make_model("wavlm")
    model.config.dtype = model.config.torch_dtype = torch.float16
    encoder = HuggingFaceEncoder.from_name(save(tmp_path, model, do_normalize=False))
    signal, lengths = batch(2000)
    assert torch.equal(encoder(signal, lengths).last, HuggingFaceEncoder(model)(signal, lengths).last)


@pytest.mark.parametrize("rate", [8000, 24000, 44100])
def test_the_rate_is_the_extractors(tmp_path, rate):
    model = make_model("hubert")
    encoder = HuggingFaceEncoder.from_name(save(tmp_path, model, sampling_rate=rate, do_normalize=False))
    assert (encoder.sample_rate, encoder.frame_rate, encoder.frame_offset) == (rate, rate / 80, 42.5 / rate)
    signal = torch.randn(1, 2 * rate) * 0.1
    embedded = Embedder(encoder).embed(signal, sample_rate=2 * rate)
    assert abs(len(embedded.frames) - rate / 80) <= 2  # one second
    assert torch.equal(
        encoder(signal[None], torch.tensor([2 * rate])).last,
        HuggingFaceEncoder(model)(signal[None], torch.tensor([2 * rate])).last,
    )


def test_whisper_of_another_rate_and_length(tmp_path):
    """3 s of 32 kHz at once; longer files run in windows of that, whatever length the extractor pads to."""
    model, _ = make_whisper(16, max_source_positions=300)
    model.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor(feature_size=16, sampling_rate=32000).save_pretrained(tmp_path)
    embedder = Embedder(HuggingFaceEncoder.from_name(str(tmp_path)))
    assert (embedder.sample_rate, embedder.frame_rate, embedder.encoder.max_samples) == (32000, 100.0, 96000)
    assert (embedder.window_seconds, embedder.context_seconds) == (3, 0.75)
    assert embedder.embed(0.1 * torch.randn(320_000)).frames.shape == (1000, 16)
    assert embedder.embed(0.1 * torch.randn(32_001)).frames.shape == (101, 16)
    with pytest.raises(DataError, match=r"at most 3 s at once, got 3\.1 s"):
        embedder.encoder(*batch(99_200))


@pytest.mark.parametrize(
    "extra", [{}, {"num_adapter_layers": 2, "adapter_stride": 3, "adapter_kernel_size": 5, "output_hidden_size": 12}]
)
@pytest.mark.parametrize("norm", [{}, {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}])
def test_an_adapter_makes_the_final_output(tmp_path, extra, norm):
    model = make_adapted(**extra, **norm)
    encoder = HuggingFaceEncoder.from_name(save(tmp_path, make_adapted(**extra, **norm), do_normalize=False))
    assert (encoder.frame_rate, encoder.last_frame_rate) == (200.0, 200.0 / (9 if extra else 8))
    signal, lengths = batch(4000, 2345, encoder.min_samples)
    frames = encoder(signal, lengths)
    for i, length in enumerate(lengths.tolist()):
        with torch.no_grad():
            expected = model(signal[i, :, :length]).last_hidden_state[0]
        assert frames.last_lengths[i] == len(expected) > 0
        torch.testing.assert_close(frames.last[i, : len(expected)], expected)
    assert frames.last.shape[2] == extra.get("output_hidden_size", 16)
    # A frame of the output is made of those around the place it is said to be at.
    embedder = Embedder(encoder)
    rate, offset = embedder.grid("last")
    assert offset == encoder.frame_offset + (4 / 200 if extra else 0) and rate == encoder.last_frame_rate
    below = HuggingFaceEncoder.from_name(str(tmp_path), last_layer=3)
    assert torch.equal(below(signal, lengths).last, frames.layers[3]) and below.last_frame_rate == 200


@pytest.mark.parametrize("family", SQUEEZED)
@pytest.mark.parametrize("squeeze", [1, 2, 4])
def test_layers_of_sew_are_squeezed_and_its_output_is_not(tmp_path, family, squeeze):
    model = make_squeezed(family, squeeze_factor=squeeze)
    encoder = HuggingFaceEncoder.from_name(save(tmp_path, make_squeezed(family, squeeze_factor=squeeze), do_normalize=False))
    assert (encoder.frame_rate, encoder.last_frame_rate) == (200.0 / squeeze, 200.0)
    assert encoder.min_samples == 85 + 80 * (squeeze - 1) and Embedder(encoder).grid("last") == pytest.approx(
        (200.0, 42.5 / 16000)
    )
    signal, lengths = batch(4000, 1234, encoder.min_samples)
    frames = encoder(signal, lengths)
    for i, length in enumerate(lengths.tolist()):
        with torch.no_grad():
            output = model(signal[i, :, :length], output_hidden_states=True)
        whole = (((length - 85) // 80 + 1) // squeeze) * squeeze  # beyond them there are zeros
        assert frames.last_lengths[i] == whole == squeeze * frames.lengths[i]
        torch.testing.assert_close(frames.last[i, :whole], output.last_hidden_state[0, :whole])
        if squeeze > 1:
            assert not output.last_hidden_state[0, whole:].any()
            for ours, theirs in zip(frames.layers, output.hidden_states, strict=True):
                torch.testing.assert_close(ours[i, : theirs.shape[1]], theirs[0])
    embedder = Embedder(encoder, window_seconds=1.0, context_seconds=0.2)
    long = 0.1 * torch.randn(80_000)  # in windows; 999 frames of the convolutions
    assert len(embedder.embed(long).frames) == 999 // squeeze * squeeze
    assert embedder.embed(long, layers="all").frames.shape[1] == 999 // squeeze


@pytest.mark.parametrize("family", ["wavlm", "wav2vec2", "hubert", "sew"])
def test_a_folder_of_save_pretrained_alone(tmp_path, family):
    """16 kHz and normalised clips, as the family's own extractor does unless it is told otherwise."""
    model = make_squeezed(family) if family == "sew" else make_model(family)
    model.save_pretrained(tmp_path / "bare")
    save(tmp_path / "whole", model)
    signal, lengths = batch(2000)
    bare, whole = (HuggingFaceEncoder.from_name(str(tmp_path / name)) for name in ("bare", "whole"))
    assert bare.normalise_waveform and bare.sample_rate == 16000
    assert torch.equal(bare(signal, lengths).last, whole(signal, lengths).last)


@pytest.mark.parametrize("mel_bins", [80, 128])
def test_a_whisper_of_save_pretrained_alone(tmp_path, mel_bins):
    model, extractor = make_whisper(mel_bins)
    model.save_pretrained(tmp_path)
    signal, lengths = batch(4000)
    expected = HuggingFaceEncoder(make_whisper(mel_bins)[0], mel_extractor=extractor)(signal, lengths)
    assert torch.equal(HuggingFaceEncoder.from_name(str(tmp_path))(signal, lengths).last, expected.last)


def test_an_extractor_inside_a_processor_is_found(tmp_path):
    """Where transformers 5 writes it."""
    model = make_model("hubert")
    model.save_pretrained(tmp_path)
    about = {
        "feature_extractor": {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 8000, "do_normalize": False}
    }
    (tmp_path / "processor_config.json").write_text(json.dumps(about))
    encoder = HuggingFaceEncoder.from_name(str(tmp_path))
    assert encoder.sample_rate == 8000 and not encoder.normalise_waveform
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": "Wav2Vec2Processor"}))
    assert HuggingFaceEncoder.from_name(str(tmp_path)).sample_rate == 16000


def changed(folder, **values) -> None:
    """Change a saved config."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "speecht5"}, "is a speecht5 model; expected WavLM, HuBERT, "),
        ({"model_type": "wav2vec2-bert"}, "is a wav2vec2-bert model; expected"),
        ({"model_type": "mctct"}, "cannot load|is a mctct model"),
        ({"conv_stride": [5, 4]}, "conv_stride"),
        ({"conv_kernel": [10, 4, 4, 2]}, "conv_kernel"),
        ({"conv_dim": [8, 8]}, "conv_dim"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "has quantised weights; expected float32",
        ),
        ({"hidden_size": 32}, "cannot load|lacks"),
        ({"num_hidden_layers": 4}, "lacks 16 weights|lacks"),
        ({"add_adapter": True}, "lacks .* weights of its model, such as adapter"),
    ],
)
def test_configs_that_cannot_be_served_are_refused_at_load_in_one_line(tmp_path, values, message):
    save(tmp_path, make_model("wav2vec2"))
    changed(tmp_path, **values)
    with pytest.raises(ConfigError, match=message) as caught:
        HuggingFaceEncoder.from_name(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_extractors_that_contradict_the_config(tmp_path):
    model, _ = make_whisper(128)
    model.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="makes 80 mel bins, its config reads 128"):
        HuggingFaceEncoder.from_name(str(tmp_path))
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="is a Wav2Vec2FeatureExtractor, expected a WhisperFeatureExtractor"):
        HuggingFaceEncoder.from_name(str(tmp_path))
    folder = tmp_path / "wavlm"
    save(folder, make_model("wavlm"), sampling_rate=0)
    with pytest.raises(ConfigError, match="sampling_rate 0, expected Hz"):
        HuggingFaceEncoder.from_name(str(folder))


def test_frames_that_are_not_those_of_the_config_are_found_by_a_short_clip(tmp_path, monkeypatch):
    folder = save(tmp_path, make_model("wavlm"))
    own = HuggingFaceEncoder._layers
    monkeypatch.setattr(HuggingFaceEncoder, "_layers", lambda self, clip: (own(self, clip)[0][:, ::2], own(self, clip)[1]))
    with pytest.raises(
        ConfigError, match=r"gives other frames for 1445 samples .* are \(4, 9, 16, 18\), expected \(4, 18, 16, 18\)"
    ):
        HuggingFaceEncoder.from_name(folder)
    monkeypatch.setattr(HuggingFaceEncoder, "_layers", lambda self, clip: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(ConfigError, match="cannot be run on 85 samples of the waveform: "):
        HuggingFaceEncoder.from_name(folder)


def test_a_folder_needs_no_prefix(tmp_path):
    """Wherever a name is taken: `load`, a teacher; the last layer as with the prefix."""
    folder = save(tmp_path / "mine", make_model("wavlm"))
    signal = 0.1 * torch.randn(3000)
    expected = audiossl.load(f"hf:{folder}").embed(signal).frames
    for name in (folder, tmp_path / "mine"):
        embedder = audiossl.load(name)
        assert torch.equal(embedder.embed(signal).frames, expected) and embedder.name == folder
    teacher = load_teacher(parse_teacher(folder, layer=1))
    assert teacher.description == f"{folder}:1" and len(teacher.digest) == 64
    assert torch.equal(teacher.frames([signal])[0], audiossl.load(f"hf:{folder}:1").embed(signal).frames)


def test_each_row_says_what_its_family_is_called():
    assert all(row.title and row.front_end for row in ROWS.values())
    known = transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    assert set(ROWS) <= set(known)
