"""Where a result comes from: versions, commit, and digests of files that can be checked later."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from audiossl.stamps import digest
from audiossl.version import __version__


def versions() -> dict[str, str | None]:
    """Versions of audiossl, torch and Python, and the git commit of audiossl, marked `+` if files differ from it."""
    return {
        "audiossl": __version__,
        "commit": _commit(),
        "torch": metadata.version("torch"),
        "python": platform.python_version(),
    }


def folder_digests(folder: Path, leave_out: frozenset[str] = frozenset()) -> dict[str, str]:
    """BLAKE2 digest of every file below a folder, by its path there; links count as what they lead to.

    Args:
        folder: folder to be read.
        leave_out: names, directly in the folder, that are not listed.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files}
    return {name: digest(path) for path, name in names.items() if name not in leave_out}


def differences(found: Mapping[str, str], recorded: Mapping[str, str]) -> list[str]:
    """How a folder's digests differ from those that were recorded, a line for each file."""
    lines = [f"{name} is missing" for name in recorded if name not in found]
    lines += [f"{name} has changed" for name in recorded if name in found and found[name] != recorded[name]]
    return lines + [f"{name} was not there" for name in found if name not in recorded]


@cache
def _commit() -> str | None:
    """The commit of the clone that this package lies in; None where it is installed without one."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10).stdout

    try:
        commit, changed = git("rev-parse", "HEAD").strip(), git("status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")
