"""Two people of the Human Connectome Project, two sessions each: 100 Schaefer regions x 1,200 volumes with their Yeo-7 networks.

0.72 s a volume. From the wheel cubnm (BSD-3-Clause), whose data remain under the HCP Open Access terms: acknowledge, do not
re-identify, do not pass on. Nothing of the package is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import DataError
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import read_series
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Rejected, SensorRecording

SOURCE = "pypi:cubnm==0.1.0"
RUNS = "cubnm/data/hcp/bold/*/*/ctx_parc-schaefer-100_desc-bold.npz"
NETWORKS = "cubnm/data/maps/ctx_parc-schaefer-100_desc-yeo7.txt"
YEO7 = ("visual", "somatomotor", "dorsal_attention", "ventral_attention", "limbic", "frontoparietal", "default")
TR, REGIONS = 0.72, 100


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs, sessions of a person one after the other.

    Raises:
        DataError: if a file is missing, or there are other regions.
    """
    root = fetch(SOURCE, data_root=data_root, expect={RUNS: 4, NETWORKS: 1})
    networks = network_names(root / NETWORKS)
    places = region_coordinates(data_root)
    regions = [f"schaefer100_{number:03d}" for number in range(1, REGIONS + 1)]
    for path in islice(sorted(root.glob(RUNS)), limit):
        person, session = path.parent.parent.name, path.parent.name
        try:
            series, _ = read_series(path, regions_first=True)
            about = {"session": session, "networks": "|".join(networks), "coordinates": "|".join(places)}
            yield bold_run(f"{person}_{session}", person, series, TR, regions, about=about)
        except DataError as error:
            yield Rejected(f"{person}_{session}", str(error))


def network_names(path: Path) -> list[str]:
    """Name of the Yeo network of each region, which the file numbers from 0."""
    try:
        return [YEO7[int(float(word))] for word in _of_length(path, path.read_text().split())]
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: expected numbers 0 to 6 of {REGIONS} regions ({error})") from error


def _of_length(path: Path, words: list[str]) -> list[str]:
    if len(words) != REGIONS:
        raise DataError(f"{path}: expected {REGIONS} regions, got {len(words)}")
    return words


def region_coordinates(data_root: Path | None) -> list[str]:
    """Where the same regions lie, from the surfaces of the wheel brainspace (61 MB); empty without nibabel, which reads them."""
    from ..brainspace.prepare import coordinates  # which takes the networks from here

    return coordinates(data_root)
