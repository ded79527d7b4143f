"""Rows of kind `neighbour_whitening`: banks of features, whitened by what differs between neighbouring windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.features.neighbour_whitening import WhiteningConfig
from audiossl.kinds import Kind
from audiossl.models.banks.bank import FeatureBank
from audiossl.models.banks.table import BANKS, make_bank
from audiossl.models.banks.whitened import whiten_bank
from audiossl.models.encoder import Encoder
from audiossl.objectives.pooling import Pooling, pool_frames
from audiossl.options import kind_of
from audiossl.pipelines.sensors.blocks import in_blocks
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold
from audiossl.pipelines.sensors.rows import Answers, Row, Vectors
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.next_windows import follows

ROW_BANKS: dict[str, Kind] = {
    **BANKS,
    "encoder": Kind("audiossl.pipelines.sensors.whitening_rows:EncoderBank", "pooled frames of the encoder of another model"),
}


@dataclass(frozen=True)
class BankSection:
    """A bank of a row; its kind alone may stand in place of the section.

    Attributes:
        kind: name of `audiossl.models.banks.BANKS`; `encoder`, that of another model of the recipe; or `my_module:MyBank`.
        options: options of the bank.

    >>> BankSection.spelled("statistics", "banks[0]")
    {'kind': 'statistics'}
    """

    kind: str = field(metadata=kind_of(ROW_BANKS))
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def spelled(cls, values: object, place: str) -> object:
        """Take a name for a section with this kind."""
        return {"kind": values} if isinstance(values, str) else values


@dataclass(frozen=True)
class WhiteningOptions(WhiteningConfig):
    """Options of a row of kind `neighbour_whitening`.

    Attributes:
        banks: banks of features; each is whitened by itself, and they stand next to each other with the same total variance.
        dim: most directions of a bank that are kept, never more than half as many as windows.
        shrinkage: multiple of the mean variance of differences that is added to each.
    """

    banks: list[BankSection] = field(default_factory=lambda: [BankSection("kernels")])

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.banks:
            raise ConfigError("banks: expected at least one bank of features, got none")


@dataclass(frozen=True)
class EncoderBankOptions:
    """Options of a bank of frames.

    Attributes:
        row: name of a model of the recipe that has an encoder: an objective, or kind `random`.
        pooling: `rich`, or the `mean` of its frames.
    """

    row: str
    pooling: Pooling = "rich"


class EncoderBank(FeatureBank[EncoderBankOptions]):
    """Pooled frames of the encoder of another model of the recipe, as that model's stage left it."""

    Options = EncoderBankOptions

    @property
    def reads(self) -> tuple[str, ...]:
        """The model."""
        return (self.options.row,)

    def take(self, networks: Mapping[str, Encoder]) -> None:
        """Take its encoder."""
        self.encoder = networks[self.options.row]
        if isinstance(self.encoder, nn.Module):
            self.encoder.eval()

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Pool frames."""
        return pool_frames(self.encoder(signal, lengths), self.options.pooling)


@dataclass(frozen=True)
class NeighbourWhiteningRow(Row):
    """Banks of features, whitened on the windows of all but test subjects, labelled or not.

    Attributes:
        hop: seconds from a window to its neighbour; the windows, which are hashed, say it already.
        others: models whose encoders are read.
        folders: stages of these.
    """

    Options = WhiteningOptions
    keeps_scale = True

    options: WhiteningOptions
    hop: float
    others: Mapping[str, Row] = field(default_factory=dict, repr=False)
    folders: Mapping[str, Path] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> NeighbourWhiteningRow:
        """Take the hop of the windows, and make every bank once in vain.

        Raises:
            ConfigError: naming the bank that is not there, or lacks a package or an option.
        """
        row = cls(name, model, cast(WhiteningOptions, cls.read_options(name, model)), recipe.windows.hop)
        row.make_banks()
        return row

    @property
    def reads(self) -> tuple[str, ...]:
        """Models whose encoders are banks."""
        return tuple(dict.fromkeys(name for bank in self.make_banks() for name in bank.reads))

    def sources(self) -> Sequence[type]:
        """The row and its banks."""
        return (type(self), *map(type, self.make_banks()))

    def next_to(self, others: Mapping[str, Row]) -> NeighbourWhiteningRow:
        """The row with the models whose encoders it reads.

        Raises:
            ConfigError: if one is not there, or has no encoder.
        """
        have = [name for name, row in others.items() if type(row).network is not Row.network]
        for name in self.reads:
            if name not in have:
                raise ConfigError(
                    f"models.{self.name}.options.banks: expected the name of a model with an encoder, which here are "
                    f"{', '.join(have) or 'none'}, got '{name}'"
                )
        return replace(self, others={name: others[name] for name in self.reads})

    def reading(self, folders: Mapping[str, Path]) -> NeighbourWhiteningRow:
        """The row with the folders of these models."""
        return replace(self, folders=folders)

    def make_banks(self) -> list[FeatureBank]:
        """Make the banks, not fitted yet."""
        place = f"models.{self.name}.options.banks"
        found = []
        for number, section in enumerate(self.options.banks):
            try:
                found.append(make_bank(section.kind, section.options, table=ROW_BANKS, place=f"{place}[{number}].options"))
            except ConfigError as error:
                raise error if str(error).startswith(place) else ConfigError(f"{place}[{number}]: {error}") from error
        return found

    def represent(self, fold: SensorFold, seed: int, out: Path) -> tuple[Vectors, Answers]:
        """Fit every bank and its whitening to the windows of known people, and represent the labelled windows."""
        windows, known = fold.windows, fold.windows.of(fold.sides.known)
        near = follows(windows, known, self.hop)
        found = []
        for bank in self.make_banks():
            bank.take({name: self._network(name, fold, seed, out) for name in bank.reads})
            signal, lengths = windows.values[known], windows.lengths[known]
            whitened = whiten_bank(bank, signal, lengths, near, seed=seed, config=self.options)
            found.append(in_blocks(windows, fold.task.rows, whitened))
        return {"": torch.cat(found, dim=1)}, {}

    def features(self, fold: SensorFold, seed: int) -> Float[Tensor, "N D"]:
        """Refuse changed windows, to which another map would be fitted.

        Raises:
            ConfigError: whatever they are.
        """
        raise ConfigError(f"models.{self.name}: {self.model.kind} represents windows as they are, and no changed views of them")

    def _network(self, name: str, fold: SensorFold, seed: int, out: Path) -> Encoder:
        """The encoder of another model in this fold, for this seed."""
        torch.manual_seed(derive_seed(seed, "encoder"))  # as its stage did
        network = self.others[name].network(fold, seed, self.folders[name] / out.name)
        assert network is not None  # `next_to` asked for one
        return network
