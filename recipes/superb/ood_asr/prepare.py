"""OOD-ASR: Common Voice 7 es, ar and zh-CN, and SBCSAE (`--data-root` holds a folder of each that is at hand).

Common Voice: LANGUAGE/{train,dev,test}.tsv and LANGUAGE/clips. SBCSAE: sbcsae/{train,dev,test}.tsv with the columns path and
sentence, as s3prl's preparation cuts it, and sbcsae/clips.
"""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError
from audiossl.objectives.text_units import TextConfig, normalise_text

from ..official import Row, audio_row, corpus_root, read_tsv, write_official

LANGUAGES = ("es", "ar", "zh-CN", "sbcsae")
SETS = {"train": "train", "valid": "dev", "test": "test"}


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write a task for each language; rows of validation and test with a letter that training has not are left out."""
    root = corpus_root(data_root, "Common Voice 7 or SBCSAE", [])
    present = [name for name in LANGUAGES if (root / name).is_dir()]
    if not present:
        raise DataError(f"expected one of {', '.join(LANGUAGES)} in {root}, found none")
    for language in present:
        corpus_root(root / language, f"{language} of Common Voice 7", [*(f"{name}.tsv" for name in SETS.values()), "clips"])
        tables: dict[str, list[Row]] = {}
        for split, name in SETS.items():
            tables[split] = []
            for row in read_tsv(root / language / f"{name}.tsv"):
                text = normalise_text(row["sentence"], TextConfig())
                if text:
                    clip = audio_row(Path(row["path"]).stem, root / language / "clips" / row["path"], transcription=text)
                    tables[split].append(clip | {"group": row.get("client_id", "")})
        letters = set("".join(str(row["transcription"]) for row in tables["train"]))
        for split in ("valid", "test"):
            tables[split] = [row for row in tables[split] if set(str(row["transcription"])) <= letters]
        write_official(out / f"ood_asr_{language}", "OOD-ASR", **tables)
