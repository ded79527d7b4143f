"""The stage of a model: vectors of segments, of regions and of runs, for every seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from audiossl.console import console
from audiossl.files import whole_file, write_json, write_jsonl
from audiossl.pipelines.connectivity.checks import Checks
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design, DesignConfig
from audiossl.pipelines.connectivity.parts import fingerprint_parts, segments, training_segments, whole_runs
from audiossl.pipelines.connectivity.readers import Reader
from audiossl.pipelines.connectivity.rows import FINGERPRINT, NETWORKS, GraphRow
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.recording import Rejected
from audiossl.stage import Names, StageConfig
from audiossl.world import World

VECTORS, REJECTED = "vectors.safetensors", "rejected.jsonl"
SEGMENTS, REGIONS, RUNS = "segments", "regions", "runs"  # prefixes of the tensors in it, before the name of a variant
TASKS = ("fingerprint", "networks", "phenotypes")


@dataclass(frozen=True)
class ModelConfig(StageConfig):
    """What decides the vectors of a model.

    Attributes:
        row: model.
        seeds: of training.
        design: parts of runs. The windows of other models, which segments have to suit as well, are hashed next to this.
        checks: of what all models will be scored on, before one is trained; they decide nothing.
    """

    row: GraphRow
    seeds: list[int]
    design: DesignConfig
    checks: Checks | None = None

    def decides(self) -> list[object]:
        """The model, seeds, tasks, what pre-training sees, and what else the row reads."""
        model, *others = self.row.decides()
        return [model, self.seeds, self.design.tasks, self.design.pretrain, *others]

    def names(self) -> Names:
        """Names of these."""
        model, *others = self.row.names()
        return (model, "seeds", TASKS, "pretrain", *others)


def represent(out: Path, inputs: Mapping[str, Path], config: ModelConfig) -> None:
    """Train a model for every seed and write what the tasks read; finished seeds of an interrupted run are kept.

    Per variant of the model: vectors of all drawn segments (2, D, P, E), plain and standardised by segments of what pre-training
    saw; vectors of every region of every run (R, N, D); and one vector of every run (R, E). Runs that keep too few volumes for
    one of these are left out of it, and listed in `rejected.jsonl`.
    """
    row, design = config.row, Design(Runs.open(inputs["recordings"] / "set"), config.design)
    if config.checks is not None:
        config.checks.once(design)
    row.check(design)
    row.warn_of_times(design)
    _list_left_out(out, row, design)
    for seed in config.seeds if row.random else config.seeds[:1]:
        folder = out / f"seed{seed}"
        if (folder / "done.json").is_file():
            continue
        torch.manual_seed(derive_seed(seed, "encoder"))
        reader = row.read(design, seed, folder)
        if not World.join().is_first:
            continue
        found = {name: value.contiguous().float() for name, value in _everything(reader, row, design).items()}
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / VECTORS) as partial:
            save_file(found, partial)
        write_json(folder / "done.json", {"seed": seed, "left_out": design.runs.left_out, **reader.measured})


def left_out_of(row: GraphRow, design: Design) -> list[Rejected]:
    """Runs that some part of a model's work does without, with the reason, before that work is begun.

    Raises:
        DataError: if nothing is left for a part of it.
    """
    if design.runs.are_matrices:
        return []
    found = whole_runs(design)[1]
    if design.config.fingerprint.volumes and FINGERPRINT in row.tasks:
        found += fingerprint_parts(design)[2] + training_segments(design)[1]
    return list(dict.fromkeys([*found, *row.left_out(design)]))


def _list_left_out(out: Path, row: GraphRow, design: Design) -> None:
    """Name the runs that a part of the work does without; the table of a run's report has them too."""
    left_out = left_out_of(row, design)
    if left_out and World.join().is_first:
        out.mkdir(parents=True, exist_ok=True)
        write_jsonl(out / REJECTED, [asdict(rejected) for rejected in left_out])
        number = f"{len({rejected.id for rejected in left_out})} of {len(design.runs.recordings)} runs are"
        text = f"{number} not used for everything, see {REJECTED} in this stage's folder. The first: {left_out[0].reason}"
        console.print(text, style="yellow", markup=False, soft_wrap=True)


def _everything(reader: Reader, row: GraphRow, design: Design) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    of_tasks, config = whole_runs(design)[0], design.config
    if config.fingerprint.volumes and FINGERPRINT in row.tasks:
        drawn = [[reader.vectors(part) for part in pair] for pair in segments(design)]
        mean, deviation = _statistics(reader, design)
        for variant in drawn[0][0]:
            plain = torch.stack([torch.stack([part[variant] for part in pair]) for pair in drawn], dim=1)
            found[f"{SEGMENTS}/{variant}"] = plain
            found[f"{SEGMENTS}/{_joined(variant, 'standardised')}"] = (plain - mean[variant]) / deviation[variant]
    if config.networks and NETWORKS in row.tasks:
        each = [reader.regions(series) for series in of_tasks.series]
        found |= {f"{REGIONS}/{variant}": torch.stack([one[variant] for one in each]) for variant in each[0]}
    if config.phenotypes:
        each = [reader.vectors(series[None]) for series in of_tasks.series]
        found |= {f"{RUNS}/{variant}": torch.cat([one[variant] for one in each]) for variant in each[0]}
    return found


def _statistics(reader: Reader, design: Design) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Mean and deviation of every entry over half-overlapping segments of what pre-training saw that keep enough volumes."""
    each: dict[str, list[Tensor]] = {}
    for pieces in training_segments(design)[0]:
        for variant, values in reader.vectors(pieces).items():
            each.setdefault(variant, []).append(values)
    together = {variant: torch.cat(values) for variant, values in each.items()}
    mean = {variant: values.mean(0) for variant, values in together.items()}
    return mean, {variant: values.std(0, correction=0).clamp(min=1e-6) for variant, values in together.items()}


def _joined(variant: str, more: str) -> str:
    return f"{variant}_{more}" if variant else more
