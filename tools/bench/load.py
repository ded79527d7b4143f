"""Load figures of a long corpus: start, memory, resumption and padding of batches with tokens; embedding from end to end.

    python tools/bench/load.py WORK                      # makes what it needs in WORK, 1,000 hours of cuts over a few files
    python tools/bench/load.py WORK --hours 100 --embed-files 200 --json load.json

The corpus is a manifest whose cuts repeat 200 short recordings, with lengths as in read speech (1 to 16 s), and a token store of
all of them. A process of its own opens both, plans an epoch and reads batches of 100 s; another one begins in the middle of it.
Memory is what the process holds beyond the files that it maps.
Embedding runs `embed_paths` with the tiny Zipformer on files of 1 to 16 s, in this process, by two workers, their start included,
and in two `--shard` jobs at once. Every process has one thread. `--only-embed` leaves the corpus out.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.extract import embed_paths
from audiossl.files import write_json
from audiossl.models import Zipformer, hub
from audiossl.pipelines.spear.batches import TokenBatches
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.tokens.store import TokenStore
from audiossl.tokens.store_writer import TokenWriter

RATE, FILES, CODEBOOKS = 16000, 200, 16
BATCH_SECONDS, MEASURED_STEPS = 100.0, 300


def lengths_of_speech(count: int, generator: np.random.Generator) -> np.ndarray:
    """Seconds from 1 to 16, most of them between 10 and 16, as in LibriSpeech."""
    return np.clip(16 - generator.gamma(1.6, 2.4, count), 1.0, 16.0)


def noise(seconds: float, generator: np.random.Generator) -> np.ndarray:
    """Quiet noise."""
    return (0.05 * generator.standard_normal(round(seconds * RATE))).astype(np.float32)


def make_corpus(work: Path, hours: float) -> None:
    """A corpus of 200 recordings, and a manifest of cuts that repeat them, with tokens of every cut."""
    generator = np.random.default_rng(0)
    (work / "wav").mkdir(parents=True)
    items = []
    for number, seconds in enumerate(lengths_of_speech(FILES, generator)):
        path = work / "wav" / f"{number:03d}.wav"
        soundfile.write(path, noise(seconds, generator), RATE)
        items.append(Item(id=f"{number:03d}", path=path, speaker=str(number % 40)))
    build_corpus(items, work / "corpus", progress=False)
    folder = work / "corpus"
    with gzip.open(folder / "cuts.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    repeats = round(hours * 3600 / sum(line["duration"] for line in lines))
    with gzip.open(folder / "cuts.jsonl.gz", "wt", encoding="utf-8", compresslevel=1) as file:
        for copy in range(repeats):
            file.writelines(json.dumps(line | {"id": f"{copy:05d}-{line['id']}"}) + "\n" for line in lines)
    about = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    write_json(folder / "corpus.json", about | {"num_items": repeats * len(lines)})
    about = {"quantiser_id": "load", "num_codebooks": CODEBOOKS, "codebook_size": 256, "frame_rate": 50.0}
    with TokenWriter(work / "tokens", **about) as writer:
        for copy in range(repeats):
            for line in lines:
                codes = generator.integers(0, 256, (int(line["duration"] * 50), CODEBOOKS), np.uint8)
                writer.add(f"{copy:05d}-{line['id']}", torch.from_numpy(codes))


def resident() -> float:
    """Megabytes of this process without what it maps from files."""
    pages = (Path("/proc/self/statm").read_text(encoding="ascii").split())[1:3]
    return (int(pages[0]) - int(pages[1])) * os.sysconf("SC_PAGE_SIZE") / 1e6


def read_batches(work: Path, first_step: int) -> dict[str, Any]:
    """Open corpus and tokens, plan an epoch, and read batches from a step on."""
    before, begin = resident(), time.perf_counter()
    corpus = Corpus.open(work / "corpus")
    opened = time.perf_counter() - begin
    stores = {"tokens": TokenStore.open(work / "tokens")}
    batches = TokenBatches(corpus, stores, lambda item: ["tokens"], BATCH_SECONDS, 16.0, seed=1)
    steps = batches.steps_per_epoch(1)
    memory, used, held = [], 0.0, 0.0
    ready = 0.0
    for step, batch in enumerate(batches(0, steps // 2 if first_step else 0, 1)):
        if step == 0:
            ready = time.perf_counter() - begin
        used, held = used + float(batch.lengths.sum()), held + batch.signal.numel()
        if step % 50 == 0:
            memory.append(round(resident() - before))
        if step == MEASURED_STEPS:
            break
    passed = time.perf_counter() - begin - ready
    return {
        "cuts": len(corpus.items), "hours": sum(corpus.durations) / 3600, "steps": steps, "open_seconds": opened,
        "first_batch_seconds": ready, "batches_per_second": MEASURED_STEPS / passed, "padding": 1 - used / held,
        "memory_mb_every_50_steps": memory,
    }  # fmt: skip


def measure_embedding(work: Path, count: int) -> dict[str, Any]:
    """Files a second in one process and in two, and the share of time that is not the encoder's."""
    files = work / "to_embed"
    generator = np.random.default_rng(1)
    if not files.exists():
        files.mkdir()
        for number, seconds in enumerate(lengths_of_speech(count, generator)):
            soundfile.write(files / f"{number:04d}.flac", noise(seconds, generator), RATE)
    torch.manual_seed(0)
    encoder = Zipformer.from_preset("tiny").eval()
    hub.save(encoder, work / "model")
    spent = 0.0
    forward = encoder.forward

    def timed(*args: Any, **kwargs: Any) -> Any:
        nonlocal spent
        begin = time.perf_counter()
        try:
            return forward(*args, **kwargs)
        finally:
            spent += time.perf_counter() - begin

    encoder.forward = timed
    shutil.rmtree(work / "store", ignore_errors=True)
    embedder = Embedder(encoder)
    begin = time.perf_counter()
    embed_paths(embedder, [files], work / "store", progress=False)
    one = time.perf_counter() - begin
    by_workers = []
    for workers in (1, 2):
        shutil.rmtree(work / "store")
        embedder = Embedder(hub.load(work / "model"))
        begin = time.perf_counter()
        embed_paths(embedder, [files], work / "store", progress=False, num_workers=workers)
        by_workers.append(time.perf_counter() - begin)
    shutil.rmtree(work / "store")
    command = [sys.executable, str(Path(__file__).resolve()), str(work), "--embed-shard"]
    begin = time.perf_counter()
    jobs = [subprocess.Popen([*command, str(shard)], stdout=subprocess.PIPE, text=True) for shard in range(2)]
    seconds = [float(job.communicate()[0].strip().splitlines()[-1]) for job in jobs]
    return {
        "files": count, "one_process_files_per_second": count / one, "outside_encoder": 1 - spent / one,
        "two_workers_files_per_second": count / by_workers[1], "two_workers_to_one": by_workers[0] / by_workers[1],
        "two_processes_files_per_second": count / max(seconds), "two_processes_with_start": count / (time.perf_counter() - begin),
    }  # fmt: skip


