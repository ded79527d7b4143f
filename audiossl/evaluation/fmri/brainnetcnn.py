"""A small convolutional network on connectivity matrices, in the manner of BrainNetCNN (Kawahara et al. 2017, NeuroImage 146)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn
from torch.nn import functional

from audiossl.features.connectivity import from_vector
from audiossl.seeds import derive_seed


class BrainNet(nn.Module):
    """Edges to edges along the crosses of a matrix, edges to nodes, nodes to a vector, and a linear head."""

    def __init__(
        self, num_regions: int, num_classes: int, widths: tuple[int, int, int] = (8, 16, 32), dropout: float = 0.5
    ) -> None:
        super().__init__()
        edges, nodes, whole = widths
        self.along, self.across = nn.Conv2d(1, edges, (1, num_regions)), nn.Conv2d(1, edges, (num_regions, 1))
        self.to_nodes = nn.Conv2d(edges, nodes, (1, num_regions))
        self.to_whole = nn.Linear(nodes * num_regions, whole)
        self.head, self.dropout = nn.Linear(whole, num_classes), nn.Dropout(dropout)

    def forward(self, matrices: Float[Tensor, "B N N"]) -> Float[Tensor, "B K"]:
        """Score classes."""
        given = matrices[:, None]
        crosses = functional.leaky_relu(self.along(given) + self.across(given), 0.33)  # (B, E, N, N) by broadcasting
        nodes = functional.leaky_relu(self.to_nodes(crosses), 0.33).flatten(1)
        return self.head(self.dropout(functional.leaky_relu(self.to_whole(self.dropout(nodes)), 0.33)))


class BrainNetClassifier(ClassifierMixin, BaseEstimator):
    """`BrainNet` as a scikit-learn classifier of vectors of edges, trained for a fixed number of steps.

    Args:
        steps: number of steps of AdamW on batches of up to 32.
        lr: its rate.
        weight_decay: its decay.
        seed: seed of weights, batches and dropout.
    """

    def __init__(self, steps: int = 200, lr: float = 1e-3, weight_decay: float = 1e-2, seed: int = 1) -> None:
        self.steps, self.lr, self.weight_decay, self.seed = steps, lr, weight_decay, seed

    def fit(self, features: Float[np.ndarray, "R E"], labels: Shaped[np.ndarray, "R"] | Sequence[str]) -> BrainNetClassifier:
        """Train on standardised edges."""
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        matrices, targets = _matrices(features), torch.from_numpy(numbers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, "brainnetcnn"))
            self.network_ = BrainNet(matrices.shape[1], len(self.classes_)).train()
            optimiser = torch.optim.AdamW(self.network_.parameters(), self.lr, weight_decay=self.weight_decay)
            for _ in range(self.steps):
                chosen = torch.randperm(len(targets))[:32]
                optimiser.zero_grad()
                functional.cross_entropy(self.network_(matrices[chosen]), targets[chosen]).backward()
                optimiser.step()
        self.network_.eval()
        return self

    @torch.no_grad()
    def decision_function(self, features: Float[np.ndarray, "R E"]) -> np.ndarray:
        """Logits of every class; of two, how much the second is above the first."""
        logits = self.network_(_matrices(features)).double().numpy()
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, features: Float[np.ndarray, "R E"]) -> np.ndarray:
        """Name the most probable class."""
        scores = self.decision_function(features)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)]


def _matrices(features: Float[np.ndarray, "R E"]) -> Float[Tensor, "R N N"]:
    return from_vector(torch.from_numpy(np.ascontiguousarray(features, np.float32)), 0.0)
