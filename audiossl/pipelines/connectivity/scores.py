"""Score every model of a connectivity recipe on its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from audiossl.console import console
from audiossl.evaluation.fmri.fingerprint import Fingerprint
from audiossl.evaluation.fmri.networks import NetworkAnswers, assign_networks, majority
from audiossl.evaluation.fmri.phenotypes import PhenotypeScores, score_people
from audiossl.evaluation.intervals import Interval
from audiossl.evaluation.results import GroupScores, ResultRow, write_results
from audiossl.files import read_json
from audiossl.pipelines.connectivity.config import PhenotypeTask
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design, DesignConfig
from audiossl.pipelines.connectivity.details import Details
from audiossl.pipelines.connectivity.models import REGIONS, RUNS, SEGMENTS, TASKS, VECTORS
from audiossl.pipelines.connectivity.parts import fingerprint_parts, whole_runs
from audiossl.pipelines.connectivity.rows import GraphRow
from audiossl.pipelines.connectivity.tasks import Labelled, networks_of
from audiossl.stage import Names, StageConfig


@dataclass(frozen=True)
class EvaluateConfig(StageConfig):
    """What decides the scores of a connectivity recipe.

    Attributes:
        dataset: name in results.
        rows: rows by name, in the order of the recipe; what they are is hashed with the stages of their vectors.
        seeds: seeds of every model.
        design: parts of runs; what else than the tasks it holds is hashed with these stages, too.
        phenotypes: phenotypes of the recipe.
    """

    dataset: str
    rows: Mapping[str, GraphRow]
    seeds: list[int]
    design: DesignConfig
    phenotypes: list[PhenotypeTask]

    def decides(self) -> list[object]:
        """Names in results, seeds and tasks."""
        return [self.dataset, list(self.rows), self.seeds, self.design.tasks, self.phenotypes]

    def names(self) -> Names:
        """Names of these."""
        return ("dataset", "models", "seeds", TASKS, "phenotypes")


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: EvaluateConfig) -> None:
    """Write `results.json`, and `details.json` with the values of every seed and what belongs next to each score."""
    design = Design(Runs.open(inputs["recordings"] / "set"), config.design)
    scorer = _Scorer(whole_runs(design)[0], config, _people_of_gallery(design))
    for name, row in config.rows.items():
        console.print(f"scoring {name}")
        seeds = [folder for seed in config.seeds if (folder := inputs[f"model_{name}"] / f"seed{seed}").is_dir()]
        vectors = [load_file(folder / VECTORS) for folder in seeds]
        scorer.score(row, vectors)
        scorer.held_out_edges(name, [read_json(folder / "done.json") for folder in seeds])
    write_results(out / "results.json", scorer.rows)
    scorer.details.write(out)


def _people_of_gallery(design: Design) -> list[str]:
    """Who is in the fingerprint: people without usable parts are not."""
    if design.runs.are_matrices or not design.config.fingerprint.volumes:
        return []
    return [design.runs.recordings[part.stretch.run].subject for part in fingerprint_parts(design)[0]]


class _Scorer:
    def __init__(self, runs: Runs, config: EvaluateConfig, people: list[str]) -> None:
        self.runs, self.config, self.people = runs, config, people
        self.rows: list[ResultRow] = []
        self.details = Details(runs.subjects, runs.left_out)

    def score(self, row: GraphRow, seeds: list[dict[str, Tensor]]) -> None:
        for key in seeds[0]:
            task, _, variant = key.partition("/")
            model = f"{row.name}_{variant}" if variant else row.name
            vectors = [found[key] for found in seeds]
            if task == SEGMENTS:
                self._fingerprint(model, vectors)
            elif task == REGIONS:
                self._networks(model, vectors)
            elif task == RUNS:
                for phenotype in self.config.phenotypes:
                    self._phenotype(model, row, vectors, phenotype)

    def add(
        self,
        task: str,
        model: str,
        metric: str,
        values: list[float],
        interval: Interval | None,
        count: int,
        scores: GroupScores | None = None,
    ) -> None:
        value = float(np.mean(values))
        found = interval or Interval(value, None, None)
        self.rows.append(ResultRow.of(self.config.dataset, task, model, metric, replace(found, value=value), count, scores))
        self.details.add(task, model, metric, list(values))

    def held_out_edges(self, model: str, measured: Sequence[Mapping[str, Any]]) -> None:
        """Cross entropy of edges next to that of a table of frequencies, the same for all models of one window."""
        if not all("edge_bce" in one for one in measured):
            return
        count = len(self.runs.subjects)
        self.add("held_out_edges", model, "edge_bce", [one["edge_bce"] for one in measured], None, count)
        if "training_frequencies" not in self.details.seeds["held_out_edges"]:
            frequencies = [one["edge_bce_by_frequency"] for one in measured[:1]]
            self.add("held_out_edges", "training_frequencies", "edge_bce", frequencies, None, count)

    def _fingerprint(self, model: str, seeds: list[Tensor]) -> None:
        found = [Fingerprint.of(*vectors) for vectors in seeds]
        together = Fingerprint(torch.cat([one.hits for one in found]), torch.cat([one.gap for one in found]))
        task, people = f"fingerprint_{self.config.design.fingerprint.volumes}", together.hits.shape[2]
        of_people = together.hits.double().mean((0, 1)).tolist()
        # Segments that an earlier version drew may be of other people: then nobody's score is known by name.
        known = len(self.people) == people
        scores = {name: (score, 1.0) for name, score in zip(self.people, of_people, strict=True)} if known else None
        self.add(task, model, "accuracy", [one.accuracy for one in found], together.interval(), people, scores)
        self.add(task, model, "differential_identifiability", [float(one.gap.mean()) for one in found], None, people)
        self.details.add_context(task, model, {"spread_over_draws": [one.spread for one in found], "chance": 1 / people})

    def _networks(self, model: str, seeds: list[Tensor]) -> None:
        networks = networks_of(self.runs)
        subjects = [run.subject for run in self.runs.recordings]
        found = [assign_networks(vectors, subjects, networks, seed=0) for vectors in seeds]
        together = NetworkAnswers(torch.stack([one.right for one in found]).mean(0))
        self.add("networks", model, "accuracy", [one.accuracy for one in found], together.interval(), together.right.shape[1])
        self.details.add_context("networks", model, {"majority": majority(networks)})

    def _phenotype(self, model: str, row: GraphRow, seeds: list[Tensor], task: PhenotypeTask) -> None:
        about = Labelled.of(self.runs, task)
        steps = row.phenotype_steps()
        found = [score_people(vectors[about.places].double().numpy(), about.people, task.options, steps) for vectors in seeds]
        first = found[0]
        for metric in first.metrics:
            self._add_people(
                task.row, model, metric, [one.metrics[metric] for one in found], [one.intervals for one in found], first
            )
        if "confounds" not in self.details.seeds[task.row]:
            for metric, values in first.confounds.items():
                self._add_people(task.row, "confounds", metric, [values], [first.confound_intervals], first)
        sites = {"auroc_of_sites": first.of_sites} if first.of_sites else {}
        self.details.add_context(task.row, model, {"p_value": first.p_value, "people_left_out": about.left_out, **sites})

    def _add_people(
        self,
        task: str,
        model: str,
        metric: str,
        seeds: list[list[float]],
        intervals: list[dict[str, Interval]],
        about: PhenotypeScores,
    ) -> None:
        """A score with its interval over people, and in the details the range of its repeated divisions."""
        values = [float(np.mean(repeats)) for repeats in seeds]
        known = [found[metric] for found in intervals if metric in found]
        if not all(map(np.isfinite, values)):
            self.details.add(task, model, metric, [None for _ in values])
            return
        lows, highs = [one.low for one in known if one.low is not None], [one.high for one in known if one.high is not None]
        whole = len(known) == len(lows) == len(intervals)  # of each seed
        ends = (float(np.mean(lows)), float(np.mean(highs))) if whole else (None, None)
        groups = known[0].groups if known else None
        self.add(task, model, metric, values, Interval(float(np.mean(values)), *ends, groups), about.people)
        ranges = self.details.repeats.setdefault(task, {}).setdefault(model, {})
        ranges[metric] = [min(map(min, seeds)), max(map(max, seeds))]
