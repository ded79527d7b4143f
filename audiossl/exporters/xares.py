"""An encoder by the interfaces of X-ARES (arXiv 2505.16369) and of XARES-LLM (arXiv 2603.22728)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import overload

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.evaluation.hear.model import HearModel, get_timestamp_embeddings, side_by_side
from audiossl.exporters.hear import require_module_path
from audiossl.exporters.source import ModelSource
from audiossl.files import whole_file
from audiossl.load import load
from audiossl.version import __version__

LLM_RATE = 16_000  # Hz of all audio of XARES-LLM
MODULE = '''"""Encoder of {name} for X-ARES and XARES-LLM, written by audiossl {version}, which it needs.

    python -m xares.run --max-jobs 1 {file} TASKS
    python -m xares_llm.run {file} task1 task1

Both import the file by its path from the folder in which they are started. Takes mono audio at {sample_rate} Hz for X-ARES;
XARES-LLM has 16000 Hz always. {dim} values every {hop:g} ms: {layers}.
"""

from audiossl.exporters import xares


class {stem}(xares.XaresEncoder):
    """What both kits make without arguments; the only name here that ends in Encoder."""

    model = {model!r}
    layers = {options!r}
'''


class _Missing(Enum):
    """Tells a mask that is not given from one that is None."""

    MASK = "X-ARES gives none"


class XaresEncoder(nn.Module):
    """Frames of a model for X-ARES and XARES-LLM, which make the one class of a file whose name ends in Encoder.

    X-ARES calls it with clips of one length and wants frames. XARES-LLM calls it with a mask as well, or with None, and wants
    frames and their mask.

    A file for `python -m xares.run` and `python -m xares_llm.run`:

        from audiossl.exporters import xares

        class StudentEncoder(xares.XaresEncoder):
            model = "runs/asterisk"

    Attributes:
        model: name, as `audiossl.load` takes it.
        layers: layers, see `HearModel`.
        sampling_rate: Hz.
        output_dim: width of a frame.
        hop_size_in_ms: milliseconds from one frame to the next.

    >>> import audiossl
    >>> encoder = XaresEncoder(audiossl.load("logmel"))
    >>> encoder.sampling_rate, encoder(torch.zeros(2, 16000)).shape
    (16000, torch.Size([2, 100, 80]))
    >>> frames, mask = encoder(torch.zeros(2, 16000), None)
    >>> frames.shape[:2] == mask.shape
    True
    """

    model: str = "logmel"
    layers: Layers = "last"

    def __init__(self, embedder: Embedder | None = None) -> None:
        super().__init__()
        self.hear = HearModel(embedder or load(self.model), self.layers)
        self.sampling_rate, self.output_dim = self.hear.sample_rate, self.hear.timestamp_embedding_size
        self.hop_size_in_ms = self.hear.hop * 1000 / self.sampling_rate
        # XARES-LLM asks the first parameter for the device, and log-mel frames have none.
        self.place = nn.Parameter(torch.zeros(()), requires_grad=False)

    @overload
    def forward(self, audio: Float[Tensor, "B S"]) -> Float[Tensor, "B T D"]: ...
    @overload
    def forward(
        self, audio: Float[Tensor, "B S"], audio_attention_mask: Int[Tensor, "B S"] | None
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, "B T"]]: ...
    def forward(
        self, audio: Float[Tensor, "B S"], audio_attention_mask: Int[Tensor, "B S"] | _Missing | None = _Missing.MASK
    ) -> Float[Tensor, "B T D"] | tuple[Float[Tensor, "B T D"], Int[Tensor, "B T"]]:
        """Encode mono clips.

        Args:
            audio: clips, for X-ARES at `sampling_rate`, for XARES-LLM at 16 kHz.
            audio_attention_mask: 1 where a sample is of the clip, 0 in the padding behind it; None if all are.

        Returns:
            Frames; and where a mask or None is given, also the mask of the frames.
        """
        if isinstance(audio_attention_mask, _Missing):
            return get_timestamp_embeddings(audio, self.hear)[0]
        if audio_attention_mask is None:
            lengths = [audio.shape[1]] * len(audio)
        else:
            lengths = [max(1, int(length)) for length in audio_attention_mask.sum(1)]
        clips = [clip[:length] for clip, length in zip(audio.float(), lengths, strict=True)]
        found = [side_by_side(one) for one in self.hear.embedder.embed(clips, LLM_RATE, self.layers)]
        counts = torch.tensor([len(frames) for frames in found])
        mask = torch.arange(int(counts.max())) < counts[:, None]
        padded = nn.utils.rnn.pad_sequence(found, batch_first=True)
        return padded.to(audio.device), mask.long().to(audio.device)


@dataclass(frozen=True)
class XaresExport:
    """A file with one encoder class, which X-ARES and XARES-LLM import.

    The checkpoint is not copied: the file holds where it is. An object in memory is saved to `NAME_model` next to the file.

    Attributes:
        layers: last, all, or numbers such as [2, 4]; their vectors are concatenated.

    >>> XaresExport(layers="all").layers
    'all'
    """

    layers: Layers = "last"

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the file; its class is named as the file, in capitals, and ends in Encoder.

        Raises:
            ConfigError: if the path is no name of a module, or the model does not suit HEAR's interface.
        """
        require_module_path(output, "my_encoder.py")
        hear = HearModel(source.embedder, self.layers)
        text = MODULE.format(
            name=source.embedder.name,
            version=__version__,
            file=output.name,
            stem=class_name(output),
            sample_rate=hear.sample_rate,
            dim=hear.timestamp_embedding_size,
            hop=hear.hop * 1000 / hear.sample_rate,
            layers="the final output" if self.layers == "last" else f"layers {self.layers}, side by side",
            model=source.kept(output.with_name(f"{output.stem}_model")),
            options=self.layers,
        )
        with whole_file(output) as partial:
            partial.write_text(text, encoding="utf-8")
        return output


def class_name(file: Path) -> str:
    """The name of the class in a file, ending in Encoder.

    >>> class_name(Path("my_student.py")), class_name(Path("my_encoder.py"))
    ('MyStudentEncoder', 'MyEncoder')
    """
    words = "".join(word.capitalize() for word in file.stem.split("_"))
    return words if words.endswith("Encoder") else f"{words}Encoder"
