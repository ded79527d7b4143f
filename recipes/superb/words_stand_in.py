"""ASR stand-in: acted Czech, split by level of the game (Fish Fillets; see packaged/fillets.py)."""

from __future__ import annotations

from pathlib import Path

from audiossl.objectives.text_units import TextConfig, normalise_text
from audiossl.signals.audio import probe

from ..packaged import fillets
from .task_folder import Rows, empty_rows, write_clip, write_task

SECONDS = (0.7, 8.0)


def write(out: Path, data_root: Path | None) -> None:
    """Write the task; of ten levels in the order of their names one validates and one tests."""
    folder = out / "standin_asr_fillets_cs"
    rows = empty_rows()
    items = fillets.speech("cs", data_root, None)
    levels = sorted({str(item.custom["group"]) for item in items})
    for item in items:
        text = normalise_text(item.text or "", TextConfig())
        group = str(item.custom["group"])
        if not text or not SECONDS[0] <= probe(item.path).duration <= SECONDS[1]:
            continue
        split = {3: "test", 7: "valid"}.get(levels.index(group) % 10, "train")
        name = item.id.rpartition("fillets-ng-data-cs/")[2].replace("/", "_")
        rows[split].append({
            "id": name, "wav_path": write_clip(folder, name, item.path), "transcription": text, "group": group,
        })  # fmt: skip
    write_task(
        folder, "ASR", _spellable(rows), {"updates": 1000, "lr": 3e-3, "hidden": 128, "evaluations": 5},
        "Fish Fillets: acted Czech, few voices; a head of 128 cells instead of 1024",
    )  # fmt: skip


def _spellable(rows: Rows) -> Rows:
    """Without the lines that have a letter which training has not."""
    letters = set("".join(str(row["transcription"]) for row in rows["train"]))
    return {split: [row for row in lines if set(str(row["transcription"])) <= letters] for split, lines in rows.items()}
