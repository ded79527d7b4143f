"""Models of transformers with random weights, to measure next to ours."""

from __future__ import annotations

from typing import Any

from torch import nn

LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
}
TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embedding_groups": 2,
}
SIZES: dict[str, dict[str, Any]] = {"base": {}, "large": LARGE, "tiny": TINY}


def make_peer(family: str, size: str, **options: Any) -> nn.Module:
    """A `wavlm` or `hubert` of a size (base, large; tiny for tests), with further options of its config; nothing is fetched."""
    import transformers

    transformers.logging.set_verbosity_error()
    config, model = {
        "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
        "hubert": (transformers.HubertConfig, transformers.HubertModel),
    }[family]
    return model(config(**SIZES[size], **options))
