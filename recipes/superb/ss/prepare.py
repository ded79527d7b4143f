"""SS: Libri2Mix, 16 kHz, min, mix_clean (`--data-root .../Libri2Mix/wav16k/min`)."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError

from ..official import Row, audio_row, corpus_root, write_official

SETS = {"train": "train-100", "valid": "dev", "test": "test"}
VALID_CLIPS = 1000  # the first by name; s3prl draws a subset of this size


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables; paths of sources are absolute."""
    needed = [f"{name}/{part}" for name in SETS.values() for part in ("mix_clean", "s1", "s2")]
    root = corpus_root(data_root, "Libri2Mix (wav16k/min)", needed)
    tables: dict[str, list[Row]] = {}
    for split, name in SETS.items():
        tables[split] = []
        for path in sorted((root / name / "mix_clean").glob("*.wav"))[: VALID_CLIPS if split == "valid" else None]:
            sources = [root / name / part / path.name for part in ("s1", "s2")]
            if missing := [source for source in sources if not source.is_file()]:
                raise DataError(f"{missing[0]} is missing; mix_clean has its mixture")
            tables[split].append(audio_row(path.stem, path, source1_path=sources[0], source2_path=sources[1]))
    write_official(out / "ss", "SS", **tables)
