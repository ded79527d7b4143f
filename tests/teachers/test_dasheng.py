"""Dasheng against a slow second implementation, with tiny random weights in the published layout; nothing is downloaded."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.load import load
from audiossl.models.encoder import Encoder
from audiossl.options import read_options
from audiossl.signals.fetch import parse_source
from audiossl.teachers import dasheng
from audiossl.teachers.dasheng import PUBLISHED, DashengEncoder, Published
from audiossl.teachers.teacher import TeacherConfig, load_teacher

DIM, DEPTH, HEADS, MLP, LENGTH = 12, 3, 2, 20, 48  # pieces of 12 frames
CONFIG = {"target_length": LENGTH, "num_heads": HEADS, "patch_size": [64, 4], "hop_size": 160, "group_masking": True}


def published_state() -> dict[str, torch.Tensor]:
    """Random tensors under the names and in the order of a published checkpoint."""
    shapes = {"time_pos_embed": (1, DIM, 1, LENGTH // 4), "freq_pos_embed": (1, DIM, 1, 1)}
    shapes |= dict.fromkeys(["init_bn.1.weight", "init_bn.1.bias", "init_bn.1.running_mean", "init_bn.1.running_var"], (64,))
    shapes |= {"patch_embed.proj.weight": (DIM, 1, 64, 4), "patch_embed.proj.bias": (DIM,)}
    for i in range(DEPTH):
        linears = {"attn.qkv": (3 * DIM, DIM), "attn.proj": (DIM, DIM), "mlp.fc1": (MLP, DIM), "mlp.fc2": (DIM, MLP)}
        shapes |= {f"blocks.{i}.{name}.weight": shape for name, shape in linears.items()}
        shapes |= {f"blocks.{i}.{name}.bias": shape[:1] for name, shape in linears.items()}
        shapes |= {f"blocks.{i}.{norm}.{part}": (DIM,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
    shapes |= {"norm.weight": (DIM,), "norm.bias": (DIM,)}
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}
    state["init_bn.1.running_mean"] -= 20
    state["init_bn.1.running_var"] = state["init_bn.1.running_var"].abs() * 100 + 50
    state["init_bn.1.num_batches_tracked"] = torch.tensor(7)
    state["front_end.0.spectrogram.window"] = torch.from_numpy(hann()).float()
    state["front_end.0.mel_scale.fb"] = torch.from_numpy(triangles()).float()
    return state


def write(path: Path, state: dict[str, torch.Tensor] | None = None, **config) -> Path:
    torch.save({"model": published_state() if state is None else state, "config": CONFIG | config}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("weights") / "tiny.pt")


@pytest.fixture(scope="module")
def encoder(checkpoint) -> DashengEncoder:
    return DashengEncoder.from_checkpoint(checkpoint)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_computed_with_in_float32(tmp_path, dtype):
    """Window and mel filters, which are no weights, are not rounded with them."""
    halved = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in published_state().items()}
    rounded = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in halved.items()}
    rounded |= {name: tensor for name, tensor in published_state().items() if name.startswith("front_end")}
    signal, lengths = 0.1 * torch.randn(1, 1, 3200), torch.tensor([3200])
    one, other = (DashengEncoder.from_checkpoint(write(tmp_path / "half.pt", state)) for state in (halved, rounded))
    assert {parameter.dtype for parameter in one.parameters()} == {torch.float32}
    torch.testing.assert_close(one(signal, lengths).last, other(signal, lengths).last, rtol=1e-4, atol=1e-4)


def hann() -> np.ndarray:
    return np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / 512) for i in range(512)])


def triangles() -> np.ndarray:
    highest = 2595 * math.log10(1 + 8000 / 700)
    hertz = [700 * (10 ** (highest * i / 65 / 2595) - 1) for i in range(66)]
    bins = np.arange(257) * 31.25
    return np.stack([np.interp(bins, hertz[i : i + 3], [0, 1, 0]) for i in range(64)], axis=1)


def slow_mel(clip: np.ndarray, top_db: float) -> np.ndarray:
    """Decibels (T, 64), frame by frame, by a Fourier matrix."""
    fourier = np.exp(-2j * np.pi * np.outer(np.arange(512), np.arange(257)) / 512)
    padded = np.concatenate([clip[256:0:-1], clip, clip[-2:-258:-1]])
    frames = [padded[i * 160 : i * 160 + 512] * hann() for i in range(len(clip) // 160 + 1)]
    power = np.stack([np.abs(frame @ fourier) ** 2 @ triangles() for frame in frames])
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(decibels, decibels.max() - top_db)


def slow_layers(state: dict[str, torch.Tensor], clip: torch.Tensor, top_db: float = 120) -> list[np.ndarray]:
    """Every layer (T, D) in float64: frames, heads and queries one at a time."""
    w = {name: tensor.double().numpy() for name, tensor in state.items()}

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def attention(x, name):
        size = DIM // HEADS
        qkv, mixed = linear(x, f"{name}.qkv"), np.zeros_like(x)
        for head in range(HEADS):
            q, k, v = (qkv[:, part * DIM + head * size : part * DIM + (head + 1) * size] for part in range(3))
            for t in range(len(x)):
                score = np.exp(k @ q[t] / math.sqrt(size))
                mixed[t, head * size : (head + 1) * size] = score @ v / score.sum()
        return linear(mixed, f"{name}.proj")

    def gelu(x):
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2

    bn = "init_bn.1."
    mel = (slow_mel(clip.double().numpy(), top_db) - w[bn + "running_mean"]) / np.sqrt(w[bn + "running_var"] + 1e-5)
    mel = mel * w[bn + "weight"] + w[bn + "bias"]
    patches = [
        np.einsum("tm,dmt->d", mel[i : i + 4], w["patch_embed.proj.weight"][:, 0]) + w["patch_embed.proj.bias"]
        for i in range(0, len(mel) - 3, 4)
    ]
    pieces = []
    for start in range(0, len(patches), LENGTH // 4):
        x = np.stack(patches[start : start + LENGTH // 4])
        x = x + w["time_pos_embed"][0, :, 0, : len(x)].T + w["freq_pos_embed"][0, :, 0, 0]
        layers = [x]
        for i in range(DEPTH):
            x = x + attention(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn")
            x = x + linear(gelu(linear(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1")), f"blocks.{i}.mlp.fc2")
            layers.append(x)
        layers[-1] = norm(x, "norm")
        pieces.append(layers)
    return [np.concatenate(layers) for layers in zip(*pieces, strict=True)]


def noise(*sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise at every place, so that padding holds garbage; the loudest of it is in the padding."""
    signal = torch.randn(len(sizes), 1, max(sizes), generator=torch.Generator().manual_seed(1)) * 0.1
    for row, size in zip(signal, sizes, strict=True):
        row[:, size:] *= 100
    return signal, torch.tensor(sizes)


