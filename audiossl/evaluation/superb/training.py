"""Train a head on stored features: updates, accumulation, selection on the validation table, a search of learning rates."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from audiossl.errors import DataError
from audiossl.evaluation.superb.featuriser import Featuriser
from audiossl.evaluation.superb.layer_features import LayerFeatures
from audiossl.evaluation.superb.tables import Clip
from audiossl.evaluation.superb.task import Batch, HeadTask, P, Settings
from audiossl.files import whole_file
from audiossl.progress import Report, silent
from audiossl.seeds import derive_generator, derive_seed

EVALUATION_BATCH = 8


class Probe(nn.Module):
    """A featuriser and a head, trained together."""

    def __init__(self, featuriser: Featuriser, head: nn.Module) -> None:
        super().__init__()
        self.featuriser, self.head = featuriser, head


@dataclass(frozen=True)
class ProbeOptions:
    """What is the same for all tasks.

    Attributes:
        normalise, layer: options of the featuriser.
        seed: seed of weights, order, crops and dropout.
        device: device of the probe.
    """

    normalise: bool = False
    layer: int | None = None
    seed: int = 0
    device: str = "cpu"


DEFAULTS = ProbeOptions()


@dataclass(frozen=True)
class TrainedProbe:
    """What training kept.

    Attributes:
        probe: probe of the best validation.
        lr: learning rate that it was trained with.
        selection: value of the task's first metric on the validation table.
        update: update after which it was taken.
        skipped: updates with gradients that were not finite.
        history: update and validation value.
    """

    probe: Probe
    lr: float
    selection: float
    update: int
    skipped: int
    history: list[tuple[int, float]]


def train_probe(
    task: HeadTask,
    features: LayerFeatures,
    settings: Settings,
    folder: Path | None = None,
    options: ProbeOptions = DEFAULTS,
    progress: Report = silent,
) -> TrainedProbe:
    """Train a probe and keep that of the best validation; an interrupted run resumes from its last validation.

    Args:
        task: task with its tables.
        features: features that hold its clips.
        settings: settings of the training.
        folder: folder of the state that training resumes from; None keeps none.
        options: options that are the same for all tasks.
        progress: function that is called with the number of updates.

    Raises:
        DataError: if all gradients of 100 updates in a row are not finite.
    """
    seed, device = options.seed, options.device
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, task.name, "weights"))
        featuriser = Featuriser(features.num_layers, options.normalise, options.layer)
        stride = features.stride * 16000 / features.embedder.sample_rate
        probe = Probe(featuriser, task.head(features.dim, stride, settings.hidden)).to(device)
        optimiser = getattr(torch.optim, settings.optimiser)(probe.parameters(), lr=settings.lr)
        state = _State(probe, optimiser, task.maximise)
        first = state.restore(folder)
        every = max(1, settings.updates // settings.evaluations)
        batches = _batches(task, features, settings, seed, first * settings.accumulate)
        bad = 0
        for update in range(first, settings.updates):
            torch.manual_seed(derive_seed(seed, task.name, update, "dropout"))
            probe.train()
            for _ in range(settings.accumulate):
                batch = _featurised(probe, features, *next(batches), device)
                (task.loss(probe.head, batch) / settings.accumulate).backward()
            norm = nn.utils.clip_grad_norm_(probe.parameters(), settings.clip_norm)
            if math.isfinite(float(norm)):
                optimiser.step()
                bad = 0
            else:
                state.skipped, bad = state.skipped + 1, bad + 1
                if bad == 100:
                    raise DataError(f"{task.name}: the gradients of 100 updates in a row are not finite at lr {settings.lr:g}")
            optimiser.zero_grad()
            done = update + 1
            progress(f"lr {settings.lr:g}", done, settings.updates)
            if done % every == 0 or done == settings.updates:
                found = predict_clips(task, probe, features, task.clips("valid"), device)
                state.validated(done, task.value(found, "valid"))
                state.save(folder, done)
        probe.load_state_dict(state.best)
        return TrainedProbe(probe, settings.lr, state.value, state.update, state.skipped, state.history)


def search_learning_rate(
    task: HeadTask,
    features: LayerFeatures,
    settings: Settings,
    rates: Sequence[float],
    folder: Path,
    options: ProbeOptions = DEFAULTS,
    progress: Report = silent,
) -> tuple[TrainedProbe, dict[float, float]]:
    """Train at every learning rate and keep the best on the validation table; and each one's value there.

    The published benchmark chooses so, for each model and task, on a grid of powers of ten.
    """
    best: TrainedProbe | None = None
    values: dict[float, float] = {}
    for rate in rates:
        trained = train_probe(task, features, replace(settings, lr=rate), folder / f"lr_{rate:g}", options, progress)
        values[rate] = trained.selection
        if best is None or (trained.selection > best.selection if task.maximise else trained.selection < best.selection):
            best = trained
    assert best is not None
    return best, values


@torch.no_grad()
def predict_clips(
    task: HeadTask[P], probe: Probe, features: LayerFeatures, clips: Sequence[Clip], device: str = "cpu"
) -> dict[str, P]:
    """Predictions by id, of whole clips."""
    probe.eval()
    found: dict[str, P] = {}
    order = sorted(clips, key=features.num_frames)
    for first in range(0, len(order), EVALUATION_BATCH):
        part = order[first : first + EVALUATION_BATCH]
        batch = _featurised(probe, features, part, [(0, features.num_frames(clip)) for clip in part], device)
        found |= dict(zip([clip.id for clip in part], task.predict(probe.head, batch), strict=True))
    return found


def _featurised(
    probe: Probe, features: LayerFeatures, clips: Sequence[Clip], spans: Sequence[tuple[int, int]], device: str
) -> Batch:
    layers, lengths = features.batch(clips, spans)
    return Batch(clips, probe.featuriser(layers.to(device)), lengths.to(device), spans)


def _batches(
    task: HeadTask, features: LayerFeatures, settings: Settings, seed: int, skip: int
) -> Iterator[tuple[list[Clip], list[tuple[int, int]]]]:
    """Batches without end from the `skip`-th on; what a batch is depends on the seed and its place only."""
    rate = features.embedder.frame_rate
    most = math.inf if settings.crop_seconds is None else max(1, round(settings.crop_seconds * rate))
    epoch = number = 0
    while True:
        generator = derive_generator(seed, task.name, epoch, "order")
        for place, clips in enumerate(_epoch(task, features, settings, generator)):
            if number >= skip:
                draw = derive_generator(seed, task.name, epoch, place, "crop")
                sizes = [features.num_frames(clip) for clip in clips]
                spans = []
                for size in sizes:
                    kept = int(min(size, most))
                    begin = int(torch.randint(size - kept + 1, (), generator=draw))
                    spans.append((begin, begin + kept))
                yield clips, spans
            number += 1
        epoch += 1


def _epoch(task: HeadTask, features: LayerFeatures, settings: Settings, generator: torch.Generator) -> Iterator[list[Clip]]:
    clips = task.clips("train")
    size = min(settings.batch, len(clips))
    if settings.order in ("shuffled", "balanced"):
        if settings.order == "balanced":
            names = [task.weigh(clip) for clip in clips]
            sizes = Counter(names)
            weights = torch.tensor([1 / sizes[name] for name in names], dtype=torch.float64)
            chosen = torch.multinomial(weights, len(clips), replacement=True, generator=generator).tolist()
        else:
            chosen = torch.randperm(len(clips), generator=generator).tolist()
        for first in range(0, len(clips), size):
            yield [clips[i] for i in chosen[first : first + size]]
        return
    samples = 16000 / features.embedder.frame_rate
    ordered = sorted(clips, key=features.num_frames, reverse=True)
    longest = math.inf if settings.halve_above is None else settings.halve_above

    def length(first: int) -> int:
        return max(1, size // 2) if features.num_frames(ordered[first]) * samples > longest else size

    if settings.order == "slices":
        starts = torch.randperm(len(clips), generator=generator).tolist()
    else:
        all_starts, at = [], 0
        while at < len(ordered):
            all_starts.append(at)
            at += length(at)
        starts = [all_starts[i] for i in torch.randperm(len(all_starts), generator=generator).tolist()]
    for first in starts:
        yield ordered[first : first + length(first)]


class _State:
    """The probe in training, its optimiser, and the best validation so far; saved as tensors and plain values."""

    def __init__(self, probe: Probe, optimiser: torch.optim.Optimizer, maximise: bool) -> None:
        self.probe, self.optimiser, self.maximise = probe, optimiser, maximise
        self.best: Mapping[str, torch.Tensor] = copy.deepcopy(probe.state_dict())
        self.value = -math.inf if maximise else math.inf
        self.update = self.skipped = 0
        self.history: list[tuple[int, float]] = []

    def validated(self, update: int, value: float) -> None:
        self.history.append((update, value))
        if value > self.value if self.maximise else value < self.value:
            self.value, self.update, self.best = value, update, copy.deepcopy(self.probe.state_dict())

    def save(self, folder: Path | None, done: int) -> None:
        if folder is not None:
            kept = {name: getattr(self, name) for name in ("value", "update", "skipped", "history", "best")}
            state = {"done": done, "probe": self.probe.state_dict(), "optimiser": self.optimiser.state_dict(), **kept}
            with whole_file(folder / "state.pt") as partial:
                torch.save(state, partial)

    def restore(self, folder: Path | None) -> int:
        """Take what was saved; the number of updates that are done."""
        if folder is None or not (folder / "state.pt").is_file():
            return 0
        state = torch.load(folder / "state.pt", weights_only=True)
        self.probe.load_state_dict(state["probe"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name in ("value", "update", "skipped", "history", "best"):
            setattr(self, name, state[name])
        return state["done"]
