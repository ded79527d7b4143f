"""Read the archive of the game Flight of the Amazon Queen (1995): voice clips, and the dialogue lines that they speak.

A file `queen.1c` as ScummVM packs it, all numbers big-endian: `QTBL`, 6 bytes of version, 2 unused, 1 byte for the compression of
the clips (1: MP3), u16 number of entries; then for each entry a name of 12 bytes, 1 byte for the bundle, u32 offset, u32 size.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import DataError

_HEADER = struct.Struct(">4s6sHBH")
_ENTRY = struct.Struct(">12sBII")
_DIALOGUE_SKIP = 20  # bytes of a container around a dialogue, of which nothing is needed
_HERO_LINES_AT = 32  # the hero's lines follow this header and a table of each level
_LEVEL_SIZE = 96
_COMMAND = re.compile(r"\*XY.{11}|\*.{2}", re.DOTALL)


@dataclass(frozen=True)
class QueenArchive:
    """An opened archive: where each entry lies.

    Attributes:
        path: the archive.
        compression: of the voice clips; 0 none, 1 MP3, 2 Vorbis, 3 FLAC.
        entries: name -> (offset, size) in bytes.
    """

    path: Path
    compression: int
    entries: dict[str, tuple[int, int]]

    @classmethod
    def open(cls, path: Path) -> QueenArchive:
        """Read the table of an archive.

        Raises:
            DataError: if it is no such archive, or ends before its entries do.
        """
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(b"QTBL"):
                raise DataError(f"{path} is not an archive of this game: it begins with {head[:4]!r}, expected b'QTBL'")
            _, _, _, compression, count = _HEADER.unpack(head)
            table = file.read(count * _ENTRY.size)
        if len(table) < count * _ENTRY.size:
            raise DataError(f"{path} is truncated: its table has {len(table) // _ENTRY.size} of {count} entries")
        rows = [(name.split(b"\0")[0].decode("ascii"), offset, size) for name, _, offset, size in _ENTRY.iter_unpack(table)]
        length = path.stat().st_size
        for name, offset, size in rows:
            if offset + size > length:
                raise DataError(f"{path} is truncated: it has {length} bytes, its entry {name} ends at {offset + size}")
        return cls(path, compression, {name: (offset, size) for name, offset, size in rows})

    def names(self, suffix: str) -> list[str]:
        """Names of the entries with a suffix, such as ".SB" for voice clips, sorted."""
        return sorted(name for name in self.entries if name.endswith(suffix))

    def read(self, name: str) -> bytes:
        """Read one entry."""
        offset, size = self.entries[name]
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


@dataclass(frozen=True)
class Dialogue:
    """The lines of one dialogue file.

    Attributes:
        unique_key: number of the dialogue; two files of one person may share it.
        talk_key: number that the names of its clips begin with.
        lines: (who, line number) -> text with commands; who is "J" for the hero and "P" for the other person.
    """

    unique_key: int
    talk_key: int
    lines: dict[tuple[str, int], str]


def read_dialogue(data: bytes, name: str) -> Dialogue:
    """Read a `.DOG` file: the keys, and the lines of both persons.

    Raises:
        DataError: if the file ends before its lines do.
    """
    body = data[_DIALOGUE_SKIP:]
    try:
        levels, unique_key, talk_key, num_hero, num_other = struct.unpack_from(">5h", body)
        (other_at,) = struct.unpack_from(">H", body, 22)
        starts = {"J": (_HERO_LINES_AT + _LEVEL_SIZE * abs(levels), num_hero), "P": (other_at, num_other)}
        lines: dict[tuple[str, int], str] = {}
        for who, (start, count) in starts.items():
            for number, text in _lines(body, start, count):
                lines.setdefault((who, number), text)  # the game says the first of equal numbers
    except (struct.error, IndexError) as error:
        raise DataError(f"the dialogue {name} is truncated: its {len(body)} bytes end before its lines do") from error
    return Dialogue(unique_key, talk_key, lines)


def _lines(body: bytes, position: int, count: int) -> Iterator[tuple[int, str]]:
    """Yield (number, text): 2 unused bytes, the number, a length byte, the text, padded to a multiple of 4."""
    for _ in range(count):
        number, length = struct.unpack_from(">2xhB", body, position)
        text = body[position + 5 : position + 5 + length]
        if len(text) < length:
            raise IndexError(position)
        yield number, text.decode("cp437")
        position += 5 + length
        position += -position % 4


def split_segments(text: str) -> list[str]:
    """Cut a line at its commands (`*NN`, `*FL`, `*XY00(128,112)`, ...) into the segments that are spoken one clip each.

    A segment may be empty: it has no clip, and is counted all the same.
    """
    *segments, rest = _COMMAND.split(text)
    return [" ".join(segment.split()) for segment in [*segments, *([rest] if rest else [])]]


def clip_text(dialogue: Dialogue, clip: str) -> str | None:
    """Find what a clip of this dialogue says; None if it is not known.

    `KKIIIIWS.SB` is segment S of line I (both hexadecimal, segments from 1) of person W, in the dialogue with talk key K.
    """
    match = re.fullmatch(r"\d\d([0-9A-F]{4})([JP])([0-9A-F]+)\.SB", clip)
    if match is None:
        return None
    segments = split_segments(dialogue.lines.get((match[2], int(match[1], 16)), ""))
    place = int(match[3], 16) - 1
    return (segments[place] or None) if 0 <= place < len(segments) else None
