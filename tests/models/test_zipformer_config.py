from __future__ import annotations

import json

import jaxtyping
import pytest

from audiossl.errors import ConfigError
from audiossl.models.zipformer_config import PRESETS, ZipformerConfig, preset_config


@pytest.mark.parametrize("preset", PRESETS)
def test_json_round_trip(preset):
    config = preset_config(preset)
    assert ZipformerConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_published_sizes_are_written_in_the_public_layout_only():
    assert preset_config("large").to_json() == {
        "model_type": "spear",
        "architectures": ["SpearModel"],
        "auto_map": {"AutoConfig": "configuration_spear.SpearConfig", "AutoModel": "modeling_spear.SpearModel"},
        "num_mel_bins": 128,
        "pos_dim": 48,
        "output_downsampling_factor": 1,
        "downsampling_factor": "1,2,4,8,4,2,1",
        "num_encoder_layers": "1,2,2,3,1,1,1",
        "feedforward_dim": ",".join(["3072"] * 7),
        "encoder_dim": ",".join(["1024"] * 7),
        "encoder_unmasked_dim": ",".join(["512"] * 7),
        "cnn_module_kernel": "31,31,15,15,15,31,31",
        "num_heads": "8,8,8,8,8,8,8",
        "causal": False,
        "chunk_size": 8,
        "left_context_frames": 128,
    }


def test_our_own_fields_are_written_where_they_differ():
    values = preset_config("base", frontend="conv1d", query_head_dim=16).to_json()
    assert values["frontend"] == "conv1d"
    assert values["query_head_dim"] == 16
    assert "value_head_dim" not in values


def test_one_stack_stays_a_string():
    names = ("num_encoder_layers", "feedforward_dim", "encoder_dim", "encoder_unmasked_dim", "num_heads")
    config = ZipformerConfig(downsampling_factor=(1,), cnn_module_kernel=(15,), **dict.fromkeys(names, (8,)))
    assert config.to_json()["encoder_dim"] == "8"
    assert ZipformerConfig.from_json(config.to_json()) == config


def test_bookkeeping_of_hugging_face_is_tolerated():
    values = {**preset_config("base").to_json(), "torch_dtype": "float32", "transformers_version": "4.50.0"}
    assert ZipformerConfig.from_json(values) == preset_config("base")


def test_unknown_and_missing_fields_are_named():
    values = preset_config("base").to_json()
    with pytest.raises(ConfigError, match=r"here: unknown fields \['rotary_dim'\]"):
        ZipformerConfig.from_json({**values, "rotary_dim": 3}, "here")
    del values["num_heads"]
    with pytest.raises(ConfigError, match=r"missing fields \['num_heads'\]"):
        ZipformerConfig.from_json(values)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("frontend", "conv3d", "conv3d"),
        ("num_heads", (8, 8), "num_heads has 2 values"),
        ("num_heads", (8, 8, 8, 0, 8, 8, 8), "positive"),
        ("encoder_dim", (512,) * 6 + (256,), "encoder_dim"),
        ("cnn_module_kernel", (30,) * 7, "odd"),
        ("output_downsampling_factor", 3, "output_downsampling_factor"),
        ("pos_dim", 47, "even"),
        ("num_mel_bins", 4, "at least 7"),
    ],
)
def test_impossible_sizes_are_refused(field, value, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checks of the tests
    with pytest.raises(ConfigError, match=message):
        preset_config("base", **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_heads", "8,eight"),
        ("num_heads", float("inf")),
        ("pos_dim", "large"),
        ("pos_dim", float("-inf")),
        ("pos_dim", 47.5),
        ("causal", "no"),
        ("frontend", "conv3d"),
        ("model_type", "bert"),
    ],
)
def test_unreadable_values_are_refused_with_their_origin(field, value):
    with pytest.raises(ConfigError, match=r"there/config\.json"):
        ZipformerConfig.from_json({**preset_config("base").to_json(), field: value}, "there/config.json")


def test_overrides_from_yaml_may_be_lists():
    assert preset_config("base", num_heads=[4] * 7).num_heads == (4,) * 7


def test_unknown_presets_and_overrides_are_named():
    with pytest.raises(ConfigError, match=r"'huge'.*tiny, base"):
        preset_config("huge")
    with pytest.raises(ConfigError, match="depth"):
        preset_config("base", depth=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chunk_size": (12,)}, "multiples of 8"),
        ({"chunk_size": ()}, "chunk_size"),
        ({"chunk_size": (8, 0)}, "chunk_size"),
        ({"left_context_frames": (0,)}, "left_context_frames"),
        ({"left_context_frames": ()}, "left_context_frames"),
    ],
)
def test_impossible_chunks_are_refused(values, message):
    assert preset_config("base", causal=True, chunk_size=(16, -1), left_context_frames=(128, -1)).causal
    with pytest.raises(ConfigError, match=message):
        preset_config("base", causal=True, **values)
    assert preset_config("base", **values)  # of no meaning where the model is not causal
