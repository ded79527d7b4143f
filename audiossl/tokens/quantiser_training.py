"""Training of the multi-codebook quantiser: orthogonal start, then codes and centres in turn, then the classifier.

The reference (arXiv 2211.00508) trains all of it with Adam in two phases. Here the two decoupled problems are solved one by one:

1. Start: principal components dealt out to the codebooks so that their variances have equal products (optimised product
   quantisation, arXiv 1311.4055), and k-means in each subspace. Codebooks start orthogonal and without an order.
2. Alternate: search the codes of a batch; least squares for all centres together from decaying co-occurrence sums (the update of
   "LSQ", Martinez et al., ECCV 2016, made online). A batch is seen once and forgotten. The sums forget ever more slowly: early
   codes are soon outdated, and late centres must be means over many frames, or they fit the noise of the last batch.
3. The classifier starts from the centres and learns by cross-entropy to name the codes that the search found.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator
from audiossl.tokens.diagnostics import DEAD_PERPLEXITY, code_use
from audiossl.tokens.gram_table import GramTable
from audiossl.tokens.lloyd import lloyd
from audiossl.tokens.precision import full_precision
from audiossl.tokens.search import frames_at_once, search

START_FRAMES = 160  # frames per codebook entry for the initial clusters
BATCH_FRAMES = 8  # frames per entry of all codebooks and update
SMALLEST_BATCH = 4096
STEPS = 40
SEARCH_STEPS = 4  # changes of a code for each codebook, when the codes of a batch are searched
MEMORY = 0.5  # what is left of the sums after the first update; rises evenly to 1 at the last
RIDGE = 0.3  # pull to the former centres, in units of an average entry's count
CLASSIFIER_BATCH = 1024
CLASSIFIER_STEPS = 150


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        seed: seed of the shuffle and the initial clusters.
        steps: updates of the centres; 40 if None.
        progress: whether a bar is shown on a terminal.
    """

    seed: int = 0
    steps: int | None = None
    progress: bool = True


@dataclass(frozen=True)
class Trained:
    """What training finds.

    Attributes:
        centers: codebooks in the normalised space, (N, K, D).
        weight, bias: weights and bias of the classifier, (N * K, D) and (N * K,).
    """

    centers: Float[Tensor, "N K D"]
    weight: Float[Tensor, "M D"]
    bias: Float[Tensor, "M"]


@torch.no_grad()
def train(
    frames: Float[Tensor, "T D"],
    num_codebooks: int,
    codebook_size: int,
    normalise: Callable[[Tensor], Tensor],
    plan: TrainingPlan,
) -> Trained:
    """Find codebooks and classifier for frames; see `MultiCodebookQuantizer.fit`.

    Args:
        frames: frames on any device.
        num_codebooks: N.
        codebook_size: K.
        normalise: brings frames to the space of the codebooks, and to the device to compute on.
        plan: seed, steps and progress.
    """
    N, K = num_codebooks, codebook_size
    steps = STEPS if plan.steps is None else plan.steps
    if steps < 1:
        raise ConfigError(f"a quantiser needs at least one training step, not {steps}")
    device = normalise(frames[:1]).device
    generator = derive_generator(plan.seed, "quantiser training")
    batches = _batches(frames, max(BATCH_FRAMES * N * K, SMALLEST_BATCH), normalise, generator)
    with full_precision(device), _progress_bar(plan.progress, steps + 2) as advance:
        picked = torch.randperm(len(frames), generator=generator)[: START_FRAMES * K]
        centers = initial_centers(normalise(frames[picked]), N, K, generator)
        advance("clusters")
        sums = CooccurrenceSums.empty(N, K, frames.shape[1], device)
        batch, codes = centers[0], centers.new_empty(0, N, dtype=torch.int64)
        for step in range(steps):
            batch = next(batches)
            codes = _search_codes(GramTable.build(centers), batch)
            sums.add(batch, codes, decay=1 - (1 - MEMORY) * (1 - step / steps) if step else 0.0)
            centers = sums.solve(centers, generator)
            advance("codebooks")
        codes = _search_codes(GramTable.build(centers), batch)
        weight, bias = train_classifier(centers, batch, codes, generator)
        advance("classifier")
    _warn_of_dead_codebooks(codes, N, K)
    return Trained(centers, weight, bias)


