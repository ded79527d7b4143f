"""`audiossl.export`: an encoder, written for another framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from audiossl.models.encoder import Encoder


def export(
    model: str | Path | Encoder | nn.Module,
    target: str,
    output: str | Path,
    overrides: Sequence[str] = (),
    **options: object,
) -> Path:
    """Write an encoder for another framework: an ONNX graph, an s3prl upstream, a module for a benchmark, a published layout.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, `FILE.py:Class`, `module:Class` or an encoder. An object in
            memory is saved with what is written, if its class has a layout on disk.
        target: "s3prl", "hear", "hf", "onnx", "xares", "mteb" or "marble", or the `my_module:MyExport` of your own; see
            `audiossl.exporters`.
        output: folder, for hear, xares, mteb and marble a file such as my_embed.py, for onnx model.onnx.
        overrides: options as `key=value` words, as on the command line.
        options: options of the export, such as `layers=[2, 4]` and `pooling="mean+max"` for hear: the fields of its class.

    Returns:
        The path that was written.

    Raises:
        ConfigError: if there is no such export or option, the model does not suit it, or `output` holds something else.

    >>> import tempfile
    >>> export("logmel", "hear", Path(tempfile.mkdtemp()) / "my_embed.py", pooling="mean+max").name
    'my_embed.py'
    """
    from audiossl.exporters.source import model_source
    from audiossl.exporters.table import EXPORTS, NEEDS
    from audiossl.kinds import find_kind
    from audiossl.options import read_options, with_overrides

    kind = find_kind(target, EXPORTS, "export", NEEDS)
    known, values = [field.name for field in fields(kind)], {**with_overrides(kind, {}, overrides), **options}
    if unknown := sorted(values.keys() - known):
        takes = f"takes the options {', '.join(known)}" if known else "takes no options"
        raise ConfigError(f"export {target} {takes}, got {', '.join(unknown)}")
    made = read_options(kind, values, f"export {target}")
    return made.write(model_source(model), Path(output))
