"""The kinds of rows of a sensor recipe, by name: plain data, which the config reads as well."""

from __future__ import annotations

from audiossl.kinds import Kind
from audiossl.objectives.kinds import WINDOW_OBJECTIVES

ROWS: dict[str, Kind] = {
    "frame_projection": Kind(
        "audiossl.pipelines.sensors.objective_rows:FrameProjectionRow",
        "frame projections; `mappers` say what stands next to the frames of the signal",
    ),
    "random": Kind("audiossl.pipelines.sensors.plain_rows:RandomRow", "the encoder as it is drawn"),
    "statistics": Kind("audiossl.pipelines.sensors.plain_rows:StatisticsRow", "hand-made statistics of each window"),
    "minirocket": Kind("audiossl.pipelines.sensors.plain_rows:MiniRocketRow", "random convolutions (arXiv 2012.08791)"),
    "neighbour_whitening": Kind(
        "audiossl.pipelines.sensors.whitening_rows:NeighbourWhiteningRow",
        "banks of fixed features, whitened by differences of neighbouring windows",
    ),
    "supervised": Kind("audiossl.pipelines.sensors.label_rows:SupervisedRow", "the encoder trained on the labels alone"),
    "encoder": Kind("audiossl.pipelines.sensors.encoders:EncoderRow", "any encoder that `audiossl.load` knows, frozen"),
}
OBJECTIVE_ROW = "audiossl.pipelines.sensors.objective_rows:ObjectiveRow"  # of everything in WINDOW_OBJECTIVES
KINDS = (*WINDOW_OBJECTIVES, *ROWS)
