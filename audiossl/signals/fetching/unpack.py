"""Archives into folders, without letting an archive write anywhere else."""

from __future__ import annotations

import errno
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from audiossl.errors import DataError

_ZIP_SUFFIXES = (".zip", ".whl")
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

DAMAGED = (
    zipfile.BadZipFile, tarfile.ReadError, tarfile.HeaderError, EOFError, zlib.error, lzma.LZMAError, OSError,
    ValueError, RuntimeError, NotImplementedError, OverflowError, struct.error,
)  # fmt: skip
MAX_GROWTH, SMALL = 100, 2**28  # bytes that may come of one, and bytes that always may


def is_archive(name: str) -> bool:
    """Say whether a file of this name would be unpacked.

    >>> is_archive("data.tar.gz"), is_archive("data.csv")
    (True, False)
    """
    return name.lower().endswith(_ZIP_SUFFIXES + _TAR_SUFFIXES)


def archive_stem(name: str) -> str:
    """The name of an archive without its suffix; other names as they are."""
    for suffix in sorted(_ZIP_SUFFIXES + _TAR_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file, a wheel or a tar file into `folder`.

    Raises:
        DataError: if the archive is damaged, is of another kind, holds a path or link that leads out of the folder, or becomes
            more than a hundred times as large.

    >>> import zipfile
    >>> with zipfile.ZipFile("data.zip", "w") as archive:
    ...     archive.writestr("a.csv", "t,x")
    >>> unpack(Path("data.zip"), Path("data"))
    >>> Path("data/a.csv").read_text()
    't,x'
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.lower().endswith(_ZIP_SUFFIXES):
            _unpack_zip(archive, folder)
        elif is_archive(archive.name):
            _unpack_tar(archive, folder)
        else:
            raise DataError(f"{archive.name} is not an archive that can be unpacked ({', '.join(_ZIP_SUFFIXES + _TAR_SUFFIXES)})")
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that of a seek to a place that damage names
            raise
        raise DataError(f"{archive.name} is not a whole archive ({error}): remove it and fetch it again") from error


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        for name in files.namelist():  # extractall would quietly store such a file under another name
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise DataError(f"{archive.name} holds the path '{name}', which leads out of its folder: nothing of it is used")
        _check_growth(archive, sum(member.file_size for member in files.infolist()))
        files.extractall(folder)  # which reads no more of a member than its size says


def _unpack_tar(archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise DataError("unpacking tar files safely needs Python 3.11.4 or later: please update Python")
    size = 0

    def admit(member: tarfile.TarInfo, path: str | Path) -> tarfile.TarInfo | None:
        nonlocal size
        size += member.size
        _check_growth(archive, size)
        return tarfile.data_filter(member, str(path))

    with tarfile.open(archive) as files:
        try:
            files.extractall(folder, filter=admit)
        except tarfile.FilterError as error:
            raise DataError(
                f"{archive.name} holds a path or link that leads out of its folder ({error}): it is not used"
            ) from error


def _check_growth(archive: Path, size: int) -> None:
    packed = archive.stat().st_size
    if size > max(MAX_GROWTH * packed, SMALL):
        raise DataError(
            f"{archive.name} has {packed / 1e6:.1f} MB and would become {size / 1e6:,.0f} MB or more, over {MAX_GROWTH} times as "
            "many: it is not unpacked. If you trust it, unpack it by hand and give the folder as data_root"
        )
