"""Group connectivity of the Human Connectome Project: 100 Schaefer regions, a discovery and a hold-out group, and three people.

From the wheels brainspace (BSD-3-Clause) and, for the Yeo-7 networks of the same regions, cubnm (BSD-3-Clause); the data remain
under the HCP Open Access terms. Matrices only, no series and no phenotypes. Nothing of the packages is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.bold.matrix import connectivity_matrix
from audiossl.signals.bold.tables import read_series
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Rejected, SensorRecording

from ..cubnm_hcp.prepare import NETWORKS, network_names
from ..cubnm_hcp.prepare import SOURCE as NETWORK_SOURCE

SOURCE = "pypi:brainspace==0.3.0"
GROUPS = "brainspace/datasets/matrices/*_group/schaefer_100_mean_connectivity_matrix.csv"
LABELS = "brainspace/datasets/parcellations/schaefer_100_conte69.csv"
SURFACES = "brainspace/datasets/surfaces/conte69_32k_?h.gii"
PEOPLE = "brainspace/datasets/matrices/individual/HCP_*_schaefer_100.csv"


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the two group matrices, then those of single people.

    Raises:
        DataError: if a file is missing.
    """
    root = fetch(SOURCE, data_root=data_root, expect={GROUPS: 2, PEOPLE: 3})
    networks = network_names(fetch(NETWORK_SOURCE, data_root=data_root, expect={NETWORKS: 1}) / NETWORKS)
    regions = [f"schaefer100_{number:03d}" for number in range(1, len(networks) + 1)]
    about = {"networks": "|".join(networks), "coordinates": "|".join(coordinates(data_root))}
    for path in islice([*sorted(root.glob(GROUPS)), *sorted(root.glob(PEOPLE))], limit):
        name = path.parent.name if path.parent.name != "individual" else path.stem.split("_")[1]
        try:
            matrix, _ = read_series(path, regions_first=True)
            yield connectivity_matrix(name, name, (matrix + matrix.T) / 2, regions, about)
        except DataError as error:
            yield Rejected(name, f"{path.name}: {error}")


def coordinates(data_root: Path | None) -> list[str]:
    """Centre of each region on the package's Conte69 surfaces, mm, as `x,y,z`; empty where nibabel, which reads them, is missing.

    Raises:
        DataError: if a file is missing or does not fit the others.
    """
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError:
        return []
    root = fetch(SOURCE, data_root=data_root, expect={LABELS: 1, SURFACES: 2})
    try:
        halves = [nibabel.load(path).darrays[0].data for path in sorted(root.glob(SURFACES))]  # pyright: ignore[reportAttributeAccessIssue]
        vertices, labels = np.concatenate(halves), np.loadtxt(root / LABELS).astype(int)
        centres = [vertices[labels == number].mean(0) for number in range(1, labels.max() + 1)]
    except (OSError, ValueError, IndexError, ImageFileError) as error:
        raise DataError(f"{root / LABELS} and the surfaces beside it cannot be read: {error}") from error
    return [",".join(f"{value:.1f}" for value in centre) for centre in centres]
