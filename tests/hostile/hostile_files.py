"""All hostile files: opens each of them and prints the table of docs/security.md.

python tests/hostile/hostile_files.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hostile_archives  # noqa: F401  # each adds its cases
import hostile_models  # noqa: F401
import hostile_recordings  # noqa: F401
import hostile_stores  # noqa: F401
from hostile_case import CASES, outcome_of


def table() -> Iterator[str]:
    yield "| | what is opened | outcome | seconds | what is said |"
    yield "|---|---|---|---|---|"
    for one in CASES:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            found, said = outcome_of(one, Path(folder))
            said = said.replace(folder, "").replace("/inside", "").replace("|", "\\|").replace("\n", " ").replace("<", "\\<")
            yield f"| {one.group} | {one.name.replace('|', chr(92) + '|')} | {found} | {time.monotonic() - begin:.1f} | {said[:140]} |"


if __name__ == "__main__":
    for row in table():
        print(row)
    sys.exit(0)
