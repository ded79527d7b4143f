"""SF: Audio SNIPS (`--data-root` holds all.iob.snips.txt, train, valid and test)."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError

from ..official import Row, audio_row, corpus_root, write_official

SPEAKERS = {
    "train": ("Ivy", "Joanna", "Joey", "Justin", "Kendra", "Kimberly", "Matthew", "Salli"),
    "valid": ("Aditi", "Amy", "Geraint", "Nicole"),
    "test": ("Brian", "Emma", "Raveena", "Russell"),
}


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables of the lines `SPEAKER-snips-SPLIT-N BOS words EOS<tab>O tags intent`."""
    root = corpus_root(data_root, "Audio SNIPS", ["all.iob.snips.txt", *SPEAKERS])
    texts: dict[str, str] = {}
    for line in (root / "all.iob.snips.txt").read_text(encoding="utf-8").splitlines():
        id_, _, rest = line.strip().partition(" ")
        texts[id_] = rest
    tables: dict[str, list[Row]] = {}
    for split, speakers in SPEAKERS.items():
        tables[split] = [
            audio_row(path.stem, path, transcription=marked(texts[path.stem], path.stem), group=path.stem.partition("-")[0])
            for path in sorted((root / split).rglob("*.wav"))
            if path.stem.partition("-")[0] in speakers and path.stem in texts
        ]
    write_official(out / "sf", "SF", **tables)


def marked(text: str, id_: str) -> str:
    """Words in upper case with the marks of their slots.

    >>> marked("BOS play jazz now EOS\\tO O B-genre O PlayMusic", "x")
    'PLAY B-genre JAZZ E-genre NOW'

    Raises:
        DataError: if there are not as many tags as words.
    """
    words, _, tags = text.partition("\t")
    pairs = words.split()[1:-1], tags.split()[1:-1]
    if len(pairs[0]) != len(pairs[1]):
        raise DataError(f"{id_}: expected a tag for each of {len(pairs[0])} words, got {len(pairs[1])}")
    parts, slot = [], ""
    for word, tag in zip(*pairs, strict=True):
        kind, _, name = tag.partition("-")
        if slot and (kind != "I" or name != slot):
            parts.append(f"E-{slot}")
            slot = ""
        if kind in ("B", "I") and not slot:
            parts.append(f"B-{name}")
            slot = name
        parts.append(word.upper())
    return " ".join([*parts, *([f"E-{slot}"] if slot else [])])