def _warn_of_dead_codebooks(codes: Int[Tensor, "T N"], num_codebooks: int, codebook_size: int) -> None:
    """Warn where a codebook gives nearly always the same code (global codes)."""
    entropy, _ = code_use(codes.cpu() - torch.arange(num_codebooks) * codebook_size, codebook_size)
    dead = ((entropy < math.log(DEAD_PERPLEXITY)).nonzero()[:, 0] + 1).tolist()
    if dead:
        warnings.warn(
            f"{len(dead)} of {num_codebooks} codebooks ({', '.join(map(str, dead[:8]))}) give nearly always one code: the frames "
            "hold less than these codes can represent; choose fewer codebooks or a smaller codebook_size",
            stacklevel=4,
        )


def initial_centers(
    frames: Float[Tensor, "T D"], num_codebooks: int, codebook_size: int, generator: torch.Generator
) -> Float[Tensor, "N K D"]:
    """Cluster in subspaces of equal variance products; with more codebooks than channels, continue with what is left over."""
    centers: list[Tensor] = []
    rest = frames
    while len(centers) < num_codebooks:
        missing = num_codebooks - len(centers)
        mean = rest.mean(0)
        variances, axes = torch.linalg.eigh(torch.cov(rest.T, correction=0).view(rest.shape[1], -1))
        for members in deal_out(variances.flip(0), min(missing, rest.shape[1])):
            basis = axes.flip(1)[:, members]
            found = lloyd((rest - mean) @ basis, codebook_size, generator) @ basis.T
            centers.append(found + mean / min(missing, rest.shape[1]))
        new = torch.stack(centers[-min(missing, rest.shape[1]) :])
        codes = _search_codes(GramTable.build(new), rest, steps=1)
        rest = rest - F.embedding_bag(codes, new.flatten(0, 1), mode="sum")
    return torch.stack(centers)


