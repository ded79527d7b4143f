"""A folder of tables of regional series, one a run: whose they are, at which repetition time, and whether they fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64

from audiossl.errors import ConfigError, DataError, import_extra
from audiossl.signals.bold.bids import entities, repetition_time
from audiossl.signals.bold.people_table import plain_id
from audiossl.signals.bold.run import bold_run
from audiossl.signals.bold.tables import TEXT, read_series
from audiossl.signals.file_search import find_files
from audiossl.signals.path_names import ids_of, inner_paths, match_path
from audiossl.signals.sensors.recording import Rejected, SensorRecording

SUFFIXES = (*TEXT, ".npy", ".npz", ".mat")
# Ends of names of tables beside runs that are no series.
NO_SERIES = (
    "participants",
    "sessions",
    "scans",
    "events",
    "confounds",
    "timeseries_confounds",
    "motion",
    "outliers",
    "dseg",
    "coverage",
)
_SESSION = re.compile(r"[_-](?:session|ses)[-_]?([a-z0-9]+)", re.I)
_RUN = re.compile(r"[_-](?:run|scan)[-_]?([a-z0-9]+)", re.I)


def series_files(root: Path, atlas: str = "", left_out: Sequence[Path] = ()) -> list[Path]:
    """Find tables of series, of one atlas where names say of which they are.

    Raises:
        ConfigError: if there are none, those of several atlases and none is named, or an atlas is named that no path holds.
    """
    others = {path.resolve() for path in left_out}
    found = [
        path
        for path in find_files([root], SUFFIXES)
        if path.resolve() not in others and not path.name.partition(".")[0].lower().endswith(NO_SERIES)
    ]
    if not found:
        raise ConfigError(f"corpus: no table of series below {root}; looked for {', '.join(SUFFIXES)}")
    named = {path: {name for key in ("seg", "atlas") if (name := entities(path).get(key))} for path in found}
    names = sorted(set().union(*named.values()))
    if not names:  # a word in the path then
        meant = [path for path in found if atlas.lower() in path.relative_to(root).as_posix().lower()]
        if not meant:
            raise ConfigError(
                f"atlas: none of {len(found)} tables below {root} has '{atlas}' in its name or folder, and none says atlas-NAME "
                "or seg-NAME: leave atlas out if all are of one atlas"
            )
        return meant
    meant = [name for name in names if name == atlas] or [name for name in names if atlas.lower() in name.lower()]
    if len(meant) != 1:
        raise ConfigError(f"atlas: expected one of {', '.join(names)}, got {repr(atlas) if atlas else 'none'}. Say atlas=NAME")
    return [path for path in found if meant[0] in named[path]]


def num_volumes(path: Path, regions_first: bool = False) -> int:
    """Volumes of a table or an image; of an image its header alone is read.

    Raises:
        DataError: if it cannot be read.
    """
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel = import_extra("nibabel", "fmri")
        try:
            return int(nibabel.load(path).shape[3])
        except (OSError, IndexError, nibabel.filebasedimages.ImageFileError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
    return read_series(path, regions_first)[0].shape[1]


@dataclass(frozen=True)
class TableFolder:
    """Tables of one folder; see `OwnFolder`."""

    root: Path
    files: Sequence[Path]
    tr: float = 0.0
    rows: Literal["volumes", "regions"] = "volumes"
    person: str = ""
    people: tuple[str, ...] = ()
    atlas: str = ""

    def recordings(self) -> Iterator[SensorRecording | Rejected]:
        """Read a run from each table; those with other regions than the first are rejected.

        Raises:
            ConfigError: if no file says its repetition time.
            DataError: if most tables have other regions than the first.
        """
        self.check_times()
        regions: tuple[str, ...] = ()
        others = 0
        for path, id_, inner in zip(self.files, ids_of(self.files, SUFFIXES), inner_paths(self.files), strict=True):
            try:
                person, about = self.whose(inner)
                series, names = read_series(path, regions_first=self.rows == "regions")
                names = names or tuple(f"region_{number:03d}" for number in range(1, len(series) + 1))
                regions = regions or names
                if names != regions:
                    others += 1
                    raise DataError(f"{path}: {_differ(series, names, regions)} of {self.files[0].name}")
                seconds = self.tr or repetition_time(path, "_bold.json")
                yield bold_run(id_, person, series, seconds, regions, about=about)
            except DataError as error:
                yield Rejected(id_, str(error))
        if others > len(self.files) / 2:
            raise DataError(
                f"{others} of {len(self.files)} tables have other regions than the {len(regions)} of {self.files[0]}: take that "
                f"one away, say the atlas, or rows=regions if every row is a region"
            )

    def whose(self, inner: Path) -> tuple[str, dict[str, str | float]]:
        """The person of a file, and its session and run where the name says them.

        In this order: the pattern; `sub-` in the path; an id of the table of people that the name begins with, whole or up to `_`
        or `-`; the name itself without session and run.

        >>> TableFolder(Path(), [], people=("p1", "p10")).whose(Path("p10_ses2.csv"))
        ('p10', {'session': '2'})
        """
        named = {key: value for part in inner.parts for key, value in entities(Path(part)).items()}
        stem = inner.name.partition(".")[0]
        about: dict[str, str | float] = {}
        session = named.get("ses") or (found[1] if (found := _SESSION.search(stem)) else "")
        run = named.get("run") or (found[1] if (found := _RUN.search(stem)) else "")
        about |= {name: value for name, value in (("session", session), ("run", run), ("task", named.get("task", ""))) if value}
        if self.person:
            return match_path(self.person, inner), about
        if "sub" in named:
            return named["sub"], about
        known = [name for name in map(plain_id, self.people) if re.match(rf"{re.escape(name)}(?![^\W_])", plain_id(stem))]
        return max(known, key=len, default=_RUN.sub("", _SESSION.sub("", stem)) or stem), about

    def check_times(self) -> None:
        """Refuse tables none of which says its repetition time.

        Raises:
            ConfigError: that says where it was looked for.
        """
        if self.tr:
            return
        faults = []
        for path in self.files:
            try:
                repetition_time(path, "_bold.json")
                return
            except DataError as error:
                faults.append(str(error))
        raise ConfigError(f"tr: {faults[0]}")


def _differ(series: Float64[np.ndarray, "N T"], names: Sequence[str], regions: Sequence[str]) -> str:
    if len(names) != len(regions):
        return f"its {len(names)} regions x {series.shape[1]} volumes are not the {len(regions)} regions"
    odd = next(name for name in names if name not in regions) if set(names) != set(regions) else "their order"
    return f"its {len(names)} regions are others, such as {odd}, than the {len(regions)}"
