"""What a hostile file is, and what comes of opening one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import AudiosslError

MARK = "executed"


class Bomb:
    """Writes a file named `executed` when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {MARK}",)


@dataclass(frozen=True)
class Case:
    """What is opened: `make` writes it below a folder, `open` opens it; `outcome` is "refused" (an error of one line that names
    it), "rejected" (listed in rejected.jsonl, the rest continues) or "read" (harmless as data)."""

    group: str
    name: str
    make: Callable[[Path], object]
    open: Callable[[Path], object]
    outcome: str = "refused"


CASES: list[Case] = []


def case(group: str, name: str, opener: Callable[[Path], object], outcome: str = "refused") -> Callable[..., None]:
    def add(make: Callable[[Path], object]) -> None:
        CASES.append(Case(group, name, make, opener, outcome))

    return add


def outcome_of(one: Case, folder: Path) -> tuple[str, str]:
    """Make and open a case inside `folder`; its outcome and what was said. Errors that are not ours come through."""
    inside = folder / "inside"
    inside.mkdir()
    one.make(inside)
    before = {path for path in folder.rglob("*") if inside not in path.parents}
    with contextlib.chdir(inside):
        try:
            found = one.open(inside)
        except AudiosslError as error:
            found = error
    strays = {path for path in folder.rglob("*") if inside not in path.parents} - before
    assert not strays, f"written outside: {strays}"
    assert not list(folder.rglob(MARK)), "executed"
    if isinstance(found, AudiosslError):
        return "refused", str(found)
    rejected = [json.loads(line)["reason"] for path in folder.rglob("rejected.jsonl") for line in path.read_text().splitlines()]
    return ("rejected", rejected[0]) if rejected else ("read", "")
