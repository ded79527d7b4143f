"""The exports by name, and what an export is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from audiossl.kinds import Kind

if TYPE_CHECKING:
    from audiossl.exporters.source import ModelSource

EXPORTS: dict[str, Kind] = {
    "s3prl": Kind("audiossl.exporters.s3prl:S3prlExport", "a folder that s3prl loads as an upstream"),
    "hear": Kind("audiossl.exporters.hear:HearExport", "a module for the kits of HEAR 2021, such as my_embed.py"),
    "hf": Kind("audiossl.exporters.hf:HuggingFaceExport", "a Zipformer in the layout of published SPEAR models"),
    "onnx": Kind("audiossl.exporters.onnx:OnnxExport", "a graph that runs without torch, such as model.onnx"),
    "xares": Kind("audiossl.exporters.xares:XaresExport", "a file for X-ARES and XARES-LLM, such as my_encoder.py"),
    "mteb": Kind("audiossl.exporters.mteb:MtebExport", "a file for MTEB, such as my_encoder.py"),
    "marble": Kind("audiossl.exporters.marble:MarbleExport", "a file for MARBLE v2, such as my_encoder.py"),
}
NEEDS = ("write",)


class Export(Protocol):
    """A dataclass whose fields are the options of an export."""

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the model, by rename, and return what was written.

        Raises:
            ConfigError: if the model does not suit, or `output` holds something else.
        """
        ...