def test_mel_is_that_of_torchaudio():
    """Values that torchaudio 2.11 gives for a chirp, floored 60 dB below its loudest."""
    time = torch.arange(1600, dtype=torch.float64) / 16000
    chirp = (0.3 * torch.sin(2 * torch.pi * (200 * time + 15000 * time**2))).float()
    mel = dasheng._MelDecibels(60.0)
    decibels = mel(chirp[None])[0]
    golden = {
        (0, 0): 17.0219, (5, 0): 21.2754, (6, 1): 12.8060, (31, 6): 19.6176, (40, 10): 8.0302, (20, 5): -29.3631,
        (63, 3): -29.3631,
    }  # fmt: skip
    assert decibels.shape == (64, 11)
    for place, value in golden.items():
        assert decibels[place].item() == pytest.approx(value, abs=2e-4)
    assert mel.filters.sum().item() == pytest.approx(250.1951, abs=1e-3)
    assert mel.filters[26:32, 20].tolist() == pytest.approx([0, 0.395298, 0.915382, 0.581093, 0.080785, 0], abs=2e-6)


@pytest.mark.parametrize("top_db", [120.0, 30.0, math.inf])
def test_mel_is_the_slow_one(top_db):
    clip = noise(2000)[0][0]
    clip[:, 1200:] *= 1e-4
    decibels = dasheng._MelDecibels(top_db)(clip)[0].T
    assert np.abs(decibels.numpy() - slow_mel(clip[0].double().numpy(), top_db)).max() < 1e-3
    assert bool((decibels == decibels.min()).sum() > 5) == (top_db == 30)
    assert torch.equal(dasheng._MelDecibels(120.0)(torch.zeros(1, 800)), torch.full((1, 64, 6), -100.0))


