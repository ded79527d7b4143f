"""`audiossl.evaluate(model, "superb")`: SUPERB's tasks with our heads, or by s3prl's own problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from audiossl.errors import ConfigError
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.evaluation.superb.evaluate import SEARCH, LayerSweep, sweep_layers
from audiossl.evaluation.superb.evaluate import evaluate_superb as evaluate_heads
from audiossl.evaluation.superb.training import ProbeOptions
from audiossl.files import whole_file
from audiossl.kits.superb_problems import evaluate_superb_by_kit
from audiossl.locks import only_user
from audiossl.models.encoder import Encoder
from audiossl.options import read_options
from audiossl.pipelines.prepared_tasks import prepared_tasks
from audiossl.report.layer_pictures import plot_layer_sweep
from audiossl.report.media import figure_svg
from audiossl.verbs.benchmark_options import default_output, refuse_overrides, words
from audiossl.verbs.devices import load_on


@dataclass(frozen=True)
class SuperbOptions:
    """How SUPERB tasks are measured.

    Attributes:
        task: names of task folders, or abbreviations such as SID; all by default.
        name: name of the model in the results.
        data_root: corpora that were fetched by hand, for the recipe.
        device: device of what is trained: cpu, cuda, cuda:1.
        kit: run the original kit in its own environment, see docs/kits.md.
        lr: learning rates to choose from by validation, or "search" for ten-fold steps; by default the task's one.
        updates: number of updates of each head; by default the folder's, or the published ones.
        normalise: layer norm of each layer before the weighted sum.
        layer: this layer instead of the weighted sum.
        layer_sweep: each layer by itself as well, with a picture.
        seed: seed of the heads.
    """

    task: str | tuple[str, ...] = ()
    name: str | None = None
    data_root: Path | None = None
    device: str = "cpu"
    kit: bool = False
    lr: Literal["search"] | float | tuple[float, ...] = ()
    updates: int | None = None
    normalise: bool = False
    layer: int | None = None
    layer_sweep: bool = False
    seed: int = 0

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rates to choose from; none where the task's own is taken."""
        if self.lr == "search":
            return SEARCH
        return self.lr if isinstance(self.lr, tuple) else (float(self.lr),)


def evaluate_superb(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    **options: object,
) -> list[ResultRow]:
    """Evaluate an encoder on SUPERB tasks; with a recipe such as recipes/superb its packaged stand-ins are made first.

    `audiossl evaluate superb runs/asterisk recipes/superb --out runs/superb_student --task SID --lr search`
    """
    chosen = read_options(SuperbOptions, options, "superb")
    refuse_overrides("superb", overrides)
    embedder = load_on(model, chosen.device)
    name = chosen.name or embedder.name
    out = output or default_output("superb", name)
    with only_user(out):
        folder = prepared_tasks(Path(tasks or "recipes/superb"), out, chosen.data_root)
        how = words(chosen.task), chosen.rates, chosen.updates
        if chosen.kit:
            if chosen.layer is not None or chosen.normalise or chosen.layer_sweep:
                raise ConfigError("layer, normalise and layer_sweep are of our heads, not of s3prl's problems: leave out --kit")
            rows = evaluate_superb_by_kit(model, folder, out, f"{name} (s3prl)", *how, chosen.seed)
            write_results(out / "results.json", rows)
            return rows
        heads = ProbeOptions(chosen.normalise, chosen.layer, chosen.seed, chosen.device)
        rows = evaluate_heads(embedder, folder, out, name, *how, heads)
        if chosen.layer_sweep:
            _draw(sweep_layers(embedder, folder, out, *how, heads), out / "layer_sweep.svg")
    return rows


def _draw(sweep: LayerSweep, path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_text(figure_svg(plot_layer_sweep(sweep.values, sweep.lower_is_better)), encoding="utf-8")
