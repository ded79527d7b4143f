"""Progress on stderr: a bar with the time left on a terminal or in a notebook, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Report = Callable[[str, int, int], None]  # what runs, how much of it is done, and of how much
LOG_SECONDS = 20.0


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def track(items: Iterable[T], title: str, total: int | None = None, *, shown: bool = True) -> Iterator[T]:
    """Iterate over items and show how many are done.

    Args:
        items: what is worked on.
        title: title of the bar, and of lines in a log.
        total: number of items; by default their length, where they have one.
        shown: whether anything is shown.

    >>> list(track("ab", "letters", shown=False))
    ['a', 'b']
    """
    if not shown:
        yield from items
        return
    count = total if total is not None else len(items) if hasattr(items, "__len__") else 0  # pyright: ignore[reportArgumentType]
    with show_progress(title) as report:
        report("", 0, count)
        for done, item in enumerate(items, start=1):
            yield item
            report("", done, count)


@contextmanager
def show_progress(title: str) -> Iterator[Report]:
    """Show what is reported inside the block under a title."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with _bar(title, console) if is_live(console) else _lines(title, console) as report:
        yield report


def is_live(console: Console) -> bool:
    """Whether a console can redraw what it shows, as a terminal and a notebook can."""
    return console.is_terminal or console.is_jupyter


@contextmanager
def _lines(title: str, console: Console) -> Iterator[Report]:
    said = time.monotonic()

    def say(what: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said > LOG_SECONDS:
            said = time.monotonic()
            of = f"/{total}" if total else ""
            console.print("  ".join(filter(None, (title, what, f"{done}{of}"))), soft_wrap=True, markup=False)

    yield say


@contextmanager
def _bar(title: str, console: Console) -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title)
        current = ""

        def draw(what: str, done: int, total: int) -> None:
            nonlocal current
            if what.partition(" ")[0] != current:  # another kind of work: its time left begins anew
                current = what.partition(" ")[0]
                bar.reset(task)
            bar.update(task, description=f"{title}  {what}".rstrip(), completed=done, total=total or None)

        yield draw
