"""The keys of published SPEAR weights (Hugging Face user marcoyang): how they differ from those of `Zipformer`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.models.zipformer_config import ZipformerConfig
from audiossl.seeds import derive_generator

PREFIX = "model.model."  # of every key in published weights
LEFT_OVER_BYPASS = re.compile(r"(.*\.layers\.\d+)\.bypass_scale")  # in every published layer, used by none
TRAINING_ONLY = ("codebook_loss", "audio_tagging_proj")


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a `Zipformer`, and add what published inference code expects and does not use."""
    published = {PREFIX + key: value for key, value in state.items()}
    for key in [key for key in published if key.endswith(".bypass_mid.bypass_scale")]:
        published[key.replace(".bypass_mid.", ".")] = torch.full_like(published[key], 0.5)
    return published


def from_published(state: Mapping[str, Tensor], config: ZipformerConfig) -> dict[str, Tensor]:
    """Strip the published prefix and drop what inference never used; keep `mask_emb` for continued pre-training, or draw it."""
    kept = {}
    for key, value in state.items():
        key = key.removeprefix(PREFIX)
        stale = key == "encoder.downsample_output.bias" and config.output_downsampling_factor == 1
        if not (stale or key.startswith(TRAINING_ONLY) or LEFT_OVER_BYPASS.fullmatch(key)):
            kept[key] = value.float()
    if "mask_emb" not in kept:
        kept["mask_emb"] = torch.randn(config.num_mel_bins, generator=derive_generator("mask_emb"))
    return kept
