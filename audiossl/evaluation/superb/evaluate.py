"""Evaluate an encoder on SUPERB tasks: rows with intervals, and next to them what was chosen and how."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.frame_rate import require_declared_rate
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.intervals import Interval, mean_interval, range_of
from audiossl.evaluation.results import LOWER_IS_BETTER, ResultRow, write_results
from audiossl.evaluation.superb.catalogue import TASKS
from audiossl.evaluation.superb.layer_features import LayerFeatures
from audiossl.evaluation.superb.task import HeadTask, Measured, Settings, SuperbTask
from audiossl.evaluation.superb.tasks.spoken_queries import QueryByExample
from audiossl.evaluation.superb.training import DEFAULTS, ProbeOptions, predict_clips, search_learning_rate
from audiossl.files import read_json, write_json
from audiossl.progress import Report, show_progress

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
    options: ProbeOptions = DEFAULTS,
) -> list[ResultRow]:
    """Extract all layers once, train and test each task's head; what an earlier call finished in `out` is kept.

    All tables are read before anything is extracted, and `results.json` is written when all tasks are scored. Beside it
    `scores/TASK.json` holds settings, validation values of every learning rate, and layer weights; `features/` the layers.

    Args:
        embedder: embedder of audio.
        tasks: folder of task folders, each with train.csv, valid.csv, test.csv and superb_task.json (`{"task": "SID"}`); that of
            a stand-in may hold `"settings"`, such as updates, lr and hidden, that replace the task's.
        out: folder that is written.
        name: name of the model in the rows.
        only: names of task folders, or SUPERB's abbreviations; all by default.
        rates: learning rates to choose from by the validation table; by default the task's one.
        updates: updates of each head; by default the folder's, or the published ones.
        options: options of all heads.

    Raises:
        DataError: if a table or audio is not as expected, or the encoder declares another frame rate than it has.
        ConfigError: if `only` or `options.layer` names what is not there.
    """
    if options.layer is not None and not 0 <= options.layer < embedder.num_layers:
        raise ConfigError(f"expected a --layer from 0 to {embedder.num_layers - 1} of {embedder.name}, got {options.layer}")
    chosen = find_tasks(tasks, only)
    (out / "results.json").unlink(missing_ok=True)
    require_declared_rate(embedder, "all")
    rows: list[ResultRow] = []
    for found in chosen:
        with show_progress(found.folder.name) as progress:
            settings = found.settings(updates)
            folds = []
            for part in found.parts:
                run = _prepared(embedder, found.kind(part), out, settings, rates, progress)
                folds.append(run.evaluate(out / "heads" / part.relative_to(found.folder.parent), options))
            measured = {
                metric: mean_of_folds(metric, [fold["measured"][metric] for fold in folds]) for metric in found.kind.metrics
            }
            about = {**found.about, "settings": asdict(settings), "folds": folds}
            write_json(out / "scores" / f"{found.folder.name}.json", about)
        rows += [
            ResultRow(
                found.folder.name,
                found.kind.name,
                name,
                metric,
                value.value,
                value.low,
                value.high,
                value.n,
                value.groups,
                value.scores,
            )
            for metric, value in measured.items()
        ]
    write_results(out / "results.json", rows)
    return rows


@dataclass(frozen=True)
class LayerSweep:
    """Validation values of every layer by itself.

    Attributes:
        values: values by task folder and layer.
        lower_is_better: task folders whose metric is an error.
    """

    values: dict[str, dict[int, float]]
    lower_is_better: tuple[str, ...]


def sweep_layers(
    embedder: Embedder,
    tasks: Path,
    out: Path,
    only: Sequence[str] = (),
    rates: Sequence[float] = (),
    updates: int | None = None,
    options: ProbeOptions = DEFAULTS,
) -> LayerSweep:
    """Train a head on every layer by itself, of a task with folds on the first, and write `layer_sweep.json`.

    Layers and heads that `evaluate_superb` left in `out` are used; arguments and errors are the same.
    """
    values = {}
    chosen = find_tasks(tasks, only)
    for found in chosen:
        with show_progress(f"{found.folder.name}, layer by layer") as progress:
            part, settings = found.parts[0], found.settings(updates)
            run, place = (
                _prepared(embedder, found.kind(part), out, settings, rates, progress),
                part.relative_to(found.folder.parent),
            )
            values[found.folder.name] = run.sweep(out / "layers" / place, options, run.evaluate(out / "heads" / place, options))
    write_json(out / "layer_sweep.json", values)
    return LayerSweep(values, tuple(found.folder.name for found in chosen if found.kind.metrics[0] in LOWER_IS_BETTER))


@dataclass(frozen=True)
class FoundTask:
    """A task folder.

    Attributes:
        kind: kind of task.
        about: content of superb_task.json.
    """

    folder: Path
    kind: type[SuperbTask]
    about: Mapping[str, Any]

    @property
    def parts(self) -> list[Path]:
        """Its folds, or the folder itself."""
        return sorted(self.folder.glob("fold*/")) or [self.folder]

    def settings(self, updates: int | None = None) -> Settings:
        """The task's settings with those of the folder, and another number of updates."""
        settings = replace(self.kind.settings, **self.about.get("settings", {}))
        return settings if updates is None else replace(settings, updates=updates)


