"""QbE: QUESST 2014, the non-native English part (`--data-root .../quesst14Database`)."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from audiossl.errors import DataError

from ..official import Row, audio_row, corpus_root, write_official

LANGUAGE = "nnenglish"


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables: queries of dev and eval, and the same documents in both."""
    lists = {"valid": "dev", "test": "eval"}
    needed = ["scoring/language_key_utterances.lst", *(f"scoring/language_key_{name}.lst" for name in lists.values())]
    root = corpus_root(data_root, "QUESST 2014", needed)
    documents = _listed(root, "language_key_utterances.lst")
    tables: dict[str, list[Row]] = {}
    for split, name in lists.items():
        matches = _matches(root / "scoring" / f"groundtruth_quesst14_{name}")
        tables[split] = [audio_row(path.stem, path, role="document", matches="") for path in documents]
        for path in _listed(root, f"language_key_{name}.lst"):
            wanted = [document.stem for document in documents if document.stem in matches[path.stem]]
            tables[split].append(audio_row(path.stem, path, role="query", matches=" ".join(wanted)))
    write_official(out / "qbe", "QbE", **tables)


def _listed(root: Path, name: str) -> list[Path]:
    """Files of the language, of lines `quesst14Database/FOLDER/FILE LANGUAGE`."""
    rows = [line.split() for line in (root / "scoring" / name).read_text(encoding="utf-8").splitlines() if line.strip()]
    return [root / re.sub(r"^.*?/", "", path) for path, language in rows if language == LANGUAGE]


def _matches(folder: Path) -> dict[str, set[str]]:
    """Documents that hold each query, of the lines `LEXEME DOCUMENT 1 START SECONDS QUERY ...` of its .rttm."""
    files = sorted(folder.glob("*.rttm"))
    if not files:
        raise DataError(f"{folder} holds no .rttm, the truth of QUESST 2014")
    found: dict[str, set[str]] = defaultdict(set)
    for line in files[0].read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if parts and parts[0] == "LEXEME":
            found[parts[5]].add(parts[1])
    return found
