"""Rows that pre-train an objective without labels on all but test subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import ConfigError, DataError
from audiossl.models.resnet1d import ResNet1d
from audiossl.models.run_folder import weights_digest
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.objectives.frame_projection import TIME, FrameProjection, fit_mappers
from audiossl.objectives.kinds import WINDOW_OBJECTIVES, find_objective, read_config
from audiossl.objectives.objective import Objective
from audiossl.pipelines.origin import CONTINUES, MATCHED_BY
from audiossl.pipelines.sensors.batches import WindowBatches
from audiossl.pipelines.sensors.blocks import in_blocks, pooled
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold, SensorFolds
from audiossl.pipelines.sensors.dense import encoded_frames, handmade_frames
from audiossl.pipelines.sensors.encoders import check_takes, check_units, match_of, people_seen
from audiossl.pipelines.sensors.learning import LearningRow
from audiossl.pipelines.sensors.models import folder_name
from audiossl.pipelines.sensors.rows import Answers, Vectors
from audiossl.pipelines.start import Start
from audiossl.pipelines.table_row import ModelSection
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.windows import WindowSet
from audiossl.stage import Names
from audiossl.training.fit import fit
from audiossl.world import World


@dataclass(frozen=True)
class ObjectiveRow(LearningRow):
    """The encoder of an objective of `WINDOW_OBJECTIVES` or from outside; `MODEL_finetuned` trains it on labels as well.

    Attributes:
        dense: digest of the weights of the frozen encoder that matches are searched with; "" where none is named.
        start: weights that training starts from; None for drawn ones.
    """

    pretrained = True
    pools = True

    dense: str = ""
    start: Start | None = None

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> ObjectiveRow:
        """Take what training reads, and make the objective once in vain.

        Raises:
            ConfigError: naming the model, for options that the objective does not take, or unmet needs.
        """
        row = cast(ObjectiveRow, super().of(name, model, recipe))
        try:
            batches = row.batches.meeting(model.kind, row.objective.needs)
            dense = weights_digest(batches.matches.encoder) if batches.matches and batches.matches.encoder else ""
            start = None if model.untrained else Start.of(recipe.start, recipe.norm_only, name)
            row = replace(row, batches=batches, model=replace(row.model, batches=batches), dense=dense, start=start)
            with torch.random.fork_rng(devices=[]):
                row.make_objective(row.draw_encoder(1, 50.0))
        except ConfigError as error:
            raise ConfigError(f"models.{name}: {error}") from error
        return row

    @classmethod
    def read_options(cls, name: str, model: ModelSection) -> object:
        """Read options as those of the objective."""
        return read_config(find_objective(model.kind, WINDOW_OBJECTIVES).Config, model.options, f"models.{name}.options")

    def entries(self) -> list[tuple[str | Names, object]]:
        """What training reads, and the weights of the frozen encoder, and those it starts from, where they are named."""
        dense: list[tuple[str | Names, object]] = [("weights of its frozen encoder", self.dense)] if self.dense else []
        return [*super().entries(), *dense, *([("start", self.start)] if self.start else [])]

    def sources(self) -> Sequence[type]:
        """The row and the objective."""
        return (type(self), self.objective)

    def check_recording(self, recording: SensorRecording) -> None:
        """Compare the channels of a frozen encoder, where one is named, with a recording's."""
        if name := self._frozen:
            check_takes(f"models.{self.name}.batches.matches.encoder", name, recording)

    def check(self, out: Path, folds: SensorFolds) -> None:
        """Refuse a start or a frozen encoder that was pre-trained on people whom a fold tests.

        Raises:
            ConfigError: for windows that lost their units.
            DataError: if it takes other channels, or saw test people.
        """
        self._check_start(folds)
        if not (name := self._frozen):
            return
        check_units(folds.config.windows.normalise)
        match_of(name, folds.recordings[0])
        if seen := people_seen(name, self.dataset, folds.sides)[1]:
            few = ", ".join(seen[:5]) + (", ..." if len(seen) > 5 else "")
            raise DataError(
                f"models.{self.name}.batches.matches.encoder: {name} was pre-trained on {len(seen)} of those that are tested "
                f"here ({few}). Take one that did not see them, or the hand-made frames"
            )

    def _check_start(self, folds: SensorFolds) -> None:
        if self.start is None:
            return
        for number, sides in enumerate(folds.sides):
            for seed in folds.config.seeds:
                place = self.start.place(folder_name(seed, number))
                if place is not None and (seen := people_seen(str(place), self.dataset, [sides])[1]):
                    few = ", ".join(seen[:5]) + (", ..." if len(seen) > 5 else "")
                    raise DataError(
                        f"start: {place} was pre-trained on {len(seen)} of those that fold {number} tests here ({few}). Start "
                        "from a run with the same subjects and seeds, or on another data set"
                    )

    @property
    def _frozen(self) -> str:
        return self.batches.matches.encoder if self.batches.matches else ""

    @property
    def objective(self) -> type[Objective]:
        """The class of the objective."""
        return find_objective(self.model.kind, WINDOW_OBJECTIVES)

    @property
    def rows(self) -> list[str]:
        """Its own, and that of fine-tuning."""
        return [self.name, *([f"{self.name}_finetuned"] if self.model.finetune else [])]

    def make_objective(self, encoder: ResNet1d) -> Objective:
        """Make the objective around an encoder."""
        return self.objective(encoder, self.options)

    def represent(self, fold: SensorFold, seed: int, out: Path) -> tuple[Vectors, Answers]:
        """Pre-train the objective, save its encoder, and represent windows."""
        drawn, known = self.draw_encoder(fold.windows.values.shape[1], fold.windows.rate), set(fold.sides.known)
        before: dict[str, object] = {}
        if self.start is not None:
            self.start.begin(drawn, out.name)
            before = self.start.seen(out.name)
            known |= set(cast(list[str], before.get("subjects", []))) if before.get("dataset") == self.dataset else set()
        objective = self.make_objective(drawn)
        train = fold.windows.of(fold.sides.known)
        if not self.model.untrained:
            batches = self.make_batches(fold, train, seed)
            training = replace(self.training, seed=seed, lr=self.model.lr or self.training.lr)
            fit(objective, batches, training, out / "pretrain")
        objective.eval().cpu()  # windows are there
        encoder = cast(ResNet1d, objective.encoder).requires_grad_(True)
        if World.join().is_first:
            seen: dict[str, object] = {"dataset": self.dataset, "subjects": sorted(known), "seed": seed, "fold": fold.number}
            seen |= {CONTINUES: before} if before else {}
            if self._frozen and (matched := people_seen(self._frozen, self.dataset, [])[0]):
                seen[MATCHED_BY] = matched
            _describe(fold, encoder).save(out / "encoder", None if self.model.untrained else seen)
        features = self.vectors(objective, fold, train, seed)
        finetuned = self.train_on_labels(fold, encoder, seed, out, variant="finetuned") if self.model.finetune else {}
        return features, finetuned

    def make_batches(self, fold: SensorFold, train: list[int], seed: int) -> WindowBatches:
        """Make batches of the windows that are trained on, with what the objective needs."""
        dense = None
        if self.batches.matches:
            dense = encoded_frames(fold, train, self._frozen) if self._frozen else handmade_frames(fold.windows, train)
        return WindowBatches(fold.windows, train, self.batches, seed, dense)

    def network(self, fold: SensorFold, seed: int, out: Path) -> ResNet1d:
        """The encoder that was trained, behind the normalisation of the fold's windows."""
        return SensorEncoder.load(out / "encoder").encoder

    def vectors(self, objective: Objective, fold: SensorFold, train: list[int], seed: int) -> Vectors:
        """Features of the labelled windows, by variant, from a trained objective; `train` are the windows that it saw."""
        return {"": in_blocks(fold.windows, fold.task.rows, pooled(objective.encoder, self.model.pooling))}


