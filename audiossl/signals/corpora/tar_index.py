"""Where the members of a tar lie, found once from its headers and kept, so that each can be read by itself."""

from __future__ import annotations

import hashlib
import logging
import tarfile
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

from audiossl.errors import DataError
from audiossl.files import whole_file
from audiossl.signals.corpora.tar_offsets import read_offsets
from audiossl.signals.fetching.storage import file_size, open_binary, read_range, read_ranges, stamp

FORMAT = b"1"
_HEAD = 8192  # bytes that hold the header of a member, with that of a long name
_LONGEST = 2**20  # bytes of a description and what follows the last one
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TarMember:
    """A file in a tar: bytes `offset` to `offset + size` of the tar at `place`, a path or a URL."""

    place: str
    offset: int
    size: int

    def read(self) -> bytes:
        """Read the bytes of this member alone.

        Raises:
            DataError: if the tar cannot be read, or ends before.
        """
        data = read_range(self.place, self.offset, self.size)
        if len(data) < self.size:
            raise DataError(f"{self.place} ends {self.size - len(data)} bytes early; it has become shorter. Copy it again.")
        return data


@dataclass(frozen=True)
class TarItem:
    """A data member of a tar as lhotse writes them: its key and file name, and the JSON that describes it.

    `described` is None where lhotse noted that this cut has no such data.
    """

    key: str
    name: str
    member: TarMember
    described: str | None


def read_tar_index(place: str, folder: Path, offsets: str | None = None) -> list[TarItem]:
    """List the members of a tar, from the index that is kept in `folder` or, where it is of another state, from the tar.

    Args:
        place: path or URL of the tar.
        folder: folder where indexes are kept, never next to the data; it is made if need be.
        offsets: place of lhotse's own index of the tar, which says where to read; one that does not fit the tar is passed over.

    Raises:
        DataError: if the tar cannot be read, is compressed or damaged, or is not laid out as lhotse does.
    """
    state = stamp(place)
    name = place.rsplit("/", 1)[-1]
    kept = folder / f"{name}-{hashlib.blake2b(place.encode(), digest_size=6).hexdigest()}.parquet"
    if (items := _load(kept, place, state)) is None:
        items = None if offsets is None else read_indexed_tar(place, offsets)
        if items is None:
            items = scan_tar(place)
        _keep(kept, items, state)
    return items


def scan_tar(place: str) -> list[TarItem]:
    """List the members of a tar from its headers; of the data nothing is read, apart from what an object store sends along.

    Raises:
        DataError: if the tar cannot be read, is compressed or damaged, or is not laid out as lhotse does.
    """
    items: list[TarItem] = []
    try:
        with open_binary(place) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            held: tarfile.TarInfo | None = None
            for info in tar:
                if not info.isfile():
                    raise DataError(f"{place} holds '{info.name}', which is no file; expected the layout of lhotse Shar.")
                if held is None:
                    held = info
                    continue
                items.append(_pair(place, tar, held, info))
                held = None
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise DataError(f"{place} is no whole, uncompressed tar ({error}). Copy it again, or unpack its compression.") from error
    if held is not None:
        raise DataError(f"{place} ends after '{held.name}', whose description is missing; it was cut short. Copy it again.")
    return items


