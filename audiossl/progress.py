"""Progress on stderr: a bar with the time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

Report = Callable[[str, int, int], None]  # what runs, how much of it is done, and of how much
LOG_SECONDS = 20.0


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


@contextmanager
def show_progress(title: str) -> Iterator[Report]:
    """Show what is reported inside the block under a title."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty():
        said = time.monotonic()

        def say(what: str, done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - said > LOG_SECONDS:
                said = time.monotonic()
                console.print(f"{title}  {what}  {done}/{total}", soft_wrap=True)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title)
        current = ""

        def draw(what: str, done: int, total: int) -> None:
            nonlocal current
            if what.partition(" ")[0] != current:  # another kind of work: its time left begins anew
                current = what.partition(" ")[0]
                bar.reset(task)
            bar.update(task, description=f"{title}  {what}", completed=done, total=total)

        yield draw