def embed_shard(work: Path, shard: int) -> None:
    """One of two jobs; prints its seconds without the start of Python."""
    embedder = Embedder(hub.load(work / "model"))
    begin = time.perf_counter()
    embed_paths(embedder, [work / "to_embed"], work / "store", shard=(shard, 2), progress=False)
    print(time.perf_counter() - begin)


def main() -> int:
    """Make what is missing, measure in processes of their own, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--hours", type=float, default=1000.0)
    parser.add_argument("--embed-files", type=int, default=400)
    parser.add_argument("--only-embed", action="store_true", help="measure embedding only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--read-from", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--embed-shard", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.read_from is not None:
        print(json.dumps(read_batches(options.work, options.read_from)))
        return 0
    if options.embed_shard is not None:
        embed_shard(options.work, options.embed_shard)
        return 0
    options.work.mkdir(parents=True, exist_ok=True)
    if not options.only_embed and not (options.work / "tokens").is_dir():
        make_corpus(options.work, options.hours)
    found: dict[str, Any] = {}
    for name, first in () if options.only_embed else (("start", 0), ("resume", 1)):
        command = [sys.executable, str(Path(__file__).resolve()), str(options.work), "--read-from", str(first)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout.strip().splitlines()[-1])
    found["embedding"] = measure_embedding(options.work, options.embed_files)
    print(json.dumps(found, indent=1))
    if options.json:
        write_json(options.json, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
