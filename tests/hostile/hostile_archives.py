"""Archives that climb out of their folder, or grow."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from hostile_case import case

from audiossl.signals.fetching.unpack import unpack

# Archives


def unpack_it(folder: Path) -> None:
    (archive,) = folder.glob("archive*")
    unpack(archive, folder / "unpacked")


def zip_of(*names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "archive.zip", "w") as file:
            for name in names:
                file.writestr(name, "x")

    return make


case("archives", "zip with a path that climbs (`../evil`)", unpack_it)(zip_of("good", "../evil"))
case("archives", "zip with an absolute path", unpack_it)(zip_of("/evil"))
case("archives", "zip with a path of Windows (`C:\\evil`, `..\\evil`)", unpack_it)(zip_of("..\\evil", "C:\\evil"))


def tar_of(**fields: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with tarfile.open(folder / "archive.tar", "w") as file:
            member = tarfile.TarInfo(str(fields.get("name", "evil")))
            for name, value in fields.items():
                setattr(member, name, value)
            file.addfile(member)

    return make


case("archives", "tar with a path that climbs", unpack_it)(tar_of(name="../evil"))
case("archives", "tar with a link out of its folder", unpack_it)(tar_of(name="link", type=tarfile.SYMTYPE, linkname="../../.."))
case("archives", "tar with a hard link to a file of the system", unpack_it)(
    tar_of(name="link", type=tarfile.LNKTYPE, linkname="/etc/passwd")
)
case("archives", "tar with a device", unpack_it)(tar_of(name="null", type=tarfile.CHRTYPE, devmajor=1, devminor=3))


@case("archives", "zip bomb: 0.4 MB that become 0.4 GB", unpack_it)
def _(folder: Path) -> None:
    with (
        zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("zeros", "w", force_zip64=True) as out,
    ):
        for _ in range(400):
            out.write(bytes(2**20))


@case("archives", "tar.gz bomb: 0.4 MB that become 0.4 GB", unpack_it)
def _(folder: Path) -> None:
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("zeros")
        member.size = 400 * 2**20
        file.addfile(member, _Zeros(member.size))


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, size)
        self.left -= size
        return bytes(size)


@case("archives", "zip that is cut", unpack_it)
def _(folder: Path) -> None:
    zip_of("good")(folder)
    (folder / "archive.zip").write_bytes((folder / "archive.zip").read_bytes()[:-20])
