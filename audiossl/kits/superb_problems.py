"""The same tasks by s3prl's own problems, on the same tables, in the kit's environment (see docs/kits.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from torch import nn

from audiossl.errors import ConfigError
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.superb.evaluate import find_tasks
from audiossl.evaluation.superb.tables import SPLITS, write_table
from audiossl.evaluation.superb.task import Settings, SuperbTask
from audiossl.exporters.s3prl import S3prlExport
from audiossl.exporters.source import model_source
from audiossl.kits.runs import run_s3prl_problem
from audiossl.models.encoder import Encoder

PROBLEMS = {"SID": "SuperbSID", "KS": "SuperbKS", "ER": "SuperbER", "PR": "SuperbPR", "ASR": "SuperbASR"}


def evaluate_superb_by_kit(
    model: str | Path | Encoder | nn.Module,
    tasks: Path,
    out: Path,
    name: str,
    only: Sequence[str] = (),
    rates: Sequence[float] = (),
    updates: int | None = None,
    seed: int = 0,
) -> list[ResultRow]:
    """Train and test s3prl's problems on the tables of task folders, with the settings of our heads.

    Args:
        model: whatever `audiossl.load` takes. It is exported to `out`; a class from outside the package is loaded by its name.
        tasks, out, name, only, updates: arguments of `evaluate_superb`.
        rates: one learning rate at most; s3prl's problems do not search.
        seed: seed of s3prl.

    Returns:
        Rows without intervals, for the kit says nothing of its groups.

    Raises:
        ConfigError: if a chosen task has no such problem, several rates are given, or s3prl fails.
        StoreError: if the kit's environment is missing or wrong.

    >>> rows = evaluate_superb_by_kit("logmel", Path("tasks"), Path("runs/kit"), "logmel")  # doctest: +SKIP
    """
    chosen = find_tasks(tasks, only)
    if wrong := sorted({found.kind.name for found in chosen} - PROBLEMS.keys()):
        raise ConfigError(f"--kit runs {', '.join(PROBLEMS)}; choose among them with --task, {', '.join(wrong)} cannot be run so")
    if len(rates) > 1:
        raise ConfigError("--kit takes one learning rate: s3prl's problems do not search")
    source = model_source(model)
    # A folder may not make anything import a class: one from outside the kit is only named.
    upstream = source.kept(out / "model") if source.is_code else S3prlExport().write(source, out / "upstream")
    rows = []
    for found in chosen:
        settings = replace(found.settings(updates), **({"lr": rates[0]} if rates else {}))
        options, folds = [*options_of(found.kind.name, settings), "--train.seed", str(seed)], []
        for part in found.parts:
            task, place = found.kind(part), part.relative_to(found.folder.parent)
            tables = _write_tables(task, out / "tables" / place)
            scores = run_s3prl_problem(
                PROBLEMS[found.kind.name], upstream, out / "kit" / place, tables, options, search=source.search
            )["test"]
            folds.append({metric: (scores[metric], len(task.clips("test"))) for metric in found.kind.metrics})
        for metric in found.kind.metrics:
            value = fmean(fold[metric][0] for fold in folds)
            count = sum(fold[metric][1] for fold in folds)
            rows.append(ResultRow(found.folder.name, found.kind.name, name, metric, value, None, None, count))
    return rows


def options_of(name: str, settings: Settings) -> list[str]:
    """Settings of a head as s3prl's command line."""
    options = {
        "train.total_steps": settings.updates,
        "train.eval_step": max(1, settings.updates // settings.evaluations),
        "train.save_step": settings.updates,
        "train.log_step": settings.updates,
        "train.gradient_accumulate": settings.accumulate,
        "build_optimizer.conf.lr": settings.lr,
    }
    if name == "ASR":
        options |= {
            "build_downstream.model_conf.hidden_size": f"[{settings.hidden},{settings.hidden}]",
            "build_downstream.model_conf.proj_size": settings.hidden,
        }
    else:
        options |= {"build_downstream.hidden_size": settings.hidden}
    return [part for key, value in options.items() for part in (f"--{key}", str(value))]


def _write_tables(task: SuperbTask, folder: Path) -> Path:
    """Tables with absolute paths, which s3prl wants."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        rows = [
            {"id": clip.id, "wav_path": clip.path.absolute(), **{column: clip.values[column] for column in task.columns}}
            | ({"start_sec": clip.start, "end_sec": clip.end} if clip.end is not None else {})
            for clip in task.clips(split)
        ]
        write_table(folder / f"{split}.csv", rows)
    return folder
