"""What is printed: remarks of a run, and tables."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

console = Console(stderr=True, highlight=False)  # of remarks; stdout is for results


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table, by default to stdout: on a terminal as wide as that, in a file or pipe as wide as the table."""
    console = console or Console()
    if not console.is_terminal:
        console.width = max(Measurement.get(console, console.options.update(max_width=10_000), table).maximum, 20)
    console.print(table)
