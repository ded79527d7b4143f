"""BOLD runs of a connectivity recipe from one's own folder, joined with a table of people, and what is said of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from audiossl.console import console
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.signals.bold.own_folder import OwnFolder
from audiossl.signals.bold.people_table import PeopleTable, listed
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.signals.sensors.recording_set import RecordingSet
from audiossl.stage import Names


@dataclass(frozen=True)
class OwnRuns:
    """A `RecordingSource` of a folder; what a table of people says of a person is said of each of the runs.

    Attributes:
        folder: of the runs.
        table: of people; None without one.
        config: of the recipe.
    """

    folder: OwnFolder
    table: PeopleTable | None
    config: ConnectivityRecipe

    @classmethod
    def of(cls, config: ConnectivityRecipe) -> OwnRuns:
        """Find the runs and read the table.

        Raises:
            ConfigError: if what is meant is not plain.
            DataError: if the table cannot be read, or it is not clear whose a row is.
        """
        table = PeopleTable.read(Path(config.people).expanduser(), config.participant) if config.people else None
        found = cls(config.folder, table, config)
        found.folder.check()
        found.rows()  # refused now rather than after hours of reading images
        return found

    @property
    def data(self) -> tuple[Path, ...]:
        """The folder and the table."""
        return (self.folder.root, *([self.table.path] if self.table else []))

    def rows(self) -> dict[str, str]:
        """Id of the table by person."""
        return self.table.match(self.folder.persons()) if self.table else {}

    def recordings(self) -> Iterator[SensorRecording | Rejected]:
        """Read the runs, and then say what was found."""
        rows, count, people = self.rows(), 0, dict[str, None]()
        for run in islice(self.folder.recordings(), self.config.limit):
            if isinstance(run, Rejected):
                yield run
                continue
            count, people = count + 1, people | {run.subject: None}
            about = self.table.rows[rows[run.subject]] if self.table and run.subject in rows else {}
            yield replace(run, custom={**run.custom, **self._said(about)})
        for line in self.describe(count, list(people), rows):
            console.print(line, markup=False, soft_wrap=True)

    def _said(self, about: dict[str, str | float] | object) -> dict[str, str | float]:
        """A row under the names that tasks read: site and family."""
        row = dict(about) if isinstance(about, dict) else {}
        named = {key: str(row[column]) for key in ("site", "family") if (column := getattr(self.config, key)) in row}
        return {**row, **named}

    def describe(self, num_runs: int, people: list[str], rows: dict[str, str]) -> list[str]:
        """What was found, in lines to print."""
        kind = {"xcpd": "XCP-D", "fmriprep": "fMRIPrep", "tables": "tables"}[self.folder.layout]
        lines = [
            f"{num_runs} runs of {len(people)} people ({kind}); crops of {self.config.pretrain.crop} volumes, windows of "
            f"{self.config.encoder.window}"
        ]
        if self.table is None:
            return lines
        lacking = [name for name in people if name not in rows]
        spare = [name for name in self.table.rows if name not in set(rows.values())]
        said = f"{self.table.path}: {len(people) - len(lacking)} of {len(people)} people have a row"
        said += f"; without one, and in no phenotype: {listed(lacking)}" if lacking else ""
        lines.append(said + (f"; rows without a run: {listed(spare)}" if spare else ""))
        tasks = ", ".join(f"{task.label} ({task.kind})" for task in self.config.phenotype_tasks)
        lines.append(f"phenotypes: {tasks}")
        lines += [f"not scored: {left_out}" for left_out in self.config.open_columns]
        return lines

    def decides(self) -> list[object]:
        """What is meant of the folder; it and the table are known by their content."""
        own = self.folder
        return [own.atlas, own.task, own.tr, own.space, own.rows, own.person, *self._columns(), self.config.limit]

    def names(self) -> Names:
        """Keys of the recipe."""
        return ("atlas", "bold_task", "tr", "space", "rows", "person", "participant", "site", "family", "limit")

    def _columns(self) -> list[str]:
        return [self.config.participant, self.config.site, self.config.family]


def print_rejections(found: RecordingSet) -> None:
    """Say how many runs were rejected, and why the first was."""
    rejected = found.rejected
    if not rejected:
        return
    count = "1 run was" if len(rejected) == 1 else f"{len(rejected)} runs were"
    text = f"{count} rejected (first: {rejected[0].id}: {rejected[0].reason}); all are in rejected.jsonl"
    console.print(text, markup=False, soft_wrap=True)
