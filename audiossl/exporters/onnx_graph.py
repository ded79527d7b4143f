"""From a form of an encoder to an ONNX file: tracing, translation, precision, metadata."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from audiossl.errors import ConfigError, import_extra
from audiossl.exporters.onnx_forms import GraphForm
from audiossl.exporters.onnx_precision import products_in_float16, weights_in_int8
from audiossl.models.encoder import Frames
from audiossl.models.int8 import quantise_int8
from audiossl.models.zipformer import Zipformer
from audiossl.seeds import derive_generator
from audiossl.teachers.foreign import Foreign
from audiossl.teachers.onnx_metadata import FRAME_LENGTHS, FRAMES, LAYER, LAYER_LENGTHS, LENGTHS, MARK, OnnxMetadata
from audiossl.version import __version__

Precision = Literal["float32", "float16", "int8"]
OPSET = 18
EXAMPLE_STEPS = 3  # an example has so many steps of the grid, and a part of one
LARGE = 1_500_000_000  # bytes of weights from which they lie in a file of their own: a protocol buffer holds 2 GB


class TracedEncoder(nn.Module):
    """A form whose outputs are tensors: the frames and their lengths, then layers and theirs."""

    def __init__(self, form: GraphForm, layers: list[int]) -> None:
        super().__init__()
        self.form, self.layers = form, layers

    def forward(self, signal: Tensor, lengths: Int[Tensor, "B"]) -> tuple[Tensor, ...]:
        """Encode a padded batch."""
        frames: Frames = self.form(signal, lengths)
        layers = [frames.layers[number] for number in self.layers]
        return (frames.last, frames.last_lengths, *layers, *([frames.lengths] if layers else []))


def output_names(layers: list[int]) -> list[str]:
    """Names of the outputs of a graph with these layers.

    >>> output_names([2])
    ['frames', 'frame_lengths', 'layer_2', 'layer_lengths']
    """
    return [FRAMES, FRAME_LENGTHS, *(f"{LAYER}{number}" for number in layers), *([LAYER_LENGTHS] if layers else [])]


def write_graph(form: GraphForm, layers: list[int], precision: Precision, metadata: OnnxMetadata, path: Path) -> None:
    """Write the graph of a form.

    Args:
        form: form of an encoder, see `onnx_forms`.
        layers: numbers of the layers that are outputs.
        precision: see `OnnxExport`.
        metadata: contract of the encoder.
        path: the file; weights of more than 1.5 GB lie in `NAME.onnx.data` next to it.

    Raises:
        ConfigError: if the encoder cannot be traced.
    """
    if precision == "int8":
        form = copy.deepcopy(form)
        for module in form.modules():
            if isinstance(module, Zipformer):
                quantise_int8(module)
    proto = translate(trace_form(form, layers), layers, form.name)
    if precision == "float16":
        products_in_float16(proto)
    elif precision == "int8":
        weights_in_int8(proto)
    _forget_sources(proto)
    for key, value in {MARK: __version__, **metadata.to_properties()}.items():
        proto.metadata_props.add(key=key, value=value)
    save_graph(proto, path)


def save_graph(proto: Foreign, path: Path) -> None:
    """Write a `ModelProto`, with its weights in `NAME.onnx.data` where they are large."""
    onnx = import_extra("onnx", "onnx")
    is_large = sum(len(tensor.raw_data) for tensor in proto.graph.initializer) > LARGE
    beside = {"save_as_external_data": True, "location": f"{path.name}.data"} if is_large else {}
    onnx.save_model(proto, str(path), **beside)


@torch.no_grad()
def trace_form(form: GraphForm, layers: list[int]) -> torch.export.ExportedProgram:
    """Trace a form with free sizes; what other exporters take as well.

    Raises:
        ConfigError: if it cannot be traced.
    """
    if not hasattr(torch.compiler, "is_exporting"):
        raise ConfigError(f"export onnx needs torch 2.7 or newer, this is {torch.__version__}")
    shapes = _axes(form, torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC)
    with _quiet():
        try:
            return torch.export.export(TracedEncoder(form, layers), _example(form), dynamic_shapes=shapes, strict=False)
        except Exception as error:  # of many kinds, from torch
            encoder = getattr(form, "encoder", form)
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise ConfigError(
                f"a {type(encoder).__name__} cannot be traced by torch.export ({reason}): a graph has no branches or sizes that "
                "depend on values"
            ) from error


def translate(program: torch.export.ExportedProgram, layers: list[int], name: str) -> Foreign:
    """Translate a traced form into a `ModelProto` of ONNX."""
    opset = import_extra("onnxscript", "onnx").opset18
    with _quiet():
        made = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[name, LENGTHS],
            output_names=output_names(layers),
            dynamic_shapes=({0: "batch", _time_axis(name): "size"}, {0: "batch"}),
            custom_translation_table={torch.ops.aten._int_mm.default: lambda rows, weight: opset.MatMulInteger(rows, weight)},
        )
    return cast(Foreign, made).model_proto


def _example(form: GraphForm) -> tuple[Tensor, Int[Tensor, "B"]]:
    """Two clips of noise, of which one is shorter."""
    size = form.smallest + EXAMPLE_STEPS * form.step + form.step // 3
    channels = num_channels(form)
    clips = [
        0.1 * torch.randn(channels, length * form.samples_a_step, generator=derive_generator("onnx", "example"))
        for length in (size, size - form.step)
    ]
    return form.batch(clips)


def num_channels(form: GraphForm) -> int:
    """Channels of the signals of an encoder."""
    encoder = getattr(form, "encoder", None)
    about = getattr(encoder, "takes", None)
    return len(getattr(about, "channels", getattr(encoder, "regions", ("mono",))))


def _time_axis(name: str) -> int:
    return 2 if name == "signal" else 1


def _axes(form: GraphForm, batch: object, size: object) -> tuple[dict[int, object], dict[int, object]]:
    return {0: batch, _time_axis(form.name): size}, {0: batch}


def _forget_sources(proto: Foreign) -> None:
    """Drop what the exporter noted of our sources: stack traces, with the folders of this machine."""
    for kept in [proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.initializer]:
        kept.ClearField("metadata_props")
        kept.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    proto.ClearField("metadata_props")


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the remarks of torch and onnxscript on themselves."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
