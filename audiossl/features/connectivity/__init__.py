"""Functional connectivity of regional series: estimators, sliding windows, graphs; batched and on any device."""

from audiossl.features.connectivity.adjacency import Sign, adjacency
from audiossl.features.connectivity.estimators import (
    correlation,
    covariance,
    ledoit_wolf,
    partial_correlation,
    precision,
)
from audiossl.features.connectivity.sliding_windows import WindowPlan, correlations, cut, dynamic_correlation, window_starts
from audiossl.features.connectivity.tangent import TangentSpace
from audiossl.features.connectivity.vectors import fisher_z, from_vector, vectorise

__all__ = [
    "Sign",
    "TangentSpace",
    "WindowPlan",
    "adjacency",
    "correlation",
    "correlations",
    "covariance",
    "cut",
    "dynamic_correlation",
    "fisher_z",
    "from_vector",
    "ledoit_wolf",
    "partial_correlation",
    "precision",
    "vectorise",
    "window_starts",
]
