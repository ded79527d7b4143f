"""Whether an encoder that pre-training continues saw what the tasks ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from audiossl.errors import DataError
from audiossl.pipelines.connectivity.config import PretrainConfig
from audiossl.pipelines.connectivity.design import Design
from audiossl.pipelines.origin import trainings

MOST_NAMES = 5  # of people in a message


def check_start(start: str, origin: Mapping[str, object], dataset: str, design: Design) -> None:
    """Refuse to start from an encoder that saw people of the tasks, where others are pre-trained on, or volumes to be identified.

    The pre-training of the encoder counts, and that of every encoder that it comes from, as far as it was on the same data set.
    Where `pretrain.part` says that what is to be identified may be seen, this is not asked.

    Args:
        start: what the recipe starts from, for messages.
        origin: what its config says that it was pre-trained on.
        dataset: data set of the recipe.
        design: parts of runs that pre-training and tasks see.

    Raises:
        DataError: naming people, or the part that it saw.
    """
    for training in trainings(origin):
        if training.get("dataset") == dataset:
            _check(start, _pretraining(training), design)


def _check(start: str, saw: PretrainConfig, design: Design) -> None:
    config = design.config
    if config.pretrain.subjects:
        if known := [name for name in design.people if name in (saw.subjects or design.people)]:
            few = ", ".join(known[:MOST_NAMES]) + (", ..." if len(known) > MOST_NAMES else "")
            raise DataError(
                f"start: {start} was pre-trained on {len(known)} of the people whom the tasks are about ({few}). Start from an "
                "encoder of the same pretrain.subjects, or of another data set"
            )
        return
    if not config.fingerprint.volumes or design.runs.are_matrices or design.is_transductive:
        return
    if design.shows_probes(replace(design, config=replace(config, pretrain=saw)).training):
        raise DataError(
            f"start: {start} was pre-trained on part '{saw.part}', in which are volumes that are to be identified here. "
            f"Start from an encoder that saw part '{config.pretrain.part}', or of another data set; pretrain.part=all says that "
            "they may be seen"
        )


def _pretraining(training: Mapping[str, object]) -> PretrainConfig:
    """Which volumes it saw; all of everybody, unless it says less."""
    part, subjects = training.get("part"), training.get("subjects")
    names = [str(name) for name in subjects] if isinstance(subjects, list) else []
    return PretrainConfig(part if part in ("first_half", "first_session") else "all", names)
