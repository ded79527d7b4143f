"""PR stand-in: Russian phones of one reader, automatic labels (festvox-ru; see packaged/festvox_ru.py)."""

from __future__ import annotations

from pathlib import Path

from ..packaged import festvox_ru
from .task_folder import empty_rows, write_clip, write_task

PAUSES = ("pau",)


def write(out: Path, data_root: Path | None) -> None:
    """Write the task; utterances are split as in the frame-phone probe."""
    folder = out / "standin_pr_festvox_ru"
    rows = empty_rows()
    for item in festvox_ru.items(data_root, None):
        name = item.path.stem
        segments = festvox_ru.read_phones(item.path.parents[1] / "lab" / f"{name}.lab")
        phones = " ".join(phone for phone, _, _ in segments if phone not in PAUSES)
        rows[str(item.custom["part"])].append(
            {"id": name, "wav_path": write_clip(folder, name, item.path), "transcription": phones}
        )
    write_task(
        folder, "PR", rows, {"updates": 600, "evaluations": 6},
        "festvox-ru: one speaker, phones by automatic alignment",
    )  # fmt: skip
