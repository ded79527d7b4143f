"""Recipes: a YAML file, the typed config behind it, and stages that do only what changed."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiossl.config_faults import find_fault, with_overrides
from audiossl.console import console
from audiossl.errors import ConfigError
from audiossl.files import read_json, read_yaml, write_json
from audiossl.locks import only_user
from audiossl.provenance import differences, folder_digests, versions
from audiossl.training.world import World

RECORD = "stage.json"


@dataclass(frozen=True)
class Stage:
    """One step of a recipe: a function from a config and input folders to one output folder.

    Attributes:
        name: folder of the stage below the output.
        run: called as `run(out, inputs)`; `out` exists, `inputs` maps stage names to their finished folders.
        config: whatever decides the result, as JSON-able values or dataclasses; it goes into the fingerprint.
        inputs: names of the earlier stages it reads.
        version: raised by hand when the meaning of the stage changes.
        resumable: keep what an interrupted run left in `out`, for the stage to go on from.
        every_rank: under torchrun, run it on all ranks, with one `out`; other stages run on the first while the others wait.
    """

    name: str
    run: Callable[[Path, Mapping[str, Path]], None]
    config: Any
    inputs: tuple[str, ...] = ()
    version: int = 1
    resumable: bool = False
    every_rank: bool = False


def fingerprint(stage: Stage, inputs: Mapping[str, str]) -> str:
    """Hash what a stage's result depends on: its version, its config and the fingerprints of its inputs."""
    key = [stage.name, stage.version, plain(stage.config), {name: inputs[name] for name in stage.inputs}]
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def run_stages(
    stages: Sequence[Stage], output: Path, first: str | None = None, last: str | None = None, dry_run: bool = False
) -> dict[str, float]:
    """Run what is not up to date, in order, and return the seconds each stage took (0 where nothing was to do).

    A stage writes to a hidden folder that takes its name only when it is whole, so an interruption leaves finished work intact.
    Under torchrun the first rank decides what runs, and it alone prints and returns seconds.

    Args:
        stages: in order of their dependence.
        output: folder of the run.
        first: run this stage and all later ones again, even where they are up to date.
        last: stop after this stage.
        dry_run: only say what would run.

    Raises:
        ConfigError: if `first` or `last` is not a stage, or they are in the wrong order, or the output cannot be written.
        StoreError: if another run is at work on the output.
    """
    names = [stage.name for stage in stages]
    for name in (first, last):
        if name is not None and name not in names:
            raise ConfigError(f"this recipe has no stage '{name}'; its stages are: {', '.join(names)}")
    forced_from = names.index(first) if first else len(names)
    stop_after = names.index(last) if last else len(names) - 1
    if first and stop_after < forced_from:
        raise ConfigError(f"--from {first} comes after --to {last}; the stages are, in order: {', '.join(names)}")
    world = World.join()
    if not world.is_first:
        _follow(stages, output, world)
        return {}
    if dry_run:
        return _run_all(stages[: stop_after + 1], output, forced_from, True, world)
    with only_user(output):
        return _run_all(stages[: stop_after + 1], output, forced_from, False, world)


def _run_all(stages: Sequence[Stage], output: Path, forced_from: int, dry_run: bool, world: World) -> dict[str, float]:
    prints: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for index, stage in enumerate(stages):
        prints[stage.name] = fingerprint(stage, prints)
        folder = output / stage.name
        if index < forced_from and _finished(folder) == prints[stage.name]:
            seconds[stage.name] = 0.0
            console.print(f"[dim]{stage.name:<13} up to date[/dim]")
        elif dry_run:
            console.print(f"{stage.name:<13} would run {_earlier_cost(folder)}")
        else:
            console.print(f"[bold]{stage.name:<13}[/bold] running")
            inputs = {name: output / name for name in stage.inputs}
            seconds[stage.name] = _run(stage, folder, inputs, prints[stage.name], index < forced_from, world)
            console.print(f"{stage.name:<13} done in {seconds[stage.name] / 60:.1f} min")
    world.tell("")
    return seconds


