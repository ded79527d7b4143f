"""Rows of which nothing is trained before the tasks."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from audiossl.evaluation.fmri.brainnetcnn import BrainNetClassifier
from audiossl.evaluation.fmri.folds import Steps
from audiossl.evaluation.fmri.tangent_vectors import TangentVectors
from audiossl.features.connectivity import covariance
from audiossl.pipelines.connectivity.design import Design
from audiossl.pipelines.connectivity.readers import Reader, of_correlations, of_matrices
from audiossl.pipelines.connectivity.rows import PHENOTYPES, GraphRow


class RawFCRow(GraphRow):
    """Correlations of regions, Fisher z."""

    random = False
    matrices = True

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Correlate."""
        return of_matrices() if design.runs.are_matrices else of_correlations()


class BrainNetRow(RawFCRow):
    """A small convolutional network on correlations, trained inside the folds of phenotypes."""

    tasks = frozenset({PHENOTYPES})

    def phenotype_steps(self) -> Steps:
        """The network in place of the linear model."""
        return Steps(model=BrainNetClassifier())


class TangentRow(GraphRow):
    """Covariances in the tangent space, whose reference is fitted inside the folds of phenotypes."""

    random = False
    tasks = frozenset({PHENOTYPES})

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Covariances, as whole matrices in a row, which `TangentVectors` takes."""
        return Reader(_covariances, of_correlations().regions)

    def phenotype_steps(self) -> Steps:
        """The tangent space before all else."""
        return Steps(TangentVectors())


def _covariances(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
    return {"": covariance(series.nan_to_num(), ~series.isnan().all(-2), "ledoit_wolf").flatten(1)}
