"""Graphs of lower precision: products in 16-bit floats, or weights in 8-bit integers, and all else as it is."""

from __future__ import annotations

import numpy as np

from audiossl.errors import import_extra
from audiossl.teachers.foreign import Foreign

PRODUCTS = ("MatMul", "Gemm", "Conv")
# Log-mel squares what spans ten orders of magnitude; queries and keys enter an exponential.
EXACT = ("log_mel", "self_attn_weights")
SCOPES = "pkg.torch.onnx.name_scopes"  # where the exporter notes the module of a node
LEAST = 1024  # entries of a weight that is worth it


def products_in_float16(proto: Foreign) -> None:
    """Compute products and convolutions in 16-bit floats, in place; sums, norms, softmax and log-mel stay in float32.

    Args:
        proto: a `ModelProto`, as the exporter made it.
    """
    onnx = import_extra("onnx", "onnx")
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    halves: dict[str, Foreign | None] = {}
    nodes = []
    for node in proto.graph.node:
        if not _is_product(node):
            nodes.append(node)
            continue
        for place, name in enumerate(node.input):
            if not name:
                continue
            half = f"{name}_float16"
            if name in weights and half not in halves:
                array = onnx.numpy_helper.to_array(weights[name]).astype(np.float16)
                halves[half] = onnx.numpy_helper.from_array(array, half)
            elif name not in weights and half not in halves:
                halves[half] = None
                nodes.append(onnx.helper.make_node("Cast", [name], [half], name=half, to=onnx.TensorProto.FLOAT16))
            node.input[place] = half
        whole = node.output[0]
        node.output[0] = f"{whole}_product"
        nodes += [node, onnx.helper.make_node("Cast", [f"{whole}_product"], [whole], to=onnx.TensorProto.FLOAT)]
    _replace(proto, nodes, [tensor for tensor in halves.values() if tensor is not None])


def weights_in_int8(proto: Foreign) -> None:
    """Store the weights of products and convolutions as 8-bit integers with a scale for each output channel, in place.

    Args:
        proto: a `ModelProto`, as the exporter made it.
    """
    onnx = import_extra("onnx", "onnx")
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    made: dict[str, Foreign] = {}
    nodes = []
    for node in proto.graph.node:
        name = node.input[1] if _is_product(node) else ""
        array = onnx.numpy_helper.to_array(weights[name]) if name in weights else np.empty(0)
        if array.size >= LEAST and array.ndim > 1:
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axis = 0 if node.op_type == "Conv" or transposed else array.ndim - 1
            stored, scale, whole = (f"{name}_{part}" for part in ("int8", "scale", "float32"))
            if stored not in made:
                others = tuple(place for place in range(array.ndim) if place != axis)
                step = np.maximum(np.abs(array).max(axis=others, keepdims=True), 1e-30) / 127
                made[stored] = onnx.numpy_helper.from_array(np.round(array / step).astype(np.int8), stored)
                made[scale] = onnx.numpy_helper.from_array(step.reshape(-1).astype(np.float32), scale)
                nodes.append(onnx.helper.make_node("DequantizeLinear", [stored, scale], [whole], name=whole, axis=axis))
            node.input[1] = whole
        nodes.append(node)
    _replace(proto, nodes, list(made.values()))


def _is_product(node: Foreign) -> bool:
    scopes = " ".join(entry.value for entry in node.metadata_props if entry.key == SCOPES)
    return node.op_type in PRODUCTS and not any(name in scopes for name in EXACT)


def _replace(proto: Foreign, nodes: list[Foreign], tensors: list[Foreign]) -> None:
    """Other nodes, further weights, and no weight that nobody reads."""
    read = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in [*proto.graph.initializer, *tensors] if tensor.name in read]
    for field, items in (("node", nodes), ("initializer", kept)):
        proto.graph.ClearField(field)
        getattr(proto.graph, field).extend(items)
