"""`audiossl.check`: does an encoder keep its promises?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from audiossl.evaluation.encoder_check.finding import Finding
    from audiossl.models.encoder import Encoder
    from audiossl.table_list import TableList


def check(
    model: str | Path | Encoder | nn.Module,
    *,
    quick: bool = False,
    as_published: bool = False,
    json: str | Path | None = None,
) -> TableList[Finding]:
    """Check an encoder: frame counts, padding, repetition, unusual signals, drift, copies, memory.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, `FILE.py:Class`, `module:Class` or an encoder.
        quick: take 40 s for a long file instead of 10 minutes, and fewer repetitions.
        as_published: run a `hf:` model in padded batches, as its documentation does.
        json: file that the findings are written to as well.

    Returns:
        A finding for each question, with its status "pass", "warn" or "fail", the number that decides, and advice: a list that
        shows itself as a table.

    Raises:
        ConfigError: if the model is not known, is no encoder, or `as_published` is asked of another than a `hf:` model.

    >>> [finding.status for finding in check("logmel", quick=True) if finding.check == "padding"]
    ['pass']
    """
    from dataclasses import asdict

    from audiossl.embedding.embedder import Embedder
    from audiossl.evaluation.encoder_check import check_encoder
    from audiossl.files import write_json
    from audiossl.load import load
    from audiossl.table_list import TableList

    embedder = load(model)
    if as_published:
        from audiossl.evaluation.encoder_check.published import PublishedBatch
        from audiossl.teachers.hugging_face import HuggingFaceEncoder

        if not isinstance(embedder.encoder, HuggingFaceEncoder):
            raise ConfigError(f"--as-published is for hf: models, '{embedder.name}' is none")
        embedder = Embedder(PublishedBatch(embedder.encoder), name=embedder.name)
    findings = TableList(check_encoder(embedder, quick))
    if json is not None:
        write_json(Path(json), [asdict(finding) for finding in findings])
    return findings
