"""Work in several processes: the same rows in the same order, and what is said of a worker that cannot be."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.worker_processes import map_by_processes

GROUPS = [[number, number + 1] for number in range(0, 14, 2)]


class Work:
    """Rows that say which process made them."""

    def __call__(self, group: list[int]) -> Iterator[dict[str, Any]]:
        if group[0] < 0:
            raise DataError(f"no good: {group}")
        if group[0] > 100:
            os.kill(os.getpid(), signal.SIGKILL)
        for number in group:
            yield {"id": number, "process": os.getpid()}


class Stubborn(Work):
    """It can be packed, and not be made again."""

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("here only")

    def __getstate__(self) -> dict[str, int]:
        return {"some": 1}


def test_what_cannot_be_copied_is_refused_before_a_process_is_started():
    work = Work()
    work.lock = threading.Lock()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConfigError, match=r"the model cannot be copied to a worker .*lock.*shard"):
        list(map_by_processes(work, GROUPS, 2))


def test_nothing_to_do_starts_no_process():
    assert list(map_by_processes(Work(), [], 2)) == []


@pytest.mark.slow
def test_rows_come_in_the_order_of_groups_from_as_many_processes_as_asked():
    rows = list(map_by_processes(Work(), GROUPS, 2))
    assert [row["id"] for row in rows] == list(range(14))
    assert os.getpid() not in {row["process"] for row in rows}
    assert len({row["process"] for row in rows}) <= 2


@pytest.mark.slow
def test_faults_of_workers_are_told():
    with pytest.raises(StoreError, match=r"a worker ended early .*the same call resumes"):
        list(map_by_processes(Work(), [[0], [101]], 2))
    with pytest.raises(DataError, match=r"no good: \[-1\]"):
        list(map_by_processes(Work(), [[0], [-1]], 2))
    with pytest.raises(ConfigError, match=r"cannot be copied to a worker .*here only"):
        list(map_by_processes(Stubborn(), [[0], [1]], 2))
