"""Multi-codebook quantisation: ours against the multi-quantization package and ResidualVQ, on the same frames with one thread.

    python tools/bench/mvq.py hama --json mvq-hama.json
    python tools/bench/mvq.py decaying --json mvq-decaying.json
    python tools/bench/mvq.py stream

`hama`: 144-d frames of the asterisk recipe's teacher, 8 codebooks of 256. `decaying`: 1024-d Gaussian frames whose spectrum
follows that of eight stacked hama frames, variance (1 + i / 30)^-2 along axis i; 16 codebooks of 256. Both first train a
quantiser with the reference (two phases, 600 frames a step, its own learning-rate steps) and one with ours, then search codes
for held-out frames with both sets of codebooks. `--keep DIR` saves the trained quantisers, `--codebooks DIR` uses them and
compares searches only, `--own` trains no reference and searches with our codebooks. Each of our searches runs in torch, and
compiled by numba where that can be imported. About 20 minutes for hama, 75 for decaying; 4 and 12 with `--own`. `stream` encodes
a million 1024-d frames and prints the peak memory.

Times are CPU seconds of this process. Ratios hold within a run; do not compare seconds between runs.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import json
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from audiossl.files import write_json
from audiossl.tokens import MultiCodebookQuantizer, ResidualQuantizer, search
from audiossl.tokens.diagnostics import relative_error
from audiossl.tokens.search import compiled_search
from audiossl.tokens.tabu import tabu_search

console = Console(width=150)
RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "asterisk" / "spear.yaml"


@dataclass(frozen=True)
class Setting:
    """What is compared: codebooks, steps of each reference phase, training frames of `decaying`, frames searched."""

    num_codebooks: int
    phase_steps: int
    searched: int
    repeats: int = 3


SETTINGS = {"hama": Setting(8, 1000, 4096), "decaying": Setting(16, 300, 1024)}


def hama_frames(cache: Path) -> tuple[Tensor, Tensor]:
    """Frames of the recipe's teacher for its training and validation prompts, normalised per channel."""
    from audiossl.pipelines.catalogue import run_pipeline
    from audiossl.pipelines.sides import open_split
    from audiossl.pipelines.tokenise.corpus import teacher_frames
    from audiossl.teachers.teacher import TeacherConfig, load_teacher

    run_pipeline(RECIPE, [f"output={cache / 'asterisk'}"], None, "corpus", False)
    teacher = load_teacher(TeacherConfig("hama", layer=2))
    sides = []
    for side in ("train", "valid"):
        corpus = open_split(cache / "asterisk" / "corpus", side)
        clips = [clip for group in teacher_frames(teacher, corpus, corpus.items, side, []) for clip in group.values()]
        frames = torch.cat(clips)
        sides.append(frames[torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))])
    train, valid = sides
    mean, std = train.mean(0), train.std(0)
    return (train - mean) / std, (valid - mean) / std


def decaying_frames(num_frames: int, seed: int, dim: int = 1024) -> Tensor:
    """Gaussian frames with the spectrum of stacked teacher frames, along axes of no meaning that are the same for any seed."""
    axes = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(12345)))[0]
    deviations = 1 / (1 + torch.arange(dim) / 30)
    basis = (deviations / deviations.square().mean().sqrt())[:, None] * axes.T
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([torch.randn(len(b), dim, generator=generator) @ basis for b in torch.arange(num_frames).split(8192)])


def cpu_seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """What work returns, and the CPU time it took."""
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def train_reference(frames: Tensor, setting: Setting) -> Any:
    """Both phases of the reference's trainer."""
    from multi_quantization import QuantizerTrainer

    random.seed(0)
    torch.manual_seed(0)
    steps = setting.phase_steps
    trainer = QuantizerTrainer(frames.shape[1], setting.num_codebooks, torch.device("cpu"), steps, steps)
    first = 0
    while not trainer.done():
        if first + 600 > len(frames):
            first = 0
        trainer.step(frames[first : first + 600])
        first += 600
        if trainer.cur_iter % 100 == 0:
            console.log(f"reference: step {trainer.cur_iter} of {2 * steps}")
    return trainer.get_quantizer()


