"""Typed config of the SPEAR pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from audiossl.models.training_devices import TrainingDevices
from audiossl.objectives.masked_tokens import MaskedTokensConfig
from audiossl.pipelines.tokenise import QuantiserConfig
from audiossl.teachers.teacher import TeacherConfig
from audiossl.training.config import TrainingConfig


@dataclass
class SplitConfig:
    """How items are divided: all items that share `by` stay on one side.

    Attributes:
        by: speaker, recording, or a custom field of the corpus such as prompt.
        train, valid, test: fractions of the groups; pre-training sees train only.
    """

    by: str = "prompt"
    train: float = 0.72
    valid: float = 0.08
    test: float = 0.2


@dataclass
class StudentConfig:
    """A preset of the Zipformer and what differs from it.

    Attributes:
        preset: tiny, base, large or xlarge.
        overrides: fields of `ZipformerConfig`.
        max_item_seconds: longer recordings are cut into pieces of equal length for pre-training.
        devices: training-only devices of the Zipformer, as in the reference; worth their time in long runs.
    """

    preset: Literal["tiny", "base", "large", "xlarge"] = "tiny"
    overrides: dict[str, Any] = field(default_factory=dict)
    max_item_seconds: float = 12.0
    devices: TrainingDevices = field(default_factory=TrainingDevices)


@dataclass
class TaskConfig:
    """A probe.

    Attributes:
        name: the labels are in `NAME.jsonl` of the recipe's labels.
        kind: `frames` reads a label at each instant, `segments` one a stretch (a word) from its mean frame, `clips`
            one for each recording from its mean frame.
    """

    name: str
    kind: Literal["frames", "segments", "clips"]


@dataclass
class EvaluationConfig:
    """What is probed and how.

    Attributes:
        tasks: probes, each with labels of the recipe.
        rate: instants per second at which frame labels are read, the same for every model.
        context: frames on either side that the log-mel baseline sees.
        bootstrap: resamples of groups for the 95 % intervals.
    """

    tasks: list[TaskConfig] = field(default_factory=list)
    rate: float = 50.0
    context: int = 5
    bootstrap: int = 1000


@dataclass
class SpearRecipe:
    """A corpus, a teacher, tokens, a student, and what the student is worth.

    Attributes:
        dataset: name in results.
        prepare: Python file beside the recipe with `prepare_corpus` and `prepare_labels`.
        output: folder of the run.
        data_root: folder with packages that were unpacked by hand, instead of fetching them.
        limit: keep only so many items per source, for a smoke run.
        seed: of splits, quantiser, student, masks and batches.
    """

    dataset: str
    prepare: str = "prepare.py"
    output: Path | None = None
    data_root: Path | None = None
    limit: int | None = None
    seed: int = 1
    split: SplitConfig = field(default_factory=SplitConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    quantiser: QuantiserConfig = field(default_factory=QuantiserConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    objective: MaskedTokensConfig = field(default_factory=MaskedTokensConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
