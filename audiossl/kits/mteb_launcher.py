"""Runs tasks of MTEB on an exported file; imports MTEB, so it runs where that is installed.

    python -m audiossl.kits.mteb_launcher '{"module": "my_encoder.py", "tasks": ["BeijingOpera"], "folder": "runs/mteb"}'

MTEB's own files, which its leaderboard takes, are written to `FOLDER/results`; what they say goes to
`FOLDER/scores/TASK.json`, and that of all tasks of a call to `FOLDER/scores.json`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

from audiossl.errors import AudiosslError, ConfigError
from audiossl.exporters.mteb import MtebEncoder
from audiossl.files import read_json, write_json
from audiossl.teachers.foreign import Foreign

STAND_IN = "stand-in"
SCORES, FOUND = "scores", "scores.json"


class TaskScore(TypedDict):
    """What MTEB found on a task: the main metric and its value, the number of test items, and everything that it scored."""

    task: str
    metric: str
    value: float
    n: int
    scores: dict[str, object]


def run_tasks(module: Path, tasks: Sequence[str], folder: Path, batch_size: int = 32, device: str = "cpu") -> list[TaskScore]:
    """Run tasks on a model; those that an earlier call finished are kept.

    Args:
        module: file that `audiossl export mteb` wrote.
        tasks: names of MTEB's tasks and benchmarks, FILE.py with tasks of one's own, or "stand-in".
        folder: folder of results.
        batch_size: clips in a batch.
        device: device of the model.

    Returns:
        For each task its name, main score, value, number of test items and all that MTEB scored.

    Raises:
        ConfigError: if there is no such task, or one is not of audio alone.
    """
    import mteb

    meta = import_file(module).meta
    chosen = [task for name in tasks for task in find_tasks(name)]
    if wrong := [task.metadata.name for task in chosen if task.metadata.modalities != ["audio"]]:
        raise ConfigError(f"tasks of audio alone can be run; {', '.join(wrong)} needs something else as well")
    model, found = None, []
    for number, task in enumerate(chosen, 1):
        file = folder / SCORES / f"{task.metadata.name}.json"
        key = [meta.name, meta.revision, meta.loader_kwargs, version("mteb"), task.metadata.dataset["revision"], _source(task)]
        if not file.is_file() or read_json(file).get("key") != key:
            print(f"{task.metadata.name}, {number} of {len(chosen)}", flush=True)
            model = model or MtebEncoder.of(meta, device)
            write_json(file, {"key": key, **_run(mteb, model, task, folder, batch_size)})
        found.append(read_json(file))
    write_json(folder / FOUND, found)
    return found


def find_tasks(name: str) -> list[Foreign]:
    """The tasks of a name, see `run_tasks`.

    Raises:
        ConfigError: if there are none.
    """
    import mteb

    if name == STAND_IN:
        from audiossl.kits.mteb_stand_in import TimbreStandIn

        return [TimbreStandIn()]
    if name.endswith(".py"):
        module = import_file(Path(name))
        kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
        if not (own := [kind() for kind in kinds if issubclass(kind, mteb.AbsTask)]):
            raise ConfigError(f"{name} holds no class of a task, a subclass of mteb.AbsTask")
        return own
    try:
        return [mteb.get_task(name)]
    except KeyError as error:
        try:
            return [*mteb.get_benchmark(name).tasks]
        except KeyError:
            raise ConfigError(
                f"MTEB {version('mteb')} has no task or benchmark '{name}', and it is no FILE.py of tasks: {error.args[0]}"
            ) from None


def import_file(path: Path) -> ModuleType:
    """Import a file by its place.

    Raises:
        ConfigError: if it is not there.
    """
    name = f"audiossl_mteb_{path.stem}"  # a name of its own: a file json.py is not to become json
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"expected a Python file, found none at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(mteb: Any, model: Any, task: Foreign, folder: Path, batch_size: int) -> TaskScore:
    """Evaluate one task."""
    task.load_data()
    leave_encoded(task)
    counts = _counts(task)
    result = mteb.evaluate(
        model,
        task,
        cache=mteb.ResultCache(folder),
        overwrite_strategy="always",
        encode_kwargs={"batch_size": batch_size},
        show_progress_bar=False,
    ).task_results[0]
    task.unload_data()
    return {
        "task": task.metadata.name,
        "metric": task.metadata.main_score,
        "value": float(result.get_score()),
        "n": counts,
        "scores": json.loads(json.dumps(result.scores, default=float)),
    }


def _source(task: Any) -> str:
    """Digest of the file that a task is defined in: one's own tasks change without a new revision of their data."""
    file = inspect.getsourcefile(type(task))
    return hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest() if file else ""


def leave_encoded(task: Foreign) -> None:
    """Let MTEB hand on recordings as they are in their files: our reader needs neither FFmpeg nor torchcodec."""
    from datasets import Audio

    for folder, name in _datasets(task.dataset):
        for column, feature in folder[name].features.items():
            if isinstance(feature, Audio):
                folder[name] = folder[name].cast_column(column, Audio(decode=False))


def _datasets(found: Any) -> Iterator[tuple[Any, str]]:
    """Every data set of a task, as the mapping that holds it and its name there."""
    from datasets import Dataset

    if isinstance(found, Mapping):
        for name, value in found.items():
            if isinstance(value, Dataset):
                yield found, name
            else:
                yield from _datasets(value)


def _counts(task: Any) -> int:
    """Test items: rows of the splits that are scored; of a retrieval its queries."""
    splits = set(task.metadata.eval_splits)
    return sum(_count(task.dataset, split) for split in splits)


def _count(found: Any, split: str) -> int:
    if not isinstance(found, Mapping):
        return 0
    if split not in found:
        return sum(_count(value, split) for value in found.values())
    rows = found[split]
    return len(rows.get("queries", ())) if isinstance(rows, Mapping) else len(rows)


def main(arguments: Sequence[str]) -> None:
    """Run what the one argument says, in JSON: the arguments of `run_tasks`.

    Raises:
        ConfigError: if there is not one argument.
        SystemExit: with the message, if something is wrong with the tasks or the model.
    """
    if len(arguments) != 1:
        raise ConfigError("expected one argument, the arguments of run_tasks in JSON")
    said = json.loads(arguments[0])
    try:
        run_tasks(Path(said.pop("module")), said.pop("tasks"), Path(said.pop("folder")), **said)
    except AudiosslError as error:
        raise SystemExit(str(error)) from None  # without the lines that led to it


if __name__ == "__main__":
    main(sys.argv[1:])