class FrameProjectionRow(ObjectiveRow):
    """Frame projections: frames of the signal and next to them what each mapper makes of them, `MODEL_MAPPER`."""

    pools = False  # views are means of frames

    @property
    def rows(self) -> list[str]:
        """One for each mapper; the first gives the row that is named after the model.

        Raises:
            ConfigError: if there is no mapper, or one twice.
        """
        mappers = self.model.mappers
        if not mappers or len(set(mappers)) < len(mappers):
            raise ConfigError(
                f"models.{self.name}.mappers: expected at least one mapper, each once, such as [real, none], got {mappers}"
            )
        own, *others = super().rows
        return [own, *(f"{self.name}_{mapper}" for mapper in mappers[1:]), *others]

    def vectors(self, objective: Objective, fold: SensorFold, train: list[int], seed: int) -> Vectors:
        """Views of the labelled windows as each mapper has them."""
        assert isinstance(objective, FrameProjection)  # what this kind makes
        views = _views(objective, fold.windows, fold.task.rows)
        known = _views(objective, fold.windows, train)
        found: Vectors = {}
        for index, kind in enumerate(self.model.mappers):
            name = kind if index else ""
            if kind == "none":
                found[name] = views[TIME]
            elif kind == "real":
                found[name] = torch.cat(list(views.values()), dim=1)
            else:
                mappers = fit_mappers(known, kind, seed)
                with torch.no_grad():
                    found[name] = torch.cat([views[TIME], *(mapper(views[TIME]) for mapper in mappers.values())], dim=1)
        return found


def _views(objective: FrameProjection, windows: WindowSet, rows: list[int]) -> dict[str, Float[Tensor, "N D"]]:
    names = [TIME, *objective.view_encoders]
    together = in_blocks(windows, rows, lambda *batch: torch.stack(list(objective.represent_views(*batch).values()), dim=1))
    return dict(zip(names, together.unbind(1), strict=True))


def _describe(fold: SensorFold, encoder: ResNet1d) -> SensorEncoder:
    """Put the fold's channels and normalisation around an encoder that was trained on it."""
    first, statistics = fold.first, fold.statistics
    takes = SensorInput(first.channels, first.units, first.rate, fold.normalise)
    if statistics is None:
        return SensorEncoder(encoder, takes)
    return SensorEncoder(encoder, takes, statistics.mean, statistics.deviation)
