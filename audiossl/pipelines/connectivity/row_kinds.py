"""The kinds of rows of a connectivity recipe, by name: plain data, which the config reads as well."""

from __future__ import annotations

from audiossl.kinds import Kind
from audiossl.objectives.kinds import GRAPH_OBJECTIVES

ROWS: dict[str, Kind] = {
    "raw_fc": Kind("audiossl.pipelines.connectivity.plain_rows:RawFCRow", "correlations of regions, Fisher z"),
    "tangent": Kind(
        "audiossl.pipelines.connectivity.plain_rows:TangentRow", "covariances in the tangent space, for phenotypes only"
    ),
    "brainnetcnn": Kind(
        "audiossl.pipelines.connectivity.plain_rows:BrainNetRow", "a small network on correlations, for phenotypes only"
    ),
    "random": Kind("audiossl.pipelines.connectivity.mae_rows:RandomRow", "networks of `connectivity_mae` as drawn"),
    "connectivity_mae": Kind(
        "audiossl.pipelines.connectivity.mae_rows:ConnectivityMAERow",
        "masked auto-encoding of dynamic connectivity (arXiv 2312.01994)",
    ),
    "supervised_gin": Kind(
        "audiossl.pipelines.connectivity.objective_rows:SupervisedRow", "an encoder trained to identify the person of a crop"
    ),
    "encoder": Kind("audiossl.pipelines.connectivity.encoder_row:EncoderRow", "an encoder that an earlier run saved, frozen"),
}
OBJECTIVE_ROW = "audiossl.pipelines.connectivity.objective_rows:GraphObjectiveRow"  # of everything in GRAPH_OBJECTIVES
KINDS = (*GRAPH_OBJECTIVES, *ROWS)
