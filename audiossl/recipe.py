"""Recipes: a YAML file, the typed config behind it, and stages that do only what changed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.markup import escape

from audiossl.console import console
from audiossl.data_record import DATA, DataFiles, Stamps, as_read, data_digest, read_stamps, write_stamps
from audiossl.errors import ConfigError
from audiossl.files import read_yaml, write_json
from audiossl.locks import only_user
from audiossl.options import Fault, build, nearest, with_keywords, with_overrides
from audiossl.provenance import differences, folder_digests, versions
from audiossl.stage import Stage, fingerprint, plain
from audiossl.stage_record import RECORD, STARTED, State, about, is_set_aside, read_record, state_of
from audiossl.world import World

__all__ = ["RECORD", "Stage", "console", "fingerprint", "plain", "read_method", "read_recipe", "run_stages", "verify_stages"]

# What is in a stage's folder before its work begins; the last two are left by a kill in the middle of a write.
BEGUN = {STARTED, DATA, f".{STARTED}.partial", f".{DATA}.partial"}


def run_stages(
    stages: Sequence[Stage], output: Path, first: str | None = None, last: str | None = None, dry_run: bool = False
) -> dict[str, float]:
    """Run what is not up to date, in order, and return the seconds each stage took (0 where nothing was to do).

    A stage writes to a hidden folder that takes its name only when it is whole, so an interruption leaves finished work intact.
    What a stage wrote before, finished or not, is set aside as `STAGE.FINGERPRINT` or `STAGE.FINGERPRINT.partial`, and taken back
    when the recipe is what it was then. Under torchrun the first rank decides what runs, and it alone prints and returns seconds.

    Args:
        stages: stages in order of their dependence.
        output: folder of the run.
        first: run this stage and all later ones again, even where they are up to date.
        last: stop after this stage.
        dry_run: only say what would run, and why.

    Raises:
        ConfigError: if `first` or `last` is not a stage, or they are in the wrong order; if the output cannot be written; if a
            stage is to read data that are not there.
        StoreError: if another run is at work on the output.
    """
    names = [stage.name for stage in stages]
    for name in (first, last):
        if name is not None and name not in names:
            meant = nearest(name, names)
            raise ConfigError(f"this recipe has no stage '{name}'{meant}; its stages are: {', '.join(names)}")
    forced_from = names.index(first) if first else len(names)
    stop_after = names.index(last) if last else len(names) - 1
    if first and stop_after < forced_from:
        raise ConfigError(f"--from {first} comes after --to {last}; the stages are, in order: {', '.join(names)}")
    world = World.join()
    if not world.is_first:
        _follow(stages, output, world)
        return {}
    if dry_run:
        return _Run(output, world, dry_run=True).all(stages[: stop_after + 1], forced_from)
    with only_user(output):
        return _Run(output, world).all(stages[: stop_after + 1], forced_from)


def verify_stages(stages: Sequence[Stage], output: Path) -> int:
    """Recompute the digests of every stage's files and of the user's data, say what differs, and return how many stages do.

    A stage that never ran differs; so does one with another config now, or with an input that has another.
    """
    prints: dict[str, str] = {}
    redone: set[str] = set()
    files = DataFiles(output, verify=True)
    wrong = 0
    for stage in stages:
        folder = output / stage.name
        state = state_of(stage, folder, prints, redone, files)
        prints[stage.name] = state.fingerprint or fingerprint(stage, prints, "changed")
        if state.fingerprint is None:
            redone.add(stage.name)
        record = read_record(folder)
        if record is None or not isinstance(record.get("files"), dict):
            problems = ["never finished here, or its record is damaged"]
        else:
            problems = differences(folder_digests(folder, frozenset({RECORD, DATA})), record["files"])
            if state.now is not None:
                problems = [*state.reasons, *problems]
            elif state.fingerprint is None:
                problems.insert(0, "made with another config")
            problems += [f"{path} is not there, so its files cannot be compared" for path in state.absent]
        wrong += bool(problems)
        console.print(f"{stage.name:<13} {'; '.join(problems) or 'as recorded'}", markup=False, soft_wrap=True)
    return wrong


def read_recipe(
    path: Path, overrides: Sequence[str], kinds: Mapping[str, type], keywords: Mapping[str, object] | None = None
) -> Any:
    """Read a recipe file into the typed config of its method.

    Args:
        path: YAML file with a key `method`.
        overrides: `key=value` strings with dotted keys, applied over the file.
        kinds: config class by method name.
        keywords: values by key, applied last.

    Raises:
        ConfigError: for a missing file, an unknown method or key, or a value of the wrong type.
    """
    kind, values = read_method(path, kinds)
    changed = with_keywords(kind, with_overrides(kind, values, overrides), keywords or {})
    try:
        return build(kind, changed)
    except Fault as fault:
        raise ConfigError(f"{path}: {fault}") from None


def read_method(path: Path, kinds: Mapping[str, type]) -> tuple[type, dict[str, object]]:
    """Read the config class of a recipe's method, and its keys as they are written.

    Raises:
        ConfigError: for a missing file, or an unknown method.
    """
    values = read_yaml(path)
    method = values.pop("method", None) if isinstance(values, dict) else None
    if not isinstance(method, str) or method not in kinds:
        raise ConfigError(f"{path}: expected a key 'method' that is one of {', '.join(kinds)}, got {method!r}")
    return kinds[method], values


@dataclass
class _Run:
    """One run of the stages, on the first rank: what is known of those that came before."""

    output: Path
    world: World
    dry_run: bool = False
    prints: dict[str, str] = field(default_factory=dict)
    redone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.files = DataFiles(self.output)

    def all(self, stages: Sequence[Stage], forced_from: int) -> dict[str, float]:
        """Run, or name, what is not up to date; the seconds of each stage."""
        seconds: dict[str, float] = {}
        for index, stage in enumerate(stages):
            forced, folder = index >= forced_from, self.output / stage.name
            if not self.dry_run:
                _end_swap(folder)
            state = self._state(stage, folder)
            if not forced and state.fingerprint is None and (earlier := self._earlier(stage, RECORD)):
                state = self._take_back(folder, earlier)
            if state.fingerprint is not None and not forced:
                self.prints[stage.name], seconds[stage.name] = state.fingerprint, 0.0
                console.print(f"[dim]{stage.name:<13} up to date[/dim]")
                self._keep_stamps(stage, folder, state)
                continue
            reasons = "; ".join(["--from"] if forced and state.fingerprint else state.reasons)
            if state.fingerprint is None:
                self.redone.add(stage.name)
            self._check_data(stages[index:])
            if self.dry_run:
                self._say_dry(stage, folder, state, reasons)
            else:
                seconds[stage.name] = self._run(stage, folder, state, reasons, keep=not forced)
        self.world.tell("")
        return seconds

    def _state(self, stage: Stage, folder: Path, name: str = RECORD) -> State:
        return state_of(stage, folder, self.prints, self.redone, self.files, name)

    def _earlier(self, stage: Stage, name: str) -> tuple[Path, State] | None:
        """Work that was set aside and is what the stage would make now."""
        for folder in sorted(self.output.glob(f"{stage.name}.*")) if self.output.is_dir() else []:
            if is_set_aside(folder.name) and (state := self._state(stage, folder, name)).fingerprint:
                return folder, state
        return None

    def _take_back(self, folder: Path, earlier: tuple[Path, State]) -> State:
        place, state = earlier
        would = "would be " if self.dry_run else ""
        _say(f"{folder.name:<13} {would}taken back from {place.name}, which was made with what the recipe says now")
        if not self.dry_run:
            if folder.exists():
                _set_aside(folder, _aside_name(folder, read_record(folder)))
            place.rename(folder)
        return state

    def _keep_stamps(self, stage: Stage, folder: Path, state: State) -> None:
        """Record the files of a stage that is up to date: not yet known ones, and new times of those that were touched."""
        for path in state.absent:
            _say(f"{path} is not there; {stage.name} was made from it and is taken as it is", "yellow")
        if self.dry_run or not stage.data or state.absent:
            return
        known = read_stamps(folder)
        now = state.now if state.now is not None else self.files.stamps(stage.data, known or {})
        if now and now != known:
            write_stamps(folder, now)

    def _say_dry(self, stage: Stage, folder: Path, state: State, reasons: str) -> None:
        """Say what a run would do."""
        self.prints[stage.name] = state.fingerprint or fingerprint(stage, self.prints, "not read")
        record = read_record(folder)
        if record is None:
            _say(f"{stage.name:<13} would run ({reasons})")
            return
        cost = f"took {record.get('seconds', 0) / 60:.1f} min last time"
        kept = f"{_size(folder)} would be kept as {_aside_name(folder, record)}"
        _say(f"{stage.name:<13} would run ({cost}): {reasons}; {kept}")

    def _check_data(self, stages: Sequence[Stage]) -> None:
        """Refuse data that are not there, of the stage that comes now and of those that never ran: these will run as well."""
        for stage in stages:
            never_ran = not (self.output / stage.name).exists() and not list(self.output.glob(f"{stage.name}.*"))
            for path in stage.data if stage is stages[0] or never_ran else ():
                if not path.exists():
                    raise ConfigError(f"the stage {stage.name} reads {path}, which does not exist. Correct it, or leave it away")

    def _run(self, stage: Stage, folder: Path, state: State, reasons: str, keep: bool) -> float:
        why = f": {escape(reasons)}" if folder.exists() else ""
        console.print(f"[bold]{stage.name:<13}[/bold] running{why}", soft_wrap=True)
        inputs = {name: self.output / name for name in stage.inputs}
        partial = _partial(folder)
        try:
            data = self._begin(stage, folder, partial, state, keep)
        except OSError as error:
            raise ConfigError(
                f"cannot write the output folder {folder}: {error.strerror}. Choose another with output=DIR."
            ) from error
        begin = time.perf_counter()
        if stage.every_rank:
            self.world.tell(stage.name)
            _run_together(stage, partial, inputs, self.world)
        else:
            stage(partial, inputs)
        seconds = time.perf_counter() - begin
        if stage.data:
            data = as_read(data, self.files.stamps(stage.data, read_stamps(folder) or {}, again=True))
            write_stamps(partial, data)
        print_ = self.prints[stage.name] = fingerprint(stage, self.prints, data_digest(data))
        if print_ != state.recorded:
            self.redone.add(stage.name)
        write_json(partial / RECORD, {
            **about(stage, print_, self.prints, data_digest(data)), "seconds": round(seconds, 1), "versions": versions(),
            "files": folder_digests(partial, frozenset({DATA, STARTED})),
        })  # fmt: skip
        _end_swap(folder)
        console.print(f"{stage.name:<13} done in {seconds / 60:.1f} min")
        return seconds

    def _begin(self, stage: Stage, folder: Path, partial: Path, state: State, keep: bool) -> Stamps:
        """Make the folder to write to, or find what an interrupted run left in it; return the user's files, at a glance."""
        data = self.files.glance(stage.data)
        known = state_of(stage, partial, self.prints, self.redone, self.files, STARTED)
        if keep and stage.resumable and known.fingerprint is None and (earlier := self._earlier(stage, STARTED)):
            self._leave(stage, partial, known)
            _say(f"{'':<13} taken up again from {earlier[0].name}")
            earlier[0].rename(partial)
            known = earlier[1]
        if keep and stage.resumable and known.fingerprint is not None:
            return data
        self._leave(stage, partial, known if keep else State(None, ("--from",), known.recorded))
        partial.mkdir(parents=True)
        print_ = fingerprint(stage, self.prints, data_digest(data))
        write_json(partial / STARTED, about(stage, print_, self.prints, data_digest(data)))
        if data:
            write_stamps(partial, data)
        return data

    def _leave(self, stage: Stage, partial: Path, state: State) -> None:
        """Set unfinished work aside; of a stage that cannot resume from it, remove it."""
        if not partial.exists():
            return
        if {path.name for path in partial.iterdir()} <= BEGUN:
            shutil.rmtree(partial)
        elif stage.resumable:
            name = f"{_aside_name(partial.with_name(stage.name), read_record(partial, STARTED))}.partial"
            size, kept = _size(partial), _set_aside(partial, name)
            _say(f"{'':<13} unfinished work ({size}) is kept as {kept.name}: {'; '.join(state.reasons)}", "yellow")
        else:
            _say(f"{'':<13} what an interrupted run left ({_size(partial)}) is removed: this stage cannot resume from it")
            shutil.rmtree(partial)


