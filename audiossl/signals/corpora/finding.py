"""Find the recordings in folders; what looks like one and cannot be taken is listed with its reason, never passed over."""

from __future__ import annotations

import glob
import itertools
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from mimetypes import MimeTypes
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.files import path_text
from audiossl.signals.audio import open_decoder

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in "wav flac ogg oga opus mp3 m4a mp4 aac webm aif aiff aifc au caf sph w64 wma amr g722 mkv mov".split()  # noqa: SIM905
)
HEADERLESS = frozenset({".pcm", ".raw", ".ulaw", ".alaw", ".vox"})
OTHER_DATA = frozenset(  # of other kinds than sound, which lie next to recordings and have no type of their own
    f".{name}"
    for name in (  # noqa: SIM905
        "npy npz pt pth ckpt safetensors onnx pkl pickle parquet arrow feather tfrecord lmdb mdb db sqlite idx idxpack hdf5 mat "
        "edf bdf nii ark lc llc fif gz bz2 xz zst lz4 rar so dll pyc"
    ).split()
)
_TYPES = MimeTypes()  # Python's own table; that of the machine would find other files on other machines
_HEAD = 512  # bytes that distinguish text from other files

Row = dict[str, str]


@dataclass
class Found:
    """What lies in a folder: recordings in order of their names, and what was left out with the reason."""

    files: list[Path] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def find_recordings(folder: Path) -> Found:
    """Find the recordings below a folder; hidden files and folders are not looked at.

    A file is a recording by its suffix (audio or video) or, with a suffix that says nothing, if a decoder finds audio in it.
    Linked folders are entered after all others, each folder once. What is left out is listed: a link to a folder that was entered
    under another name, though not one that only leads back to where it lies; broken links, folders that may not be read,
    headerless audio, and files whose suffix says nothing and in which no decoder finds audio, as a damaged one of a rare format.
    Text, images and data of other known kinds are not listed.
    """
    found = Found()
    entered: set[str] = set()
    links: list[Path] = []
    _enter(folder, found, entered, links)
    while links:
        link = links.pop(0)
        real = os.path.realpath(link)
        around = [place for place in link.parents if place.is_relative_to(folder)]
        if any(os.path.realpath(place) == real for place in around):
            continue  # a loop, by which nothing is lost
        if real in entered:
            found.left_out.append((link, f"it links to {real}; its recordings were found under another name"))
        else:
            _enter(link, found, entered, links)
    found.files.sort()
    found.left_out.sort()
    return found


def _enter(folder: Path, found: Found, entered: set[str], links: list[Path]) -> None:
    """Look at a folder and the folders in it; links to folders are put off, so that real names come before linked ones."""
    waiting = [folder]
    while waiting:
        place = waiting.pop(0)
        real = os.path.realpath(place)
        if real in entered:  # a link to a folder in here came first
            continue
        entered.add(real)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            found.left_out.append((place, f"the folder cannot be read ({error.strerror})"))
            continue
        for entry in entries:
            path = place / entry.name
            if entry.name.startswith("."):
                continue
            if path.is_dir():  # of a link to itself, entry.is_dir() raises
                (links if entry.is_symlink() else waiting).append(path)
            else:
                _look_at(path, found)


def _look_at(path: Path, found: Found) -> None:
    suffix = path.suffix.lower()
    kind = (_TYPES.guess_type(path.name.lower(), strict=False)[0] or "").partition("/")[0]
    named_audio = suffix in AUDIO_SUFFIXES or kind in ("audio", "video")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if named_audio or not kind:
            target = f" to {path.readlink()}" if path.is_symlink() else ""
            found.left_out.append((path, f"a link{target} that leads nowhere" if target else f"unreadable ({error.strerror})"))
        return
    if not stat.S_ISREG(mode):
        if named_audio:
            found.left_out.append((path, "neither a file nor a folder"))
    elif suffix in HEADERLESS:
        reason = "headerless audio, of which nobody knows rate and encoding: convert it to WAV or FLAC"
        found.left_out.append((path, reason))
    elif _is_recording(path, suffix, kind):
        found.files.append(path)
    elif not kind and suffix not in OTHER_DATA and path.stat().st_size and not is_text(path):
        found.left_out.append((path, "its suffix says nothing, and no decoder finds audio in it"))


def _is_recording(path: Path, suffix: str, kind: str) -> bool:
    if suffix in AUDIO_SUFFIXES:
        return True
    if kind in ("audio", "video"):
        return not is_text(path)  # as playlists are, and code (.ts)
    return kind not in ("text", "image") and holds_audio(path)


def holds_audio(path: Path) -> bool:
    """Tell whether a decoder finds audio in a file, whatever its name; text is not tried."""
    try:
        if path.stat().st_size == 0 or is_text(path):
            return False
        with open_decoder(path) as decoder:
            block = next(iter(decoder.blocks(0)), None)
            return block is not None and len(block) > 0
    except Exception:  # whatever a library says of a file that is none of its own
        return False


def is_text(path: Path) -> bool:
    """Tell whether a file begins as UTF-8 text does; one that cannot be read is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else the end of what was read goes through a character
            return False
        text = head[: error.start].decode()
    return not any(ord(character) < 32 and character not in "\t\n\r\f\v\x1b" for character in text)


def has_wildcards(path: Path) -> bool:
    """Tell whether a path is a pattern, such as `calls/**/*.wav`."""
    return glob.has_magic(str(path))


def in_front_of_wildcards(pattern: Path) -> Path:
    """The folder in front of the first wildcard of a pattern."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))


def find_matches(pattern: Path) -> tuple[Path, list[Path]]:
    """Find what a pattern matches, in order; and the folder in front of its first wildcard."""
    base = in_front_of_wildcards(pattern)
    return base, sorted(base.glob(str(pattern.relative_to(base))))


def name_files(root: Path, files: Sequence[Path] | None = None) -> tuple[dict[str, Path], list[Row]]:
    """Name the recordings at a path after the folder they were found in, and list what was left out, for `rejected.jsonl`.

    With the folder `data/en`, the file `data/en/sub/a.wav` is `en/sub/a.wav`; the file `data/en/b.wav` given by itself is
    `en/b.wav`, whatever its suffix.

    Args:
        root: folder or file.
        files: files of the folder; by default it is searched.

    Raises:
        ConfigError: if there is nothing at the path, or nothing that looks like a recording in the folder.
    """
    if not root.exists():
        raise ConfigError(f"expected a file or folder, found nothing at {root}")
    given = [root] if files is None else files
    found = find_recordings(root) if files is None and root.is_dir() else Found(list(given))
    if given and not found.files and not found.left_out:
        raise ConfigError(
            f"expected recordings (by their suffix, such as .wav, .flac and .mp3, or by their content), found none in {root}"
        )
    folder = root if root.is_dir() else root.parent
    # A relative path, "." too, is named as the folder is called.
    name_of = Path(folder.resolve().name)
    named: dict[str, Path] = {}
    rejected: list[Row] = []
    for file, reason in [*((file, "") for file in found.files), *found.left_out]:
        item_id = (name_of / file.relative_to(folder)).as_posix()
        if str(file).encode(errors="backslashreplace").decode() != str(file):
            item_id = item_id.encode(errors="backslashreplace").decode()
            reason = reason or "its path is not UTF-8: rename it"
        if reason:
            rejected.append({"id": item_id, "path": path_text(file), "reason": reason.encode(errors="backslashreplace").decode()})
        else:
            named[item_id] = file
    return named, rejected
