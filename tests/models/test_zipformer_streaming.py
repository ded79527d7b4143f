from __future__ import annotations

import pytest
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.models.zipformer import Zipformer
from audiossl.models.zipformer_streaming import start_stream, stream

EQUAL = 1e-5  # float32, products of other shapes


def run_stream(model, signal, sizes):
    """Frames of all layers and the final output of a signal given in blocks of these sizes, in turn."""
    state, position, parts, turn = start_stream(model, len(signal)), 0, [], 0
    while position < signal.shape[2]:
        block = signal[:, :, position : position + sizes[turn % len(sizes)]]
        frames, state = stream(model, state, block)
        parts.append(frames)
        position, turn = position + block.shape[2], turn + 1
    frames, state = stream(model, state, last=True)
    parts.append(frames)
    assert state.ended
    outputs = [torch.cat(layers, dim=1) for layers in zip(*((*part.layers, part.last) for part in parts), strict=True)]
    return outputs, parts


@pytest.mark.parametrize("sizes", [[320], [7, 4000, 1], [100_000]])
@pytest.mark.parametrize("frontend", ["conv1d", "conv2d"])
@pytest.mark.parametrize(("chunk_size", "left"), [(4, 8), (8, -1), (16, 16)])
def test_a_stream_gives_the_frames_of_the_whole(make_small, sizes, frontend, chunk_size, left):
    model = make_small(
        causal=True, frontend=frontend, output_downsampling_factor=2, chunk_size=(chunk_size,), left_context_frames=(left,)
    )
    signal = torch.randn(2, 1, 14_321) * 0.1
    with torch.no_grad():
        whole = model(signal, torch.tensor([14_321] * 2))
    outputs, _ = run_stream(model, signal, sizes)
    for ours, expected in zip(outputs, (*whole.layers, whole.last), strict=True):
        torch.testing.assert_close(ours, expected, atol=EQUAL, rtol=0)


def test_the_tiny_preset_streams(stirred):
    model = stirred(Zipformer.from_preset("tiny", causal=True, chunk_size=(8,), left_context_frames=(32,)))
    signal = torch.randn(1, 1, 40_000) * 0.1
    with torch.no_grad():
        whole = model(signal, torch.tensor([40_000]))
    outputs, _ = run_stream(model, signal, [1600])
    torch.testing.assert_close(outputs[-1], whole.last, atol=EQUAL, rtol=0)


@pytest.mark.parametrize(("frontend", "lookahead"), [("conv1d", 1240), ("conv2d", 2200)])
def test_frames_come_with_the_stated_latency_and_nothing_later_changes_them(make_small, frontend, lookahead):
    model = make_small(causal=True, frontend=frontend, chunk_size=(4,), left_context_frames=(8,))
    needed = 320 * 8 + lookahead  # for the first 8 frames; frame 7 is centred on sample 320 * 7 + 720
    assert needed - (320 * 7 + 720) == {"conv1d": 0.0525, "conv2d": 0.1125}[frontend] * 16_000
    signal, other = torch.randn(1, 1, needed) * 0.1, torch.randn(1, 1, 5000)
    early, state = stream(model, start_stream(model), signal[:, :, :-1])
    assert early.last.shape[1] == 4
    rest, _ = stream(model, state, signal[:, :, -1:])
    assert rest.last.shape[1] == 4
    with torch.no_grad():
        full = model(torch.cat([signal, other], dim=2), torch.tensor([needed + 5000])).last
    torch.testing.assert_close(torch.cat([early.last, rest.last], dim=1), full[:, :8], atol=EQUAL, rtol=0)


def test_a_frame_depends_on_its_chunk_and_left_context_only(make_small):
    one = {"downsampling_factor": (1,), "num_encoder_layers": (1,), "feedforward_dim": (24,), "encoder_dim": (16,)}
    one |= {"encoder_unmasked_dim": (8,), "cnn_module_kernel": (7,), "num_heads": (2,)}
    model = make_small(causal=True, chunk_size=(8,), left_context_frames=(8,), **one)
    features = torch.randn(1, 231, 16, requires_grad=True)
    frames = model.forward_features(features, torch.tensor([231])).last
    (grad,) = torch.autograd.grad(frames[0, 90].sum(), features)
    seen = grad[0].abs().sum(1).nonzero()[:, 0]
    assert int(seen.max()) == 2 * 95 + 8  # the last frame of chunk 11, at its ninth feature
    # Backwards through chunks of 8: a convolution to frame 87, attention to 72, a convolution to 69, attention to 56 and 48.
    assert int(seen.min()) == 2 * 48


def test_memory_is_bounded_by_the_left_context(make_small):
    model = make_small(causal=True, chunk_size=(8,), left_context_frames=(16,))
    state = start_stream(model)
    sizes = set()
    for turn in range(30):
        _, state = stream(model, state, torch.randn(1, 1, 2560))
        held = [state.samples, state.features, *(tensor for layer in state.layers for tensor in vars(layer).values())]
        if turn > 5:
            sizes.add(sum(tensor.numel() for tensor in held))
    assert len(sizes) == 1


def test_training_draws_chunks_and_every_parameter_learns(make_small):
    model = make_small(causal=True, chunk_size=(4, 16, -1), left_context_frames=(8, -1)).train()
    assert len({model.chunks for _ in range(99)}) == 5
    model.forward_features(torch.randn(2, 61, 16), torch.tensor([61, 40])).last.square().sum().backward()
    unused = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert unused == ["mask_emb"]


@pytest.mark.parametrize("chunk_size", [4, -1])
def test_batch_mates_change_nothing(make_small, chunk_size):
    model = make_small(causal=True, chunk_size=(chunk_size,))
    batch, sizes = torch.randn(2, 80, 16), torch.tensor([50, 80])
    with torch.no_grad():
        together = model.forward_features(batch, sizes).last[0]
        alone = model.forward_features(batch[:1, :50], sizes[:1]).last[0]
    torch.testing.assert_close(together[: len(alone)], alone, atol=EQUAL, rtol=0)


def test_windows_of_long_files_cut_between_chunks(make_small):
    model = make_small(causal=True, chunk_size=(16,))
    assert model.alignment == 16 * 320
    model.set_chunks(4, 8)
    assert model.alignment == 4 * 320
    with pytest.raises(ConfigError, match="multiples of 4"):
        model.set_chunks(6, 8)
    with pytest.raises(ConfigError, match="causal models only"):
        make_small().set_chunks(4, 8)


def test_what_cannot_stream_is_explained(make_small):
    for model in (make_small(), make_small(causal=True, chunk_size=(-1,))):
        with pytest.raises(ConfigError, match="limited chunks"):
            start_stream(model)
    model = make_small(causal=True, chunk_size=(4,))
    state = start_stream(model)
    with pytest.raises(ConfigError, match="evaluation"):
        stream(model.train(), state)
    model.eval()
    with pytest.raises(DataError, match=r"after 900 samples.* 1360"):
        stream(model, start_stream(model), torch.randn(1, 1, 900), last=True)
    _, ended = stream(model, start_stream(model), torch.randn(1, 1, 4000), last=True)
    with pytest.raises(DataError, match="has ended"):
        stream(model, ended, torch.randn(1, 1, 100))
