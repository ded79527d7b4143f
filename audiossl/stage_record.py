"""What a stage wrote of itself: whether it would come out the same now, and if not, why not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiossl.data_record import DataFiles, Stamps, changes, read_stamps
from audiossl.files import read_json
from audiossl.stage import Names, Stage, earlier_fingerprint, fingerprint, plain, recorded_options
from audiossl.version import __version__

RECORD, STARTED = "stage.json", "started.json"
MOST_REASONS = 3
LONG = 60  # characters of a value that is shown
_ASIDE = re.compile(r".+\.([0-9a-f]{16}|damaged)(\.partial)?(\.\d+)?")


@dataclass(frozen=True)
class State:
    """How the folder of a stage stands to what the stage is now.

    Attributes:
        fingerprint: fingerprint that it was made with, where it is what the stage would make; else None.
        reasons: why it is not.
        recorded: the fingerprint in its record, if there is one.
        now: stamps of the user's files, where they were looked at.
        absent: data that are not there any more, and are taken as they were.
    """

    fingerprint: str | None
    reasons: tuple[str, ...] = ()
    recorded: str | None = None
    now: Stamps | None = None
    absent: tuple[Path, ...] = ()


def about(stage: Stage, print_: str, inputs: Mapping[str, str], data: str) -> dict[str, object]:
    """What is recorded of a stage as it begins and as it ends."""
    return {
        "fingerprint": print_, "version": stage.version, "inputs": {name: inputs[name] for name in stage.inputs}, "data": data,
        "config": plain(stage.config), "added": plain(stage.added),
    }  # fmt: skip


def read_record(folder: Path, name: str = RECORD) -> dict[str, Any] | None:
    """The record of a stage; None where there is none that can be read."""
    try:
        record = read_json(folder / name)
        return record if isinstance(record["fingerprint"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_of(
    stage: Stage, folder: Path, inputs: Mapping[str, str], redone: Collection[str], files: DataFiles, name: str = RECORD
) -> State:
    """Compare what a folder records with what the stage is now.

    Args:
        stage: stage of the recipe.
        folder: folder that it wrote, or began to write.
        inputs: fingerprints of the earlier stages.
        redone: earlier stages that are not what they were.
        files: the user's.
        name: name of the record.
    """
    record = read_record(folder, name)
    if record is None:
        return State(None, ("its record is damaged",) if folder.exists() else ("never ran here",))
    recorded = record["fingerprint"]
    if not _is_as_recorded(stage, folder, record, inputs):
        return State(None, tuple(_reasons(stage, folder, record, inputs, redone)), recorded)
    then = read_stamps(folder) if stage.data else None
    if then is None:  # it reads none, or a version made it that did not record them
        return State(recorded, (), recorded)
    now = files.stamps(stage.data, then)
    if changed := changes(then, now):
        return State(None, tuple(changed), recorded, now)
    return State(recorded, (), recorded, now, tuple(path for path in stage.data if str(path) not in now))


def is_set_aside(name: str) -> bool:
    """Tell whether a folder of a run is earlier work of a stage, by its name."""
    return _ASIDE.fullmatch(name) is not None


def _is_as_recorded(stage: Stage, folder: Path, record: Mapping[str, Any], inputs: Mapping[str, str]) -> bool:
    if "version" in record:
        return record["fingerprint"] == fingerprint(stage, inputs, str(record.get("data") or ""))
    if record["fingerprint"] != earlier_fingerprint(stage, inputs, record.get("config")):
        return False
    return not list(_added_changes(stage, folder, record))


def _added_changes(stage: Stage, folder: Path, record: Mapping[str, Any]) -> Iterator[str]:
    then = record.get("added")
    if then is None:
        then = stage.added_then(folder) if stage.added_then else {}
    for key, value in ((key, plain(value)) for key, value in stage.added.items()):
        if key in then and then[key] != value:
            yield _said(key, then[key], value)


def _reasons(
    stage: Stage, folder: Path, record: Mapping[str, Any], inputs: Mapping[str, str], redone: Collection[str]
) -> Iterator[str]:
    found = list(_added_changes(stage, folder, record))
    if "config" in record:
        found += _differences(recorded_options(stage.config, record["config"]), record["config"], stage.entries)
    then = record.get("inputs", {})
    found += [f"{name} has changed" for name in stage.inputs if name in redone or then.get(name, inputs[name]) != inputs[name]]
    if not found:
        maker = (record.get("versions") or {}).get("audiossl", "of before")
        found = [f"audiossl {__version__} makes it otherwise than the {maker} that made it"]
        if "config" not in record:
            found = ["the options it was begun with were not recorded, and they are not these"]
    yield from found[:MOST_REASONS]
    if len(found) > MOST_REASONS:
        yield f"{len(found) - MOST_REASONS} more differ"


def _differences(now: Any, then: Any, names: Names = (), place: str = "") -> list[str]:
    """What differs between two configs, in JSON values: places and values."""
    if now == then:
        return []
    if isinstance(now, dict) and isinstance(then, dict):
        keys = [*now, *(key for key in then if key not in now)]
        pairs = [(f"{place}.{key}" if place else key, now.get(key), then.get(key)) for key in keys]
    elif isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        labels = names if len(names) == len(now) else tuple(f"{place}[{number}]" for number in range(len(now)))
        pairs = list(zip(labels, now, then, strict=True))
    else:
        return [_said(place or "what it is made with", then, now)]
    return [
        line
        for label, new, old in pairs
        for line in (_differences(new, old, (), label) if isinstance(label, str) else _differences(new, old, label))
    ]


def _said(place: str, then: Any, now: Any) -> str:
    shown = ["not set" if value is None else str(value) for value in (then, now)]
    if any(len(text) > LONG or "\n" in text for text in shown):
        return f"{place} has changed"
    return f"{place} was {shown[0] or 'empty'}, is {shown[1] or 'empty'}"
