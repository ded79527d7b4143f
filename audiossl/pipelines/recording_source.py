"""Where the recordings of a sensor or connectivity recipe come from, and the stage that writes them to a set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from audiossl.pipelines.prepare_script import PrepareScript, load_script
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.stage import Names


@runtime_checkable
class RecordingSource(Protocol):
    """A place that recordings are read from: a prepare script, tables, a folder of images.

    Making one is cheap and checks what it can; recordings are read when `recordings` is iterated over, one at a time.
    """

    @property
    def data(self) -> tuple[Path, ...]:
        """Files and folders of the user that it reads: another content of them makes the stage run again."""
        ...

    def recordings(self) -> Iterable[SensorRecording | Rejected]:
        """Read recordings one after the other; those that cannot be used come as `Rejected`, with the reason."""
        ...

    def decides(self) -> list[object]:
        """What decides the recordings in addition to the content of `data`: JSON-able values or dataclasses."""
        ...

    def names(self) -> Names:
        """Names of the entries of `decides()`, for messages."""
        ...


@dataclass(frozen=True)
class ScriptRecordings:
    """The recordings that the function `recordings(data_root, limit)` of a prepare script yields.

    Attributes:
        script: imported.
        data_root: folder of data that the user fetched.
        limit: number of recordings for a smoke run.
    """

    script: PrepareScript
    data_root: Path | None = None
    limit: int | None = None

    @classmethod
    def load(cls, path: Path, data_root: Path | None = None, limit: int | None = None) -> ScriptRecordings:
        """Import the script.

        Raises:
            ConfigError: if there is none, or it has no function `recordings`.
        """
        return cls(load_script(path, ("recordings",)), data_root, limit)

    @property
    def data(self) -> tuple[Path, ...]:
        """The user's folder."""
        return (self.data_root,) if self.data_root else ()

    def recordings(self) -> Iterable[SensorRecording | Rejected]:
        """Call the script."""
        return self.script.module.recordings(self.data_root, self.limit)

    def decides(self) -> list[object]:
        """Texts of the script and of what it imports from its folder, and its arguments."""
        return [*self.script.sources, str(self.data_root or ""), self.limit]

    def names(self) -> Names:
        """Files of the script, and its arguments."""
        return (*self.script.names, "data_root", "limit")
