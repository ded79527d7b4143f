"""Tiny random audio towers of every type that `audiossl.teachers.towers` knows, and folders of larger models around them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from audiossl.teachers.hugging_face_loading import import_transformers
from audiossl.teachers.tower_loading import usual_extractor
from audiossl.teachers.towers import LARGER, TOWERS

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
WHISPER = {"num_mel_bins": 16, "max_source_positions": 1500}
LAYERS = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
SUBSAMPLED = {"subsampling_conv_channels": 8}
DAC = {"encoder_hidden_size": 4, "decoder_hidden_size": 32, "codebook_size": 16, "n_codebooks": 2}
CODEBOOKS = {"codebook_size": 16, "codebook_dim": 16, "num_filters": 4}
CONFIGS: dict[str, dict[str, Any]] = {
    "wav2vec2-bert": SIZES,
    "audio-spectrogram-transformer": SIZES,
    "clap_audio_model": {
        "patch_embeds_hidden_size": 8, "depths": (1, 1, 1, 1), "num_attention_heads": (1, 1, 2, 2), "hidden_size": 64
    },
    "parakeet_encoder": {**SIZES, **SUBSAMPLED},
    "lasr_encoder": {**SIZES, **SUBSAMPLED},
    "qwen2_audio_encoder": {**LAYERS, **WHISPER},
    "voxtral_encoder": {**SIZES, **WHISPER},
    "audioflamingo3_encoder": {**SIZES, **WHISPER},
    "qwen2_5_omni_audio_encoder": {**LAYERS, **WHISPER, "output_dim": 24},
    "qwen3_omni_moe_audio_encoder": {**LAYERS, **WHISPER, "output_dim": 24, "downsample_hidden_size": 8},
    "moonshine": {
        "hidden_size": 16, "intermediate_size": 16, "encoder_num_hidden_layers": 2, "encoder_num_attention_heads": 2,
        "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
    },
    "granite_speech_encoder": {
        "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "dim_head": 8, "output_dim": 6, "context_size": 20
    },
    "seamless_m4t_v2": {
        "hidden_size": 16, "speech_encoder_layers": 2, "speech_encoder_attention_heads": 2, "speech_encoder_intermediate_size": 16
    },
    "gemma3n_audio": {
        "hidden_size": 16, "conf_num_attention_heads": 2, "conf_num_hidden_layers": 2, "sscp_conv_channel_size": (8, 4)
    },
    "gemma4_audio": {
        "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "subsampling_conv_channels": (128, 4),
        "output_proj_dims": 24,
    },
    "pe_audio_encoder": {
        **SIZES, "head_dim": 8,
        "dac_config": {**DAC, "downsampling_ratios": (2, 8, 10, 12), "codebook_dim": 8, "sampling_rate": 48000},
    },
    "mimi": {
        **SIZES, **CODEBOOKS, "num_key_value_heads": 2, "vector_quantization_hidden_dimension": 8, "num_quantizers": 2,
        "upsample_groups": 16,
    },
    "encodec": {**CODEBOOKS, "hidden_size": 16},
    "dac": DAC,
    "xcodec": {
        "acoustic_model_config": {**DAC, "downsampling_ratios": (8, 5, 4, 2), "hidden_size": 64, "model_type": "dac"},
        "semantic_model_config": {**SIZES, "conv_dim": (8,) * 7, "num_conv_pos_embedding_groups": 2, "model_type": "hubert"},
        "codebook_size": 16,
    },
}  # fmt: skip


def class_of(kind: str) -> Any:
    module, _, name = TOWERS[kind].place.partition(":")
    return getattr(importlib.import_module(f"transformers.models.{module}"), name)


def make_config(kind: str) -> Any:
    transformers = import_transformers()
    return transformers.AutoConfig.for_model(kind, **CONFIGS[kind])


def make_tower(kind: str) -> Any:
    torch.manual_seed(0)
    return class_of(kind)(make_config(kind)).eval()


def make_extractor(kind: str, config: Any) -> Any:
    return usual_extractor(import_transformers(), TOWERS[kind], config)


def save_tower(folder: Path, kind: str) -> Path:
    tower = make_tower(kind)
    tower.save_pretrained(folder)
    return folder


def save_larger(folder: Path, kind: str) -> Path:
    """A folder of a larger model: its config, and the tower's weights under the names they have there, next to others."""
    inside = LARGER[kind]
    tower = make_tower(inside.tower)
    config: Any = import_transformers().AutoConfig.for_model(kind)
    if inside.section:
        *path, last = inside.section.split(".")
        holder = config
        for name in path:
            holder = getattr(holder, name)
        setattr(holder, last, tower.config)
    else:
        config = tower.config
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    weights = {inside.prefixes[0] + name: value.contiguous().clone() for name, value in tower.state_dict().items()}
    save_file({**weights, "language_model.weight": torch.zeros(2, 2)}, folder / "model.safetensors", {"format": "pt"})
    return folder
