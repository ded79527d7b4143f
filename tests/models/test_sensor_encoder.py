import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import audiossl
from audiossl.errors import DataError, StoreError
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.objectives.pooling import mean_frame

TAKES = SensorInput(("acc_x", "acc_y"), ("g", "g"), 50.0)


def make(normalise="training"):
    torch.manual_seed(0)
    encoder = ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16))
    takes = SensorInput(TAKES.channels, TAKES.units, TAKES.rate, normalise)
    statistics = ([1.0, -2.0], [3.0, 0.5]) if normalise == "training" else ()
    return SensorEncoder(encoder, takes, *statistics).eval()


def test_what_is_loaded_embeds_as_what_was_saved(tmp_path):
    model = make()
    model.save(tmp_path / "encoder")
    signal = torch.randn(2, 200)
    embedding = audiossl.load(tmp_path / "encoder").embed(signal.numpy())
    expected = model(signal[None], torch.tensor([200]))
    torch.testing.assert_close(embedding.frames, expected.last[0].detach())
    torch.testing.assert_close(embedding.pooled, mean_frame(expected)[0].detach(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(embedding.times[:2], [0.01, 0.01 + 4 / 50])


@pytest.mark.parametrize("normalise", ["training", "window", "none"])
def test_units_are_taken_off_and_missing_samples_and_padding_do_not_matter(normalise):
    model = make(normalise)
    signal, lengths = torch.randn(2, 2, 64), torch.tensor([64, 40])
    signal[0, 1, 5] = torch.nan
    frames = model(signal, lengths)
    assert bool(frames.last[0].isfinite().all())
    alone = model(signal[1:, :, :40], lengths[1:])
    torch.testing.assert_close(frames.last[1, : alone.last.shape[1]], alone.last[0])
    if normalise == "window":
        scaled = model(signal * 7 + 3, lengths)
        torch.testing.assert_close(scaled.last[0], frames.last[0], rtol=1e-3, atol=1e-4)
    if normalise == "training":
        normal = (signal[1:] - torch.tensor([1.0, -2.0])[:, None]) / torch.tensor([3.0, 0.5])[:, None]
        torch.testing.assert_close(model.encoder(normal[:, :, :40], lengths[1:]).last, alone.last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_computed_with_in_float32(tmp_path, dtype):
    make().save(tmp_path)
    state = {name: tensor.to(dtype) for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    save_file(state, tmp_path / "model.safetensors")
    loaded = SensorEncoder.load(tmp_path)
    assert all(torch.equal(tensor, state[name].to(tensor.dtype)) for name, tensor in loaded.state_dict().items())
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_wrong_channels_and_damaged_folders_are_named(tmp_path):
    with pytest.raises(DataError, match=r"expected 2 channels: acc_x \(g\), acc_y \(g\); got 3"):
        make()(torch.zeros(1, 3, 50), torch.tensor([50]))
    make().save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(StoreError, match="holds no sensor encoder that can be read"):
        audiossl.load(tmp_path)
