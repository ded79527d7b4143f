"""`onnx:FILE` on graphs written by hand: a strided convolution, and vectors of pieces."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
import torch

import audiossl
from audiossl.errors import ConfigError, MissingExtraError, StoreError
from audiossl.models.run_folder import weights_digest
from audiossl.teachers.teacher import TeacherConfig, load_teacher, teacher_digest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
HOP, KERNEL, DIM = 160, 400, 6


def port(name, *shape, kind="FLOAT"):
    return onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), shape)


def write(path, nodes, inputs, outputs, weights):
    made = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = onnx.helper.make_graph(nodes, "graph", inputs, outputs, made)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))
    return path


def filters(seed=0):
    return np.random.default_rng(seed).normal(size=(DIM, 1, KERNEL)).astype(np.float32) / 20


def convolution(path, seed=0, mean_over_time=False):
    """Frames (B, T, D) of a waveform (B, S); or minus their mean over time, which padding changes."""
    make = onnx.helper.make_node
    nodes = [
        make("Unsqueeze", ["wave", "one"], ["mono"]),
        make("Conv", ["mono", "filters"], ["by_channel"], strides=[HOP]),
        make("Transpose", ["by_channel"], ["states"], perm=[0, 2, 1]),
        make("ReduceMean", ["states", "one"], ["mean"]),
        make("Sub", ["states", "mean"], ["centred"]) if mean_over_time else make("Identity", ["states"], ["centred"]),
    ]
    weights = {"one": np.array([1]), "filters": filters(seed)}
    return write(path, nodes, [port("wave", "b", "s")], [port("centred", "b", "t", DIM)], weights)


def frames_of(signal):
    return torch.nn.functional.conv1d(signal[None, None], torch.from_numpy(filters()), stride=HOP)[0].T


def test_hop_and_times_are_found_and_batches_change_nothing(tmp_path):
    model = audiossl.load(f"onnx:{convolution(tmp_path / 'conv.onnx')}?rate=16000")
    assert (model.sample_rate, model.frame_rate, model.dim, model.min_samples) == (16000, 100, DIM, KERNEL)
    assert model.frame_offset == KERNEL / 2 / 16000
    clips = [0.1 * torch.randn(size) for size in (8000, 3217)]
    for clip, found in zip(clips, model.embed(clips), strict=True):
        torch.testing.assert_close(found.frames, frames_of(clip), atol=1e-5, rtol=0)


def test_clips_run_alone_where_a_graph_lets_padding_in(tmp_path):
    model = audiossl.load(f"onnx:{convolution(tmp_path / 'mean.onnx', mean_over_time=True)}?rate=16000&hop={HOP}")
    clips = [0.1 * torch.randn(size) for size in (8000, 3217)]
    for clip, found in zip(clips, model.embed(clips), strict=True):
        wanted = frames_of(clip)
        torch.testing.assert_close(found.frames, wanted - wanted.mean(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_vector_stands_for_a_piece_and_the_last_is_filled_up(tmp_path, fixed):
    size, weight = 1600, np.random.default_rng(0).normal(size=(1, DIM)).astype(np.float32)
    nodes = [
        onnx.helper.make_node("ReduceMean", ["wave", "axis"], ["mean"]),
        onnx.helper.make_node("MatMul", ["mean", "w"], ["v"]),
    ]
    shape = (1, size) if fixed else ("b", "s")
    inputs, outputs = [port("wave", *shape)], [port("v", shape[0], DIM)]
    path = write(tmp_path / "vectors.onnx", nodes, inputs, outputs, {"axis": np.array([1]), "w": weight})
    if not fixed:
        with pytest.raises(ConfigError, match=r"say how many samples one stands for, as in onnx:\S*\?rate=16000&hop=64000"):
            audiossl.load(f"onnx:{path}?rate=16000")
    model = audiossl.load(f"onnx:{path}?rate=16000" + ("" if fixed else f"&hop={size}"))
    assert model.frame_rate == 10
    signal = 0.1 * torch.randn(2 * size + 800)
    sums = torch.stack([part.sum() for part in signal.split(size)])[:, None] / size
    together = model.embed([signal, signal[:size]])
    torch.testing.assert_close(together[0].frames, sums * torch.from_numpy(weight), atol=1e-6, rtol=1e-4)
    assert together[1].frames.shape == (1, DIM)


def test_a_file_is_its_digest_and_its_options_are_in_its_name(tmp_path):
    one, other = (convolution(tmp_path / f"{seed}.onnx", seed) for seed in (0, 1))
    name = f"onnx:{one}?rate=16000"
    before, digest = weights_digest(name), audiossl.load(name).digest
    assert before and before == weights_digest(f"onnx:{one}") == teacher_digest(TeacherConfig(name))
    assert audiossl.load(name).digest == digest != audiossl.load(f"onnx:{one}?rate=8000").digest
    other.replace(one)
    assert weights_digest(name) != before and audiossl.load(name).digest != digest


def test_a_teacher_takes_options_and_can_be_copied_to_another_process(tmp_path):
    path = convolution(tmp_path / "conv.onnx")
    teacher = load_teacher(TeacherConfig(f"onnx:{path}", options={"rate": 8000}))
    assert teacher.frame_rate == 50
    signal = 0.1 * torch.randn(4000)
    copied = pickle.loads(pickle.dumps(teacher.embedder))
    assert torch.equal(copied.embed(signal).frames, teacher.embedder.embed(signal).frames)


def test_what_is_wrong_is_named(tmp_path, monkeypatch):
    path = convolution(tmp_path / "conv.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:300])
    node = onnx.helper.make_node("Identity", ["wave"], ["again"])
    split = onnx.helper.make_node("Identity", ["wave"], ["more"])
    several = write(
        tmp_path / "several.onnx", [node, split], [port("wave", "b", "s")], [port("again", "b", "s"), port("more", "b", "s")], {}
    )
    for name, error, said in (
        (f"{path}", ConfigError, "does not say its sample rate"),
        (f"{path}?rate=fast", ConfigError, "rate: expected a number"),
        (f"{path}?rat=16000", ConfigError, "did you mean rate"),
        (f"{path}?rate=16000&output=center", ConfigError, r"no output 'center' \(did you mean centred\?\)"),
        (f"{path}?rate=16000&hop=320", ConfigError, "say hop=160"),
        (f"{several}?rate=16000", ConfigError, "expected one output of floats, got again"),
        (f"{damaged}?rate=16000", StoreError, "is no ONNX graph that can be run"),
        (f"{tmp_path / 'none.onnx'}", StoreError, "does not exist"),
    ):
        with pytest.raises(error, match=said):
            audiossl.load(f"onnx:{name}")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "audiossl\[onnx\]"'):
        audiossl.load(f"onnx:{path}?rate=16000")
