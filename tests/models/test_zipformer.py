from __future__ import annotations

import math

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError
from audiossl.features.logmel import LogMel
from audiossl.lengths import pad_stack
from audiossl.models.encoder import Encoder
from audiossl.models.zipformer import Zipformer
from audiossl.models.zipformer_layer import Bypass

LOG_ZERO = math.log(1e-10)
INVARIANCE = 1e-5  # the encoder contract, float32


def random_features(lengths: list[int], bins: int = 16) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(sum(lengths))
    return [torch.randn(length, bins, generator=generator) * 3 - 8 for length in lengths]


@pytest.mark.parametrize(("frontend", "factor"), [("conv1d", 1), ("conv1d", 2), ("conv2d", 1), ("conv2d", 2)])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(9, 70), min_size=1, max_size=4), extra=st.integers(0, 9))
def test_padding_and_batch_mates_change_nothing(make_small, frontend, factor, lengths, extra):
    model = make_small(frontend=frontend, output_downsampling_factor=factor)
    clips = random_features(lengths)
    batch, sizes = pad_stack(clips, LOG_ZERO)
    batch = torch.nn.functional.pad(batch, (0, 0, 0, extra), value=LOG_ZERO)
    with torch.no_grad():
        out = model.forward_features(batch, sizes)
        for row, clip in enumerate(clips):
            alone = model.forward_features(clip[None], sizes[row : row + 1])
            assert int(out.lengths[row]) == (len(clip) - 7) // 2 == alone.layers[0].shape[1]
            assert int(out.last_lengths[row]) == alone.last.shape[1]
            for ours, expected in zip((*out.layers, out.last), (*alone.layers, alone.last), strict=True):
                valid = expected.shape[1]
                torch.testing.assert_close(ours[row, :valid], expected[0], atol=INVARIANCE, rtol=0)


def test_reference_padding_does_depend_on_batch_mates(make_small):
    model = make_small("reference", frontend="conv2d")
    clips = random_features([40, 62])
    batch, sizes = pad_stack(clips, LOG_ZERO)
    with torch.no_grad():
        difference = model.forward_features(batch, sizes).last[0, :16] - model.forward_features(clips[0][None], sizes[:1]).last[0]
    assert difference.abs().max() > 1e-3
    model.padding = "invariant"
    with torch.no_grad():
        difference = model.forward_features(batch, sizes).last[0, :16] - model.forward_features(clips[0][None], sizes[:1]).last[0]
    assert difference.abs().max() < INVARIANCE


