"""`audiossl.evaluate(model, "hear")`: HEAR's tasks by the kit's protocol, or by heareval itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from audiossl.embedding.embedder import Layers
from audiossl.errors import ConfigError
from audiossl.evaluation.hear.evaluate import evaluate_hear as evaluate_tasks
from audiossl.evaluation.hear.evaluate import rows_of_kit
from audiossl.evaluation.hear.model import HearModel, Pooling
from audiossl.evaluation.hear.predictor import Grid
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.exporters.hear import HearExport
from audiossl.exporters.source import model_source
from audiossl.kits.hear_runs import run_heareval
from audiossl.load import load
from audiossl.locks import only_user
from audiossl.models.encoder import Encoder
from audiossl.options import read_options
from audiossl.pipelines.prepared_tasks import prepared_tasks
from audiossl.verbs.benchmark_options import default_output, refuse_overrides, words


@dataclass(frozen=True)
class HearOptions:
    """How HEAR tasks are measured.

    Attributes:
        task: names of task folders; all by default.
        name: name of the model in the results.
        data_root: corpora that were fetched by hand, for the recipe.
        device: device of the predictors: cpu, cuda, cuda:1.
        kit: run the original kit in its own environment, see docs/kits.md.
        layers: last, all, or numbers, laid side by side.
        pooling: pooling of scene embeddings over time.
        grid: grid of the kit's predictors.
        grid_points: number of points of the grid that are tried.
    """

    task: str | tuple[str, ...] = ()
    name: str | None = None
    data_root: Path | None = None
    device: str = "cpu"
    kit: bool = False
    layers: Layers = "last"
    pooling: Pooling = "mean"
    grid: Grid = "default"
    grid_points: int = 8


def evaluate_hear(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    **options: object,
) -> list[ResultRow]:
    """Evaluate an encoder on HEAR tasks; with a recipe such as recipes/hear its packaged stand-ins are made first.

    `audiossl evaluate hear runs/asterisk recipes/hear --out runs/hear_student`
    """
    chosen = read_options(HearOptions, options, "hear")
    refuse_overrides("hear", overrides)
    only = words(chosen.task)
    if chosen.kit and len(only) > 1:
        raise ConfigError("--kit takes one --task, or none for all")
    embedder = load(model)
    name = chosen.name or embedder.name
    out = output or default_output("hear", name)
    with only_user(out):
        folder = prepared_tasks(Path(tasks or "recipes/hear"), out, chosen.data_root)
        if not chosen.kit:
            hear = HearModel(embedder, chosen.layers, chosen.pooling)
            return evaluate_tasks(hear, folder, out, name, only, chosen.grid, chosen.grid_points, chosen.device)
        source = model_source(model)
        module = HearExport(chosen.layers, chosen.pooling).write(source, out / "audiossl_hear.py")
        found = run_heareval(
            module, folder, out / "kit", only[0] if only else "all",
            grid=chosen.grid, grid_points=chosen.grid_points, search=source.search,
        )  # fmt: skip
        rows = rows_of_kit(found, folder, f"{name} (heareval)")
        write_results(out / "results.json", rows)
    return rows
