"""`audiossl.evaluate(model, "mteb")`: tasks of MTEB, whose audio half is MAEB, by its own code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from audiossl.embedding.embedder import Layers
from audiossl.errors import DataError
from audiossl.evaluation.hear.model import Pooling
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.exporters.mteb import MtebExport
from audiossl.exporters.source import model_source
from audiossl.kits.mteb_launcher import STAND_IN
from audiossl.kits.mteb_runs import run_mteb
from audiossl.locks import only_user
from audiossl.models.encoder import Encoder
from audiossl.options import read_options
from audiossl.verbs.benchmark_options import default_output, refuse_overrides, words


@dataclass(frozen=True)
class MtebOptions:
    """How MTEB's tasks are measured.

    Attributes:
        name: name of the model in the results.
        device: device of the model: cpu, cuda, cuda:1.
        kit: run MTEB in its own environment, see docs/kits.md.
        layers: last, all, or numbers, laid side by side.
        pooling: pooling of clips over time.
        batch_size: number of clips in a batch; vectors are the same in any.
    """

    name: str | None = None
    device: str = "cpu"
    kit: bool = False
    layers: Layers = "last"
    pooling: Pooling = "mean"
    batch_size: int = 32


def evaluate_mteb(
    model: str | Path | Encoder | nn.Module,
    tasks: str | Path | Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    **options: object,
) -> list[ResultRow]:
    """Evaluate an encoder on audio tasks of MTEB; without tasks on a stand-in that needs no download.

    `audiossl evaluate mteb runs/asterisk --tasks BeijingOpera ESC50 --out runs/mteb_student`
    """
    chosen = read_options(MtebOptions, options, "mteb")
    refuse_overrides("mteb", overrides)
    source = model_source(model)
    name = chosen.name or source.embedder.name
    out = output or default_output("mteb", name)
    names = words(str(tasks) if isinstance(tasks, str | Path) else tuple(tasks or ())) or (STAND_IN,)
    with only_user(out):
        out.mkdir(parents=True, exist_ok=True)
        module = MtebExport(chosen.layers, chosen.pooling).write(source, out / "audiossl_mteb.py")
        found = run_mteb(module, names, out / "mteb", chosen.batch_size, chosen.device, chosen.kit, source.search)
        rows = []
        for task in found:
            if not math.isfinite(task["value"]):
                raise DataError(f"MTEB scored {task['task']} with {task['value']}; see {out / 'mteb' / 'scores'}")
            # MTEB draws its training clips ten times, which says nothing of other recordings: no interval.
            rows.append(ResultRow(task["task"], "mteb", name, task["metric"], task["value"], None, None, task["n"]))
        write_results(out / "results.json", rows)
    return rows
