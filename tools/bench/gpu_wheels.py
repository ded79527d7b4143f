"""The wheels that `tools/bench/gpu.py` needs on a bare machine, a requirement a line, for pip; needs nothing but Python.

    python tools/bench/gpu_wheels.py > wheels.txt
    pip download -r wheels.txt --dest wheels --only-binary :all: --python-version 3.12 --platform manylinux_2_28_x86_64
    pip install --no-index --find-links wheels -r wheels.txt           # on the bare machine; audiossl runs from its clone
    python tools/bench/gpu_wheels.py --missing                         # on the machine: what it lacks of them

The lines are those of `pyproject.toml`: what audiossl itself needs, and of its extras what the parts compare with. The torch of
PyPI for Linux is a build for CUDA, and brings the libraries of CUDA as wheels.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
EXTRAS = ("hf", "fast")  # transformers; compiled searches, where there is such an extra
FROM_TEST = ("torch", "multi-quantization")


def name_of(line: str) -> str:
    """Name of the package of a requirement.

    >>> name_of("ray[data]>=2.40")
    'ray'
    """
    match = re.match(r"[A-Za-z0-9._-]+", line)
    assert match is not None, line
    return match.group().lower()


def requirements(project: Path = PROJECT) -> list[str]:
    """Requirements by package, sorted; of several for one package the last, so that a pinned torch takes the place of a bound."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = table["optional-dependencies"]
    lines = [*table["dependencies"], *(line for extra in EXTRAS for line in extras.get(extra, ()))]
    lines += [line for line in extras["test"] if name_of(line) in FROM_TEST]
    return [line for _, line in sorted({name_of(line): line for line in lines}.items())]


def is_missing(line: str) -> bool:
    """Whether the package of a requirement is not installed, in any version."""
    try:
        metadata.version(name_of(line))
    except metadata.PackageNotFoundError:
        return True
    return False


def main(arguments: list[str] | None = None) -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="only packages that are not installed here")
    options = parser.parse_args(arguments)
    for line in requirements():
        if not options.missing or is_missing(line):
            print(line)


if __name__ == "__main__":
    main()
