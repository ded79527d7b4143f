"""ASV: VoxCeleb1 dev, and the trials of its test speakers (`--data-root` holds dev/wav, test/wav and veri_test.txt).

The published protocol has no list for validation: the test's trials choose the best of ten checkpoints, and so they do here.
SUPERB trims silence with sox before training, which is not done here; say so beside a number.
"""

from __future__ import annotations

from pathlib import Path

from audiossl.evaluation.superb.tables import write_table

from ..official import Row, audio_row, corpus_root, write_official
from ..voxceleb1 import find


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables, and the trials of the lines `0|1 FILE FILE`."""
    root = corpus_root(data_root, "VoxCeleb1", ["dev/wav", "test/wav", "veri_test.txt"])
    train = [
        audio_row(name, path, label=path.parents[1].name)
        for path in sorted((root / "dev" / "wav").glob("*/*/*.wav"))
        if (name := path.relative_to(root / "dev" / "wav").as_posix())
    ]
    lines = [line.split() for line in (root / "veri_test.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
    names = sorted({name for _, one, other in lines for name in (one, other)})
    test: list[Row] = [audio_row(name, find(root, name), label=name.split("/")[0], group=name.split("/")[0]) for name in names]
    write_official(out / "asv", "ASV", train=train, valid=test, test=test)
    trials = [{"id1": one, "id2": other, "same": same} for same, one, other in lines]
    for split in ("valid", "test"):
        write_table(out / "asv" / f"{split}_trials.csv", trials)
