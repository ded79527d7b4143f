from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from audiossl.errors import ConfigError, StoreError
from audiossl.models import hub


@pytest.fixture
def saved(make_small, tmp_path):
    folder = tmp_path / "student"
    model = make_small(frontend="conv2d")
    hub.save(model, folder)
    return model, folder


def edit_weights(folder, edit) -> None:
    state = {key: value.clone() for key, value in load_file(folder / "model.safetensors").items()}
    edit(state)
    save_file(state, folder / "model.safetensors")


def test_a_saved_model_comes_back_bit_by_bit(saved):
    model, folder = saved
    loaded = hub.load(str(folder), padding="reference")
    assert loaded.config == model.config
    assert loaded.padding == "reference"
    assert not loaded.training
    assert not any(parameter.is_meta for parameter in loaded.parameters())
    for (key, value), (wanted_key, wanted) in zip(loaded.state_dict().items(), model.state_dict().items(), strict=True):
        assert key == wanted_key
        assert torch.equal(value, wanted)
    signal, lengths = torch.randn(2, 1, 4000), torch.tensor([4000, 3000])
    loaded.padding = "invariant"
    assert torch.equal(loaded(signal, lengths).last, model(signal, lengths).last)
    loaded.train()(signal, lengths).last.sum().backward()  # loaded weights can be trained on


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_computed_with_in_float32(saved, tmp_path, dtype):
    """Of a folder, and of an icefall checkpoint; tables of features are computed, not read."""
    model, folder = saved
    edit_weights(folder, lambda state: state.update({key: value.to(dtype) for key, value in state.items()}))
    torch.save({"model": {key: value.to(dtype) for key, value in model.state_dict().items()}}, folder / "epoch-1.pt")
    signal, lengths = torch.randn(1, 1, 4000), torch.tensor([4000])
    for loaded in (hub.load(folder), hub.load(folder / "epoch-1.pt")):
        assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
        for key, value in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value.to(dtype).float())
        assert (loaded(signal, lengths).last - model(signal, lengths).last).abs().max() < 0.1


def test_a_causal_model_comes_back_with_its_chunks(make_small, tmp_path):
    model = make_small(causal=True, chunk_size=(16, 4, -1), left_context_frames=(32, -1))
    hub.save(model, tmp_path)
    loaded = hub.load(tmp_path)
    assert loaded.config == model.config
    assert loaded.chunks == model.chunks
    signal, lengths = torch.randn(1, 1, 9000), torch.tensor([9000])
    assert torch.equal(loaded(signal, lengths).last, model(signal, lengths).last)


def test_files_have_the_public_layout(saved):
    _, folder = saved
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    state = load_file(folder / "model.safetensors")
    assert all(key.startswith("model.model.") for key in state)
    assert state["model.model.encoder.encoders.0.layers.0.bypass_scale"].shape == (16,)
    assert state["model.model.encoder.encoders.1.encoder.layers.1.bypass_scale"].shape == (16,)
    assert state["model.model.mask_emb"].shape == (16,)


def test_saving_again_keeps_other_files(saved):
    model, folder = saved
    (folder / "notes.txt").write_text("mine")
    hub.save(model, folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_left_overs_are_dropped_and_a_missing_mask_vector_is_drawn(saved):
    model, folder = saved

    def edit(state):
        del state["model.model.mask_emb"]
        for key in ("codebook_loss_net.linear2_bias", "audio_tagging_proj.1.weight", "encoder.downsample_output.bias"):
            state["model.model." + key] = torch.zeros(2)

    edit_weights(folder, edit)
    first, second = hub.load(folder), hub.load(folder)
    assert torch.equal(first.mask_emb, second.mask_emb)
    assert torch.equal(first.encoder_embed.out.weight, model.encoder_embed.out.weight)


def test_unknown_missing_and_misshapen_weights_are_named(saved):
    _, folder = saved

    def edit(state):
        state["model.model.encoder.extra"] = torch.zeros(1)
        del state["model.model.encoder_embed.out.weight"]
        state["model.model.encoder_embed.out.bias"] = torch.zeros(17)

    edit_weights(folder, edit)
    with pytest.raises(StoreError) as caught:
        hub.load(folder)
    message = str(caught.value)
    assert "1 unknown keys: encoder.extra" in message
    assert "1 missing keys: encoder_embed.out.weight" in message
    assert "encoder_embed.out.bias (17,), expected (16,)" in message


def test_an_icefall_checkpoint_needs_a_config(saved, tmp_path):
    model, folder = saved
    path = tmp_path / "epoch-1.pt"
    torch.save({"model": {**model.state_dict(), "codebook_loss_heads.0.linear2_bias": torch.zeros(3)}}, path)
    with pytest.raises(StoreError, match=r"no config\.json"):
        hub.load(path)
    given = hub.load(path, config=model.config)
    (folder / "config.json").rename(tmp_path / "config.json")
    for loaded in (given, hub.load(path)):
        assert torch.equal(loaded.encoder_embed.out.weight, model.encoder_embed.out.weight)


class Harmful:
    def __reduce__(self):
        return (print, ("code from a checkpoint ran",))


def test_code_in_an_icefall_checkpoint_is_not_run(make_small, tmp_path, capsys):
    path = tmp_path / "bad.pt"
    torch.save({"model": Harmful()}, path)
    with pytest.raises(StoreError, match=r"bad\.pt cannot be read"):
        hub.load(path, config=make_small().config)
    assert capsys.readouterr().out == ""
    torch.save({"state": {}}, path)
    with pytest.raises(StoreError, match="top-level key 'model'"):
        hub.load(path, config=make_small().config)


def test_wrong_folders_are_explained(saved, tmp_path):
    _, folder = saved
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StoreError, match=r"no config\.json"):
        hub.load(empty)
    with pytest.raises(StoreError, match=r"not .*exist|no config\.json"):
        hub.load(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="is a file"):
        hub.load(folder / "model.safetensors")
    with pytest.raises(ConfigError, match="icefall"):
        hub.load(folder, config=hub.load(folder).config)
    (folder / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(StoreError, match="cannot be read"):
        hub.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(StoreError, match=r"no model\.safetensors"):
        hub.load(folder)


def test_unknown_kinds_and_broken_configs_are_explained(saved):
    _, folder = saved
    values = json.loads((folder / "config.json").read_text())
    for text, error, message in (
        (json.dumps({**values, "model_type": "wavlm"}), ConfigError, "'wavlm'; known are: spear"),
        (json.dumps({**values, "depth": 3}), ConfigError, "depth"),
        ("{", StoreError, "is not JSON"),
        ("[]", StoreError, "no JSON object"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(error, match=message):
            hub.load(folder)


def test_a_repository_that_cannot_be_fetched_is_explained(monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("404 Client Error")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(StoreError, match=r"'somebody/some-model'.*404"):
        hub.load("somebody/some-model")


def test_a_repository_is_fetched_without_its_code(saved, monkeypatch):
    _, folder = saved
    asked = {}

    def fetch(repository, allow_patterns):
        asked[repository] = allow_patterns
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert hub.load("marcoyang/spear-base-speech").dim == 16
    assert asked == {"marcoyang/spear-base-speech": ["config.json", "model.safetensors"]}