def find_tasks(tasks: Path, only: Sequence[str] = ()) -> list[FoundTask]:
    """Task folders; their tables are read once to see that they can be.

    Raises:
        DataError: if there is none, or one cannot be read.
        ConfigError: if `only` names what is not there.
    """
    folders = [tasks] if (tasks / DESCRIPTION).is_file() else sorted(path.parent for path in tasks.glob(f"*/{DESCRIPTION}"))
    if not folders:
        raise DataError(f'expected folders with {DESCRIPTION} ({{"task": "SID"}}) in {tasks}, found none')
    chosen = []
    for folder in folders:
        about = read_json(folder / DESCRIPTION)
        kind = TASKS.get(about.get("task", ""))
        if kind is None:
            raise DataError(f"{folder / DESCRIPTION}: expected task, one of {', '.join(TASKS)}, got {about.get('task')!r}")
        if not only or folder.name in only or kind.name in only:
            chosen.append(FoundTask(folder, kind, about))
            for part in chosen[-1].parts:
                kind(part)
    known = {name for found in chosen for name in (found.folder.name, found.kind.name)}
    if unknown := sorted(set(only) - known):
        raise ConfigError(f"no task {', '.join(unknown)} in {tasks}; there are {', '.join(folder.name for folder in folders)}")
    return chosen


def mean_of_folds(metric: str, folds: Sequence[Mapping[str, object]]) -> Measured:
    """Mean over folds, with the interval over the groups of all of them; of one fold that itself.

    Folds that were scored by an earlier version do not say their error: their mean has no interval.
    """
    known = cast(Sequence[Mapping[str, Any]], folds)
    count = sum(fold["n"] for fold in known)
    parts = [Interval(*(fold.get(item.name) for item in fields(Interval))) for fold in known]  # pyright: ignore[reportArgumentType]
    scores = {group: tuple(score) for fold in known for group, score in (fold.get("scores") or {}).items()}
    return Measured.of(mean_interval(parts, range_of(metric)), count, scores or None)


@dataclass(frozen=True)
class _Run:
    """One folder of tables and what is done with it."""

    task: SuperbTask
    features: LayerFeatures
    settings: Settings
    rates: tuple[float, ...]
    progress: Report

    def evaluate(self, folder: Path, options: ProbeOptions) -> dict[str, Any]:
        """Train, choose and test, or read what was; the description that is kept."""
        key, done = self._key(options), folder / "done.json"
        if done.is_file() and read_json(done).get("key") == key:
            return read_json(done)["found"]
        if not (folder / "key.json").is_file() or read_json(folder / "key.json") != key:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_json(folder / "key.json", key)
        if isinstance(self.task, HeadTask):
            found = self._evaluate_head(self.task, folder, options)
        else:
            assert isinstance(self.task, QueryByExample)
            found = self.task.search(self.features, options.layer, self.progress)
        write_json(done, {"key": key, "found": found})
        return found

    def sweep(self, folder: Path, options: ProbeOptions, found: Mapping[str, Any]) -> dict[int, float]:
        """Validation value of every layer; of queries that is known already."""
        if "valid_by_layer" in found:
            return {int(layer): value for layer, value in found["valid_by_layer"].items()}
        layers = range(self.features.num_layers)
        return {layer: self.evaluate(folder / f"layer_{layer}", replace(options, layer=layer))["valid"] for layer in layers}

    def _evaluate_head(self, task: HeadTask, folder: Path, options: ProbeOptions) -> dict[str, Any]:
        trained, values = search_learning_rate(task, self.features, self.settings, self.rates, folder, options, self.progress)
        predictions = predict_clips(task, trained.probe, self.features, task.clips("test"), options.device)
        write_json(folder / "predictions.json", predictions)
        return {
            "measured": {metric: asdict(value) for metric, value in task.measure(predictions, "test").items()},
            "selected_by": f"{task.metrics[0]} on valid.csv",
            "valid": trained.selection,
            "valid_by_lr": {f"{rate:g}": value for rate, value in values.items()},
            "lr": trained.lr,
            "update": trained.update,
            "skipped_updates": trained.skipped,
            "layer_weights": trained.probe.featuriser.weights(),
        }

    def _key(self, options: ProbeOptions) -> str:
        tables = {path.name: path.read_text(encoding="utf-8") for path in sorted(self.task.folder.glob("*.csv"))}
        audio = self.features.key([clip for split in self.task.splits for clip in self.task.clips(split)])
        settings = [asdict(self.settings), asdict(replace(options, device="")), self.rates]
        described = [self.features.embedder.digest, audio, *settings, tables]
        return hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()


def _prepared(
    embedder: Embedder, task: SuperbTask, out: Path, settings: Settings, rates: Sequence[float], progress: Report
) -> _Run:
    """A task whose layers are stored."""
    features = LayerFeatures(embedder, out / "features" / f"gain_{task.gain_db:g}", task.gain_db)
    features.make([clip for split in task.splits for clip in task.clips(split)], progress)
    return _Run(task, features, settings, tuple(rates) or (settings.lr,), progress)
