"""Stand-ins for SUPERB's tasks, made from packages; none of their numbers compares with published ones.

About 0.5 GB of packages. Official corpora are prepared by the scripts in the folders beside this one.
"""

from __future__ import annotations

from pathlib import Path

from . import (
    keywords_stand_in,
    mixtures_stand_in,
    phones_stand_in,
    queries_stand_in,
    speakers_stand_in,
    verification_stand_in,
    words_stand_in,
)

STAND_INS = (
    phones_stand_in,
    words_stand_in,
    keywords_stand_in,
    queries_stand_in,
    speakers_stand_in,
    verification_stand_in,
    mixtures_stand_in,
)


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write task folders into `out`; `data_root` is where packages were unpacked by hand."""
    for stand_in in STAND_INS:
        stand_in.write(out, data_root)