def read_indexed_tar(place: str, index: str) -> list[TarItem] | None:
    """List the members of a tar by lhotse's index of it: the heads of all items are read at once, then all descriptions.

    Returns None, and logs why, where the index does not fit the tar: it is of another state, and the tar itself has to be read.
    """
    try:
        offsets = read_offsets(index, place)
        if offsets is None:
            return None
        whole = file_size(place)
        if offsets[-1] > whole:
            raise DataError(f"it is of {offsets[-1]:,} bytes, the tar has {whole:,}")
        bounds = list(pairwise(offsets.tolist()))
        heads = read_ranges(place, [(first, min(last, first + _HEAD)) for first, last in bounds])
        data = [_info(head, first) for head, (first, _) in zip(heads, bounds, strict=True)]
        begins = [info.offset_data + -(-info.size // 512) * 512 for info in data]
        ends = [min(last, begin + _LONGEST) for begin, (_, last) in zip(begins, bounds, strict=True)]
        texts = read_ranges(place, list(zip(begins, ends, strict=True)))
        items = [_described(place, info, text, begin) for info, text, begin in zip(data, texts, begins, strict=True)]
        # Each item begins where the one before ends, and nothing but zeros is behind the last.
        end = items[-1][1] if items else 0
        follows = [0, *(last for _, last in items)] == [*offsets[:-1].tolist(), end]
        if not follows or whole - end > _LONGEST or any(read_ranges(place, [(end, whole)])[0]):
            raise DataError("the tar holds more")
        return [item for item, _ in items]
    except (DataError, tarfile.TarError, ValueError) as error:
        _log.warning("the index %s does not fit its tar (%s): the tar is read instead", index, error)
        return None


def _info(head: bytes, offset: int) -> tarfile.TarInfo:
    """The member with its header at the beginning of some bytes, and its place in the tar."""
    with tarfile.open(fileobj=BytesIO(head), mode="r:") as tar:
        info = tar.next()
    if info is None or not info.isfile():
        raise tarfile.ReadError(f"no file begins at byte {offset}")
    info.offset_data += offset
    return info


def _described(place: str, data: tarfile.TarInfo, text: bytes, begin: int) -> tuple[TarItem, int]:
    """The item of a member with its description at the beginning of some bytes, and where it ends."""
    about = _info(text, begin)
    key = _checked_key(place, data, about)
    first = about.offset_data - begin
    if len(raw := text[first : first + about.size]) < about.size:
        raise tarfile.ReadError(f"the description of '{data.name}' is cut short")
    described = raw.decode("utf-8") if about.name.endswith(".json") else None
    item = TarItem(key, data.name, TarMember(place, data.offset_data, data.size), described)
    return item, about.offset_data + -(-about.size // 512) * 512


def _checked_key(place: str, data: tarfile.TarInfo, about: tarfile.TarInfo) -> str:
    (key, _, _), (other, _, kind) = data.name.rpartition("."), about.name.rpartition(".")
    if key != other or kind not in ("json", "nometa"):
        raise DataError(f"{place}: '{data.name}' is followed by '{about.name}'; expected its description '{key}.json'.")
    return key


def _pair(place: str, tar: tarfile.TarFile, data: tarfile.TarInfo, about: tarfile.TarInfo) -> TarItem:
    key = _checked_key(place, data, about)
    file = tar.extractfile(about) if about.name.endswith(".json") else None
    described = file.read().decode("utf-8") if file else None
    return TarItem(key, data.name, TarMember(place, data.offset_data, data.size), described)


def _keep(path: Path, items: list[TarItem], state: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "name": pa.array([item.name.encode("utf-8", "surrogateescape") for item in items], pa.binary()),
        "offset": pa.array([item.member.offset for item in items], pa.int64()),
        "size": pa.array([item.member.size for item in items], pa.int64()),
        "described": pa.array([item.described for item in items], pa.string()),
    }
    table = pa.table(columns).replace_schema_metadata({b"format": FORMAT, b"state": state.encode()})
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def _load(path: Path, place: str, state: str) -> list[TarItem] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, use_threads=False)
        about = table.schema.metadata or {}
        if about.get(b"format") != FORMAT or about.get(b"state") != state.encode():
            return None
        rows = zip(*(table.column(name).to_pylist() for name in ("name", "offset", "size", "described")), strict=True)
    except (OSError, KeyError, pa.ArrowException):
        return None  # an index can always be made again
    items = []
    for raw, offset, size, described in rows:
        name = raw.decode("utf-8", "surrogateescape")
        items.append(TarItem(name.rpartition(".")[0], name, TarMember(place, offset, size), described))
    return items