def test_layers_are_those_of_the_slow_model(checkpoint, encoder):
    assert isinstance(DashengEncoder.from_checkpoint(checkpoint), Encoder)
    assert (encoder.num_layers, encoder.dim, encoder.frame_rate) == (DEPTH + 1, DIM, 25)
    assert not encoder.training and not any(parameter.requires_grad for parameter in encoder.parameters())
    for size in (640, 1120, 7680, 12345, 16500):  # a frame; two patches of which one counts; a piece; two pieces; three
        signal, lengths = noise(size)
        frames = encoder(signal, lengths)
        expected = slow_layers(published_state(), signal[0, 0])
        assert len(frames.layers) == len(expected) == DEPTH + 1 and frames.lengths.tolist() == [size // 640]
        for ours, slow in zip(frames.layers, expected, strict=True):
            assert ours.shape == (1, size // 640, DIM)
            assert np.abs(ours[0].numpy() - slow[: size // 640]).max() < 1e-4
        assert frames.last is frames.layers[-1] and frames.last_lengths is frames.lengths


def test_top_db_of_the_config_is_used(tmp_path):
    path = write(tmp_path / "tiny.pt", top_db=20)
    signal, lengths = noise(3200)
    signal[..., 1600:] *= 1e-3
    last = DashengEncoder.from_checkpoint(path)(signal, lengths).last[0].numpy()
    assert np.abs(last - slow_layers(published_state(), signal[0, 0], 20)[-1]).max() < 1e-4
    assert np.abs(last - slow_layers(published_state(), signal[0, 0], 120)[-1]).max() > 1e-2


def test_stored_tables_are_used(tmp_path, encoder):
    """The front end's window and filters are part of the file, as in the published model."""
    state = published_state()
    state["front_end.0.mel_scale.fb"] = state["front_end.0.mel_scale.fb"] * 2
    other = DashengEncoder.from_checkpoint(write(tmp_path / "tiny.pt", state))
    clip = noise(1600)[0][0]
    assert torch.allclose(other.mel(clip) - encoder.mel(clip), torch.tensor(10 * math.log10(2)), atol=1e-4)


def test_frame_counts(encoder):
    for size, count in ((640, 1), (1119, 1), (1279, 1), (1280, 2), (160000, 250), (160639, 250), (161280, 252), (161920, 253)):
        assert encoder(*noise(size)).lengths.tolist() == [count]
    assert encoder.frame_offset == pytest.approx((0 + 160 + 320 + 480) / 4 / 16000)


def test_batch_is_alone(encoder):
    signal, lengths = noise(16000, 640, 7999, 12321)
    together = encoder(signal, lengths)
    assert together.lengths.tolist() == [25, 1, 12, 19]
    for i, size in enumerate(lengths.tolist()):
        alone = encoder(signal[i : i + 1, :, :size], lengths[i : i + 1])
        for ours, other in zip(together.layers, alone.layers, strict=True):
            assert torch.equal(ours[i, : size // 640], other[0])


def test_pieces_do_not_see_each_other(encoder):
    signal, lengths = noise(15360)  # two pieces of 12 frames
    changed = signal.clone()
    changed[..., 7680 + 800 :] = 0.1
    difference = (encoder(signal, lengths).last - encoder(changed, lengths).last)[0].abs().amax(1)
    assert difference[:12].max() == 0 and difference[12:].min() > 1e-4


def test_training_mode_changes_nothing(checkpoint):
    encoder = DashengEncoder.from_checkpoint(checkpoint)
    expected = encoder(*noise(3200)).last
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    assert torch.equal(encoder.train()(*noise(3200)).last, expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_it_can_be_trained_further(checkpoint):
    encoder = DashengEncoder.from_checkpoint(checkpoint).requires_grad_(True)
    frames = encoder(*noise(16000, 640, 7999))
    sum(layer.square().sum() for layer in frames.layers).backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_last_layer(checkpoint, encoder):
    signal, lengths = noise(9000)
    whole = encoder(signal, lengths)
    for last in (0, 2, 3):
        frames = DashengEncoder.from_checkpoint(checkpoint, last_layer=last)(signal, lengths)
        assert len(frames.layers) == last + 1 and torch.equal(frames.last, whole.layers[last])
    for last in (-1, 4):
        with pytest.raises(ConfigError, match=f"layers 0 to 3; layer {last} was asked for"):
            DashengEncoder.from_checkpoint(checkpoint, last_layer=last)


def test_heads(tmp_path, checkpoint, encoder, monkeypatch):
    """An argument wins over the published sizes, those over the config, that over the wheel's default of 8."""

    def heads(path=checkpoint, **kwargs):
        return DashengEncoder.from_checkpoint(path, **kwargs).num_heads

    assert heads() == HEADS and heads(num_heads=3) == 3
    monkeypatch.setitem(PUBLISHED, "dasheng_base", Published(DIM, DEPTH, 4, ""))
    assert heads() == 4 and heads(num_heads=3) == 3
    torch.save({"model": published_state(), "config": {"target_length": LENGTH}}, tmp_path / "silent.pt")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="8 heads"):
        heads(tmp_path / "silent.pt")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda state: state | {"cls_token": torch.zeros(1, 1, DIM)}, r"1 unknown keys: cls_token"),
        (lambda state: {k: v for k, v in state.items() if k != "init_bn.1.bias"}, r"1 missing keys: init_bn\.1\.bias"),
        (lambda state: {k: v for k, v in state.items() if "fb" not in k}, r"1 missing keys: front_end\.0\.mel_scale\.fb"),
        (lambda state: {k: v for k, v in state.items() if "blocks" not in k}, r"no blocks"),
        (
            lambda state: state | {"patch_embed.proj.weight": torch.zeros(DIM, 1, 64, 2)},
            r"patch_embed\.proj\.weight \(12, 1, 64, 2\), expected \(12, 1, 64, 4\)",
        ),
        (lambda state: {k: v for k, v in state.items() if k != "time_pos_embed"}, r"no 'time_pos_embed'"),
        (lambda state: state | {"mel.window": state["front_end.0.spectrogram.window"]}, r"unknown keys: mel\.window"),
        (lambda state: state | {"norm.bias": 3}, r"no 'model' of tensors"),
    ],
)
def test_wrong_weights(tmp_path, change, message):
    path = write(tmp_path / "tiny.pt", change(published_state()))
    with pytest.raises(StoreError, match=rf"tiny\.pt.*{message}"):
        DashengEncoder.from_checkpoint(path)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"hop_size": 320}, "hop_size=320"),
        ({"center": False}, "center=False"),
        ({"patch_stride": (64, 2)}, "patch_stride="),
        ({"target_length": 1008}, "target_length 1008, but 12 positions"),
    ],
)
def test_wrong_configs(tmp_path, config, message):
    with pytest.raises(StoreError, match=message):
        DashengEncoder.from_checkpoint(write(tmp_path / "tiny.pt", **config))


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "tiny.pt"
    with pytest.raises(StoreError, match=r"tiny\.pt cannot be read"):
        DashengEncoder.from_checkpoint(path)
    for content in (b"", b"not a checkpoint at all"):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"tiny\.pt cannot be read"):
            DashengEncoder.from_checkpoint(path)
    write(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StoreError, match=r"tiny\.pt cannot be read"):
        DashengEncoder.from_checkpoint(path)
    torch.save({"model": published_state(), "config": {"path": Path("code")}}, path)  # not a plain value
    with pytest.raises(StoreError, match=r"tiny\.pt cannot be read"):
        DashengEncoder.from_checkpoint(path)
    for dump in (published_state(), {"model": published_state()}, [1]):
        torch.save(dump, path)
        with pytest.raises(StoreError, match="no 'model' of tensors and 'config'"):
            DashengEncoder.from_checkpoint(path)


