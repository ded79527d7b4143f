"""Write archives of Flight of the Amazon Queen in their true layout, for tests."""

from __future__ import annotations

import struct
from pathlib import Path


def pack_lines(lines: list[tuple[int, str]]) -> bytes:
    packed = b""
    for number, text in lines:
        line = struct.pack(">2xhB", number, len(text)) + text.encode("cp437")
        packed += line + bytes(-len(line) % 4)
    return packed


def pack_dialogue(
    talk_key: int, hero: list[tuple[int, str]], other: list[tuple[int, str]], levels: int = 1, unique_key: int | None = None
) -> bytes:
    """A `.DOG` entry. A negative number of levels marks a dialogue that cannot be left, as in the game."""
    table = bytes(96 * abs(levels))
    hero_lines = pack_lines(hero)
    key = talk_key if unique_key is None else unique_key
    header = struct.pack(">5h", levels, key, talk_key, len(hero), len(other)) + bytes(12)
    header += struct.pack(">H", 32 + len(table) + len(hero_lines))
    return b"AmBk".ljust(20, b" ") + header.ljust(32, b"\0") + table + hero_lines + pack_lines(other)


def write_archive(path: Path, entries: dict[str, bytes], magic: bytes = b"QTBL") -> Path:
    head = struct.pack(">4s6sHBH", magic, b"CEM10\0", 0, 1, len(entries))
    offset, table = len(head) + 21 * len(entries), b""
    for name, data in entries.items():
        table += struct.pack(">12sBII", name.encode("ascii"), 1, offset, len(data))
        offset += len(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + table + b"".join(entries.values()))
    return path
