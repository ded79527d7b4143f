"""Hugging Face data sets as clips: saved to disk, Parquet with undecoded sound, or a name on the hub.

Sound that lies in a table is written once to files below `$AUDIOSSL_CACHE`, next to a table of clips that names them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from audiossl.errors import DataError
from audiossl.files import read_json, whole_folder
from audiossl.signals.corpora.table_rows import plain_cells
from audiossl.signals.fetch import cache_folder

SPLITS, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"
HUB = "hf:"
CLIPS = "clips.jsonl"
LARGEST_NAME = 80  # characters that are kept of the name of a file


class Shard(NamedTuple):
    """A file of a data set and the split that it is of, "" where there is one."""

    path: Path
    split: str


def is_hub_name(place: str) -> bool:
    """Tell whether a data set on the hub is meant, as in `hf:google/fleurs`."""
    return place.startswith(HUB) and not place.startswith("hf:/")


def is_hugging_face(path: Path) -> bool:
    """Tell whether a path is a data set saved to disk, or one or a folder of Parquet files with undecoded sound."""
    if path.is_dir() and any((path / name).is_file() for name in (SPLITS, STATE)):
        return True
    return any(_sound_column(shard.path) for shard in _parquet_shards(path)[:1])


def unpack_data_set(place: str | Path, cache: Path | None = None) -> Path:
    """Write the sound of a data set to files, once, and return the table of clips that names them.

    Every column of text and numbers is in the table; class labels are by name, and `split` says the split where there are some.

    Args:
        place: the folder or file, or `hf:OWNER/NAME`.
        cache: folder of indexes; by default `$AUDIOSSL_CACHE`.

    Raises:
        DataError: if it cannot be read or fetched, or has no column of undecoded sound.
    """
    folder = _fetch(str(place)) if is_hub_name(str(place)) else Path(place)
    shards = _shards(folder)
    if not shards:
        raise DataError(f"{place} holds no Arrow or Parquet file of a data set")
    state = [[str(shard.path.absolute()), shard.path.stat().st_size, shard.path.stat().st_mtime_ns] for shard in shards]
    key = hashlib.blake2b(json.dumps(state).encode(), digest_size=8).hexdigest()
    name = str(place).removeprefix(HUB).replace("/", "_") if is_hub_name(str(place)) else folder.absolute().stem
    out = cache_folder(cache) / "data_sets" / f"{name}-{key}"
    if not (out / CLIPS).is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(out) as partial, (partial / CLIPS).open("w", encoding="utf-8") as table:
            for row in _rows(shards, partial, folder):
                table.write(json.dumps(row, ensure_ascii=False) + "\n")
        from audiossl.console import console

        console.print(f"the sound of {place} is unpacked in {out}", style="dim", markup=False, soft_wrap=True)
    return out / CLIPS


def _fetch(place: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name = place.removeprefix(HUB)
    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=["*.parquet", "*.arrow", "*.json"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise DataError(
            f"the data set {name} cannot be fetched from the hub ({why}). Download it elsewhere, and give its folder"
        ) from error


def _shards(place: Path) -> list[Shard]:
    if (place / SPLITS).is_file():
        return [Shard(path, split) for split in read_json(place / SPLITS)["splits"] for path in _arrow_files(place / split)]
    if (place / STATE).is_file():
        return [Shard(path, "") for path in _arrow_files(place)]
    return _parquet_shards(place)


def _arrow_files(folder: Path) -> list[Path]:
    return [folder / entry["filename"] for entry in read_json(folder / STATE)["_data_files"]]


def _parquet_shards(place: Path) -> list[Shard]:
    """Parquet files; those of a folder lie in it, in `data/`, or a folder of a configuration, and begin with their split."""
    if place.suffix.lower() == ".parquet" and place.is_file():
        return [Shard(place, "")]
    if not place.is_dir():
        return []
    files = sorted({*place.glob("*.parquet"), *place.glob("*/*.parquet")})
    splits = [file.name.partition("-")[0] if "-of-" in file.name else file.stem for file in files]
    several = len(set(splits)) > 1
    return [Shard(file, split if several else "") for file, split in zip(files, splits, strict=True)]


def _schema(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import ipc, parquet

    try:
        if path.suffix.lower() == ".parquet":
            return parquet.read_schema(path)
        with pa.memory_map(str(path)) as source, ipc.open_stream(source) as reader:
            return reader.schema
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise DataError(f"{path} cannot be read as a file of a data set ({type(error).__name__}: {error})") from error


def _batches(path: Path, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    import pyarrow as pa
    from pyarrow import ipc, parquet

    try:
        if path.suffix.lower() == ".parquet":
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=64, columns=columns):
                    yield batch.to_pylist()
            return
        with pa.memory_map(str(path)) as source, ipc.open_stream(source) as reader:
            for batch in reader:
                chosen = batch.select(columns)
                for first in range(0, batch.num_rows, 64):
                    yield chosen.slice(first, 64).to_pylist()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a file of a data set ({type(error).__name__}: {error})") from error


def _sound_column(path: Path) -> str | None:
    """The column of undecoded sound: a structure of bytes and a path."""
    from pyarrow import types

    with contextlib.suppress(DataError):
        for part in _schema(path):
            if types.is_struct(part.type) and {"bytes", "path"} <= {part.type.field(i).name for i in range(part.type.num_fields)}:
                return part.name
    return None


def _rows(shards: list[Shard], out: Path, source: Path) -> Iterator[dict[str, Any]]:
    """Write the sound of each row, and yield the row as a clip."""
    from pyarrow import types

    seen: set[str] = set()
    number = 0
    for shard in shards:
        sound = _sound_column(shard.path)
        schema = _schema(shard.path)
        if sound is None:
            decoded = [part.name for part in schema if types.is_struct(part.type) and part.name == "audio"]
            hint = f"; '{decoded[0]}' is decoded: save it undecoded, with Audio(decode=False)" if decoded else ""
            raise DataError(
                f"{shard.path} has no column of sound, a structure of bytes and a path; its columns are {', '.join(schema.names)}"
                f"{hint}"
            )
        names_of = _class_names(shard.path, schema)
        wanted = [part.name for part in schema if part.name == sound or not (types.is_nested(part.type) or _is_bytes(part.type))]
        for rows in _batches(shard.path, wanted):
            for row in rows:
                number += 1
                yield _clip(row, sound, names_of, shard.split, number, seen, out, source)


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)


def _clip(
    row: dict[str, Any],
    sound: str,
    names_of: Mapping[str, list[str]],
    split: str,
    number: int,
    seen: set[str],
    out: Path,
    source: Path,
) -> dict[str, Any]:
    about = row.pop(sound) or {}
    written = PurePosixPath(PureWindowsPath(str(about.get("path") or "")).as_posix())
    name = str(row.pop("id", "") or "") or written.as_posix().lstrip("/") or f"{number - 1:06d}"
    id_ = f"{split}/{name}" if split else name
    if id_ in seen or id_ in (".", f"{split}/."):
        id_ = f"{id_}-{number - 1}"
    seen.add(id_)
    fields = {
        key: names_of[key][value] if key in names_of and isinstance(value, int) and 0 <= value < len(names_of[key]) else value
        for key, value in row.items()
    }
    data = about.get("bytes")
    if data is None:
        below = (source if source.is_dir() else source.parent) / written
        path = str((below if below.exists() else Path(written)).absolute())
    else:
        file = out / f"{(number - 1) // 1000:05d}" / f"{number - 1:08d}-{written.name[-LARGEST_NAME:] or 'sound'}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        path = file.relative_to(out).as_posix()
    return {"id": id_, "path": path, **({"split": split} if split else {}), **_free(plain_cells(fields))}


def _free(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that a table of clips would take for something else, under another name."""
    return {f"{name}_" if name in ("path", "start", "end") else name: value for name, value in fields.items()}


def _class_names(path: Path, schema: Any) -> dict[str, list[str]]:
    """Names of the classes of each column that holds their numbers, as the data set describes itself."""
    features: Any = {}
    with contextlib.suppress(KeyError, ValueError, TypeError):
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    if not features and (path.parent / INFO).is_file():
        features = read_json(path.parent / INFO).get("features") or {}
    found = {}
    for name, about in features.items():
        if isinstance(about, Mapping) and about.get("_type") == "ClassLabel" and isinstance(about.get("names"), list):
            found[name] = [str(one) for one in about["names"]]
    return found
