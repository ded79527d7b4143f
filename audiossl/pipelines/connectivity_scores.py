"""Score every model of a connectivity recipe on its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.bootstrap import Interval
from audiossl.evaluation.fmri.brainnetcnn import BrainNetClassifier
from audiossl.evaluation.fmri.fingerprint import Fingerprint
from audiossl.evaluation.fmri.networks import NetworkAnswers, assign_networks, majority
from audiossl.evaluation.fmri.phenotypes import PhenotypeScores, score_phenotype
from audiossl.evaluation.fmri.tangent_vectors import TangentVectors
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.files import read_json, write_json
from audiossl.pipelines.connectivity_config import ConnectivityRecipe, PhenotypeTask
from audiossl.pipelines.connectivity_data import Runs, task_runs
from audiossl.pipelines.connectivity_models import REGIONS, RUNS, SEGMENTS, VECTORS
from audiossl.recipe import console


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: ConnectivityRecipe) -> None:
    """Write `results.json`, and `details.json` with the values of every seed and what belongs beside each score."""
    runs = task_runs(Runs.open(inputs["recordings"] / "set"), config)
    scorer = _Scorer(runs, config)
    for name, model in config.models.items():
        console.print(f"scoring {name}")
        seeds = [folder for seed in config.seeds if (folder := inputs[f"model_{name}"] / f"seed{seed}").is_dir()]
        vectors = [load_file(folder / VECTORS) for folder in seeds]
        scorer.score(name, model.kind, vectors)
        edges = [read_json(folder / "done.json").get("edge_bce") for folder in seeds]
        if None not in edges:
            scorer.add("held_out_edges", name, "edge_bce", edges, None, len(runs.subjects))
    write_results(out / "results.json", scorer.rows)
    write_json(out / "details.json", scorer.details)


class _Scorer:
    def __init__(self, runs: Runs, config: ConnectivityRecipe) -> None:
        self.runs, self.config = runs, config
        self.rows: list[ResultRow] = []
        self.details: dict[str, Any] = {"people": runs.subjects, "regions_left_out": runs.left_out, "seeds": {}, "beside": {}}

    def score(self, name: str, kind: str, seeds: list[dict[str, Tensor]]) -> None:
        for key in seeds[0]:
            task, _, variant = key.partition("/")
            model = f"{name}_{variant}" if variant else name
            vectors = [found[key] for found in seeds]
            if task == SEGMENTS:
                self._fingerprint(model, vectors)
            elif task == REGIONS:
                self._networks(model, vectors)
            elif task == RUNS:
                for phenotype in self.config.phenotypes:
                    self._phenotype(model, kind, vectors, phenotype)

    def add(self, task: str, model: str, metric: str, values: list[float], interval: Interval | None, count: int) -> None:
        value = float(np.mean(values))
        low, high = (interval.low, interval.high) if interval else (min(values), max(values))
        self.rows.append(ResultRow(self.config.dataset, task, model, metric, value, low, high, count))
        self.details["seeds"].setdefault(task, {}).setdefault(model, {})[metric] = values

    def _fingerprint(self, model: str, seeds: list[Tensor]) -> None:
        found = [Fingerprint.of(*vectors) for vectors in seeds]
        together = Fingerprint(torch.cat([one.hits for one in found]), torch.cat([one.gap for one in found]))
        task, people = f"fingerprint_{self.config.fingerprint.volumes}", together.hits.shape[2]
        self.add(task, model, "accuracy", [one.accuracy for one in found], together.interval(), people)
        self.add(task, model, "differential_identifiability", [float(one.gap.mean()) for one in found], None, people)
        self.details["beside"].setdefault(task, {})[model] = {
            "spread_over_draws": [one.spread for one in found],
            "chance": 1 / people,
        }

    def _networks(self, model: str, seeds: list[Tensor]) -> None:
        said = self.runs.recordings[0].custom.get("networks")
        if not said:
            raise DataError("networks: the runs do not say the network of their regions; the prepare script has to")
        of_region = dict(zip(self.runs.recordings[0].channels, str(said).split("|"), strict=True))
        networks = [of_region[region] for region in self.runs.regions]
        subjects = [run.subject for run in self.runs.recordings]
        found = [assign_networks(vectors, subjects, networks, seed=0) for vectors in seeds]
        together = NetworkAnswers(torch.stack([one.right for one in found]).mean(0))
        self.add("networks", model, "accuracy", [one.accuracy for one in found], together.interval(), together.right.shape[1])
        self.details["beside"].setdefault("networks", {})[model] = {"majority": majority(networks)}

    def _phenotype(self, model: str, kind: str, seeds: list[Tensor], task: PhenotypeTask) -> None:
        chosen = [i for i, run in enumerate(self.runs.recordings) if task.label in run.custom]
        if not chosen:
            raise DataError(f"no run says its '{task.label}'; they say {', '.join(sorted(self.runs.recordings[0].custom))}")
        about = [self.runs.recordings[i] for i in chosen]
        confounds = {name: [float(run.custom[name]) for run in about] for name in task.confounds}
        found: list[PhenotypeScores] = []
        for vectors in seeds:
            labels: Any = [run.custom[task.label] for run in about]
            sites = [str(run.custom.get("site", "")) for run in about]
            families = [str(run.custom.get("family", run.subject)) for run in about]
            transform = TangentVectors() if kind == "tangent" else None
            network = BrainNetClassifier() if kind == "brainnetcnn" else None
            features, subjects = vectors[chosen].double().numpy(), [run.subject for run in about]
            found.append(
                score_phenotype(features, labels, subjects, task.options, sites, families, confounds, transform, network)
            )
        name = f"phenotype_{task.label}"
        for metric in found[0].metrics:
            self._add_repeats(name, model, metric, [one.metrics[metric] for one in found], len(about))
            if metric in found[0].confounds and metric not in self.details["seeds"][name].get("confounds", {}):
                self._add_repeats(name, "confounds", metric, [found[0].confounds[metric]], len(about))
        self.details["beside"].setdefault(name, {})[model] = {"p_value": found[0].p_value}

    def _add_repeats(self, task: str, model: str, metric: str, seeds: list[list[float]], count: int) -> None:
        """A score with the range of 95 % of its repeated divisions."""
        low, high = np.quantile(np.concatenate(seeds), [0.025, 0.975])
        means = [float(np.mean(repeats)) for repeats in seeds]
        self.add(task, model, metric, means, Interval(float(np.mean(means)), float(low), float(high)), count)
