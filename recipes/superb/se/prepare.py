"""SE: VoiceBank-DEMAND with 28 speakers (`--data-root` holds {clean,noisy}_{trainset_28spk,testset}_wav); read at 16 kHz."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError

from ..official import Row, audio_row, corpus_root, write_official

VALID_SPEAKERS = ("p226", "p287")


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables; of the 28 speakers two validate."""
    halves = {"train": "trainset_28spk", "test": "testset"}
    needed = [f"{side}_{half}_wav" for half in halves.values() for side in ("clean", "noisy")]
    root = corpus_root(data_root, "VoiceBank-DEMAND", needed)
    tables: dict[str, list[Row]] = {"train": [], "valid": [], "test": []}
    for split, half in halves.items():
        for path in sorted((root / f"noisy_{half}_wav").glob("*.wav")):
            clean, speaker = root / f"clean_{half}_wav" / path.name, path.stem.partition("_")[0]
            if not clean.is_file():
                raise DataError(f"{clean} is missing; there is a noisy file of its name")
            row = audio_row(path.stem, path, clean_path=clean, group=speaker)
            tables["valid" if split == "train" and speaker in VALID_SPEAKERS else split].append(row)
    write_official(out / "se", "SE", **tables)