def verify_stages(stages: Sequence[Stage], output: Path) -> int:
    """Recompute the digests of every stage's files, say what differs from its record, and return how many stages do.

    A stage that never ran differs; so does one whose config, or an input's, is another one now.
    """
    prints: dict[str, str] = {}
    wrong = 0
    for stage in stages:
        prints[stage.name], folder = fingerprint(stage, prints), output / stage.name
        try:
            record = read_json(folder / RECORD)
            problems = differences(folder_digests(folder, frozenset({RECORD})), record["files"])
            if record["fingerprint"] != prints[stage.name]:
                problems.insert(0, "made with another config")
        except (OSError, ValueError, KeyError, TypeError):
            problems = ["never finished here, or its record is damaged"]
        wrong += bool(problems)
        console.print(f"{stage.name:<13} {'; '.join(problems) or 'as recorded'}", markup=False, soft_wrap=True)
    return wrong


def read_recipe(path: Path, overrides: Sequence[str], kinds: Mapping[str, type]) -> Any:
    """Read a recipe file into the typed config of its method.

    Args:
        path: YAML file with a key `method`.
        overrides: `key=value` strings with dotted keys, applied over the file.
        kinds: config class by method name.

    Raises:
        ConfigError: for a missing file, an unknown method or key, or a value of the wrong type.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    values = read_yaml(path)
    method = values.pop("method", None) if isinstance(values, dict) else None
    if not isinstance(method, str) or method not in kinds:
        raise ConfigError(f"{path}: expected a key 'method' that is one of {', '.join(kinds)}, got {method!r}")
    for override in overrides:
        if "=" not in override or override.startswith("-"):
            raise ConfigError(f"expected overrides as key=value, for instance training.max_steps=100, got '{override}'")
    parser = ArgumentParser(exit_on_error=False, prog=str(path), allow_abbrev=False, add_help=False)
    parser.add_class_arguments(kinds[method])
    try:
        config = parser.parse_object(copy.deepcopy(values))  # which it changes
        config = parser.parse_args([f"--{override}" for override in overrides], namespace=config)
        parts = vars(parser.instantiate(config))
    except (ArgumentError, TypeError) as error:
        fault = find_fault(kinds[method], with_overrides(values, overrides))
        if fault is None and isinstance(error, TypeError):
            raise
        # The parser names neither the entry of a mapping or list, nor, in its first lines, the value.
        raise ConfigError(f"{path}: {fault or ' '.join(str(error).split())}") from error
    return kinds[method](**parts)


def plain(value: Any) -> Any:
    """Turn dataclasses, paths, tuples and mappings into JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _follow(stages: Sequence[Stage], output: Path, world: World) -> None:
    """On other ranks than the first: take part in the stages that it tells, until it tells that there are no more."""
    by_name = {stage.name: stage for stage in stages}
    while name := world.hear():
        _run_together(by_name[name], _partial(output / name), {name: output / name for name in by_name[name].inputs}, world)


def _run_together(stage: Stage, partial: Path, inputs: Mapping[str, Path], world: World) -> None:
    stage.run(partial, inputs)
    world.wait()  # the folder must not be renamed while a rank still reads it


def _run(stage: Stage, folder: Path, inputs: Mapping[str, Path], print_: str, keep: bool, world: World) -> float:
    partial = _partial(folder)
    try:
        if not (keep and stage.resumable and _finished(partial, "started.json") == print_):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            write_json(partial / "started.json", {"fingerprint": print_})
    except OSError as error:
        raise ConfigError(
            f"cannot write the output folder {folder}: {error.strerror}. Choose another with output=DIR."
        ) from error
    begin = time.perf_counter()
    if stage.every_rank:
        world.tell(stage.name)
        _run_together(stage, partial, inputs, world)
    else:
        stage.run(partial, inputs)
    seconds = time.perf_counter() - begin
    (partial / "started.json").unlink()
    write_json(partial / RECORD, {
        "fingerprint": print_, "seconds": round(seconds, 1), "config": plain(stage.config), "versions": versions(),
        "files": folder_digests(partial),
    })  # fmt: skip
    # Set the old folder aside by rename: half of it, deleted in place, could pass for finished after an interruption.
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return seconds


def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _finished(folder: Path, record: str = RECORD) -> str | None:
    try:
        return read_json(folder / record)["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _earlier_cost(folder: Path) -> str:
    try:
        return f"(took {read_json(folder / RECORD)['seconds'] / 60:.1f} min last time)"
    except (OSError, ValueError, KeyError, TypeError):
        return "(never ran here)"
