"""Score probes and methods on test subjects, for every budget of labels; every draw counts as a seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from audiossl.console import console
from audiossl.evaluation.probes import fit_linear_probe
from audiossl.evaluation.windows.ridge import fit_ridge_path
from audiossl.evaluation.windows.scores import WindowScores
from audiossl.evaluation.windows.subject_scores import SubjectScores
from audiossl.evaluation.windows.task import L2_GRID, WIDEST_LOGISTIC
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.pipelines.semi.data import Targets, targets_of, test_rows
from audiossl.pipelines.semi.labels import Draw, read_draws
from audiossl.pipelines.semi.methods import ANSWERS, draw_folder
from audiossl.pipelines.semi.models import grid_of, read_views
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds
from audiossl.pipelines.sensors.details import Details
from audiossl.pipelines.sensors.models import FEATURES, folder_name
from audiossl.pipelines.sensors.scores import tabulate, write_scores
from audiossl.stage import StageConfig

Probe = Callable[[Tensor], Tensor]  # logits of features
Parts = dict[str, dict[str, list[SubjectScores]]]


@dataclass(frozen=True)
class EvaluateConfig(StageConfig):
    """What decides the scores of a semi-supervised recipe.

    Attributes:
        dataset: name in results.
        models: names of the models, which are probed.
        methods: names of the methods.
        budgets: names of the budgets.
        folds: windows, sides and labels.
        frames: whether frames are classified.
        encoder: sizes, by which the frames lie.
        transductive: names of the methods that saw windows of test subjects.
    """

    dataset: str
    models: list[str]
    methods: list[str]
    budgets: list[str]
    folds: FoldsConfig
    frames: bool
    encoder: ResNet1dConfig
    transductive: list[str]


def evaluate_few_labels(out: Path, inputs: Mapping[str, Path], config: EvaluateConfig) -> None:
    """Write `results.json`, and `details.json` with the values of every draw, scores of each subject and paired differences."""
    folds = SensorFolds(inputs["recordings"] / "set", config.folds)
    parts: Parts = {budget: defaultdict(list) for budget in config.budgets}
    draws = read_draws(inputs["draws"])
    for number in range(len(folds)):
        fold = folds.open(number)
        _score_fold(folds, fold, [draw for draw in draws if draw.fold == number], inputs, config, parts)
    scores = {budget: {name: found[0].join(found) for name, found in models.items()} for budget, models in parts.items()}
    numbers = sorted({draw.number for draw in draws})
    details = Details(numbers, asdict(folds.labels), notes=[said] if (said := str(folds.labels)) else [])
    details.notes += [
        f"{name} is transductive: it saw windows of the test subjects, without their labels" for name in config.transductive
    ]
    details.notes.append("each draw of labels counts as a seed")
    task = f"{config.folds.task}_frames" if config.frames else config.folds.task
    rows = tabulate(
        scores, details, config.dataset, lambda budget, scored: (f"{task}_{budget}", {m: m for m in scored.metric_names})
    )
    write_scores(out, rows, details)


def fit_probe(
    features: Float[Tensor, "N D"], y: Int[Tensor, "N"], valid: tuple[Float[Tensor, "M D"], Int[Tensor, "M"]], num_classes: int
) -> Probe:
    """Fit a linear probe of the labels that may be read; its strength is the best on validation labels, of equals the strongest.

    Without validation labels, those that are learned choose. Very wide features are read by ridge regression on class indicators.
    """
    chosen = valid if len(valid[1]) else (features, y)
    if features.shape[1] <= WIDEST_LOGISTIC:
        return fit_linear_probe(features, y, *chosen, num_classes, L2_GRID).logits
    targets = functional.one_hot(y, num_classes).float()
    fits = sorted(fit_ridge_path(features, targets), key=lambda fit: -fit.strength)
    return max(fits, key=lambda fit: float((fit.predict(chosen[0]).argmax(1) == chosen[1]).float().mean())).predict


def _score_fold(
    folds: SensorFolds, fold: SensorFold, draws: list[Draw], inputs: Mapping[str, Path], config: EvaluateConfig, parts: Parts
) -> None:
    grid = grid_of(ResNet1d(1, fold.windows.rate, config.encoder), fold) if config.frames else None
    targets = targets_of(folds, fold, grid)
    test = test_rows(fold, targets)
    truth = targets.y[test]
    known = truth.flatten() >= 0
    people = [fold.windows.subjects[row] for row in test.tolist() for _ in range(truth.shape[1])]
    scored_people = [name for name, is_known in zip(people, known.tolist(), strict=True) if is_known]

    def add(budget: str, name: str, answers: list[Tensor]) -> None:
        of_draws = torch.stack([answer.flatten()[known] for answer in answers])
        parts[budget][name].append(WindowScores.of_classes(truth.flatten()[known], of_draws, scored_people, len(targets.classes)))

    by_budget = {budget: [draw for draw in draws if draw.budget == budget] for budget in config.budgets}
    for name in config.methods:
        for budget, of_budget in by_budget.items():
            files = [inputs[f"method_{name}"] / draw_folder(draw) / ANSWERS for draw in of_budget]
            add(budget, name, [load_file(file)["classes"] for file in files])
    for name in track(config.models, f"probing, fold {fold.number + 1}", console=console, transient=True):
        probes = _Probes(name, inputs, config, fold, targets, test)
        for budget, of_budget in by_budget.items():
            add(budget, name, [probes.answer(draw) for draw in of_budget])


class _Probes:
    """Probes of the features of a model."""

    def __init__(
        self, name: str, inputs: Mapping[str, Path], config: EvaluateConfig, fold: SensorFold, targets: Targets, test: Tensor
    ) -> None:
        self.name, self.inputs, self.config, self.fold, self.targets, self.test = name, inputs, config, fold, targets, test
        self.place = {id_: place for place, id_ in enumerate(fold.windows.ids)}
        self.read: dict[int, tuple[Tensor, dict[int, int]]] = {}

    def answer(self, draw: Draw) -> Int[Tensor, "M T"]:
        """Classes of the test windows, or of their frames."""
        train = [self.place[id_] for id_ in draw.train]
        valid = [self.place[id_] for id_ in draw.valid]
        x, y = self._known(train, draw)
        probe = fit_probe(x, y, self._known(valid, draw), len(self.targets.classes))
        features = self._features(self.test.tolist(), draw)
        return torch.stack([probe(frame).argmax(1) for frame in features.unbind(2)], 1)

    def _known(self, rows: list[int], draw: Draw) -> tuple[Tensor, Tensor]:
        y = self.targets.y[torch.tensor(rows, dtype=torch.int64)].flatten()
        features = self._features(rows, draw)
        return features.transpose(1, 2).flatten(0, 1)[y >= 0], y[y >= 0]

    def _features(self, rows: list[int], draw: Draw) -> Float[Tensor, "M D T"]:
        seeds = self.config.folds.seeds
        seed = draw.number % len(seeds)
        if seed not in self.read:
            if self.config.frames:
                values = read_views(self.inputs[f"views_{self.name}"], seeds, seed, draw.fold, 0.0)[0]
                places = {row: row for row in range(len(values))}
            else:
                folder = self.inputs[f"model_{self.name}"]
                found = [folder / folder_name(each, draw.fold) / FEATURES for each in (seeds[seed], seeds[0])]
                values = load_file(next(file for file in found if file.is_file()))[""][..., None]
                places = {row: place for place, row in enumerate(self.fold.task.rows)}
            self.read[seed] = values, places
        values, places = self.read[seed]
        return values[torch.tensor([places[row] for row in rows], dtype=torch.int64)]