def test_gradients_do_not_see_padding_either(make_small):
    model = make_small(frontend="conv2d")
    clips = random_features([33, 60])
    batch, sizes = pad_stack(clips, LOG_ZERO)
    batch.requires_grad_()
    frames = int((sizes[0] - 7) // 2)
    model.forward_features(batch, sizes).last[0, :frames].square().sum().backward()
    assert batch.grad is not None
    assert batch.grad[0, :33].abs().sum() > 0
    assert batch.grad[0, 33:].abs().sum() == 0
    assert batch.grad[1].abs().sum() == 0


def test_a_permuted_batch_gives_permuted_frames(make_small):
    model = make_small()
    batch, sizes = pad_stack(random_features([30, 45, 52]), LOG_ZERO)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        straight, permuted = model.forward_features(batch, sizes), model.forward_features(batch[order], sizes[order])
    torch.testing.assert_close(permuted.last, straight.last[order], atol=INVARIANCE, rtol=0)
    assert permuted.lengths.tolist() == straight.lengths[order].tolist()


def test_audio_is_encoded_as_its_log_mel_and_meets_the_contract(make_small):
    model = make_small()
    assert isinstance(model, Encoder)
    signal, lengths = torch.randn(2, 1, 9000) * 0.1, torch.tensor([9000, 7777])
    out = model(signal, lengths)
    features, sizes = LogMel(16)(signal[:, 0], lengths)
    torch.testing.assert_close(out.last, model.forward_features(features, sizes).last)
    assert len(out.layers) == model.num_layers == 4
    assert out.layers[-1].shape[2] == model.dim == 16
    alone = model(signal[1:, :, :7777], lengths[1:])
    torch.testing.assert_close(out.last[1, : alone.last.shape[1]], alone.last[0], atol=INVARIANCE, rtol=0)


def test_layers_are_those_of_the_stacks_at_50_hz(make_small):
    model = make_small()
    out = model.forward_features(random_features([60])[0][None], torch.tensor([60]))
    assert {tuple(layer.shape) for layer in out.layers} == {(1, 26, 16)}
    for layer in out.layers[1:3]:  # the stack at 12.5 Hz
        assert (layer[:, 0:24:4] == layer[:, 3:24:4]).all()
    combiner = model.encoder.encoders[2].out_combiner
    assert isinstance(combiner, Bypass)
    assert not torch.equal(out.last, out.layers[-1])  # the last stack is combined with its input


@pytest.mark.parametrize(("features", "frames", "slow"), [(397, 195, 98), (300, 146, 73), (211, 102, 51)])
def test_lengths_at_50_and_25_hz_follow_the_published_table(make_small, features, frames, slow):
    model = make_small(output_downsampling_factor=2)
    out = model.forward_features(torch.zeros(1, features, 16), torch.tensor([features]))
    assert (int(out.lengths), int(out.last_lengths)) == (frames, slow)
    assert (out.layers[0].shape[1], out.last.shape[1]) == (frames, slow)
    assert (model.frame_rate, model.last_frame_rate) == (50.0, 25.0)


def test_alignment_keeps_every_grid_of_frames():
    with torch.device("meta"):
        assert Zipformer.from_preset("base").alignment == 8 * 320
        assert Zipformer.from_preset("tiny").alignment == 4 * 320
        narrow = {
            name: (value,)
            for name, value in {
                "downsampling_factor": 1,
                "num_encoder_layers": 1,
                "feedforward_dim": 16,
                "encoder_dim": 8,
                "encoder_unmasked_dim": 8,
                "cnn_module_kernel": 3,
                "num_heads": 1,
            }.items()
        }
        assert Zipformer.from_preset("tiny", output_downsampling_factor=2, **narrow).alignment == 2 * 320


def test_shortest_input(make_small):
    model = make_small()
    assert model.min_samples == 1360
    out = model(torch.randn(1, 1, 1360), torch.tensor([1360]))
    assert out.last.shape[1] == 1
    assert out.last.isfinite().all()
    with pytest.raises(DataError, match=r"item 1 .* 1359 samples.*1360 samples"):
        model(torch.randn(2, 1, 2000), torch.tensor([2000, 1359]))
    with pytest.raises(DataError, match=r"item 0 .* 8 feature frames"):
        model.forward_features(torch.randn(1, 8, 16), torch.tensor([8]))
    with pytest.raises(DataError, match="3000 samples"):
        model(torch.randn(1, 1, 2000), torch.tensor([3000]))


def test_bfloat16_autocast_is_finite_in_both_directions(make_small):
    model = make_small(frontend="conv2d", output_downsampling_factor=2)
    batch, sizes = pad_stack(random_features([30, 45]), LOG_ZERO)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model.forward_features(batch, sizes)
    out.last.float().square().mean().backward()
    with torch.no_grad():
        exact = model.forward_features(batch, sizes).last
    assert (out.last[1] - exact[1]).abs().mean() < 0.1 * exact[1].abs().mean()
    for name, parameter in model.named_parameters():
        if name != "mask_emb":
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_every_parameter_but_the_mask_vector_is_used(make_small):
    model = make_small(output_downsampling_factor=2)
    model.forward_features(random_features([45])[0][None], torch.tensor([45])).last.square().sum().backward()
    unused = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert unused == ["mask_emb"]


@pytest.mark.parametrize(("preset", "millions"), [("base", 93.29), ("large", 326.95), ("xlarge", 596.97)])
def test_parameter_counts_are_the_published_ones(preset, millions):
    with torch.device("meta"):
        model = Zipformer.from_preset(preset)
    left_over = model.num_layers * model.dim  # the published count holds one unused bypass scale per layer
    count = sum(parameter.numel() for parameter in model.parameters()) + left_over
    assert round(count / 1e6, 2) == millions


def test_initial_values_are_the_published_ones():
    model = Zipformer.from_preset("tiny")
    largest = {name: value.detach().abs().max().item() for name, value in model.named_parameters()}
    layer = "encoder.encoders.1.encoder.layers.0."
    for name, scale, inputs in (
        ("self_attn_weights.in_proj", 32**-0.25, 192),
        ("self_attn1.out_proj", 0.05, 48),
        ("nonlin_attention.out_proj", 0.05, 144),
        ("conv_module2.out_proj", 0.05, 192),
        ("feed_forward3.out_proj", 0.1, 320),
    ):  # PyTorch draws weights from U(-1, 1) / sqrt(inputs)
        assert largest[f"{layer}{name}.weight"] == pytest.approx(scale * inputs**-0.5, rel=0.02)
        assert largest[f"{layer}{name}.bias"] == pytest.approx(0.1 * scale, rel=0.1)
    assert largest[f"{layer}self_attn_weights.linear_pos.weight"] == pytest.approx(0.05 * 48**-0.5, rel=0.05)
    assert largest[f"{layer}norm.log_scale"] == 1.0
    assert largest[f"{layer}bypass.bypass_scale"] == 0.5


def test_unknown_padding_is_refused(make_small, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checks of the tests
    with pytest.raises(ConfigError, match="'invariant' or 'reference'"):
        make_small().padding = "zeros"
