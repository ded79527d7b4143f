"""The stage of a model: features of the labelled windows, or answers, for every seed and division of the subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from audiossl.files import whole_file, write_json
from audiossl.pipelines.sensors.batches import say_once
from audiossl.pipelines.sensors.checks import check_labels
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds
from audiossl.pipelines.sensors.rows import Row
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.label_counts import LabelCounts
from audiossl.stage import Names, StageConfig
from audiossl.world import World

FEATURES, ANSWERS = "features.safetensors", "answers.safetensors"
LABELS = "labels.json"  # what became of the labels


@dataclass(frozen=True)
class ModelConfig(StageConfig):
    """What decides the features of a model.

    Attributes:
        row: model.
        folds: windows, sides and labels.
        rows: rows of the whole recipe, which are compared with the recordings before one is worked on; they decide nothing.
    """

    row: Row
    folds: FoldsConfig
    rows: tuple[Row, ...] = field(default=(), repr=False)

    def decides(self) -> list[object]:
        """What all models share, and what the row reads."""
        return [*self.folds.decides(), *self.row.decides()]

    def names(self) -> Names:
        """Names of these."""
        return (*self.folds.names(), *self.row.names())


def represent(out: Path, inputs: Mapping[str, Path], config: ModelConfig) -> None:
    """Write, for every seed and fold, features of the labelled windows, or answers of a model that was trained on labels.

    A model without anything random is run for the first seed only. Finished folders of an interrupted run are kept.
    """
    row = config.row.reading({name: inputs[f"model_{name}"] for name in config.row.reads})
    folds = SensorFolds(inputs["recordings"] / "set", config.folds)
    for other in config.rows or (row,):
        other.check_recording(folds.recordings[0])
    if World.join().is_first:
        _tell_labels(out, folds.labels, config.folds)
    check_labels(folds)
    row.check(out, folds)
    for number in range(len(folds)):
        _represent_fold(out, folds.open(number), row, config.folds.seeds if row.random else config.folds.seeds[:1])


def _tell_labels(out: Path, labels: LabelCounts, config: FoldsConfig) -> None:
    """Write `labels.json`, and say once in a run which labels are lost."""
    write_json(out / LABELS, asdict(labels))
    if said := str(labels):
        is_most = labels.lost > labels.labels / 2 and config.windows.by == "time"
        say_once(said + ("; windows.by=annotation cuts a window from the start of each" if is_most else ""))


def _represent_fold(out: Path, fold: SensorFold, row: Row, seeds: list[int]) -> None:
    for seed in seeds:
        folder = out / folder_name(seed, fold.number)
        if (folder / "done.json").is_file():
            continue
        torch.manual_seed(derive_seed(seed, "encoder"))
        features, answers = row.represent(fold, seed, folder)
        if World.join().is_first:
            folder.mkdir(parents=True, exist_ok=True)
            for values, name in ((features, FEATURES), (answers, ANSWERS)):
                if values:
                    with whole_file(folder / name) as partial:
                        save_file({key: value.contiguous() for key, value in values.items()}, partial)
            write_json(folder / "done.json", {"seed": seed, "fold": fold.number, "trained_on": list(fold.sides.known)})


def folder_name(seed: int, fold: int) -> str:
    """Folder of one training below a model's stage."""
    return f"seed{seed}-fold{fold}"
