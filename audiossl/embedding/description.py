"""What a store of embeddings holds and what made it, and how its files are called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json, write_json

VERSION = 1


@dataclass(frozen=True)
class StoreDescription:
    """What a store holds and what made it; one store holds frames of one description only.

    Attributes:
        model: name of the model.
        digest: hash of the model, its weights and its windows.
        layers: "last" for the final output, or layer numbers.
        dim: width of a frame.
        frame_rate: frames per second.
        frame_offset: seconds from the start of an item to the centre of its frame 0.
        dtype: dtype of stored frames; pooled vectors are float32 always.
        contents: "frames" (and pooled vectors), or "pooled" vectors only.

    >>> about = StoreDescription(model="mine", digest="1", layers="last", dim=4, frame_rate=50.0)
    >>> about.dtype
    'float16'
    """

    model: str
    digest: str
    layers: Literal["last"] | list[int]
    dim: int
    frame_rate: float
    frame_offset: float = 0.0
    dtype: Literal["float16", "float32"] = "float16"
    contents: Literal["frames", "pooled"] = "frames"

    @property
    def num_layers(self) -> int:
        """Layers that are stored."""
        return 1 if self.layers == "last" else len(self.layers)

    def write(self, folder: Path) -> None:
        """Write `store.json`."""
        write_json(folder / "store.json", {"version": VERSION, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> StoreDescription:
        """Read `store.json`.

        Raises:
            StoreError: if the file is missing, broken or of another version.
        """
        path = folder / "store.json"
        try:
            fields = read_json(path)
            if fields.pop("version") == VERSION:
                return cls(**fields)._checked()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"expected an embedding store in {folder}, could not read its store.json: {error!r}") from error
        raise StoreError(f"expected an embedding store of version {VERSION}, got another in {path}: make it again")

    def _checked(self) -> StoreDescription:
        numbers = self.frame_rate, self.frame_offset
        layers = [] if self.layers == "last" else self.layers
        are_whole = isinstance(layers, list) and all(type(number) is int for number in (*layers, self.dim))
        if not (are_whole and self.dim > 0 and all(type(number) in (int, float) for number in numbers)):
            raise ValueError(f"layers {self.layers!r}, width {self.dim!r}, rate and offset {numbers}")
        if self.frame_rate <= 0 or self.dtype not in ("float16", "float32") or self.contents not in ("frames", "pooled"):
            raise ValueError(f"{self.frame_rate} frames per second, {self.dtype!r}, {self.contents!r}")
        return self

    def require_equal(self, other: StoreDescription, folder: Path) -> None:
        """Refuse to mix two descriptions; the model may be called otherwise if its digest is the same.

        Raises:
            StoreError: naming the fields that differ.
        """
        mine, theirs = asdict(self), asdict(other)
        different = [
            f"{key} is {theirs[key]!r}, not {mine[key]!r}" for key in mine if key != "model" and mine[key] != theirs[key]
        ]
        if different:
            raise StoreError(f"the store in {folder} was made otherwise ({'; '.join(different)}): choose another folder")

    def require_model(self, name: str, digest: str) -> None:
        """Refuse another model than the one that made the store, whatever it is called.

        Raises:
            StoreError: if its digest is another.
        """
        if digest != self.digest:
            raise StoreError(
                f"the store was made by {self.model} (digest {self.digest[:12]}), not by {name} as it is now ({digest[:12]}): "
                "vectors of two models cannot be compared"
            )

    def place_of(self, layer: int | None) -> int:
        """Place of a layer among those that are stored; the last for None.

        Raises:
            ConfigError: if it is not stored.
        """
        if layer is None:
            return self.num_layers - 1
        if self.layers == "last" or layer not in self.layers:
            held = "the final output alone" if self.layers == "last" else f"the layers {', '.join(map(str, self.layers))}"
            raise ConfigError(f"layer {layer} is not in the store, which holds {held}")
        return self.layers.index(layer)


def shard_path(folder: Path, kind: str, shard: int) -> Path:
    """Name of one file of a shard."""
    return folder / f"{kind}-{shard:06d}.{'parquet' if kind == 'index' else 'npy'}"


def store_parts(folder: Path) -> list[Path]:
    """Folders that hold a `store.json`: the folder itself, then its parts by name."""
    return [part for part in [folder, *sorted(folder.glob("part-*"))] if (part / "store.json").is_file()]
