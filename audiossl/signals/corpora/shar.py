"""lhotse Shar folders as corpora: shards of cuts and tars of their recordings, on this disk or in an object store.

cuts.000000.jsonl.gz   recording.000000.tar   (tokens.000000.tar ...)

From lhotse 2 on there are indexes too, recording.000000.tar.idx or an .idxpack of all of them, and the cuts may be uncompressed.

lhotse 1 reads such shards from begin to end. Here each recording is read by itself, so that batches are planned by duration as
for any corpus, and to resume in the middle of an epoch is to start at a later batch.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from audiossl.errors import DataError
from audiossl.files import parse_json
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.cut_lines import from_line
from audiossl.signals.corpora.manifest import MEMBER, report_cut_texts
from audiossl.signals.corpora.tar_index import TarItem, read_tar_index
from audiossl.signals.corpora.tar_offsets import INDEX, PACK
from audiossl.signals.fetch import cache_folder
from audiossl.signals.fetching.storage import is_remote, list_names, location, open_binary

_log = logging.getLogger(__name__)
_NAME = re.compile(r"(?P<field>[^.]+)(?:\.(?P<number>\d+))?\.(?P<kind>jsonl(?:\.gz)?|tar(?:\.(?!idx$)\w+)?)")
THREADS = 8  # an object store answers many requests at once


@dataclass(frozen=True)
class Shard:
    """One shard: its number as written (empty where the folder is not divided) and the place of the file of each field.

    `indexes` are the places of lhotse's indexes of these files, by field, where there are such.
    """

    number: str
    places: dict[str, str]
    indexes: dict[str, str] = field(default_factory=dict)


def is_shar(folder: str | Path) -> bool:
    """Tell whether a folder, or a URL of one, holds cuts and recordings in the layout of lhotse Shar."""
    fields = {match["field"] for name in list_names(location(folder)) if (match := _NAME.fullmatch(name))}
    return {"cuts", "recording"} <= fields


def open_shar(folder: str | Path, sample_rate: int = 16_000, index: Path | None = None) -> Corpus:
    """Open a Shar folder as a corpus whose items are read one by one, in any order.

    Args:
        folder: path or URL: s3://, gs://, hf://, file:// and whatever else fsspec knows.
        sample_rate: rate at which signals are read, in Hz.
        index: folder for the positions found in the tars; by default below `$AUDIOSSL_CACHE`.

    Raises:
        DataError: if a shard is missing, damaged, or its cuts and recordings do not match; the message names it.
        MissingExtraError: if fsspec, or its part for this kind of store, is not installed.
    """
    items = [from_line(line, Path(), sample_rate) for line in shar_lines(folder, index)]
    report_cut_texts(items, str(folder))
    if len({item.id for item in items}) < len(items):
        raise DataError(f"two cuts in the shards of {folder} have the same id. Write them with unique ids.")
    return Corpus(items, sample_rate, None, Path(_absolute(folder)))


def shar_lines(folder: str | Path, index: Path | None = None) -> Iterator[dict[str, Any]]:
    """Yield the cuts of a Shar folder as lines of a manifest that says where in its tar each recording lies.

    Such lines are read by `from_line`, here or in a corpus folder that `link_corpus` writes.
    """
    place = _absolute(folder)
    kept = index or _default_index(place)
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    shards = track(find_shards(place), f"index {place}", console=console, transient=True, disable=not console.is_terminal)
    waiting: deque[Future[list[dict[str, Any]]]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="shar")
    try:
        for shard in shards:
            waiting.append(pool.submit(_shard_lines, shard, kept))
            if len(waiting) > THREADS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def shar_arrays(
    folder: str | Path, field: str = "tokens", index: Path | None = None
) -> Iterator[tuple[str, Shaped[np.ndarray, "..."]]]:
    """Yield the arrays that a Shar folder holds for its cuts, such as tokens attached by `tokens.lhotse_arrays`, with cut ids.

    To train on them, hand each to a `TokenWriter`.

    Raises:
        DataError: if the field is not there, or its arrays are not stored by numpy.
    """
    place = _absolute(folder)
    kept = index or _default_index(place)
    for shard in find_shards(place):
        if field not in shard.places:
            raise DataError(f"{place} has no {field}.{shard.number}.tar; its fields are {', '.join(sorted(shard.places))}.")
        for item in read_tar_index(shard.places[field], kept, shard.indexes.get(field)):
            if item.described is None:
                continue
            if not item.name.endswith(".npy"):
                raise DataError(f"{shard.places[field]}: '{item.name}' is no .npy file; write the field {field} as numpy.")
            yield item.key, np.load(BytesIO(item.member.read()), allow_pickle=False)


def find_shards(place: str) -> list[Shard]:
    """List the shards of a folder in order.

    Raises:
        DataError: if it is no Shar folder, or a shard lacks its cuts, its recordings or another field.
    """
    fields: dict[str, dict[str, str]] = {}
    names = list_names(place)
    packs = [f"{place}/{name}" for name in names if name.endswith(PACK)]
    for name in names:
        match = _NAME.fullmatch(name)
        if match and match["kind"].startswith("tar."):
            raise DataError(f"{place}/{name} is compressed; to read single members it must be a plain tar. Unpack it.")
        if match:
            fields.setdefault(match["field"], {})[match["number"] or ""] = f"{place}/{name}"
    if missing := {"cuts", "recording"} - fields.keys():
        raise DataError(f"{place} is no lhotse Shar folder: it has no {' and no '.join(sorted(missing))} shards.")
    numbers = sorted({number for shards in fields.values() for number in shards}, key=lambda number: int(number or 0))
    for name, shards in fields.items():
        if absent := [number for number in numbers if number not in shards]:
            raise DataError(f"{place}: {len(absent)} shards of '{name}' are missing, such as {name}.{absent[0]}. Copy again.")
    if numbers[-1] and len(numbers) <= int(numbers[-1]) - int(numbers[0]):
        _log.warning("%s has %d shards between %s and %s; some are not there", place, len(numbers), numbers[0], numbers[-1])
    indexed, found = set(names), []
    for number in numbers:
        places = {name: shards[number] for name, shards in fields.items()}
        indexes = {}
        for name, path in places.items():
            if f"{path.rsplit('/', 1)[-1]}{INDEX}" in indexed:
                indexes[name] = f"{path}{INDEX}"
            elif packs and path.endswith(".tar"):
                indexes[name] = packs[0] if len(packs) == 1 else next((pack for pack in packs if name in pack), packs[0])
        found.append(Shard(number, places, indexes))
    return found


def _shard_lines(shard: Shard, index: Path) -> list[dict[str, Any]]:
    tar, manifest = shard.places["recording"], shard.places["cuts"]
    cuts, items = _read_cuts(manifest), read_tar_index(tar, index, shard.indexes.get("recording"))
    by_key = {item.key: item for item in items}
    if len(by_key) < len(items):
        raise DataError(f"{tar} holds two recordings of one name.")
    ids = {cut.get("id") for cut in cuts}
    if lost := [str(id_) for id_ in ids if id_ not in by_key] + [key for key in by_key if key not in ids]:
        raise DataError(
            f"{tar} holds {len(items)} recordings, {manifest} {len(cuts)} cuts; {len(lost)} are in one of them only, such as "
            f"'{min(lost)}'. If the tar was cut short, copy it again."
        )
    return [_line(cut, by_key[cut["id"]], tar) for cut in cuts]


def _read_cuts(place: str) -> list[dict[str, Any]]:
    try:
        with open_binary(place) as file:
            raw = file.read()
        text = (gzip.decompress(raw) if place.endswith(".gz") else raw).decode("utf-8")
        # Not `splitlines`, which takes characters inside JSON strings for line ends.
        return [parse_json(line) for line in text.split("\n") if line.strip()]
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{place} is damaged ({type(error).__name__}: {error}). Copy it again.") from error


def _line(cut: dict[str, Any], item: TarItem, tar: str) -> dict[str, Any]:
    """Describe a cut whose recording is the member of a tar; as in lhotse, the description in the tar counts."""
    if cut.get("type") not in ("MonoCut", "MultiCut", None) or item.described is None:
        raise DataError(f"cut '{cut['id']}' in {tar} is not a cut of one recording. Filter such cuts before writing shards.")
    try:
        recording = parse_json(item.described)
        source = {"type": "shar", "channels": recording["sources"][0]["channels"], "source": tar}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"the description of '{item.name}' in {tar} is damaged ({error}). Copy the tar again.") from error
    where = {"offset": item.member.offset, "size": item.member.size, "name": item.name}
    custom = (cut.get("custom") or {}) | {MEMBER: where}
    return cut | {"recording": recording | {"sources": [source]}, "custom": custom}


def _absolute(folder: str | Path) -> str:
    place = location(folder).rstrip("/")
    return place if is_remote(place) else str(Path(place).absolute())


def _default_index(place: str) -> Path:
    return cache_folder() / "shar" / hashlib.blake2b(place.encode(), digest_size=8).hexdigest()
