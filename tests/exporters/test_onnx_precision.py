"""Graphs by hand, so that what a pass does is seen in ONNX Runtime alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.exporters.onnx_graph import save_graph
from audiossl.exporters.onnx_precision import SCOPES, products_in_float16, weights_in_int8
from audiossl.models.run_folder import weights_digest
from audiossl.teachers.onnx_session import OnnxSession

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(48, 64)).astype(np.float32)
FILTER = RANDOM.normal(size=(64, 64, 3)).astype(np.float32)
X = RANDOM.normal(size=(2, 10, 48)).astype(np.float32)


def two_products(scope: str = "encoder.linear"):
    """A product, a convolution over time, and a bias."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["wide"]),
        helper.make_node("Transpose", ["wide"], ["by_channel"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["by_channel", "filter", "bias"], ["y"], pads=[1, 1]),
    ]
    for node in nodes:
        node.metadata_props.add(key=SCOPES, value=f"['', '{scope}']")
    weights = [("weight", WEIGHT), ("filter", FILTER), ("bias", np.ones(64, np.float32))]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", ["b", "t", 48]), ("y", ["b", 64, "t"]))
    ]
    made = [numpy_helper.from_array(array, name) for name, array in weights]
    graph = helper.make_graph(nodes, "graph", ports[:1], ports[1:], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model) -> np.ndarray:
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": X})[0]


def operators(model) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_products_in_16_bits_round_what_enters_them_and_nothing_else():
    model = two_products()
    expected, size = run(model), model.ByteSize()
    products_in_float16(model)
    assert operators(model) == ["Cast", "MatMul", "Cast", "Transpose", "Cast", "Conv", "Cast"]
    assert model.ByteSize() < 0.6 * size
    error = np.abs(run(model) - expected).max() / expected.std()
    assert 1e-5 < error < 1e-2


def test_weights_in_8_bits_have_a_scale_for_every_output_channel():
    model = two_products()
    expected, size = run(model), model.ByteSize()
    weights_in_int8(model)
    assert operators(model) == ["DequantizeLinear", "MatMul", "Transpose", "DequantizeLinear", "Conv"]
    assert model.ByteSize() < 0.35 * size
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert tensors["weight_int8"].dtype == np.int8
    step = np.abs(WEIGHT).max(0) / 127
    np.testing.assert_allclose(tensors["weight_scale"], step, rtol=1e-6)
    assert np.abs(tensors["weight_int8"] * step - WEIGHT).max() <= step.max() / 2 * 1.001
    assert np.abs(run(model) - expected).max() / expected.std() < 0.05


@pytest.mark.parametrize("change", [products_in_float16, weights_in_int8])
@pytest.mark.parametrize("scope", ["form.log_mel", "encoder.layers.0.self_attn_weights.in_proj"])
def test_log_mel_and_attention_weights_stay_as_they_are(change, scope):
    model = two_products(scope)
    expected = run(model)
    change(model)
    assert operators(model) == ["MatMul", "Transpose", "Conv"] and np.array_equal(run(model), expected)


def test_weights_of_a_large_graph_lie_in_a_file_of_their_own(tmp_path, monkeypatch):
    """And count where graphs are told apart."""
    monkeypatch.setattr("audiossl.exporters.onnx_graph.LARGE", 100)
    path, model = tmp_path / "large.onnx", two_products()
    expected = run(model)
    save_graph(model, path)
    assert path.stat().st_size < 2000 < path.with_name("large.onnx.data").stat().st_size
    session = OnnxSession(path)
    np.testing.assert_array_equal(session({"x": torch.from_numpy(X)}, ["y"])[0], expected)
    before = weights_digest(f"onnx:{path}")
    damaged = bytearray(path.with_name("large.onnx.data").read_bytes())
    damaged[5] ^= 1
    path.with_name("large.onnx.data").write_bytes(damaged)
    assert weights_digest(f"onnx:{path}") != before
    assert not OnnxSession(path).file_digest.equal(session.file_digest)
