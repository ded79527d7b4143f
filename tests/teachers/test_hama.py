"""The hama Conformer against a second, slow implementation, on random weights in the true file layout."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.models.encoder import Encoder
from audiossl.teachers.hama import WEIGHTS_FILE, HamaConformer, read_weights

BLOCK = {
    "ffn1.norm.weight": (144,), "ffn1.norm.bias": (144,), "ffn1.fc1.bias": (576,), "ffn1.fc2.bias": (144,),
    "attn_norm.weight": (144,), "attn_norm.bias": (144,), "attn.in_proj_bias": (432,), "attn.out_proj.bias": (144,),
    "conv.norm.weight": (144,), "conv.norm.bias": (144,), "conv.pointwise1.weight": (288, 144, 1), "conv.pointwise1.bias": (288,),
    "conv.pointwise2.weight": (144, 144, 1), "conv.pointwise2.bias": (144,), "ffn2.norm.weight": (144,), "ffn2.norm.bias": (144,),
    "ffn2.fc1.bias": (576,), "ffn2.fc2.bias": (144,), "norm.weight": (144,), "norm.bias": (144,),
}  # fmt: skip
PRODUCTS = [(144, 576), (576, 144), (144, 432), (144, 144), (144, 576), (576, 144)]


def random_tensors() -> dict[str, np.ndarray]:
    """Tensors with the names, shapes and types of the wheel's file, in its order; their values are of the size that matters."""
    draw = np.random.default_rng(0)

    def make(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name.endswith("norm.weight"):
            return (1 + 0.2 * draw.standard_normal(shape)).astype(np.float16)
        fan_in = shape[0] if name.startswith("onnx::MatMul") else math.prod(shape[1:])
        return (draw.standard_normal(shape) * (fan_in**-0.5 if len(shape) > 1 else 0.2)).astype(np.float16)

    angle = 2 * np.pi * np.outer(np.arange(201), np.arange(400)) / 400
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    tensors = {"mel_fb": draw.uniform(0, 0.01, (201, 80)).astype(np.float32)}
    tensors["stft_real_kernel"] = (window * np.cos(angle))[:, None].astype(np.float32)
    tensors["stft_imag_kernel"] = (-window * np.sin(angle))[:, None].astype(np.float32)
    for block in range(4):
        tensors |= {f"acoustic_model.model.blocks.{block}.{name}": make(name, shape) for name, shape in BLOCK.items()}
    tensors |= {
        f"acoustic_model.model.proj.{name}": make(name, shape) for name, shape in (("weight", (191, 144, 1)), ("bias", (191,)))
    }
    shapes = [(144, 80, 3), (144,)] + 4 * [(144, 1, 31), (144,)]
    tensors |= {f"onnx::Conv_{801 + i}": make("", shape) for i, shape in enumerate(shapes)}
    names = [f"onnx::MatMul_{829 + i}" for i in range(24)]
    return tensors | {name: make(name, shape) for name, shape in zip(names, 4 * PRODUCTS, strict=True)}


def write_hama(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write the layout that `read_weights` documents."""
    table, data = b"HAMAPK\x01\x02" + struct.pack("<I", len(tensors)), b""
    for name, array in tensors.items():
        table += struct.pack("<H", len(name)) + name.encode() + bytes([int(array.dtype == np.float16), array.ndim])
        table += struct.pack(f"<{array.ndim}I", *array.shape) + struct.pack("<QQ", len(data), array.nbytes)
        data += array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(table + bytes(-len(table) % 16) + data)


@pytest.fixture(scope="module")
def hama_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("wheel") / WEIGHTS_FILE
    write_hama(path, random_tensors())
    return path


@pytest.fixture(scope="module")
def weights(hama_file):
    return read_weights(hama_file)


@pytest.fixture(scope="module")
def model(weights):
    return HamaConformer(weights)


def test_weights_come_back_in_order(weights):
    expected = random_tensors()
    assert list(weights) == list(expected)
    assert all(np.array_equal(tensor.numpy(), expected[name]) for name, tensor in weights.items())
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())


def slow_encode(weights: dict[str, Tensor], clip: Tensor) -> list[Tensor]:
    """The five layers of one clip in float64, each step as its definition says."""
    named = {name: tensor.double() for name, tensor in weights.items()}
    conv = [tensor for name, tensor in named.items() if "Conv" in name]
    dense = [tensor for name, tensor in named.items() if "MatMul" in name]
    clip = clip.double()
    around = [abs(i) for i in range(-200, len(clip) + 200)]
    padded = torch.stack([clip[i if i < len(clip) else 2 * (len(clip) - 1) - i] for i in around])
    rows = []
    for start in range(0, len(padded) - 399, 160):
        frame = padded[start : start + 400]
        power = sum((named[f"stft_{part}_kernel"][:, 0] @ frame) ** 2 for part in ("real", "imag"))
        rows.append((power @ named["mel_fb"]).clamp_min(1e-10).log())
    mel = torch.stack([torch.zeros(80).double(), *rows, torch.zeros(80).double()])
    steps = [torch.einsum("oik,ki->o", conv[0], mel[t : t + 3]) + conv[1] for t in range(0, len(rows), 2)]
    x = torch.stack(steps)
    x = x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    layers = [x]
    for block in range(4):
        w = {n.split(f"blocks.{block}.")[1]: v for n, v in named.items() if f"blocks.{block}." in n}
        products = dense[6 * block : 6 * block + 6]

        def norm(x: Tensor, name: str, w: dict[str, Tensor] = w) -> Tensor:
            centred = x - x.mean(1, keepdim=True)
            spread = (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
            return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]

        def feed_forward(x: Tensor, name: str, first: Tensor, second: Tensor, w: dict[str, Tensor] = w) -> Tensor:
            inner = norm(x, f"{name}.norm") @ first + w[f"{name}.fc1.bias"]
            return (inner * inner.sigmoid()) @ second + w[f"{name}.fc2.bias"]

        x = x + feed_forward(x, "ffn1", *products[:2]) / 2
        query, key, value = (norm(x, "attn_norm") @ products[2] + w["attn.in_proj_bias"]).split(144, dim=1)
        heads = [slice(36 * head, 36 * head + 36) for head in range(4)]
        mixed = [((query[:, h] @ key[:, h].T) / 6).softmax(1) @ value[:, h] for h in heads]
        x = x + torch.cat(mixed, 1) @ products[3] + w["attn.out_proj.bias"]
        gate = norm(x, "conv.norm") @ w["conv.pointwise1.weight"][..., 0].T + w["conv.pointwise1.bias"]
        gated = gate[:, :144] * gate[:, 144:].sigmoid()
        edges = torch.zeros(15, 144).double()
        gated = torch.cat([edges, gated, edges])
        kernel, bias = conv[2 + 2 * block][:, 0].T, conv[3 + 2 * block]
        mixed = torch.stack([(gated[t : t + 31] * kernel).sum(0) + bias for t in range(len(x))])
        x = x + (mixed * mixed.sigmoid()) @ w["conv.pointwise2.weight"][..., 0].T + w["conv.pointwise2.bias"]
        x = norm(x + feed_forward(x, "ffn2", *products[4:]) / 2, "norm")
        layers.append(x)
    return layers


@pytest.mark.parametrize("num_samples", [201, 319, 320, 4801])
def test_agrees_with_the_slow_one(model, weights, num_samples):
    clip = torch.randn(num_samples) * 0.1
    frames = model(clip[None, None], torch.tensor([num_samples]))
    expected = slow_encode(weights, clip)
    assert len(frames.layers) == model.num_layers == 5 and int(frames.lengths[0]) == num_samples // 320 + 1
    for layer, slow in zip(frames.layers, expected, strict=True):
        assert layer.shape[1:] == slow.shape
        assert (layer[0] - slow).abs().max() < 1e-4


def alone_and_together(model: HamaConformer, dtype: torch.dtype) -> float:
    """Largest difference between frames of clips alone and in a batch whose padding holds garbage, over the largest value."""
    lengths = torch.tensor([8000, 201, 3333, 6400])
    batch = torch.randn(4, 1, 8000, dtype=dtype)
    together = model(batch, lengths)
    difference, largest = 0.0, 0.0
    for i, length in enumerate(lengths.tolist()):
        alone = model(batch[i : i + 1, :, :length], lengths[i : i + 1])
        assert int(together.lengths[i]) == int(alone.lengths[0])
        for one, other in zip(alone.layers, together.layers, strict=True):
            difference = max(difference, float((one[0] - other[i, : one.shape[1]]).abs().max()))
            largest = max(largest, float(one.abs().max()))
    return difference / largest


def test_padding_changes_nothing(model, weights):
    assert alone_and_together(HamaConformer(weights).double(), torch.float64) < 1e-13
    # In float32 a matrix product of another shape rounds otherwise: a few units in the last place of the largest value.
    assert alone_and_together(model, torch.float32) < 2e-6


def test_meets_the_contract(model):
    assert isinstance(model, Encoder) and not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model(torch.randn(1, 1, model.min_samples), torch.tensor([model.min_samples])).last.shape == (1, 1, 144)
    with pytest.raises(DataError, match="at least 201 samples"):
        model(torch.randn(2, 1, 400), torch.tensor([400, 200]))


def test_last_layer(model, weights):
    signal, lengths = torch.randn(1, 1, 1600), torch.tensor([1600])
    expected = model(signal, lengths)
    for last in range(5):
        frames = HamaConformer(weights, last)(signal, lengths)
        assert len(frames.layers) == last + 1 and torch.equal(frames.last, expected.layers[last])
    for last in (-1, 5):
        with pytest.raises(ConfigError, match=r"layers 0 .* to 4"):
            HamaConformer(weights, last)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "cut a bit", "table only", "grown", "text", "zeros", "count"])
def test_damaged_files(hama_file, tmp_path, damage):
    blob = hama_file.read_bytes()
    changed = {
        "empty": b"", "cut": blob[:-100_000], "cut a bit": blob[:-1], "table only": blob[:1000], "grown": blob + b"x" * 64,
        "text": b"version https://git-lfs.example\nsize 4700000\n" * 9, "zeros": bytes(len(blob)),
        "count": blob[:8] + struct.pack("<I", 10**6) + blob[12:],
    }  # fmt: skip
    path = tmp_path / "damaged.hama"
    if damage in changed:
        path.write_bytes(changed[damage])
    with pytest.raises(StoreError, match=r"damaged.hama is not a hama weights file .*fetch the wheel hama==1.7.0 again"):
        read_weights(path)
