"""Frames of long files in windows against those of the whole file, by length of the file, window and context.

    python tools/bench/long_audio.py --run runs/asterisk                         # its student, on its test recordings in a row
    python tools/bench/long_audio.py --run runs/asterisk --models base large --seconds 60 --json long.json

A long file is recordings of the run one after the other, drawn again where they do not suffice, each at a place where the grid
of frames begins anew; without `--run` it is noise. `student` is the trained encoder of the run; names of presets are Zipformers
with random weights, whose attention is nearly even, so that they say little of trained ones.

"Error" is the norm of the difference over the norm of the whole file's frames without their mean; "cosine" is the mean over
frames, without that mean as well; "near joins" is the error of frames within a second of where two windows meet. "Next to the
recordings alone" compares the frames of each recording with those that it gets in a file of its own, as in training: once for
the whole file, once in windows. A file that does not fit into memory in one piece is left out, and the reason is printed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import audiossl
from audiossl.embedding.embedder import Embedder
from audiossl.embedding.windows import grid_step
from audiossl.errors import DataError
from audiossl.files import write_json
from audiossl.models import Zipformer
from audiossl.models.encoder import Encoder
from audiossl.pipelines.sides import open_split

console = Console(width=140)
JOIN_SECONDS = 1.0


@dataclass
class LongFile:
    """Recordings in a row.

    Attributes:
        signal: all of it, (S,).
        parts: first sample and signal of each recording.
    """

    signal: Tensor
    parts: list[tuple[int, Tensor]]

    @classmethod
    def join(cls, recordings: list[Tensor], seconds: float, encoder: Encoder) -> LongFile:
        """Put recordings at multiples of the encoder's step of frames until the file is long enough."""
        step, size = grid_step(encoder), round(seconds * encoder.sample_rate)
        signal, parts, first, count = torch.zeros(size), [], 0, 0
        while first < size:
            recording = recordings[count % len(recordings)][: size - first]
            if len(recording) >= encoder.min_samples:
                parts.append((first, recording))
            signal[first : first + len(recording)] = recording
            first, count = first + -(-len(recording) // step) * step, count + 1
        return cls(signal, parts)


def recordings_of(run: Path | None, seconds: float) -> list[Tensor]:
    """Recordings of the test side of a run in an order of no meaning; one of noise without a run."""
    generator = torch.Generator().manual_seed(0)
    if run is None:
        return [0.1 * torch.randn(round(seconds * 16000), generator=generator)]
    corpus = open_split(run / "corpus", "test")
    order = torch.randperm(len(corpus.items), generator=generator).tolist()
    found: list[Tensor] = []
    while order and sum(map(len, found)) < seconds * 16000:
        found.append(corpus.read(corpus.items[order.pop()]))
    return found


def encoder_of(name: str, run: Path | None) -> Any:
    """The student of a run, or a preset with random weights."""
    if name == "student":
        if run is None:
            raise SystemExit("the student is that of a run: give --run")
        return audiossl.load(run).encoder
    torch.manual_seed(0)
    return Zipformer.from_preset(name).eval()


def difference(frames: Tensor, whole: Tensor) -> tuple[float, float]:
    """Relative error, and mean cosine, of frames without the mean frame of the whole file."""
    mean = whole.mean(0)
    cosine = torch.cosine_similarity(frames - mean, whole - mean, dim=1).mean()
    return float((frames - whole).norm() / (whole - mean).norm()), float(cosine)


def near_joins(embedder: Embedder, times: Tensor, num_samples: int) -> Tensor:
    """Mark frames within a second of a place where two windows meet."""
    plan = embedder.plan
    joins = torch.arange(plan.window - plan.context, num_samples - plan.context, plan.hop) / embedder.sample_rate
    return (times[:, None] - joins[None]).abs().amin(1) <= JOIN_SECONDS


def alone_error(embedder: Embedder, file: LongFile, frames: Tensor, recordings: list[Tensor]) -> float:
    """Relative error of the frames of each recording in the file against those of the recording by itself."""
    mine, theirs = [], []
    for (first, _), alone in zip(file.parts, recordings, strict=True):
        start = round(first / embedder.sample_rate * embedder.last_frame_rate)
        mine.append(frames[start : start + len(alone)])
        theirs.append(alone[: len(mine[-1])])
    return difference(torch.cat(mine), torch.cat(theirs))[0]


def compare(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one model."""
    encoder, rows = encoder_of(name, options.run), []
    for seconds in options.seconds:
        file = LongFile.join(recordings_of(options.run, seconds), seconds, encoder)
        whole_embedder = Embedder(encoder, name, window_seconds=None)
        begin = time.process_time()
        try:
            whole = whole_embedder.embed(file.signal)
        except DataError as error:
            console.print(f"{name}, {seconds:g} s: {error}")
            continue
        spent = time.process_time() - begin
        alone = [one.frames for one in whole_embedder.embed([part for _, part in file.parts])] if options.run else []
        about = {"model": name, "seconds": seconds}
        to_alone = alone_error(whole_embedder, file, whole.frames, alone) if alone else None
        rows.append({**about, "window": None, "context": None, "error": 0.0, "cosine": 1.0, "near_joins": None})
        rows[-1] |= {"to_alone": to_alone, "cpu_seconds": spent}
        for window in options.windows:
            for context in options.contexts:
                if window >= seconds or window <= 2 * context:
                    continue
                embedder = Embedder(encoder, name, window, context)
                begin = time.process_time()
                found = embedder.embed(file.signal)
                spent = time.process_time() - begin
                assert torch.equal(found.times, whole.times)
                error, cosine = difference(found.frames, whole.frames)
                near = near_joins(embedder, found.times, len(file.signal))
                joins = float((found.frames - whole.frames)[near].norm() / (whole.frames - whole.frames.mean(0))[near].norm())
                to_alone = alone_error(embedder, file, found.frames, alone) if alone else None
                rows.append({**about, "window": window, "context": context, "error": error, "cosine": cosine})
                rows[-1] |= {"near_joins": joins, "to_alone": to_alone, "cpu_seconds": spent}
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    table = Table(title="frames in windows against frames of the whole file")
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="left" if column == "model" else "right")
    for row in rows:
        window = {"window": "whole"} if row["window"] is None else {}
        cells = (
            "" if value is None else value if isinstance(value, str) else f"{value:.3g}" for value in {**row, **window}.values()
        )
        table.add_row(*cells)
    console.print(table)


def main(arguments: list[str] | None = None) -> None:
    """Parse, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="finished run of a SPEAR recipe")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="student, tiny, base, large, xlarge; student by default")
    parser.add_argument("--seconds", nargs="+", type=float, default=[30.0, 60.0, 300.0], metavar="S", help="lengths of the files")
    parser.add_argument("--windows", nargs="+", type=float, default=[30.0], metavar="S")
    parser.add_argument("--contexts", nargs="+", type=float, default=[1.0, 2.0, 4.0, 8.0], metavar="S")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = [row for name in options.models or ["student" if options.run else "tiny"] for row in compare(name, options)]
    if rows:
        show(rows)
    if options.json:
        write_json(options.json, {"torch": torch.__version__, "rows": rows})


if __name__ == "__main__":
    main()
