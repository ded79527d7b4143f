"""The table of docs/encoders.md, of tiny random checkpoints; written by `python tests/teachers/encoder_table.py`."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from tiny_towers import save_tower

import audiossl
from audiossl.teachers.hugging_face_families import FAMILIES as WAVEFORMS
from audiossl.teachers.hugging_face_loading import import_transformers
from audiossl.teachers.towers import LARGER, TOWERS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "encoders.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
HEAD = (
    "| model type | family | rate, Hz | frames a second | of the output | layers | frames of 2 s | alone, in a batch | check |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


# Sizes that are narrow and short, and strides as published.
NARROW = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 20}
WHISPER = {f"{side}_{key}": 2 for side in ("encoder", "decoder") for key in ("layers", "attention_heads", "ffn_dim")}


def _save_waveform(folder: Path, kind: str) -> Path:
    transformers = import_transformers()
    config = transformers.AutoConfig.for_model(kind)
    sizes = (
        {**WHISPER, "d_model": 16} if kind == "whisper" else {**NARROW, "conv_dim": (8,) * len(getattr(config, "conv_dim", ()))}
    )
    more = (
        {} if kind == "whisper" else {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "conv_pos_kernel_size": 3}
    )
    known = {name: value for name, value in {**sizes, **more}.items() if hasattr(config, name)}
    torch.manual_seed(0)
    transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **known)).eval().save_pretrained(folder)
    return folder


def make_row(kind: str, folder: Path) -> str:
    embedder = audiossl.load((_save_waveform if kind in WAVEFORMS else save_tower)(folder, kind))
    encoder: Any = embedder.encoder
    title = WAVEFORMS[kind].title if kind in WAVEFORMS else TOWERS[kind].title
    size = 2 * int(encoder.sample_rate)
    signal = 0.1 * torch.randn(2, 1, size, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([size, size * 3 // 4])
    together = encoder(signal, lengths)
    alone = encoder(signal[1:, :, : int(lengths[1])], lengths[1:])
    difference = max(
        float((one[0] - other[1, : one.shape[1]]).abs().max())
        for one, other in zip([*alone.layers, alone.last], [*together.layers, together.last], strict=True)
    )
    findings = [finding for finding in audiossl.check(encoder, quick=True) if finding.status != "pass"]
    verdict = "; ".join(f"{finding.status}: {finding.check}, {finding.found}" for finding in findings) or "passes"
    return (
        f"| `{kind}` | {title} | {encoder.sample_rate:g} | {encoder.frame_rate:.4g} | {encoder.last_frame_rate:.4g} | "
        f"{encoder.num_layers if encoder.num_layers == 1 else 'all'} | {int(together.lengths[0])} | "
        f"{'equal' if difference == 0 else f'{difference:.1g}'} | {verdict} |\n"
    )


def make_table() -> str:
    lines = []
    for kind in [*WAVEFORMS, *TOWERS]:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            lines.append(make_row(kind, Path(folder)))
    inside = ", ".join(f"`{kind}`" for kind, row in LARGER.items() if row.section)
    return f"{HEAD}{''.join(lines)}\nOf these larger models the audio tower alone is read: {inside}.\n"


def written() -> str:
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, after = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + make_table() + END + after.partition(END)[2])
