"""What a run tells: metrics.jsonl, skipped.jsonl, TensorBoard if installed, a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from audiossl.files import parse_json, write_jsonl


class RunLog:
    """Writes rows of metrics and shows progress; a context manager.

    Args:
        folder: where `metrics.jsonl`, `skipped.jsonl` and TensorBoard events go.
        total_steps: last step of the run.
        first_step: step that the run resumes from; rows beyond it belong to a lost future and are dropped.
        seconds: time between plain lines.
        tensorboard: write TensorBoard events too, if it is installed.
        enabled: False on all ranks but the first: nothing is written or shown.
        quiet: show no progress; what matters is still said.
    """

    def __init__(
        self,
        folder: Path,
        total_steps: int,
        first_step: int = 0,
        seconds: float = 10.0,
        tensorboard: bool = True,
        enabled: bool = True,
        quiet: bool = False,
    ) -> None:
        self.quiet = quiet
        self.path, self.skipped = folder / "metrics.jsonl", folder / "skipped.jsonl"
        self.total_steps, self.first_step = total_steps, first_step
        self.seconds, self.enabled = seconds, enabled
        self._started = self._last_line = time.monotonic()
        self._bar: Any = None
        self._events: Any = None
        if not enabled:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for path in (self.path, self.skipped):
            if path.exists() or path == self.path:
                write_jsonl(path, [row for row in _read_rows(path) if row["step"] <= first_step])
        self._events = _open_tensorboard(folder / "tensorboard", first_step) if tensorboard else None
        if sys.stderr.isatty() and not quiet:
            self._bar = _open_bar(total_steps, first_step)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Append a row; numbers that are not finite are written as null."""
        if not self.enabled:
            return
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "split": split, **finite}) + "\n")
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(f"{split}/{name}", value, step)

    def skip(self, step: int, reason: str, items: Sequence[str]) -> None:
        """Say that items of a step, or all of it, were left out, and list them in skipped.jsonl."""
        shown = ", ".join(items[:5]) + (" ..." if len(items) > 5 else "")
        self.message(f"step {step}: {reason} (items {shown})")
        if self.enabled:
            with self.skipped.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "reason": reason, "items": list(items)}, ensure_ascii=False) + "\n")

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        """Show how far the run is; a plain line at most every `seconds`, and at the last step."""
        if not self.enabled or self.quiet:
            return
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, note=_describe(values))
            return
        now = time.monotonic()
        if now - self._last_line >= self.seconds or step >= self.total_steps:
            self._last_line = now
            left = (now - self._started) * (self.total_steps - step) / max(1, step - self.first_step)
            print(f"step {step}/{self.total_steps}  {_describe(values)}  {_duration(left)} left", file=sys.stderr, flush=True)

    def message(self, text: str) -> None:
        """Say something that matters now."""
        if self.enabled:
            print(text, file=sys.stderr, flush=True) if self._bar is None else self._bar.console.print(text, highlight=False)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._events is not None:
            self._events.close()


def _describe(values: Mapping[str, float]) -> str:
    """The values worth a place on one line."""
    shown = {name: value for name, value in values.items() if name == "loss" or name.endswith("accuracy_masked")}
    text = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
    return f"{text}  {values['seconds_per_second']:.0f} s/s" if "seconds_per_second" in values else text


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a log whose last line may be torn by a kill."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []:
        try:
            rows.append(parse_json(line))
        except ValueError:
            break
    return rows


def _open_tensorboard(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first_step + 1)


def _open_bar(total_steps: int, first_step: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    bar.add_task("train", total=total_steps, completed=first_step, note="")
    bar.start()
    return bar
