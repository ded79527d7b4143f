"""How the threads of torch wait for each other: asleep, so that other programs may run."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SPINS = "1000"  # some microseconds: most of the speed of spinning on quiet cores, see docs/benchmarks.md


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP's threads sleep after a short spin instead of spinning for milliseconds, which starves any other process.

    Only what is called before torch is imported takes effect, here and in child processes; variables that the user set stay as
    they are. Every command, the tests and the benchmarks begin with it. A program of your own can call it first as well, or set
    OMP_WAIT_POLICY=PASSIVE and GOMP_SPINCOUNT=1000.

    Args:
        environment: variables that are changed.

    >>> variables = {"OMP_WAIT_POLICY": "ACTIVE"}
    >>> wait_passively(variables)
    >>> variables
    {'OMP_WAIT_POLICY': 'ACTIVE'}
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
