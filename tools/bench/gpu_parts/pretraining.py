"""Pre-training from FLAC files and stored tokens, and the share of time for which the device waits for batches."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from audiossl import open_corpus
from audiossl.objectives.batch import TokenBatch
from audiossl.pipelines.spear.batches import TokenBatches
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.loading_options import LoadingOptions
from audiossl.tokens import TokenStore, TokenWriter
from audiossl.training import FunctionBatches, TrainingConfig, fit
from gpu_parts.recordings import make_recordings
from gpu_parts.setting import Rows, Setting
from gpu_parts.synthetic import CODEBOOKS, TOKEN_RATE, objective_of, pace_of


class TimedBatches:
    """Batches, and the seconds for which the loop waited for them."""

    def __init__(self, batches: TokenBatches) -> None:
        self.batches, self.waited, self.prefetch = batches, 0.0, batches.prefetch

    @property
    def failed(self) -> Mapping[str, Exception]:
        """Errors of the batches."""
        return self.batches.failed

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[TokenBatch]:
        """Iterate, with a clock."""
        batches = self.batches(epoch, first_step, batches_per_step)
        while True:
            begin = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - begin
            if batch is None:
                return
            yield batch

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of the batches."""
        return self.batches.steps_per_epoch(batches_per_step)

    def fixed(self) -> Iterable[TokenBatch]:
        """None are needed."""
        return ()


def write_tokens(corpus: Corpus, folder: Path) -> TokenStore:
    """Random codes of every recording."""
    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(0)
    about = {"quantiser_id": "bench", "num_codebooks": CODEBOOKS, "codebook_size": 256, "frame_rate": TOKEN_RATE}
    with TokenWriter(folder, **about) as writer:
        for item in corpus.items:
            size = (int(item.duration * TOKEN_RATE), CODEBOOKS)
            writer.add(item.id, torch.randint(256, size, generator=generator).to(torch.uint8))
    return TokenStore.open(folder)


def measure(setting: Setting) -> list[dict[str, object]]:
    """Audio seconds per second from files, from batches on the device, and the share of time that lies between."""
    rows, folder, steps = Rows(), setting.work / "flac", setting.size(60, 2)
    make_recordings(folder, setting.size(1500, 4), setting.size(16.0, 1.0))
    corpus = open_corpus(folder)
    stores = {"tokens": write_tokens(corpus, setting.work / "stored")}
    batch_seconds, preset = setting.size(400.0, 2.0), setting.size("base", "narrow")
    precision = "bf16" if setting.device.type == "cuda" else "float32"
    config = TrainingConfig(max_steps=steps, precision=precision, warmup_steps=10, log_every=1, device=str(setting.device))
    config = replace(config, checkpoint_every=0, validate_every=0, tensorboard=False, health_frames=0)
    loading = LoadingOptions(workers=min(8, os.cpu_count() or 1), prefetch=4)
    batches = TokenBatches(corpus, stores, lambda item: ["tokens"], batch_seconds, 32.0, seed=1, loading=loading)
    paces = {}
    held = [batch.to(setting.device) for batch in islice(_endless(batches), steps)]
    timed, on_device = TimedBatches(batches), FunctionBatches(lambda epoch, first, per_step: held)
    cases = [("batches on the device", on_device, config), ("from files", timed, config)]
    if setting.device.type == "cuda":
        cases.append(("batches on the device, compiled", on_device, replace(config, compile=True)))
    for case, given, asked in cases:
        with rows.attempt(case):
            out = setting.work / case.replace(" ", "-")
            shutil.rmtree(out, ignore_errors=True)
            begin = time.perf_counter()
            fit(objective_of(preset), given, asked, out, quiet=True)
            passed = time.perf_counter() - begin
            paces[case] = pace_of(out)
            rows.add(case, "audio s/s", paces[case])
            if given is timed:
                rows.add(case, "device waits, % of time", 100 * max(0.0, 1 - paces[case] / paces["batches on the device"]))
                rows.add(case, "loop waits, % of time", 100 * timed.waited / passed)
                rows.add(case, "threads that read", float(loading.workers))
                rows.add(case, "CPU cores", float(os.cpu_count() or 1))
    return rows.rows


def _endless(batches: TokenBatches) -> Iterator[TokenBatch]:
    epoch = 0
    while True:
        yield from batches(epoch)
        epoch += 1
