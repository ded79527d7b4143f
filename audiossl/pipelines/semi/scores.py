"""Score probes and methods on test subjects, for every budget of labels; every draw counts as a seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
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
from audiossl.pipelines.semi.data import Targets, frame_counts, targets_of, test_rows
from audiossl.pipelines.semi.labels import Draw, read_draws
from audiossl.pipelines.semi.methods import ANSWERS, draw_folder
from audiossl.pipelines.semi.models import grid_of, read_views
from audiossl.pipelines.semi.pool import PoolConfig, rows_of_pool, scale_of
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds
from audiossl.pipelines.sensors.details import Details
from audiossl.pipelines.sensors.models import FEATURES, folder_name
from audiossl.pipelines.sensors.scores import tabulate, write_scores
from audiossl.stage import StageConfig

Probe = Callable[[Tensor], Tensor]  # logits of features
Parts = dict[str, dict[str, list[SubjectScores]]]
Rows = tuple[Tensor, dict[int, int]]  # features of windows, and where that of a number is


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
        pool: unlabelled windows, by whose features those of probes are standardised.
    """

    dataset: str
    models: list[str]
    methods: list[str]
    budgets: list[str]
    folds: FoldsConfig
    frames: bool
    encoder: ResNet1dConfig
    transductive: list[str]
    pool: PoolConfig


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
    features: Float[Tensor, "N D"],
    y: Int[Tensor, "N"],
    valid: tuple[Float[Tensor, "M D"], Int[Tensor, "M"]],
    num_classes: int,
    deviation: Float[Tensor, "D"],
) -> Probe:
    """Fit a linear probe of the labels that may be read; its strength is the best on validation labels, of equals the strongest.

    Without validation labels, those that are learned choose. Very wide features are read by ridge regression on class indicators.
    Features are divided by `deviation`, which the unlabelled pool gives.
    """
    chosen = valid if len(valid[1]) else (features, y)
    if features.shape[1] <= WIDEST_LOGISTIC:
        return fit_linear_probe(features, y, *chosen, num_classes, L2_GRID, deviation=deviation).logits
    targets = functional.one_hot(y, num_classes).float()
    fits = sorted(fit_ridge_path(features, targets, deviation=deviation), key=lambda fit: -fit.strength)
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
        probes = _Probes(name, inputs, config, fold, targets, frame_counts(fold.windows, grid))
        for budget, of_budget in by_budget.items():
            add(budget, name, [probes.answer(draw) for draw in of_budget])


class _Probes:
    """Probes of the features of a model."""

    def __init__(
        self, name: str, inputs: Mapping[str, Path], config: EvaluateConfig, fold: SensorFold, targets: Targets, counts: Tensor
    ) -> None:
        self.name, self.inputs, self.config, self.fold, self.targets, self.counts = name, inputs, config, fold, targets, counts
        self.test: list[int] = test_rows(fold, targets).tolist()
        self.place = {id_: place for place, id_ in enumerate(fold.windows.ids)}
        self.read: dict[int, tuple[Rows, Rows]] = {}
        # The recipe's pool, without people who are tested and with the device that is labelled.
        pool, key = replace(config.pool, test=False, device=0.0), (config.folds.seed, fold.number)
        self.pool: list[int] = rows_of_pool(pool, targets.y.max(1).values, fold.windows.subjects, fold.sides, key).tolist()

    def answer(self, draw: Draw) -> Int[Tensor, "M T"]:
        """Classes of the test windows, or of their frames."""
        train = [self.place[id_] for id_ in draw.train]
        valid = [self.place[id_] for id_ in draw.valid]
        probed, everybody = self._read(draw)
        pool = [row for row in self.pool if row in everybody[1]]
        known, others = _some(probed, train), _some(everybody, pool)
        deviation = scale_of([known, others], [self.counts[train], self.counts[pool]])[1]
        x, y = self._with_class(train, known)
        probe = fit_probe(x, y, self._with_class(valid, _some(probed, valid)), len(self.targets.classes), deviation)
        return torch.stack([probe(frame).argmax(1) for frame in _some(probed, self.test).unbind(2)], 1)

    def _with_class(self, rows: list[int], features: Float[Tensor, "M D T"]) -> tuple[Tensor, Tensor]:
        y = self.targets.y[torch.tensor(rows, dtype=torch.int64)].flatten()
        return features.transpose(1, 2).flatten(0, 1)[y >= 0], y[y >= 0]

    def _read(self, draw: Draw) -> tuple[Rows, Rows]:
        """Features that are probed, and those of all windows where methods read them; else the first again."""
        number = draw.number % len(self.config.folds.seeds)
        if number not in self.read:
            everybody = self._of_views(number)
            probed = self._of_model(number) if everybody is None or not self.config.frames else everybody
            if everybody is None or everybody[0].shape[1] != probed[0].shape[1]:
                everybody = probed  # a row that is represented by more than its encoder
            self.read[number] = probed, everybody
        return self.read[number]

    def _of_views(self, number: int) -> Rows | None:
        """Features, or frames, of all windows as they are; None for a model that no method reads."""
        if (folder := self.inputs.get(f"views_{self.name}")) is None:
            return None
        clean = read_views(folder, self.config.folds.seeds, number, self.fold.number, 0.0)[0].clone()
        return clean, {row: row for row in range(len(clean))}

    def _of_model(self, number: int) -> Rows:
        """Features of the windows with a class."""
        folder, seeds = self.inputs[f"model_{self.name}"], self.config.folds.seeds
        found = [folder / folder_name(seed, self.fold.number) / FEATURES for seed in (seeds[number], seeds[0])]
        values = load_file(next(file for file in found if file.is_file()))[""]
        return values[..., None], {row: place for place, row in enumerate(self.fold.task.rows)}


def _some(rows: Rows, chosen: list[int]) -> Float[Tensor, "M D T"]:
    values, places = rows
    return values[torch.tensor([places[row] for row in chosen], dtype=torch.int64)]