def test_published_sizes():
    """Parameters that the sizes imply: 0.09, 0.6 and 1.1 B, and the file names in the addresses."""
    counts = {}
    for name, (dim, depth, num_heads, address) in PUBLISHED.items():
        with torch.device("meta"):
            model = DashengEncoder(dim, depth, num_heads)
        counts[name] = sum(parameter.numel() for parameter in model.parameters())
        block = 12 * dim**2 + 13 * dim
        assert counts[name] == depth * block + (256 + 1) * dim + 2 * dim + 252 * dim + dim + 128
        assert address.startswith("https://") and model.chunk == 252
        assert parse_source(f"url:{address}").name == name.replace("B", "b") + ".pt"
    assert {name: round(count / 1e7) for name, count in counts.items()} == {
        "dasheng_base": 9, "dasheng_06B": 63, "dasheng_12B": 113,
    }  # fmt: skip


def test_from_name_fetches_the_file(tmp_path, checkpoint, encoder, monkeypatch):
    """An address on this machine stands in for the published one."""
    address = write(tmp_path / "dasheng_base.pt").as_uri()
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PUBLISHED, "dasheng_base", Published(DIM, DEPTH, HEADS, address))
    expected = encoder(*noise(3200)).last
    assert torch.equal(DashengEncoder.from_name("dasheng_base")(*noise(3200)).last, expected)
    (tmp_path / "dasheng_base.pt").unlink()
    assert torch.equal(DashengEncoder.from_name("dasheng_base")(*noise(3200)).last, expected)  # from the cache
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "other"))
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    (by_hand / "dasheng_base.pt").write_bytes(checkpoint.read_bytes())
    assert torch.equal(DashengEncoder.from_name("dasheng_base", by_hand)(*noise(3200)).last, expected)
    monkeypatch.setitem(PUBLISHED, "dasheng_base", Published(DIM, DEPTH + 1, HEADS, address))
    with pytest.raises(StoreError, match="holds 3 blocks of width 12, expected the 4"):
        DashengEncoder.from_name("dasheng_base", by_hand)


