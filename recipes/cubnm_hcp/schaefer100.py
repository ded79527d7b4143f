"""The 100 Schaefer regions of two wheels: their Yeo-7 networks (cubnm) and where they lie (brainspace).

Both wheels are under BSD-3-Clause. Nothing of the packages is imported.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch

CUBNM, BRAINSPACE = "pypi:cubnm==0.1.0", "pypi:brainspace==0.3.0"
REGIONS = 100
NETWORKS = "cubnm/data/maps/ctx_parc-schaefer-100_desc-yeo7.txt"
YEO7 = ("visual", "somatomotor", "dorsal_attention", "ventral_attention", "limbic", "frontoparietal", "default")
LABELS = "brainspace/datasets/parcellations/schaefer_100_conte69.csv"
SURFACES = "brainspace/datasets/surfaces/conte69_32k_?h.gii"


def region_names() -> list[str]:
    """Names of the regions, in the order of both wheels."""
    return [f"schaefer100_{number:03d}" for number in range(1, REGIONS + 1)]


def network_names(data_root: Path | None) -> list[str]:
    """Name of the Yeo network of each region, which the file numbers from 0.

    Raises:
        DataError: if the file is missing or does not have a number from 0 to 6 for each region.
    """
    path = fetch(CUBNM, data_root=data_root, expect={NETWORKS: 1}) / NETWORKS
    words = path.read_text().split()
    if len(words) != REGIONS:
        raise DataError(f"{path}: expected {REGIONS} regions, got {len(words)}")
    try:
        return [YEO7[int(float(word))] for word in words]
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: expected numbers 0 to 6 of {REGIONS} regions ({error})") from error


def coordinates(data_root: Path | None) -> list[str]:
    """Centre of each region on brainspace's Conte69 surfaces (61 MB), mm, as `x,y,z`; empty without nibabel, which reads them.

    Raises:
        DataError: if a file is missing or does not fit the others.
    """
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError:
        return []
    root = fetch(BRAINSPACE, data_root=data_root, expect={LABELS: 1, SURFACES: 2})
    try:
        halves = [nibabel.load(path).darrays[0].data for path in sorted(root.glob(SURFACES))]  # pyright: ignore[reportAttributeAccessIssue]
        vertices, labels = np.concatenate(halves), np.loadtxt(root / LABELS).astype(int)
        centres = [vertices[labels == number].mean(0) for number in range(1, labels.max() + 1)]
    except (OSError, ValueError, IndexError, ImageFileError) as error:
        raise DataError(f"{root / LABELS} and the surfaces beside it cannot be read: {error}") from error
    return [",".join(f"{value:.1f}" for value in centre) for centre in centres]
