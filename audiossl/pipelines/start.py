"""Where pre-training starts, and what of the encoder it trains: hierarchical pre-training (HPT, arXiv 2103.12718)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from audiossl.encoder_names import OWN, parse_name
from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json
from audiossl.load import load, refuse_unknown
from audiossl.models.hub import CONFIG, SEEN
from audiossl.models.run_folder import encoder_folder, local_path, weights_digest
from audiossl.models.weights import fill


@dataclass(frozen=True)
class Start:
    """What pre-training of a recipe starts from, and what it trains.

    Attributes:
        name: run folder, folder of an encoder, or a name that `audiossl.load` takes; empty for weights that are drawn.
        norm_only: train, of the encoder, the affine parameters of normalisations alone, and their running statistics.
        row: model of the recipe, whose encoder a run with several is asked for.
        digest: hash of the weights, or the name itself where it says which they are.

    >>> Start.of("", False) is None
    True
    """

    name: str
    norm_only: bool = False
    row: str = ""
    digest: str = ""

    @classmethod
    def of(cls, name: str, norm_only: bool, row: str = "") -> Start | None:
        """What the keys `start` and `norm_only` of a recipe ask for; None where both are as they always were.

        Raises:
            ConfigError: if there is nothing of that name, or a run holds several encoders of other models.
        """
        if not name:
            if norm_only:
                raise ConfigError("norm_only trains the norms of an encoder that was trained before; say start=RUN as well")
            return None
        if local_path(name) is None:
            try:
                if parse_name(name)[0] is OWN:
                    refuse_unknown(name)
            except ConfigError as error:
                raise ConfigError(f"start: {error}") from error
            return cls(name, norm_only, row, name)
        sha = hashlib.sha256()
        for place in _encoders(name, row):
            digest = weights_digest(place)
            if not digest:
                raise ConfigError(
                    f"start={name} holds no weights of an encoder; expected a run that ended, or an encoder's folder"
                )
            sha.update(digest.encode())
        return cls(name, norm_only, row, sha.hexdigest())

    def decides(self) -> list[object]:
        """The weights, and what is trained."""
        return [self.digest, self.norm_only]

    def begin(self, encoder: object, training: str = "") -> None:
        """Put the weights into an encoder, and leave gradients to its norms alone where this is asked for.

        Args:
            encoder: encoder as it was drawn, of the same architecture.
            training: folder name of one training of several, such as `seed1-fold0`, which a run with several is asked for.

        Raises:
            ConfigError: if the weights are of another architecture; the message names keys and shapes.
        """
        found: Any = load(str(self.place(training) or self.name)).encoder
        kind = type(encoder).__name__
        inner: Any = found if type(found) is type(encoder) else getattr(found, "encoder", found)
        if type(inner) is not type(encoder):
            raise ConfigError(f"start={self.name} holds a {type(inner).__name__}, and a {kind} is trained here")
        try:
            fill(cast(nn.Module, encoder), cast(nn.Module, inner).state_dict())
        except StoreError as error:
            raise ConfigError(f"start={self.name} holds a {kind} of other sizes than are trained here: {error}") from error
        if self.norm_only:
            train_norms_only(cast(nn.Module, encoder))

    def place(self, training: str = "") -> Path | None:
        """Folder of the encoder that one training starts from; None for what is no folder.

        Of several it is that of the same training, else of the same seed, else the only one.

        Raises:
            ConfigError: if none of these is one.
        """
        if local_path(self.name) is None:
            return None
        places = _encoders(self.name, self.row)
        own = [path for path in places if path.parent.name == training]
        of_seed = [path for path in places if path.parent.name.partition("-")[0] == training.partition("-")[0]]
        for found in (own, of_seed):
            if len(found) == 1:
                return found[0]
        if len(places) > 1:
            listed = ", ".join(str(path) for path in places[:4])
            raise ConfigError(
                f"start={self.name} holds {len(places)} encoders and none for {training}; name one of them: {listed}"
            )
        return places[0]

    def seen(self, training: str = "") -> dict[str, object]:
        """What the encoder of one training says that it was pre-trained on; empty where it says nothing."""
        place = self.place(training)
        return {} if place is None else _seen(place)

    def origins(self) -> list[dict[str, object]]:
        """What each of the encoders that it holds says."""
        return [] if local_path(self.name) is None else [_seen(place) for place in _encoders(self.name, self.row)]


def train_norms_only(encoder: nn.Module) -> None:
    """Leave gradients to the affine parameters of normalisations alone.

    Raises:
        ConfigError: if an encoder has none.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    >>> train_norms_only(model)
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    ['1.weight', '1.bias']
    """
    encoder.requires_grad_(False)
    norms = [module for module in encoder.modules() if "Norm" in type(module).__name__]  # those of torch and ours
    own = [parameter for norm in norms for parameter in norm.parameters(recurse=False)]
    if not own:
        raise ConfigError(f"norm_only: a {type(encoder).__name__} has no normalisation with parameters")
    for parameter in own:
        parameter.requires_grad_(True)


def _encoders(name: str, row: str) -> list[Path]:
    """Folders of the encoders that a run holds of a model of the recipe, or the one that a folder holds."""
    folder = local_path(name)
    assert folder is not None
    own = sorted(path.parent for path in folder.glob(f"model_{row}/seed*/encoder/{CONFIG}")) if row else []
    try:
        return own or [encoder_folder(folder)]
    except ConfigError as error:
        raise ConfigError(f"start: {error}") from error


def _seen(place: Path) -> dict[str, object]:
    values = read_json(place / CONFIG) if (place / CONFIG).is_file() else {}
    return (values.get(SEEN) if isinstance(values, dict) else None) or {}
