"""The objectives that pre-train a student on frames: those that a recipe may name, and those from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audiossl.kinds import Kind, find_kind, source_digest
from audiossl.models.student import FeatureStudent
from audiossl.objectives.masked_prediction import FrameObjective, MaskedPredictionConfig, TokenStream
from audiossl.options import kind_of
from audiossl.stage import ADDED

FRAME_OBJECTIVES: dict[str, Kind] = {
    "tokens": Kind("audiossl.objectives.masked_tokens:MaskedTokens", "predict a teacher's tokens from masked features"),
    "features": Kind("audiossl.objectives.masked_features:MaskedFeatures", "predict the features themselves, as a control"),
}


@dataclass
class FrameObjectiveConfig(MaskedPredictionConfig):
    """Which objective, and its options.

    Attributes:
        kind: name in `FRAME_OBJECTIVES`, or `my_module:MyObjective`, a class with `from_streams(student, streams, config)`; by
            default the one for `targets`.
        options: options of a kind from outside, which its class reads.
        source: digest of the source of a kind from outside.

    Raises:
        ConfigError: for an unknown kind, or masks out of range.

    >>> FrameObjectiveConfig(targets="features").time_mask_length
    10
    """

    kind: str | None = field(default=None, metadata={**ADDED, **kind_of(FRAME_OBJECTIVES)})
    options: dict[str, Any] = field(default_factory=dict, metadata=ADDED)
    source: str = field(default="", init=False, metadata=ADDED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind is not None:
            self.source = source_digest(find_objective(self))


def find_objective(config: FrameObjectiveConfig) -> type[FrameObjective]:
    """Give the class of an objective.

    Raises:
        ConfigError: if there is no such class, or it cannot be made from streams.

    >>> find_objective(FrameObjectiveConfig(targets="features")).__name__
    'MaskedFeatures'
    """
    return find_kind(config.kind or config.targets, FRAME_OBJECTIVES, "objective", ("from_streams", "forward"))


def make_objective(student: FeatureStudent, streams: Mapping[str, TokenStream], config: FrameObjectiveConfig) -> FrameObjective:
    """Build an objective around a student, with heads for the tokens of each stream.

    Raises:
        ConfigError: if the student or the rates of the streams do not fit it.
    """
    return find_objective(config).from_streams(student, streams, config)