def _follow(stages: Sequence[Stage], output: Path, world: World) -> None:
    """On ranks above 0: run each stage that rank 0 announces, until it announces the end."""
    by_name = {stage.name: stage for stage in stages}
    while name := world.hear():
        _run_together(by_name[name], _partial(output / name), {name: output / name for name in by_name[name].inputs}, world)


def _run_together(stage: Stage, partial: Path, inputs: Mapping[str, Path], world: World) -> None:
    stage(partial, inputs)
    world.wait()  # the folder must not be renamed while a rank still reads it


def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _end_swap(folder: Path) -> None:
    """Give finished work its name, which an interruption may have kept it from, and set aside what has the name."""
    partial = _partial(folder)
    if not (partial / RECORD).is_file():
        return
    (partial / STARTED).unlink(missing_ok=True)  # only now: digests of a large folder take minutes, and it is to be known by then
    if folder.exists():
        size = _size(folder)
        kept = _set_aside(folder, _aside_name(folder, read_record(folder)))
        _say(f"{'':<13} the earlier {folder.name} ({size}) is kept as {kept.name}")
    partial.rename(folder)


def _aside_name(folder: Path, record: Mapping[str, Any] | None) -> str:
    return f"{folder.name}.{record['fingerprint'] if record else 'damaged'}"


def _set_aside(folder: Path, name: str) -> Path:
    """Rename a folder; where the name is taken, a number follows it."""
    place, number = folder.with_name(name), 2
    while place.exists():
        place, number = folder.with_name(f"{name}.{number}"), number + 1
    folder.rename(place)
    return place


def _size(folder: Path) -> str:
    """Bytes of the files of a folder, in words."""
    count = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
