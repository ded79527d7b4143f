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

from .schaefer100 import CUBNM, coordinates, network_names, region_names

RUNS = "cubnm/data/hcp/bold/*/*/ctx_parc-schaefer-100_desc-bold.npz"
TR = 0.72


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs, sessions of a person one after the other.

    Raises:
        DataError: if a file is missing, or there are other regions.
    """
    root = fetch(CUBNM, data_root=data_root, expect={RUNS: 4})
    networks, places, regions = network_names(data_root), coordinates(data_root), region_names()
    for path in islice(sorted(root.glob(RUNS)), limit):
        person, session = path.parent.parent.name, path.parent.name
        try:
            series, _ = read_series(path, regions_first=True)
            about = {"session": session, "networks": "|".join(networks), "coordinates": "|".join(places)}
            yield bold_run(f"{person}_{session}", person, series, TR, regions, about=about)
        except DataError as error:
            yield Rejected(f"{person}_{session}", str(error))
