"""Names of the labels of an atlas image, from the table beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audiossl.errors import DataError, import_extra
from audiossl.signals.sensors.columns import read_columns

SUFFIXES = (".tsv", ".csv", ".txt")


def region_names(image: Path) -> list[str]:
    """Names of the labels 1, 2, ... of an image: of the columns `index` and `name` beside it, or `region_001`, ... without such.

    Args:
        image: `ATLAS.nii.gz`; its table is `ATLAS.tsv`, `.csv` or `.txt`, the last with a name a line.

    Raises:
        DataError: if the table has other columns, or labels are missing in it.
    """
    stem = image.name.partition(".nii")[0]
    for suffix in SUFFIXES:
        side = image.with_name(stem + suffix)
        if not side.is_file():
            continue
        if suffix == ".txt":
            return [line.strip() for line in side.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        table = read_columns(side)
        if not (table.has("index") and table.has("name")):
            raise DataError(f"{side}: expected the columns index and name, got {', '.join(table.names)}")
        by_label = dict(zip(table.numbers("index").tolist(), table.texts("name"), strict=True))
        by_label.pop(0.0, None)
        if sorted(by_label) != list(range(1, len(by_label) + 1)):
            raise DataError(f"{side}: expected an index of 1 to {len(by_label)}, each once, got {sorted(by_label)[:5]} ...")
        return [name or f"region_{int(label):03d}" for label, name in sorted(by_label.items())]
    data = np.asarray(import_extra("nibabel", "fmri").load(image).dataobj, np.float64)
    count = round(float(np.nanmax(data)))
    return [f"region_{label:03d}" for label in range(1, count + 1)]
