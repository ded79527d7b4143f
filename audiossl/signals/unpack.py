"""Archives into folders, without letting an archive write anywhere else."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from audiossl.errors import DataError

_ZIP_SUFFIXES = (".zip", ".whl")
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(name: str) -> bool:
    """Say whether a file of this name would be unpacked."""
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
        DataError: if the archive is damaged, is of another kind, or holds a path or link that leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.lower().endswith(_ZIP_SUFFIXES):
            _unpack_zip(archive, folder)
        elif is_archive(archive.name):
            _unpack_tar(archive, folder)
        else:
            raise DataError(f"{archive.name} is not an archive that can be unpacked ({', '.join(_ZIP_SUFFIXES + _TAR_SUFFIXES)})")
    except (zipfile.BadZipFile, tarfile.ReadError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        raise DataError(f"{archive.name} is not a whole archive ({error}): remove it and fetch it again") from error


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        for name in files.namelist():  # extractall would quietly store such a file under another name
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise DataError(f"{archive.name} holds the path '{name}', which leads out of its folder: nothing of it is used")
        files.extractall(folder)


def _unpack_tar(archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise DataError("unpacking tar files safely needs Python 3.11.4 or later: please update Python")
    with tarfile.open(archive) as files:
        try:
            files.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise DataError(
                f"{archive.name} holds a path or link that leads out of its folder ({error}): it is not used"
            ) from error
