"""Measurements of frozen representations: probes, nearest neighbours, layer weights, confidence intervals, results."""

from __future__ import annotations

from audiossl.evaluation.bootstrap import Interval, bootstrap_rate
from audiossl.evaluation.clip_task import ClipTask
from audiossl.evaluation.frame_task import FrameTask, Segment, sample_at
from audiossl.evaluation.knn import NearestNeighbours, fit_knn
from audiossl.evaluation.layer_weights import LayerWeights, learn_layer_weights
from audiossl.evaluation.probes import LinearProbe, fit_linear_probe
from audiossl.evaluation.readout import Outcome, Readout, difference
from audiossl.evaluation.results import ResultRow, print_results, read_results, results_table, write_results
from audiossl.evaluation.splits import Splits

__all__ = [
    "ClipTask",
    "FrameTask",
    "Interval",
    "LayerWeights",
    "LinearProbe",
    "NearestNeighbours",
    "Outcome",
    "Readout",
    "ResultRow",
    "Segment",
    "Splits",
    "bootstrap_rate",
    "difference",
    "fit_knn",
    "fit_linear_probe",
    "learn_layer_weights",
    "print_results",
    "read_results",
    "results_table",
    "sample_at",
    "write_results",
]
