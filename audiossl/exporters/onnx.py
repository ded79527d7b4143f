"""An encoder as an ONNX graph that runs without torch, with a report of how far its frames are from those of torch."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.errors import ConfigError, import_extra
from audiossl.exporters.onnx_forms import GraphForm, make_form
from audiossl.exporters.onnx_graph import Precision, write_graph
from audiossl.exporters.onnx_parity import Parity, measure
from audiossl.exporters.source import ModelSource
from audiossl.files import write_json
from audiossl.models.encoder import last_offset
from audiossl.teachers.onnx_metadata import OnnxMetadata
from audiossl.teachers.onnx_session import weights_beside

REPORT = ".parity.json"
CHOSEN_ALIKE = 0.9  # share of the frames that agree where rounding may choose another edge


@dataclass(frozen=True)
class OnnxExport:
    """One `.onnx` file, and `NAME.parity.json` next to it: errors and cosines of its frames at sizes of every residue.

    Inputs are the signal and `lengths` (B,), the valid steps of each; outputs are `frames` (B, T, D), `frame_lengths` (B,) and,
    where layers are asked for, `layer_0` and so on with `layer_lengths`. Batch and size are free. The metadata of the file say
    rate, hop and widths. Weights of more than 1.5 GB lie in `NAME.onnx.data`.

    Attributes:
        form: input: waveform (the default) or features for Zipformers, signal for others.
        layers: layers that are outputs besides the final one: last for none, all, or numbers such as [2, 4].
        precision: float32; float16, in which products are computed, and norms, softmax and log-mel in float32; int8, in which
            linear layers of Zipformers are computed, frame by frame, and weights of all other layers are stored.
        tolerance: largest error of a float32 graph, for frames of a size of 1; above it nothing is written. Of connectivity
            encoders 90 % of the frames have to be within 1e-4, for rounding may choose another edge.

    >>> OnnxExport(layers="all").precision
    'float32'
    """

    form: Literal["", "waveform", "features", "signal"] = ""
    layers: Layers = "last"
    precision: Precision = "float32"
    tolerance: float = 1e-4

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the file and its report.

        Raises:
            ConfigError: if the path does not end in `.onnx`, the encoder cannot be traced, or the graph computes something else.
            MissingExtraError: if onnx, onnxscript or onnxruntime is not installed.
        """
        for package in ("onnx", "onnxscript", "onnxruntime"):
            import_extra(package, "onnx")
        if output.suffix != ".onnx":
            raise ConfigError(f"expected a file such as model.onnx, got {output.name}")
        embedder, numbers = source.embedder, source.embedder.layer_numbers(self.layers) or []
        form = make_form(embedder, self.form)
        metadata = describe(embedder, form.name, self.precision, numbers)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
            partial = Path(folder) / output.name
            write_graph(form, numbers, self.precision, metadata, partial)
            parity = measure(partial, form, embedder, numbers, self.precision)
            if self.precision == "float32" and not self._is_right(parity, form):
                raise ConfigError(f"export onnx {embedder.name}: {parity.fault(self.tolerance)}: nothing was written")
            write_json(output.with_suffix(REPORT), parity.to_json())
            for old in weights_beside(output):
                old.unlink()
            for made in sorted(partial.parent.glob(f"{output.name}*"), reverse=True):  # weights first
                made.replace(output.with_name(made.name))
        return output

    def _is_right(self, parity: Parity, form: GraphForm) -> bool:
        return parity.relative_error <= self.tolerance or (form.chooses and parity.within >= CHOSEN_ALIKE)


def describe(embedder: Embedder, form: str, precision: Precision, layers: list[int]) -> OnnxMetadata:
    """The contract of an encoder as metadata of its graph."""
    encoder, takes = embedder.encoder, embedder.takes
    is_brain = bool(getattr(encoder, "regions", ()))
    log_mel = getattr(encoder, "num_mel_bins", 0) if form == "features" else 0
    return OnnxMetadata(
        encoder=Path(embedder.name).name if Path(embedder.name).exists() else embedder.name,  # folders are nobody's business
        domain="brain" if is_brain else "audio" if takes.is_audio else "sensors",
        form=form,
        precision=precision,
        sample_rate=embedder.sample_rate,
        hop=embedder.sample_rate / embedder.frame_rate,
        frame_rate=embedder.frame_rate,
        last_frame_rate=embedder.last_frame_rate,
        frame_offset=embedder.frame_offset,
        last_frame_offset=last_offset(encoder),
        dim=embedder.dim,
        layers=layers,
        num_layers=embedder.num_layers,
        min_samples=embedder.min_samples,
        alignment=embedder.alignment,
        num_mel_bins=log_mel,
        channels=list(takes.channels),
        units=list(takes.units),
    )
