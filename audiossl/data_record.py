"""What the user's data were when a stage read them: names, sizes, times and digests of the files below data_root."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.files import read_json, write_json
from audiossl.folder_stamps import folder_stamps, is_same
from audiossl.stamps import Stamp, stamp

DATA = "data.json"  # in the folder of a stage
MOST_BYTES = 50 * 2**30  # of files that are read to be known by their content; minutes of a local disk
RUN_MARKS = ("recipe.json", "corpus/stage.json", "recordings/stage.json")

Stamps = dict[str, dict[str, Stamp]]  # of each folder, by path in it


@dataclass
class DataFiles:
    """The user's files, looked at once in a run, or again after a stage has read them.

    Hidden files and folders and the folders of runs do not count. The smallest files are known by their content up to 50 GiB
    together, and read again only where size or time changed; the others are known by size and time.

    Args:
        output: folder of the run.
        verify: read every file again.
    """

    output: Path
    verify: bool = False
    _seen: Stamps = field(default_factory=dict)

    def stamps(self, folders: Sequence[Path], known: Stamps, again: bool = False) -> Stamps:
        """Stamp the files of some folders; a folder that is not there has None of them and is left out.

        Args:
            folders: or single files.
            known: earlier stamps.
            again: whether to look again at what was seen before in this run.
        """
        found: Stamps = {}
        for folder in folders:
            name = str(folder)
            if again or name not in self._seen:
                earlier = {} if self.verify else {**known.get(name, {}), **self._seen.get(name, {})}
                if folder.is_dir():
                    if not earlier:
                        said = f"reading the files of {folder} once, to know them again"
                        from audiossl.console import console

                        console.print(said, style="dim", markup=False, soft_wrap=True)
                    self._seen[name] = folder_stamps(folder, earlier, self._leaves_out, MOST_BYTES)
                elif folder.is_file():
                    self._seen[name] = {"": stamp(folder, earlier.get(""))}
            if name in self._seen:
                found[name] = self._seen[name]
        return found

    def glance(self, folders: Sequence[Path]) -> Stamps:
        """Size and time of the files, of which none is read: a stage that finds the wrong data shall say so at once."""
        found: Stamps = {}
        for folder in folders:
            if folder.is_dir():
                found[str(folder)] = folder_stamps(folder, None, self._leaves_out, most_bytes=-1)
            elif folder.is_file():
                about = folder.stat()
                found[str(folder)] = {"": Stamp(about.st_size, about.st_mtime_ns, "")}
        return found

    def _leaves_out(self, path: Path) -> bool:
        if path.name.startswith("."):
            return True
        return path.is_dir() and (path.resolve() == self.output.resolve() or any((path / mark).is_file() for mark in RUN_MARKS))


def read_stamps(stage: Path) -> Stamps | None:
    """What a stage recorded of the files it read; None where it recorded nothing that can be read."""
    try:
        folders = read_json(stage / DATA)
        return {name: {path: Stamp(*about) for path, about in files.items()} for name, files in folders.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_stamps(stage: Path, stamps: Stamps) -> None:
    """Record the files that a stage reads."""
    write_json(stage / DATA, {name: {path: list(about) for path, about in files.items()} for name, files in stamps.items()})


def data_digest(stamps: Stamps) -> str:
    """One digest of what files hold, whatever their times; empty where there are none."""
    if not stamps:
        return ""
    about = [
        [[path, one.size, one.digest or one.modified] for path, one in sorted(files.items())]
        for _, files in sorted(stamps.items())
    ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def as_read(before: Stamps, after: Stamps) -> Stamps:
    """Stamps of what a stage read: of files that changed while it ran, as they were, and of those that it wrote, as they are."""
    return {
        name: {
            path: then if (then := before.get(name, {}).get(path)) is not None and then[:2] != now[:2] else now
            for path, now in files.items()
        }
        for name, files in after.items()
    }


def changes(then: Stamps, now: Stamps) -> list[str]:
    """How files differ from those that were recorded: what became of how many, and one of them."""
    lines = []
    for name, after in now.items():
        before = then.get(name, {})
        for one, several, paths in (
            (
                "has changed",
                "have changed",
                [path for path in before if path in after and not is_same(before[path], after[path])],
            ),
            ("is new", "are new", [path for path in after if path not in before]),
            ("is gone", "are gone", [path for path in before if path not in after]),
        ):
            if len(paths) == 1:
                lines.append(f"{Path(name) / paths[0]} {one}")
            elif paths:
                lines.append(f"{len(paths)} files of {name} {several}, such as {paths[0]}")
    return lines