def reference_error(reference: Any, frames: Tensor, codes: Tensor) -> float:
    """Squared error over squared distance to the mean frame."""
    error = (frames - reference.decode(codes)).square().sum()
    return float(error / (frames - frames.mean(0)).square().sum())


def compare_training(train: Tensor, valid: Tensor, setting: Setting, keep: Path | None) -> tuple[list[dict], Any, Any]:
    """Train both; rows of CPU seconds and of errors on held-out frames, each with its own and with the other's search."""
    reference, spent = cpu_seconds(lambda: train_reference(train, setting))
    size = {"num_codebooks": setting.num_codebooks, "codebook_size": 256, "normalise": False, "progress": False}
    ours, own = cpu_seconds(lambda: MultiCodebookQuantizer.fit(train, **size))
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        torch.save(reference.state_dict(), keep / "reference.pt")
        ours.save(keep / "ours")
    rows = []
    for name, quantiser, seconds in (("reference", _ours_of(reference), spent), ("audiossl", ours, own)):
        by_reference = relative_error(quantiser, valid, quantiser.encode(valid, "exact"))
        by_ours = relative_error(quantiser, valid, quantiser.encode(valid, "default"))
        rows.append({"trainer": name, "cpu_seconds": seconds, "error_exact": by_reference, "error_default": by_ours})
    return rows, reference, ours


def _ours_of(reference: Any) -> MultiCodebookQuantizer:
    return MultiCodebookQuantizer.from_multi_quantization(reference.state_dict())


def _reference_of(ours: MultiCodebookQuantizer) -> Any:
    from multi_quantization import Quantizer

    reference = Quantizer(ours.dim, ours.codebook_size, ours.num_codebooks)
    reference.load_state_dict(ours.to_multi_quantization())
    reference.encode(torch.randn(4, ours.dim), 1)
    return reference


def library_residual(train: Tensor, num_codebooks: int) -> tuple[ResidualQuantizer, Any]:
    """ResidualVQ of vector-quantize-pytorch with codebooks fitted to the frames, and the quantiser that holds them."""
    from vector_quantize_pytorch import ResidualVQ

    fitted = ResidualQuantizer.fit(train[:100_000], num_codebooks, 256, normalise=False, progress=False)
    library = ResidualVQ(dim=train.shape[1], num_quantizers=num_codebooks, codebook_size=256)
    layers: Any = library.layers
    for layer, centers in zip(layers, fitted.centers, strict=True):
        layer._codebook.embed.data.copy_(centers[None])
    return fitted, library.eval()


def in_torch(work: Callable[[], Tensor]) -> Tensor:
    """What work returns where numba is not installed."""
    installed = search.compiled_search
    search.compiled_search = lambda: tabu_search  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return work()
    finally:
        search.compiled_search = installed


def compare_searches(
    codebooks: str, ours: MultiCodebookQuantizer, residual: tuple[ResidualQuantizer, Any], valid: Tensor, setting: Setting
) -> list[dict]:
    """Encode the same frames with every search, in turn, several times."""
    frames = valid[: setting.searched]
    reference = _reference_of(ours)
    fitted, library = residual
    searches: dict[str, Callable[[], Tensor]] = {
        "reference, 1 pass": lambda: reference.encode(frames, 1),
        "reference, 5 passes": lambda: reference.encode(frames, 5),
        "ResidualVQ": lambda: library(frames[None])[1][0],
    }
    for quality in ("fast", "default", "best"):
        searches[f"{quality}, torch"] = lambda quality=quality: in_torch(lambda: ours.encode(frames, quality))
        if compiled_search() is not tabu_search:
            searches[f"{quality}, numba"] = lambda quality=quality: ours.encode(frames, quality)
    searches["exact"] = lambda: ours.encode(frames, "exact")
    ours.encode(frames[:2], "fast")  # numba compiles
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    codes: dict[str, Tensor] = {}
    with torch.no_grad():
        for _ in range(setting.repeats):
            for name, run in searches.items():
                codes[name], spent = cpu_seconds(run)
                seconds[name].append(spent)
    rows = []
    slowest = statistics.median(seconds["reference, 5 passes"])
    for name in searches:
        median = statistics.median(seconds[name])
        quantiser = fitted if name == "ResidualVQ" else ours
        rows.append(
            {
                "codebooks": "its own" if name == "ResidualVQ" else codebooks,
                "search": name,
                "frames_per_second": len(frames) / median,
                "slowest": len(frames) / max(seconds[name]),
                "fastest": len(frames) / min(seconds[name]),
                "times_reference_5": slowest / median,
                "relative_error": relative_error(quantiser, frames, codes[name]),
            }
        )
    same = (codes["exact"].long() == codes["reference, 5 passes"].long()).all(1).float().mean()
    console.print(f"codebooks of {codebooks}: exact equals the reference on {float(same):.2%} of frames")
    return rows