def deal_out(variances: Float[Tensor, "D"], num_groups: int) -> list[list[int]]:
    """Deal axes of falling variance to groups of at most D / groups: each to the open group of smallest variance product."""
    logs = (variances.clamp_min(1e-6 * float(variances[0])) / (1e-6 * float(variances[0]))).log1p().tolist()
    capacity = -(-len(logs) // num_groups)
    groups: list[list[int]] = [[] for _ in range(num_groups)]
    volumes = [0.0] * num_groups
    for axis, log in enumerate(logs):
        empty = [g for g in range(num_groups) if not groups[g]]
        must_fill = len(empty) == len(logs) - axis  # every group gets an axis
        open_groups = empty if must_fill else [g for g in range(num_groups) if len(groups[g]) < capacity]
        group = min(open_groups, key=lambda g: volumes[g])
        groups[group].append(axis)
        volumes[group] += log
    return groups


@dataclass
class CooccurrenceSums:
    """Decaying sums from which the best centres for given codes follow: how often entries meet, and what frames they meet in."""

    meetings: Float[Tensor, "M M"]
    targets: Float[Tensor, "M D"]
    num_codebooks: int
    codebook_size: int

    @classmethod
    def empty(cls, num_codebooks: int, codebook_size: int, dim: int, device: torch.device | str = "cpu") -> CooccurrenceSums:
        """Sums over no frames."""
        size = num_codebooks * codebook_size
        meetings, targets = torch.zeros(size, size, device=device), torch.zeros(size, dim, device=device)
        return cls(meetings, targets, num_codebooks, codebook_size)

    def add(self, frames: Float[Tensor, "T D"], codes: Int[Tensor, "T N"], decay: float) -> None:
        """Forget a part of the past and count a batch; codes are global."""
        N, K = self.num_codebooks, self.codebook_size
        self.meetings.mul_(decay)
        self.targets.mul_(decay)
        for n in range(N):
            rows = slice(n * K, (n + 1) * K)
            self.targets.index_add_(0, codes[:, n], frames)
            for m in range(n, N):
                columns = slice(m * K, (m + 1) * K)
                met = torch.bincount((codes[:, n] - n * K) * K + codes[:, m] - m * K, minlength=K * K).view(K, K)
                self.meetings[rows, columns] += met
                if m > n:
                    self.meetings[columns, rows] += met.T

    def solve(self, centers: Float[Tensor, "N K D"], generator: torch.Generator) -> Float[Tensor, "N K D"]:
        """Solve for all centres, pulled softly to the former ones; entries that no frame chose restart next to a busy one."""
        former = centers.flatten(0, 1)
        system = self.meetings.clone()
        system.diagonal().add_(RIDGE * float(self.meetings.diagonal().mean()))
        change = torch.cholesky_solve(self.targets - self.meetings @ former, torch.linalg.cholesky(system))
        solved = (former + change).view_as(centers)
        counts = self.meetings.diagonal().view(self.num_codebooks, self.codebook_size)
        for codebook, count in zip(solved, counts, strict=True):
            dead = (count < 0.02 * count.mean()).nonzero()[:, 0]
            if len(dead):
                busy = count.topk(len(dead)).indices
                noise = torch.randn(len(dead), codebook.shape[1], generator=generator).to(codebook.device)
                codebook[dead] = codebook[busy] + 0.1 * codebook.std(0) * noise
        return solved


def train_classifier(
    centers: Float[Tensor, "N K D"], frames: Float[Tensor, "T D"], codes: Int[Tensor, "T N"], generator: torch.Generator
) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M"]]:
    """Teach a linear classifier to name the codes (global) of normalised frames; its weight and bias.

    It starts from the distance to each centre with the other codebooks at their means, as sharp as the quantisation error allows.
    """
    N, K, _ = centers.shape
    means = centers.mean(1)  # (N, D)
    others = means.sum(0) - means
    flat = centers.flatten(0, 1)
    error = (frames - F.embedding_bag(codes, flat, mode="sum")).square().sum(1).mean()
    sharpness = 1.0 / (2 * error / N + 1e-6 * flat.square().sum(1).mean() + 1e-12)
    weight = nn.Parameter(2 * sharpness * flat)
    bias = nn.Parameter(-sharpness * (centers.square().sum(2) + 2 * (centers * others[:, None]).sum(2)).flatten())
    if N == 1:
        return weight.detach(), bias.detach()  # the nearest centre, exactly
    targets = codes - torch.arange(N, device=codes.device) * K
    optimiser = torch.optim.Adam((weight, bias), lr=3e-3, betas=(0.9, 0.98))
    with torch.enable_grad():
        for step in range(CLASSIFIER_STEPS):
            optimiser.param_groups[0]["lr"] = 3e-3 * (1 - step / CLASSIFIER_STEPS)
            picked = torch.randint(len(frames), (CLASSIFIER_BATCH,), generator=generator)
            logits = F.linear(frames[picked], weight, bias).view(-1, N, K)
            loss = F.cross_entropy(logits.flatten(0, 1), targets[picked].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return weight.detach(), bias.detach()


def _search_codes(table: GramTable, frames: Float[Tensor, "T D"], steps: int = SEARCH_STEPS) -> Int[Tensor, "T N"]:
    """Global codes of many frames, with so many changes of a code for each codebook."""
    blocks = frames.split(frames_at_once(frames.device))
    return torch.cat([search(table, block, steps * table.num_codebooks) for block in blocks])


def _batches(
    frames: Float[Tensor, "T D"], size: int, normalise: Callable[[Tensor], Tensor], generator: torch.Generator
) -> Iterator[Float[Tensor, "B D"]]:
    """Shuffled normalised batches without end; the frames are shuffled again after each round."""
    size = min(size, len(frames))
    while True:
        order = torch.randperm(len(frames), generator=generator)
        for first in range(0, len(frames) - size + 1, size):
            yield normalise(frames[order[first : first + size]])


@contextmanager
def _progress_bar(wanted: bool, total: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that moves the bar one step on and names what follows."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not (wanted and console.is_terminal), transient=True) as bar:
        task = bar.add_task("quantiser: clusters", total=total)

        def advance(done: str) -> None:
            bar.update(task, advance=1, description=f"quantiser: {done}")

        yield advance
