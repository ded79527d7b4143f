"""BOLD runs from somebody's own folder: XCP-D or fMRIPrep derivatives, or tables of regional series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audiossl.errors import ConfigError, DataError
from audiossl.signals.bold.bids import entities
from audiossl.signals.bold.images import read_fmriprep
from audiossl.signals.bold.label_names import region_names
from audiossl.signals.bold.own_tables import SUFFIXES, TableFolder, num_volumes, series_files
from audiossl.signals.bold.xcpd import read_xcpd
from audiossl.signals.path_names import ids_of, inner_paths
from audiossl.signals.sensors.recording import Rejected, SensorRecording

Layout = Literal["xcpd", "fmriprep", "tables"]
OF_XCPD, OF_FMRIPREP = "*_stat-mean_timeseries.tsv", "*_desc-preproc_bold.nii.gz"
IMAGES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class OwnFolder:
    """Where somebody's runs are, and which of them are meant.

    Attributes:
        root: folder.
        atlas: of XCP-D and of tables: a word in the names of the files of one atlas; of fMRIPrep: a label image.
        task: name in `task-`; by default the only one, or rest.
        tr: seconds a volume; 0 for what the JSON files say.
        space: name in `space-`; by default the only one.
        rows: of tables: `volumes`, so that regions are columns, or `regions`.
        person: of tables: a pattern of the path whose first group is the person; by default the names say.
        people: ids that names of files may begin with, such as those of a table of people.
        left_out: files that are no runs, such as that table.
    """

    root: Path
    atlas: str = ""
    task: str = ""
    tr: float = 0.0
    space: str = ""
    rows: Literal["volumes", "regions"] = "volumes"
    person: str = ""
    people: tuple[str, ...] = ()
    left_out: tuple[Path, ...] = ()

    @property
    def layout(self) -> Layout:
        """What lies there.

        Raises:
            ConfigError: if the folder does not exist.
        """
        if not self.root.is_dir():
            raise ConfigError(f"corpus: expected a folder of runs, found none at {self.root}")
        if next(self.root.rglob(OF_XCPD), None):
            return "xcpd"
        return "fmriprep" if next(self.root.rglob(OF_FMRIPREP), None) else "tables"

    def files(self) -> list[Path]:
        """The files of the runs that are meant, before any of them is read.

        Raises:
            ConfigError: if there are none, or several atlases or tasks and none is named; the message lists them.
        """
        layout = self.layout
        if layout == "tables":
            return series_files(self.root, self.atlas, self.left_out)
        found = sorted(self.root.rglob(OF_XCPD if layout == "xcpd" else OF_FMRIPREP))
        if layout == "xcpd":
            atlas = self.atlas_name(found)
            found = [path for path in found if atlas in atlases_of(path)]
        task = self.task_name(found)
        return [path for path in found if entities(path).get("task", "") == task]

    def atlas_name(self, files: Sequence[Path]) -> str:
        """The name of the atlas that is meant, as files have it: the same, or the only one that holds the word.

        Raises:
            ConfigError: if none does, or several.
        """
        counts = Counter(name for path in files for name in atlases_of(path))
        there = ", ".join(f"{name} ({count} files)" for name, count in sorted(counts.items()))
        meant = [name for name in counts if name == self.atlas] or [name for name in counts if self.atlas.lower() in name.lower()]
        if len(meant) != 1:
            what = f"no atlas has '{self.atlas}' in its name" if not meant else "which atlas?"
            raise ConfigError(
                f"atlas: {what} {self.root} has {there}. Say atlas=NAME" if meant else f"atlas: {what}; {self.root} has {there}"
            )
        return meant[0]

    def task_name(self, files: Sequence[Path]) -> str:
        """The task that is meant.

        Raises:
            ConfigError: if there is no such one, or there are several without rest.
        """
        counts = Counter(entities(path).get("task", "") for path in files)
        if not self.task and len(counts) == 1:
            return next(iter(counts))
        task = self.task or "rest"
        if task not in counts:
            there = ", ".join(f"{name} ({count} files)" for name, count in sorted(counts.items()))
            raise ConfigError(f"bold_task: {self.root} has {there}. Say bold_task=NAME")
        return task

    def by_id(self) -> dict[str, Path]:
        """The file of each run, by the id that the run will have."""
        files, layout = self.files(), self.layout
        if layout == "tables":
            return dict(zip(ids_of(files, SUFFIXES), files, strict=True))
        end = "_stat-" if layout == "xcpd" else "_desc-"
        return {re.sub(r"[^\w.-]", "_", path.name.partition(end)[0]): path for path in files}

    def persons(self) -> list[str]:
        """The person of each file, without reading it; who cannot be told is left out."""
        files = self.files()
        if self.layout != "tables":
            return [entities(path).get("sub", "") for path in files]
        tables, found = self._tables(files), []
        for inner in inner_paths(files):
            try:
                found.append(tables.whose(inner)[0])
            except DataError:
                continue  # when it is read, it is rejected with the reason
        return found

    def shortest(self) -> int:
        """Volumes of the shortest run that can be read, without its values where that is possible.

        Raises:
            ConfigError: if none can be read.
        """
        sizes, faults = [], []
        for path in self.files():
            try:
                sizes.append(num_volumes(path, self.rows == "regions"))
            except DataError as error:
                faults.append(str(error))
        if not sizes:
            raise ConfigError(f"corpus: none of {len(faults)} runs can be read; the first: {faults[0]}")
        return min(sizes)

    def check(self) -> None:
        """Find what is wrong before any run is read: no files, no atlas, no repetition time.

        Raises:
            ConfigError: that says what to declare.
        """
        files = self.files()
        if self.layout == "tables":
            self._tables(files).check_times()
        elif self.layout == "fmriprep":
            self._image()

    def _image(self) -> Path:
        image = Path(self.atlas).expanduser()
        if not self.atlas.endswith(IMAGES) or not image.is_file():
            raise ConfigError(
                f"atlas: {self.root} holds images of fMRIPrep, which need a label image in their space: atlas=FILE.nii.gz, with "
                f"names of labels beside it in FILE.tsv (columns index, name). Got '{self.atlas}'. Or run XCP-D, whose tables "
                f"are read as they are"
            )
        return image

    def _tables(self, files: Sequence[Path]) -> TableFolder:
        return TableFolder(self.root, files, self.tr, self.rows, self.person, self.people, self.atlas)

    def recordings(self) -> Iterator[SensorRecording | Rejected]:
        """Read the runs one after the other.

        Raises:
            ConfigError: if what is meant is not plain.
            DataError: if the runs do not fit together.
        """
        layout, files, tr = self.layout, self.files(), self.tr or None
        if layout == "tables":
            yield from self._tables(files).recordings()
        elif layout == "xcpd":
            atlas, task = self.atlas_name(files), self.task_name(files)
            yield from read_xcpd(home_of(files), atlas, task, tr=tr, space=self.space or None)
        else:
            image = self._image()
            names = region_names(image)
            yield from read_fmriprep(home_of(files), image, names, self.task_name(files), space=self.space or None, tr=tr)


def atlases_of(path: Path) -> set[str]:
    """The names in `seg-` and `atlas-` of a file."""
    found = entities(path)
    return {name for key in ("seg", "atlas") if (name := found.get(key))}


def find_participants(root: Path) -> Path | None:
    """The participants.tsv of a folder, or of the data set that it holds derivatives of; None if there is none."""
    return next((path for above in (root, *root.absolute().parents[:2]) if (path := above / "participants.tsv").is_file()), None)


def home_of(files: Sequence[Path]) -> Path:
    """The folder with the `sub-*` folders that files lie in.

    Raises:
        ConfigError: if there is none, or there are several.
    """
    homes = {above.parent for path in files for above in path.parents if above.name.startswith("sub-")}
    homes = {home for home in homes if not any(part.startswith("sub-") for part in home.parts)}
    if len(homes) != 1:
        there = ", ".join(sorted(map(str, homes))) or "none"
        raise ConfigError(f"corpus: expected one folder with sub-* folders, got {there}. Name one of them")
    return homes.pop()
