"""The predictor of HEAR's evaluation kit and how it is trained (heareval 2021.1.3; arXiv 2203.03022, section 3)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import DataError

# What the kit's grids vary, in the order in which its points are counted; the rest of a grid has one value each.
DEFAULT_GRID: Mapping[str, Sequence[int | float | str]] = {
    "batch_size": [1024],
    "check_val_every_n_epoch": [3],
    "dropout": [0.1],
    "hidden_dim": [1024],
    "hidden_layers": [1, 2],
    "initialization": ["xavier_uniform", "xavier_normal"],
    "lr": [3.2e-3, 1e-3, 3.2e-4, 1e-4],
    "max_epochs": [500],
    "patience": [20],
}
GRIDS: Mapping[str, Mapping[str, Sequence[int | float | str]]] = {
    "default": DEFAULT_GRID,
    "fast": {**DEFAULT_GRID, "max_epochs": [10, 50], "check_val_every_n_epoch": [3, 10]},
    "faster": {
        **DEFAULT_GRID,
        "hidden_layers": [0, 1],
        "hidden_dim": [64, 128],
        "patience": [1, 3],
        "max_epochs": [10],
        "check_val_every_n_epoch": [1],
    },
}
Grid = Literal["default", "fast", "faster"]
INITIALISATIONS = {"xavier_uniform": nn.init.xavier_uniform_, "xavier_normal": nn.init.xavier_normal_}


class PredictorSettings(TypedDict):
    """A point of a grid."""

    batch_size: int
    check_val_every_n_epoch: int
    dropout: float
    hidden_dim: int
    hidden_layers: int
    initialization: Literal["xavier_uniform", "xavier_normal"]
    lr: float
    max_epochs: int
    patience: int


class Predictor(nn.Module):
    """A multi-layer perceptron: Linear, BatchNorm, Dropout and ReLU for each hidden layer, then Linear.

    Args:
        dim: size of the embeddings.
        num_labels: K.
        multilabel: sigmoids and binary cross entropy instead of a softmax and cross entropy.
        settings: hidden_layers, hidden_dim, dropout and initialization.
    """

    def __init__(self, dim: int, num_labels: int, multilabel: bool, settings: PredictorSettings) -> None:
        super().__init__()
        initialise, gain = INITIALISATIONS[settings["initialization"]], 1.0
        hidden: list[nn.Module] = []
        for _ in range(settings["hidden_layers"]):
            linear = nn.Linear(dim, settings["hidden_dim"])
            initialise(linear.weight, gain=gain)
            dim, gain = settings["hidden_dim"], math.sqrt(2)
            hidden += [linear, nn.BatchNorm1d(dim), nn.Dropout(settings["dropout"]), nn.ReLU()]
        self.hidden = nn.Sequential(*hidden)
        self.projection = nn.Linear(dim, num_labels)
        initialise(self.projection.weight, gain=gain)
        self.multilabel = multilabel

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Logits."""
        return self.projection(self.hidden(x))

    def loss(self, logits: Float[Tensor, "B K"], targets: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
        """Mean loss of multi-hot targets."""
        if self.multilabel:
            return functional.binary_cross_entropy_with_logits(logits, targets)
        return functional.cross_entropy(logits, targets.argmax(1))

    def probabilities(self, logits: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Of each label."""
        return logits.sigmoid() if self.multilabel else logits.softmax(1)


@dataclass(frozen=True)
class Labelled:
    """Embeddings and multi-hot targets, of which batches are taken in order."""

    embeddings: Float32[Tensor, "N D"]
    targets: Float32[Tensor, "N K"]


@dataclass(frozen=True)
class Validation:
    """What validation found: the value that chooses, and what else was chosen (the post-processing of events)."""

    value: float
    choice: Mapping[str, float | int] | None = None


@dataclass(frozen=True)
class Trained:
    """The best predictor of a run.

    Attributes:
        validation: validation of the epoch that was kept.
        epoch: counted from 0.
        settings: settings that it was trained with.
        history: epoch and value of every validation.
    """

    predictor: Predictor
    validation: Validation
    epoch: int
    settings: PredictorSettings
    history: list[tuple[int, float]]


def train_predictor(
    train: Labelled,
    valid: Labelled,
    multilabel: bool,
    settings: PredictorSettings,
    validate: Callable[[Float32[Tensor, "N K"], float], Validation],
    maximise: bool,
    device: torch.device | str = "cpu",
) -> Trained:
    """Train with Adam until validation has not become better `patience` times in a row, and go back to the best.

    Draws come from torch's global generator, in the kit's order, its summary of the network and the seeds of its loaders
    included, so that a run begun at the kit's seed gives the kit's numbers on the same machine.

    Args:
        train: training rows; not shuffled, as in the kit.
        valid: chooses.
        multilabel: kind of the predictor, see `Predictor`.
        settings: a point of a grid.
        validate: score of the probabilities of `valid` and the loss.
        maximise: whether a larger value of `validate` is better.
        device: device of the predictor.

    Raises:
        DataError: if there are fewer epochs than validation waits for.
    """
    dim = train.embeddings.shape[1]
    predictor = Predictor(dim, train.targets.shape[1], multilabel, settings).to(device)
    torch.rand(64, dim)  # the kit prints a summary of the network, for which it runs it
    optimiser = torch.optim.Adam(predictor.parameters(), lr=settings["lr"])
    best: Trained | None = None
    history: list[tuple[int, float]] = []
    since_best = 0
    for epoch in range(settings["max_epochs"]):
        predictor.train()
        for embeddings, targets in batches(train, settings["batch_size"], device):
            if len(embeddings) == 1 and len(train.embeddings) > 1:
                continue  # one row has no batch statistics; the kit fails here
            optimiser.zero_grad()
            predictor.loss(predictor(embeddings), targets).backward()
            optimiser.step()
        if (epoch + 1) % settings["check_val_every_n_epoch"]:
            continue
        logits, targets = predict(predictor, valid, settings["batch_size"], device)
        validation = validate(predictor.probabilities(logits), float(predictor.loss(logits, targets)))
        # The kit compares in float32: what is equal there is no progress.
        value = float(torch.tensor(validation.value, dtype=torch.float32))
        history.append((epoch, value))
        if not math.isfinite(value):
            # The kit stops here too, with the best until now; a run that began so comes last.
            worst = Validation(-math.inf if maximise else math.inf, validation.choice)
            return best or Trained(predictor, worst, epoch, settings, history)
        if best is None or (value > best.validation.value if maximise else value < best.validation.value):
            kept = copy.deepcopy(predictor)
            best, since_best = Trained(kept, Validation(value, validation.choice), epoch, settings, history), 0
            continue
        since_best += 1
        if since_best >= settings["patience"]:
            break
    if best is None:
        raise DataError(
            f"no epoch of {settings['max_epochs']} is validated, every {settings['check_val_every_n_epoch']}th should be"
        )
    return best


def batches(data: Labelled, size: int, device: torch.device | str) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in order, after the draw of a loader's seed."""
    torch.empty((), dtype=torch.int64).random_()
    for first in range(0, len(data.embeddings), size):
        part = slice(first, first + size)
        yield data.embeddings[part].to(device), data.targets[part].to(device)


@torch.no_grad()
def predict(
    predictor: Predictor, data: Labelled, size: int, device: torch.device | str
) -> tuple[Float32[Tensor, "N K"], Float32[Tensor, "N K"]]:
    """Logits and targets, on the CPU."""
    predictor.eval()
    logits = [predictor(embeddings).cpu() for embeddings, _ in batches(data, size, device)]
    return torch.cat(logits), data.targets
