"""Group connectivity of the Human Connectome Project: 100 Schaefer regions, a discovery and a hold-out group, and three people.

From the wheels brainspace (BSD-3-Clause) and, for the Yeo-7 networks of the same regions, cubnm (BSD-3-Clause); the data remain
under the HCP Open Access terms. Matrices only, no series and no phenotypes. Nothing of the packages is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import DataError
from audiossl.signals.bold.matrix import connectivity_matrix
from audiossl.signals.bold.tables import read_series
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Rejected, SensorRecording

from ..cubnm_hcp.schaefer100 import BRAINSPACE, coordinates, network_names, region_names

GROUPS = "brainspace/datasets/matrices/*_group/schaefer_100_mean_connectivity_matrix.csv"
PEOPLE = "brainspace/datasets/matrices/individual/HCP_*_schaefer_100.csv"


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the two group matrices, then those of single people.

    Raises:
        DataError: if a file is missing.
    """
    root = fetch(BRAINSPACE, data_root=data_root, expect={GROUPS: 2, PEOPLE: 3})
    networks, regions = network_names(data_root), region_names()
    about = {"networks": "|".join(networks), "coordinates": "|".join(coordinates(data_root))}
    for path in islice([*sorted(root.glob(GROUPS)), *sorted(root.glob(PEOPLE))], limit):
        name = path.parent.name if path.parent.name != "individual" else path.stem.split("_")[1]
        try:
            matrix, _ = read_series(path, regions_first=True)
            yield connectivity_matrix(name, name, (matrix + matrix.T) / 2, regions, about)
        except DataError as error:
            yield Rejected(name, f"{path.name}: {error}")
