"""A row of an encoder that an earlier run saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from audiossl.errors import ConfigError
from audiossl.files import read_json
from audiossl.load import encoder_folder, weights_digest
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.hub import CONFIG
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.design import Design, Windows
from audiossl.pipelines.connectivity.readers import Reader, of_encoder
from audiossl.pipelines.connectivity.rows import GraphRow
from audiossl.pipelines.connectivity.times import warn_of_other_times
from audiossl.stage import Names


@dataclass(frozen=True)
class EncoderOptions:
    """Options of a row of kind `encoder`.

    Attributes:
        folder: of an encoder, or of a run with one.
    """

    folder: str


@dataclass(frozen=True)
class EncoderRow(GraphRow):
    """An encoder that an earlier run saved, frozen.

    Attributes:
        digest: of its weights: another encoder may come to lie in the same folder.
        unread: sections of the recipe that do not decide its result, but were part of its fingerprint up to commit ba6cba2.
    """

    Options = EncoderOptions
    random = False

    options: EncoderOptions
    digest: str | None
    unread: tuple[object, ...]

    @classmethod
    def of(cls, name: str, model: GraphModel, recipe: ConnectivityRecipe) -> EncoderRow:
        """Look at the weights."""
        options = cast(EncoderOptions, cls.read_options(name, model))
        return cls(name, model, options, weights_digest(options.folder), (recipe.encoder, recipe.training, recipe.batch_runs))

    @property
    def of_dataset(self) -> bool:
        """As earlier runs have it."""
        return True

    def entries(self) -> list[tuple[str | Names, object]]:
        """The model and the weights."""
        unread = zip(("encoder", "training", "batch_runs"), self.unread, strict=True)
        return [*super().entries(), ("its weights", self.digest), *unread]

    @property
    def folder(self) -> Path:
        """Where its config and weights are."""
        return encoder_folder(Path(self.options.folder))

    @property
    def windows(self) -> Windows:
        """Those that it was trained on; none where there is no encoder, which `check_place` refuses."""
        if not (self.folder / CONFIG).is_file():
            return ()
        sizes = ConnectivityConfig(**read_json(self.folder / CONFIG).get("encoder", {}))
        return ((sizes.window, sizes.stride, 1),)

    def check_place(self) -> None:
        """Refuse a folder without an encoder.

        Raises:
            ConfigError: naming the file that is missing.
        """
        if not (place := self.folder / CONFIG).is_file():
            raise ConfigError(f"models.{self.name}: there is no {place}; expected the folder of an encoder or of a run with one")

    def warn_of_times(self, design: Design) -> None:
        """Nothing: `read` says more."""

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Load it for the regions that all runs have."""
        encoder = ConnectivityEncoder.load(self.folder, design.runs.regions)
        warn_of_other_times(design.runs, encoder, self.options.folder)
        return of_encoder(encoder)

    def origin(self) -> Mapping[str, object]:
        """What its config says."""
        return read_json(self.folder / CONFIG).get("pretrained_on") or {}
