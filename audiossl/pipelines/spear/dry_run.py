"""What `--dry-run` adds for SPEAR: two training steps on noise, and what the true batch will need.

The steps run the recipe's own student, heads, masks, mixing and optimiser on a corpus and token stores that are written as the
earlier stages would write them. No teacher is loaded and no data set is read, but for the lengths of the corpus if it is there.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import nn

from audiossl.free_memory import free_memory
from audiossl.objectives.batch import TokenBatch, collate_tokens
from audiossl.objectives.masked_prediction import TokenStream
from audiossl.objectives.objective import Objective
from audiossl.pipelines.own.audio import own_audio
from audiossl.pipelines.own.needs import Measured, TokenSize, describe_needs
from audiossl.pipelines.sides import open_split
from audiossl.pipelines.spear.config import SpearRecipe, StreamConfig
from audiossl.pipelines.spear.models import PretrainStage, build_objective, streams_in, training_batches, without_weights
from audiossl.recipe import console
from audiossl.seeds import derive_seed
from audiossl.signals.batches import plan_batches
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.corpora.manifest import Custom
from audiossl.teachers.teacher import assumed_frame_rate
from audiossl.tokens.store import TokenStore
from audiossl.tokens.store_writer import TokenWriter
from audiossl.training.optimisers import make_optimiser

GIB = 2**30
MOST_MEMORY = 12 * GIB  # of this process, where half of the free memory is not less
OTHER_BYTES = GIB  # the interpreter, libraries, and what a backward pass holds for a moment
STATE_BYTES = 16  # a parameter in float32: itself, its gradient, two moments of the optimiser
STEP_BYTES = 8  # more while the optimiser steps
MOST_SECONDS = 40.0  # of signal in a step here; more takes minutes on a CPU
RATE = 16_000
DRAWN_ITEMS = 20_000


@dataclass(frozen=True)
class TrueBatch:
    """Batches on one device: median items, seconds of their longest, share that is padding, number in an epoch (0: not known)."""

    num_items: int
    seconds: float
    padding: float
    per_epoch: int


@dataclass(frozen=True)
class DryRun:
    """What was found; bytes are estimates, `steps_per_second` was measured here on batches of `seconds_here`."""

    student_parameters: int
    head_parameters: int
    batch: TrueBatch
    state_bytes: int
    activation_bytes: float
    steps_per_second: float
    seconds_here: float
    losses: list[float]
    remarks: list[str]


def dry_run(config: SpearRecipe, output: Path, memory_bound: int | None = None) -> DryRun:
    """Run two training steps on noise and print what the recipe will need.

    Args:
        config: the recipe.
        output: folder of the run; if its corpus stage is done, batches are planned from the true lengths.
        memory_bound: bytes that this process shall stay below, by default half of the free memory and at most 12 GiB; the batch
            here is cut, and the student narrowed, to fit.
    """
    memory_bound = memory_bound or _default_bound()
    remarks: list[str] = []
    held = None if config.corpus is None else own_audio(config).preview()  # what cannot be run is refused before it is tried
    here = replace(config, student=replace(config.student, overrides=dict(config.student.overrides)))
    true = small = without_weights(here.student)
    student_size = _count(true)
    narrower = here.student.narrower
    while narrower and (STATE_BYTES + STEP_BYTES) * _count(small) > memory_bound - OTHER_BYTES:
        here.student.overrides = narrower(here.student.preset, **here.student.overrides)
        small = without_weights(here.student)
    if small.dim != true.dim:
        remarks.append(
            f"the student of width {true.dim} does not fit into {memory_bound / GIB:.1f} GiB with its optimiser; "
            f"the steps were run at width {small.dim}, and memory is scaled up by width"
        )
    with tempfile.TemporaryDirectory(prefix="audiossl-dry-run-") as name:
        folder = Path(name)
        probe_stores = {stream: _write_tokens(folder / "probe" / stream, about, {}) for stream, about in _streams(config)}
        stage = PretrainStage.of(here)
        objective, streams = build_objective(stage, probe_stores), streams_in(probe_stores, stage.weights)
        linear, quadratic = measure_activations(objective, streams, config.student.max_item_seconds)
        left = 0.6 * (memory_bound - OTHER_BYTES - (STATE_BYTES + STEP_BYTES) * _count(objective))
        longest, seconds = _fitting(config, linear, quadratic, left)
        if seconds < config.training.batch_seconds:
            remarks.append(
                f"batches here held {seconds:.0f} s of signal, not {config.training.batch_seconds:g}, so that this process stays "
                f"below {memory_bound / GIB:.1f} GiB and a step does not take minutes"
            )
        here.student.max_item_seconds = longest
        here.training = replace(config.training, batch_seconds=seconds)
        corpus, stores = _write_data(here, folder, seconds, longest)
        noise = corpus if config.data.noise or not config.streams else None
        remarks += _noise_problems(config)
        batches = training_batches(PretrainStage.of(here), corpus, stores, noise)
        losses, step_seconds = _two_steps(objective, here, (batch for epoch in count() for batch in batches(epoch)))
        lengths = None if held is None else held.of_side("train")
        batch = _true_batch(config, output, stores, noise, remarks, lengths)
    of_student = {id(param) for param in objective.encoder.parameters()}
    own = ((name, param) for name, param in objective.named_parameters() if id(param) not in of_student)
    biases = sum(param.numel() for name, param in own if name.endswith("bias"))
    heads = biases * (true.dim + 1)
    longest_true = config.student.max_item_seconds
    widening = true.dim / small.dim
    num_longest = max(1, int(config.training.batch_seconds / longest_true))
    result = DryRun(
        student_size,
        heads,
        batch,
        STATE_BYTES * (student_size + heads),
        num_longest * (linear * widening * longest_true + quadratic * longest_true**2),
        1 / step_seconds,
        seconds,
        losses,
        remarks,
    )
    lines = describe(result, config)
    if held is not None:
        measured = Measured(student_size + heads, student_size, seconds / step_seconds)
        sizes = [_token_size(stream) for _, stream in _streams(config)]
        lines += describe_needs(held, config.training, measured, sizes)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    return result


def describe(found: DryRun, config: SpearRecipe) -> list[str]:
    """The lines that are printed."""
    batch = found.batch
    streams = ", ".join(f"{name} {s.quantiser.num_codebooks} x {s.quantiser.codebook_size}" for name, s in _streams(config))
    state, activations = found.state_bytes / GIB, found.activation_bytes / GIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / GIB
    lines = {
        "parameters": f"student {found.student_parameters / 1e6:.2f} M, heads {found.head_parameters / 1e6:.2f} M ({streams})",
        "batch": f"{config.training.batch_seconds:g} s a device: about {batch.num_items} items of up to {batch.seconds:.1f} s, "
        f"x {config.training.accumulate} before each step",
        "padding": f"{batch.padding:.1%} of a batch"
        + (f"; {batch.per_epoch} batches an epoch on one device" if batch.per_epoch else ""),
        "memory": f"{state + activations:.1f} GiB a device in float32: weights and optimiser {state:.1f}, a batch of the longest "
        f"items {activations:.1f}; with bf16 about {state + activations / 2:.1f}",
        "here": f"{found.steps_per_second:.3f} steps of {found.seconds_here:.0f} s each second, "
        f"{found.steps_per_second * found.seconds_here:.1f} s of signal a second; {torch.get_num_threads()} CPU thread(s), "
        f"float32; peak memory of the process {peak:.1f} GiB; losses {', '.join(f'{loss:.3f}' for loss in found.losses)}",
    }
    return [f"{name:<10} {text}" for name, text in lines.items()] + [f"note       {remark}" for remark in found.remarks]


def measure_activations(objective: Objective, streams: Mapping[str, TokenStream], max_seconds: float) -> tuple[float, float]:
    """Bytes that autograd keeps for an item of t seconds, as `linear * t + quadratic * t**2`: attention grows with the square."""
    short, long = min(4.0, max_seconds / 2), min(8.0, max_seconds)
    one, two = (saved_bytes(objective, streams, seconds) for seconds in (short, long))
    quadratic = max(0.0, (two / long - one / short) / (long - short))
    return one / short - quadratic * short, quadratic


def saved_bytes(objective: Objective, streams: Mapping[str, TokenStream], seconds: float) -> float:
    """Bytes that autograd keeps for the backward pass of one item of noise, parameters aside."""
    known = {tensor.untyped_storage().data_ptr() for tensor in [*objective.parameters(), *objective.buffers()]}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = objective(_noise_batch(streams, seconds))
    del loss
    return float(sum(kept.values()))


def _noise_batch(streams: Mapping[str, TokenStream], seconds: float) -> TokenBatch:
    generator = torch.Generator().manual_seed(1)
    signal = 0.1 * torch.randn(1, int(seconds * RATE), generator=generator)
    tokens = {
        name: torch.randint(stream.codebook_size, (int(seconds * stream.rate), stream.num_codebooks), generator=generator)
        for name, stream in streams.items()
    }
    return collate_tokens(["noise"], [signal], [tokens], epoch=0, seed=1, sample_rate=float(RATE))


def _fitting(config: SpearRecipe, linear: float, quadratic: float, left: float) -> tuple[float, float]:
    """Seconds of the longest item and of a batch whose activations take about `left` bytes; an item of 1 s at least."""
    longest = min(config.student.max_item_seconds, MOST_SECONDS)
    while longest > 1 and linear * longest + quadratic * longest**2 > left:
        longest /= 2
    fitting = max(1, int(left / (linear * longest + quadratic * longest**2)))
    return longest, max(longest, min(config.training.batch_seconds, MOST_SECONDS, fitting * longest))


def _two_steps(objective: Objective, config: SpearRecipe, batches: Iterator[TokenBatch]) -> tuple[list[float], float]:
    """Losses of two steps, and the seconds of the second: the first also pays for what is set up once."""
    optimiser = make_optimiser(objective, config.training)
    losses, step_seconds = [], math.nan
    objective.train()
    for step, batch in enumerate(islice(batches, 2)):
        begin = time.perf_counter()
        torch.manual_seed(derive_seed(config.seed, "step", step, 0))
        loss = objective(batch)
        (loss.total / loss.weight).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.mean())
        step_seconds = time.perf_counter() - begin
    return losses, step_seconds


def _write_data(config: SpearRecipe, folder: Path, batch_seconds: float, longest: float) -> tuple[Corpus, dict[str, TokenStore]]:
    """Write noise for more than two batches, from every domain and source that the recipe names, and random tokens of it."""
    domains = list(config.streams) or [None]
    kinds = [(domain, domain or "noise") for domain in domains]
    kinds += [(domains[-1], name) for name in config.data.repeats if name not in config.streams]
    each = math.ceil(3 * batch_seconds / (0.75 * longest) / len(kinds)) + 1
    draws = np.random.default_rng(config.seed)
    items: dict[str, tuple[Item, float]] = {}
    (folder / "wav").mkdir()
    for domain, source in kinds:
        for number in range(each):
            seconds = longest * draws.uniform(0.5, 1.0)
            path = folder / "wav" / f"{source}-{number}.wav"
            soundfile.write(path, draws.normal(0, 0.1, int(seconds * RATE)).clip(-1, 1), RATE)
            custom: Custom = {"source": source, **({"domain": domain} if domain else {})}
            items[path.stem] = Item(path.stem, path, custom=custom), seconds
    build_corpus([item for item, _ in items.values()], folder / "corpus", progress=False)
    corpus = Corpus.open(folder / "corpus")
    lengths = {
        name: {item.id: items[item.id][1] for item in corpus.items if name in config.targets(item)}
        for name in config.token_streams
    }
    return corpus, {name: _write_tokens(folder / "tokens" / name, about, lengths[name]) for name, about in _streams(config)}


def _token_size(stream: StreamConfig) -> TokenSize:
    num_codebooks = 1 if stream.quantiser.kind == "kmeans" else stream.quantiser.num_codebooks
    return TokenSize(assumed_frame_rate(stream.teacher), num_codebooks, stream.quantiser.codebook_size)


def _write_tokens(folder: Path, stream: StreamConfig, seconds: Mapping[str, float]) -> TokenStore:
    about = _token_size(stream)
    rate, num_codebooks, size = about.frame_rate, about.num_codebooks, about.codebook_size
    with TokenWriter(folder, quantiser_id="noise", num_codebooks=num_codebooks, codebook_size=size, frame_rate=rate) as writer:
        for name, length in seconds.items():
            writer.add(name, torch.randint(size, (int(length * rate), num_codebooks)))
    return TokenStore.open(folder)


def _true_batch(
    config: SpearRecipe,
    output: Path,
    stores: Mapping[str, TokenStore],
    noise: Corpus | None,
    remarks: list[str],
    lengths: Sequence[float] | None = None,
) -> TrueBatch:
    """Plan an epoch of the recipe: from the lengths of its corpus, those given, or lengths spread evenly over their logarithm."""
    size, longest = config.training.batch_seconds, config.student.max_item_seconds
    if (output / "corpus" / "stage.json").is_file():
        epoch = training_batches(PretrainStage.of(config), open_split(output / "corpus", "train"), stores, noise).epoch(0)
        durations = np.array(epoch.corpus.durations)
        steps = epoch.plan.of_rank(0)
        per_epoch = len(steps)
    elif lengths is not None:
        pieces = [length / parts for length in lengths for parts in [max(1, math.ceil(length / longest))] for _ in range(parts)]
        durations = np.array(pieces)
        steps = plan_batches(durations, size, seed=config.seed, epoch=0).of_rank(0)
        per_epoch = len(steps)
    else:
        remarks.append("the corpus stage has not run: padding and items are those of lengths from 1 s up, short ones more often")
        draws = np.random.default_rng(config.seed).uniform(0, math.log(max(longest, 1.01)), DRAWN_ITEMS)
        durations = np.minimum(np.exp(draws), size)
        steps = plan_batches(durations, size, seed=config.seed, epoch=0).of_rank(0)
        per_epoch = 0
    longest_of = np.array([durations[step].max() for step in steps])
    items = np.array([len(step) for step in steps])
    padded = float((longest_of * items).sum())
    middle = int(np.argsort(longest_of)[len(steps) // 2])
    return TrueBatch(int(items[middle]), float(longest_of[middle]), 1 - float(durations.sum()) / padded, per_epoch)


def _noise_problems(config: SpearRecipe) -> list[str]:
    mixing, noise = config.data.mixing, config.data.noise
    if noise is not None and "://" not in str(noise) and ":/" not in str(noise) and not noise.exists():
        return [f"data.noise={noise} does not exist; generated noise took its place here, the run itself would fail"]
    if noise is None and not config.streams and mixing.probability and mixing.noise_share:
        return ["mixing asks for noise and data.noise is not set; generated noise took its place here, the run itself would fail"]
    return []


def _streams(config: SpearRecipe) -> list[tuple[str, StreamConfig]]:
    return list(config.token_streams.items())


def _count(module: object) -> int:
    assert isinstance(module, nn.Module)  # `make_student` sees to it
    return sum(parameter.numel() for parameter in module.parameters())


def _default_bound() -> int:
    return max(2 * GIB, min(MOST_MEMORY, (free_memory() or 12 * GIB) // 2))
