"""Diffusion connectomes of 32 mice, 332 regions, four genotypes of eight and two sexes: a control that has to come out.

From the wheel graspologic (MIT; Wang et al. 2020, NeuroImage 117274). These are numbers of streamlines, not correlations: they
enter as log(1 + w). Nothing of the package is imported.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.bold.matrix import connectivity_matrix
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Rejected, SensorRecording

SOURCE = "pypi:graspologic==3.4.4"
FOLDER = "graspologic/datasets/mice"
REGIONS, MICE = 332, 32


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the connectome of each mouse, genotypes in turn.

    Raises:
        DataError: if a file is missing or the table of animals is not as expected.
    """
    root = fetch(SOURCE, data_root=data_root, expect={f"{FOLDER}/edgelists/*.edgelist": MICE, f"{FOLDER}/participants.csv": 1})
    table = root / FOLDER / "participants.csv"
    with table.open(encoding="utf-8", newline="") as file:
        animals = list(csv.DictReader(file))
    if not animals or {"participant_id", "genotype", "sex"} - animals[0].keys():
        raise DataError(f"{table}: expected columns participant_id, genotype and sex")
    seen: dict[str, int] = {}
    for animal in animals:  # the n-th of each genotype together, so that a few animals are of all genotypes
        animal["turn"] = seen[animal["genotype"]] = seen.get(animal["genotype"], 0) + 1
    regions = [f"region{number:03d}" for number in range(1, REGIONS + 1)]
    for animal in islice(sorted(animals, key=lambda animal: (animal["turn"], animal["genotype"])), limit):
        name = animal["participant_id"]
        try:
            matrix = read_edges(root / FOLDER / "edgelists" / f"{name}_ses-1_dti.edgelist")
            yield connectivity_matrix(
                name, name, np.log1p(matrix), regions, {"genotype": animal["genotype"], "sex": animal["sex"]}
            )
        except DataError as error:
            yield Rejected(name, str(error))


def read_edges(path: Path) -> np.ndarray:
    """Read lines `region region weight`, regions from 0, of an undirected graph."""
    matrix = np.zeros((REGIONS, REGIONS))
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            first, second, weight = line.split()
            matrix[int(first), int(second)] = matrix[int(second), int(first)] = float(weight)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path}: expected lines 'region region weight' of {REGIONS} regions ({error})") from error
    return matrix
