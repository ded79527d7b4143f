"""festvox-ru: 99 minutes of clean Russian read by one man at 16 kHz, with text and time-aligned phones; for a probe only.

From the Debian package festvox-ru. Its labels were made by automatic alignment, on a grid of 5 to 10 ms. Licence: BSD-like.
"""

from __future__ import annotations

import re
from pathlib import Path

from audiossl.errors import DataError
from audiossl.signals.corpora.corpus import Corpus, Item
from audiossl.signals.corpora.manifest import Custom
from audiossl.signals.fetch import fetch

from .sides import thin

SOURCE = "festvox-ru"
VOICE = "usr/share/festival/voices/russian/msu_ru_nsh_clunits"
UTTERANCES = 620
TEST, VALID = 60, 56  # utterances; 504 train

Labelled = list[tuple[str, float, float]]


def items(data_root: Path | None, limit: int | None) -> list[Item]:
    """Fetch the utterances; none is on a side of pre-training."""
    root = _fetch(data_root)
    texts = read_texts(root / "etc" / "txt.done.data")
    paths = sorted((root / "wav").glob("*.wav"))
    parts = split_utterances([path.stem for path in paths])
    common: Custom = {"source": SOURCE, "domain": "speech", "side": "probe"}
    found = [
        Item(
            id=f"{SOURCE}/{path.stem}", path=path, text=texts.get(path.stem), speaker="nsh", language="ru",
            custom=common | {"group": f"{SOURCE}/{path.stem}", "part": parts[path.stem]},
        )
        for path in paths
    ]  # fmt: skip
    return thin(found, limit)


def split_utterances(names: list[str]) -> dict[str, str]:
    """Choose test and validation utterances at even distances over the whole corpus, in the order of their numbers."""
    ordered = sorted(names)
    parts = dict.fromkeys(ordered, "train")
    for part, wanted in (("test", TEST), ("valid", VALID)):
        free = [name for name in ordered if parts[name] == "train"]
        count = min(wanted, max(1, len(ordered) // 10))
        for i in range(count):
            parts[free[(2 * i + 1) * len(free) // (2 * count)]] = part
    return parts


def labels(corpus: Corpus, data_root: Path | None) -> tuple[list[dict[str, object]], dict[str, list[str]]]:
    """Label rows (id, segments of phone, start, end in seconds; pauses are a phone too) and split of the phone task."""
    root = _fetch(data_root)
    chosen = [item for item in corpus.items if item.custom["source"] == SOURCE]
    rows: list[dict[str, object]] = [
        {"id": item.id, "segments": read_phones(root / "lab" / f"{item.id.rpartition('/')[2]}.lab")} for item in chosen
    ]
    return rows, {part: [item.id for item in chosen if item.custom["part"] == part] for part in ("train", "valid", "test")}


def read_phones(path: Path) -> Labelled:
    """Read a label file: a header up to a line `#`, then `END 125 PHONE` a line, END in seconds.

    Raises:
        DataError: if a line is of another form or the ends do not rise.
    """
    _, hash_, body = path.read_text(encoding="utf-8").partition("#\n")
    segments: Labelled = []
    begin = 0.0
    for line in body.splitlines():
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*([\d.]+)\s+\d+\s+(\S+)\s*", line)
        if match is None or float(match[1]) < begin:
            raise DataError(f"{path}: expected 'END 125 PHONE' with an END after {begin} s, got {line!r}")
        end = float(match[1])
        if end > begin:
            segments.append((match[2], begin, end))
        begin = end
    if not hash_ or not segments:
        raise DataError(f"{path} holds no phones after a line '#'")
    return segments


def read_texts(path: Path) -> dict[str, str]:
    """Read `( NAME "text" )` lines; a `+` marks the stressed vowel and is taken out."""
    found = re.findall(r'^\(\s*(\S+)\s+"(.*)"\s*\)\s*$', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.replace("+", "") for name, text in found}


def _fetch(data_root: Path | None) -> Path:
    expect = {f"{VOICE}/wav/*.wav": UTTERANCES, f"{VOICE}/lab/*.lab": UTTERANCES}
    return fetch(f"deb:{SOURCE}", data_root=data_root, expect=expect) / VOICE