def test_unknown_names():
    with pytest.raises(ConfigError, match="'dasheng_large' is neither a checkpoint file nor one of dasheng_base, dasheng_06B"):
        DashengEncoder.from_name("dasheng_large")
    for name in ("dasheng:", "dasheng:nope.pt"):
        with pytest.raises(ConfigError, match="dasheng_12B"):
            load(name)
    with pytest.raises(ConfigError, match="expected a name with kind=dasheng, for instance name=dasheng_12B"):
        read_options(TeacherConfig, {"kind": "dasheng"})


def test_bad_signals(encoder):
    with pytest.raises(DataError, match="at least 640 samples per clip, got 639"):
        encoder(*noise(700, 639))
    with pytest.raises(DataError, match="mono audio, got 2 channels"):
        encoder(torch.randn(1, 2, 1000), torch.tensor([1000]))
    with pytest.raises(ConfigError, match="whole patches"):
        DashengEncoder(12, 1, 2, target_length=10)


def test_as_teacher_and_by_load(checkpoint, encoder):
    clips = [noise(size)[0][0, 0] for size in (5000, 20000)]
    expected = [encoder(clip[None, None], torch.tensor([len(clip)])) for clip in clips]
    teacher = load_teacher(TeacherConfig(f"dasheng:{checkpoint}"))
    assert (teacher.layer, teacher.frame_rate, teacher.description) == (DEPTH, 25, f"dasheng:{checkpoint}:{DEPTH}")
    second = load_teacher(TeacherConfig(f"dasheng:{checkpoint}:2"))
    assert second.embedder.num_layers == 3
    for i, frames in enumerate(expected):
        assert torch.equal(teacher.frames(clips)[i], frames.last[0])
        assert torch.equal(second.frames(clips)[i], frames.layers[2][0])
        assert torch.equal(torch.as_tensor(load(f"dasheng:{checkpoint}").embed(clips)[i].frames), frames.last[0])
    # Clips up to 31 s run whole, so that the pieces begin where SPEAR's do.
    long = noise(31 * 16000)[0]
    assert torch.equal(teacher.frames([long[0, 0]])[0], encoder(long, torch.tensor([long.shape[-1]])).last[0])
