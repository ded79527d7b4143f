"""Evaluate an encoder on SUPERB tasks: rows with intervals, and beside them what was chosen and how."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.results import LOWER_IS_BETTER, ResultRow, write_results
from audiossl.evaluation.superb.catalogue import TASKS, TaskKind
from audiossl.evaluation.superb.layer_features import LayerFeatures
from audiossl.evaluation.superb.task import Measured, Settings, SuperbTask
from audiossl.evaluation.superb.tasks.spoken_queries import QueryByExample
from audiossl.evaluation.superb.training import TrainedProbe, predict_clips, search_learning_rate
from audiossl.files import read_json, whole_file, write_json
from audiossl.progress import Report, show_progress
from audiossl.report.layer_pictures import plot_layer_sweep
from audiossl.report.media import figure_svg

SEARCH = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
DESCRIPTION = "superb_task.json"


def evaluate_superb(
    embedder: Embedder,
    tasks: Path,
    out: Path,
    name: str,
    only: Sequence[str] = (),
    rates: Sequence[float] = (),
    updates: int | None = None,
    normalise: bool = False,
    layer: int | None = None,
    sweep: bool = False,
    seed: int = 0,
    device: str = "cpu",
) -> list[ResultRow]:
    """Extract all layers once, train and test each task's head; what an earlier call finished in `out` is kept.

    All tables are read before anything is extracted, and `results.json` is written when all tasks are scored. Beside it
    `scores/TASK.json` holds settings, validation values of every learning rate, and layer weights; `features/` the layers.

    Args:
        embedder: of audio.
        tasks: folder of task folders, each with train.csv, valid.csv, test.csv and superb_task.json (`{"task": "SID"}`); that of
            a stand-in may hold `"settings"`, such as updates, lr and hidden, that replace the task's.
        out: folder that is written.
        name: of the model in the rows.
        only: names of task folders, or SUPERB's abbreviations; all by default.
        rates: learning rates to choose from by the validation table; by default the task's one.
        updates: of each head; by default the folder's, or the published ones.
        normalise, layer: of the featuriser.
        sweep: train a head on every layer by itself as well, for `layer_sweep.json` and its picture; only validation tables are
            read for it.
        seed: of heads.
        device: of heads.

    Raises:
        DataError: if a table or audio is not as expected.
        ConfigError: if `only` names what is not there.
    """
    chosen = find_tasks(tasks, only)
    (out / "results.json").unlink(missing_ok=True)
    rows: list[ResultRow] = []
    swept: dict[str, dict[int, float]] = {}
    for folder, kind, about in chosen:
        with show_progress(folder.name) as progress:
            settings = replace(kind.settings, **about.get("settings", {}))
            settings = settings if updates is None else replace(settings, updates=updates)
            options = {"normalise": normalise, "layer": layer, "seed": seed, "device": device}
            folds = []
            for part in _folds(folder):
                task = kind(part)
                features = LayerFeatures(embedder, out / "features" / f"gain_{task.gain_db:g}", task.gain_db)
                features.make([clip for split in task.splits for clip in task.clips(split)], progress)
                place = folder.name if part == folder else f"{folder.name}_{part.name}"
                folds.append(_evaluate(task, features, settings, rates, out / "heads" / place, options, progress))
                if sweep and part in (folder, _folds(folder)[0]):
                    swept[folder.name] = _sweep(
                        task, features, settings, rates, out / "layers" / place, options, progress, folds[-1]
                    )
            found = {metric: _mean([fold["measured"][metric] for fold in folds]) for metric in kind.metrics}
            write_json(out / "scores" / f"{folder.name}.json", {**about, "settings": asdict(settings), "folds": folds})
        rows += [ResultRow(folder.name, kind.name, name, metric, *asdict(value).values()) for metric, value in found.items()]
    if swept:
        lower = [folder.name for folder, kind, _ in chosen if kind.metrics[0] in LOWER_IS_BETTER]
        write_json(out / "layer_sweep.json", swept)
        with whole_file(out / "layer_sweep.svg") as partial:
            partial.write_text(figure_svg(plot_layer_sweep(swept, lower)), encoding="utf-8")
    write_results(out / "results.json", rows)
    return rows


def _sweep(
    task: SuperbTask,
    features: LayerFeatures,
    settings: Settings,
    rates: Sequence[float],
    folder: Path,
    options: Mapping[str, Any],
    progress: Report,
    found: Mapping[str, Any],
) -> dict[int, float]:
    """Validation value of every layer; of queries that is known already."""
    if "valid_by_layer" in found:
        return {int(layer): value for layer, value in found["valid_by_layer"].items()}
    values = {}
    for layer in range(features.num_layers):
        alone = {**options, "layer": layer}
        values[layer] = _evaluate(task, features, settings, rates, folder / f"layer_{layer}", alone, progress)["valid"]
    return values


def find_tasks(tasks: Path, only: Sequence[str] = ()) -> list[tuple[Path, TaskKind, dict[str, Any]]]:
    """Task folders with their kinds and descriptions, tables read once to see that they can be.

    Raises:
        DataError: if there is none, or one cannot be read.
        ConfigError: if `only` names what is not there.
    """
    folders = [tasks] if (tasks / DESCRIPTION).is_file() else sorted(path.parent for path in tasks.glob(f"*/{DESCRIPTION}"))
    if not folders:
        raise DataError(f'expected folders with {DESCRIPTION} ({{"task": "SID"}}) in {tasks}, found none')
    found = []
    for folder in folders:
        about = read_json(folder / DESCRIPTION)
        kind = TASKS.get(about.get("task", ""))
        if kind is None:
            raise DataError(f"{folder / DESCRIPTION}: expected task, one of {', '.join(TASKS)}, got {about.get('task')!r}")
        if not only or folder.name in only or kind.name in only:
            for part in _folds(folder):
                kind(part)
            found.append((folder, kind, about))
    known = {folder.name for folder, _, _ in found} | {kind.name for _, kind, _ in found}
    if unknown := sorted(set(only) - known):
        raise ConfigError(f"no task {', '.join(unknown)} in {tasks}; there are {', '.join(folder.name for folder in folders)}")
    return found


def _folds(folder: Path) -> list[Path]:
    return sorted(folder.glob("fold*/")) or [folder]


def _evaluate(
    task: SuperbTask,
    features: LayerFeatures,
    settings: Settings,
    rates: Sequence[float],
    folder: Path,
    options: Mapping[str, Any],
    progress: Report,
) -> dict[str, Any]:
    """Train, choose and test on one folder of tables; the description that is kept."""
    tried = tuple(rates) or (settings.lr,)
    tables = {path.name: path.read_text(encoding="utf-8") for path in sorted(task.folder.glob("*.csv"))}
    audio = features.key([clip for split in task.splits for clip in task.clips(split)])
    described = [features.embedder.digest, audio, asdict(settings), {**options, "device": ""}, tables, tried]
    key = hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()
    done = folder / "done.json"
    if done.is_file() and read_json(done).get("key") == key:
        return read_json(done)["found"]
    if not (folder / "key.json").is_file() or read_json(folder / "key.json") != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(folder / "key.json", key)
    if isinstance(task, QueryByExample):
        found = task.search(features, options["layer"], progress)
        write_json(done, {"key": key, "found": found})
        return found
    trained, values = search_learning_rate(task, features, settings, tried, folder, progress=progress, **options)
    predictions = predict_clips(task, trained.probe, features, task.tables.test, options["device"])
    found = _described(task, trained, values, task.measure(predictions, "test"))
    write_json(done, {"key": key, "found": found})
    write_json(folder / "predictions.json", predictions)
    return found


def _described(
    task: SuperbTask, trained: TrainedProbe, values: Mapping[float, float], measured: Mapping[str, Measured]
) -> dict[str, Any]:
    return {
        "measured": {metric: asdict(value) for metric, value in measured.items()},
        "selected_by": f"{task.metrics[0]} on valid.csv",
        "valid": trained.selection,
        "valid_by_lr": {f"{rate:g}": value for rate, value in values.items()},
        "lr": trained.lr,
        "update": trained.update,
        "skipped_updates": trained.skipped,
        "layer_weights": trained.probe.featuriser.weights(),
        "num_classes_or_units": len(getattr(task, "units", ())) or sum(map(len, getattr(task, "classes", {}).values())),
    }


def _mean(folds: Sequence[Mapping[str, Any]]) -> Measured:
    """Mean over folds of value and ends; of one fold that itself."""
    value, low, high = (fmean(fold[key] for fold in folds) for key in ("value", "low", "high"))
    return Measured(value, low, high, sum(fold["n"] for fold in folds))