def stream(num_frames: int) -> None:
    """Encode blocks of frames that are made as they are needed, and print the peak memory of the process."""
    quantiser = MultiCodebookQuantizer(1024, 16, 256)
    generator = torch.Generator().manual_seed(0)
    begin, done = time.perf_counter(), 0
    while done < num_frames:
        quantiser.encode(torch.randn(min(10_000, num_frames - done), 1024, generator=generator), "fast")
        done += 10_000
        if done in (10_000, 100_000) or done >= num_frames:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            console.print(f"{done:9,d} frames: peak memory {peak:.2f} GiB, {time.perf_counter() - begin:.0f} s", highlight=False)


def show(title: str, rows: list[dict]) -> None:
    """Print rows as a table."""
    table = Table(title=title)
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(
            *(value if isinstance(value, str) else f"{value:,.0f}" if value > 100 else f"{value:.4g}" for value in row.values())
        )
    console.print(table)


def main() -> None:
    """Parse, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=[*SETTINGS, "stream"])
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    parser.add_argument("--keep", type=Path, help="folder for the trained quantisers")
    parser.add_argument("--codebooks", type=Path, help="folder of an earlier --keep: compare searches only")
    parser.add_argument("--own", action="store_true", help="train no reference: search with our codebooks only")
    parser.add_argument("--cache", type=Path, default=Path("runs/bench"), help="where the corpus of hama frames is built")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.data == "stream":
        stream(1_000_000)
        return
    setting = SETTINGS[options.data]
    if options.data == "hama":
        train, valid = hama_frames(options.cache)
    else:
        train, valid = decaying_frames(200_000, 1), decaying_frames(4096, 2)
    rows: dict[str, Any] = {
        "data": options.data,
        "setting": asdict(setting),
        "torch": torch.__version__,
        "cpu": platform.processor(),
    }
    if options.codebooks:
        state = torch.load(options.codebooks / "reference.pt", weights_only=True)
        trained = {"reference": MultiCodebookQuantizer.from_multi_quantization(state)}
        trained["audiossl"] = MultiCodebookQuantizer.load(options.codebooks / "ours")
    elif options.own:
        size = {"num_codebooks": setting.num_codebooks, "codebook_size": 256, "normalise": False, "progress": False}
        ours, spent = cpu_seconds(lambda: MultiCodebookQuantizer.fit(train, **size))
        rows["training"] = [{"trainer": "audiossl", "cpu_seconds": spent}]
        trained = {"audiossl": ours}
    else:
        rows["training"], reference, ours = compare_training(train, valid[:4096], setting, options.keep)
        show(f"training on {options.data} frames", rows["training"])
        trained = {"reference": _ours_of(reference), "audiossl": ours}
    residual = library_residual(train, setting.num_codebooks)
    rows["searches"] = [row for name, ours in trained.items() for row in compare_searches(name, ours, residual, valid, setting)]
    show(f"searches on {options.data} frames", rows["searches"])
    if options.json:
        write_json(options.json, json.loads(json.dumps(rows)))


if __name__ == "__main__":
    main()
