"""Multi-codebook quantisation: ours against the multi-quantization package and ResidualVQ, on the same frames with one thread.

    python tools/bench/mvq.py hama --json mvq-hama.json
    python tools/bench/mvq.py decaying --json mvq-decaying.json
    python tools/bench/mvq.py stream

`hama`: 144-d frames of the asterisk recipe's teacher, 8 codebooks of 256. `decaying`: 1024-d Gaussian frames whose spectrum
follows that of eight stacked hama frames, variance (1 + i / 30)^-2 along axis i; 16 codebooks of 256. Both first train a
quantiser with the reference (two phases, 600 frames a step, its own learning-rate steps) and one with ours, then search codes
for held-out frames with both sets of codebooks. `--keep DIR` saves the trained quantisers, `--codebooks DIR` uses them and
compares searches only; `--only-ours` trains ours alone, since the reference takes most of the time. `stream` encodes a million
1024-d frames and prints the peak memory.

Ours are searched twice, by torch and by numba, which find the same codes. Times are CPU seconds of this process; on another
device (`--device cuda`) seconds that pass until it is idle. Ratios hold within a run; do not compare seconds between runs.
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from audiossl.files import write_json
from audiossl.tokens import MultiCodebookQuantizer, ResidualQuantizer
from audiossl.tokens.diagnostics import relative_error
from audiossl.tokens.search import without_numba

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


def seconds_of(work: Callable[[], Any], device: str = "cpu") -> tuple[Any, float]:
    """What work returns, and the time it took: CPU time, or on another device the time until it is idle."""
    if device == "cpu":
        begin = time.process_time()
        result = work()
        return result, time.process_time() - begin
    torch.cuda.synchronize(device)
    begin = time.perf_counter()
    result = work()
    torch.cuda.synchronize(device)
    return result, time.perf_counter() - begin


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


def train_ours(frames: Tensor, setting: Setting, steps: int | None = None) -> MultiCodebookQuantizer:
    """Ours, on the same terms: the frames are normalised already."""
    return MultiCodebookQuantizer.fit(frames, setting.num_codebooks, 256, normalise=False, steps=steps, progress=False)


def reference_error(reference: Any, frames: Tensor, codes: Tensor) -> float:
    """Squared error over squared distance to the mean frame."""
    error = (frames - reference.decode(codes)).square().sum()
    return float(error / (frames - frames.mean(0)).square().sum())


def compare_training(train: Tensor, valid: Tensor, setting: Setting, keep: Path | None) -> tuple[list[dict], Any, Any]:
    """Train both; rows of CPU seconds and of errors on held-out frames, each with its own and with the other's search."""
    reference, spent = seconds_of(lambda: train_reference(train, setting))
    ours, own = seconds_of(lambda: train_ours(train, setting))
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


def compare_searches(
    codebooks: str,
    ours: MultiCodebookQuantizer,
    residual: tuple[ResidualQuantizer, Any],
    valid: Tensor,
    setting: Setting,
    device: str = "cpu",
) -> list[dict]:
    """Encode the same frames with every search, in turn, several times."""
    frames = valid[: setting.searched].to(device)
    reference = _reference_of(ours).to(device)
    fitted, library = residual[0], residual[1].to(device)
    ours = ours.to(device)
    searches: dict[str, Callable[[], Tensor]] = {
        "reference, 1 pass": lambda: reference.encode(frames, 1),
        "reference, 5 passes": lambda: reference.encode(frames, 5),
        "ResidualVQ": lambda: library(frames[None])[1][0],
    }
    for quality in ("fast", "default", "best"):
        searches[f"{quality}, torch"] = lambda quality=quality: _encode_by_torch(ours, frames, quality)
        if device == "cpu" and find_spec("numba"):
            searches[f"{quality}, numba"] = lambda quality=quality: ours.encode(frames, quality)
    searches["exact"] = lambda: ours.encode(frames, "exact")
    for quality in ("fast", "default"):  # tables are made and kernels compiled
        ours.encode(frames[:600], quality)
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    codes: dict[str, Tensor] = {}
    with torch.no_grad():
        for _ in range(setting.repeats):
            for name, search in searches.items():
                codes[name], spent = seconds_of(search, device)
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
                "relative_error": relative_error(quantiser.cpu(), frames.cpu(), codes[name].cpu()),
            }
        )
    same = (codes["exact"].cpu().long() == codes["reference, 5 passes"].cpu().long()).all(1).float().mean()
    for name in [name for name in codes if name.endswith(", numba")]:
        if not torch.equal(codes[name], codes[name.replace("numba", "torch")]):
            console.print(f"[red]{name} has other codes than torch[/red]")
    console.print(f"codebooks of {codebooks}: exact equals the reference on {float(same):.2%} of frames")
    return rows


def _encode_by_torch(ours: MultiCodebookQuantizer, frames: Tensor, quality: str) -> Tensor:
    with without_numba():
        return ours.encode(frames, quality)


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
    parser.add_argument("--only-ours", action="store_true", help="train ours alone: the reference takes most of the time")
    parser.add_argument("--steps", type=int, help="updates of our centres, with --only-ours")
    parser.add_argument("--device", default="cpu", help="where searches are compared: cpu or cuda")
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
        trained = {}
        if (options.codebooks / "reference.pt").exists():  # not after --only-ours
            state = torch.load(options.codebooks / "reference.pt", weights_only=True)
            trained["reference"] = MultiCodebookQuantizer.from_multi_quantization(state)
        trained["audiossl"] = MultiCodebookQuantizer.load(options.codebooks / "ours")
    elif options.only_ours:
        trained = {"audiossl": train_ours(train, setting, options.steps)}
        if options.keep:
            trained["audiossl"].save(options.keep / "ours")
    else:
        rows["training"], reference, ours = compare_training(train, valid[:4096], setting, options.keep)
        show(f"training on {options.data} frames", rows["training"])
        trained = {"reference": _ours_of(reference), "audiossl": ours}
    residual = library_residual(train, setting.num_codebooks)
    rows["searches"] = [
        row for name, ours in trained.items() for row in compare_searches(name, ours, residual, valid, setting, options.device)
    ]
    show(f"searches on {options.data} frames", rows["searches"])
    if options.json:
        write_json(options.json, json.loads(json.dumps(rows)))


if __name__ == "__main__":
    main()
