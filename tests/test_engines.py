"""The same rows from either engine; a worker of Ray that is killed changes nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiossl.engines import map_groups
from audiossl.errors import ConfigError

GROUPS = [[f"é{i}\n", str(i)] for i in range(6)]


class Work:
    """Rows with text, a number and an array of changing length; the first call on group 3 kills its process if it may."""

    def __init__(self, mark: Path | None = None) -> None:
        self.mark = mark

    def __call__(self, group: list[str]) -> Iterator[dict[str, Any]]:
        for place, name in enumerate(group):
            if name == "3" and self.mark is not None and not self.mark.exists():
                self.mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield {"id": name, "seconds": place / 3, "frames": np.full((2, len(name) + place, 3), place, np.float32)}


def test_rows_come_in_the_order_of_groups():
    rows = list(map_groups(Work(), GROUPS))
    assert [row["id"] for row in rows] == [name for group in GROUPS for name in group]


@pytest.mark.parametrize(("engine", "workers"), [("local", 0), ("ray", 0)])
def test_engines_and_workers_that_do_not_exist(engine, workers):
    with pytest.raises(ConfigError, match="expected engine local or ray with at least 1 worker"):
        list(map_groups(Work(), GROUPS, engine, workers))


@pytest.mark.slow
def test_ray_gives_the_same_rows_and_does_the_group_of_a_killed_worker_again(tmp_path):
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test
    mark = tmp_path / "killed"
    rows = list(map_groups(Work(mark), GROUPS, "ray", 2))
    assert mark.exists()
    for row, expected in zip(rows, map_groups(Work(), GROUPS), strict=True):
        assert (row["id"], row["seconds"]) == (expected["id"], expected["seconds"])
        assert row["frames"].dtype == np.float32 and np.array_equal(row["frames"], expected["frames"])
    assert list(map_groups(Work(), [], "ray", 2)) == []
