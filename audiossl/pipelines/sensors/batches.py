"""Batches of sensor windows: shuffled, or of few subjects at a time, with partners near in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.objectives.crops import CropConfig, cut_crops
from audiossl.objectives.matches import DenseFrames, MatchConfig, Matcher
from audiossl.objectives.objective import Needs, check_needs
from audiossl.objectives.window_batch import WindowBatch
from audiossl.pipelines.sensors.bags import Bag, Bags
from audiossl.recipe import console
from audiossl.seeds import derive_generator
from audiossl.signals.sensors.windows import WindowSet
from audiossl.stage import ADDED
from audiossl.world import World

LEAST_MATCHED = 0.5  # share of crops with a match below which a hint is given


@dataclass
class WindowBatchConfig:
    """What is in a batch.

    Attributes:
        size: windows; where a side has fewer, all of them.
        subjects: number of subjects per batch; with few, negatives come from the same person and identity is no shortcut. 0 draws
            from all.
        neighbours: seconds from a window's start to its partner's, at most; the window itself may be drawn. 0 gives no partners.
        bag: what a window and its partner are of, wherever in time (MICLe, arXiv 2101.05224). `subject`: the partner is a window
            of another recording of the subject, and the window itself where there is none. `recording`: another window of the
            recording. `window`: the window itself, whose channels are then the members of the bag. null gives no partners, except
            to an objective that needs them: then of the same subject.
        crops: two crops of each window that overlap; null gives none, except to an objective that needs them.
        matches: for a crop of each window the stretch of another recording that is most like it, in the frames of a frozen
            encoder (Alice, arXiv 2302.05615); null gives none, except to an objective that needs a dense encoder.
    """

    size: int = 256
    subjects: int = 0
    neighbours: float = 0.0
    bag: Bag | None = field(default=None, metadata=ADDED)
    crops: CropConfig | None = field(default=None, metadata=ADDED)
    matches: MatchConfig | None = field(default=None, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.bag and self.neighbours:
            raise ConfigError("batches.bag and batches.neighbours both say which window is a partner: leave one of them out")
        if self.size < 2 or self.subjects < 0 or self.neighbours < 0:
            raise ConfigError("batches need a size of at least 2, and subjects and neighbours of at least 0")

    def gives(self) -> Needs:
        """What batches of these options can bring."""
        return Needs.CROPS | Needs.DENSE_ENCODER | (Needs.NEIGHBOUR if self.neighbours else Needs.PARTNER)

    def meeting(self, name: str, needs: Needs) -> WindowBatchConfig:
        """The options with what an objective needs.

        Raises:
            ConfigError: if batches of windows cannot bring it; the message says which option would, if any.
        """
        if Needs.NEIGHBOUR in needs and not self.neighbours:
            raise ConfigError(f"{name} needs {Needs.NEIGHBOUR.in_words()}: set batches.neighbours, in seconds")
        check_needs(name, needs, self.gives(), "these batches of windows")
        met = replace(self, bag=self.bag or "subject") if Needs.PARTNER in needs else self
        met = replace(met, crops=self.crops or CropConfig()) if Needs.CROPS in needs else met
        return replace(met, matches=self.matches or MatchConfig()) if Needs.DENSE_ENCODER in needs else met


class WindowBatches:
    """Batches of chosen windows; incomplete ones at the end of an epoch are left out, in another order each time.

    Args:
        windows: windows of recordings.
        rows: numbers of those that are trained on.
        config: what is in a batch.
        seed: seed of all draws.
        dense: frames of all windows in which matches are searched; needed where `config.matches` is not null.

    Raises:
        ConfigError: if there are fewer than two windows, or matches are to be found without `dense`.
    """

    def __init__(
        self,
        windows: WindowSet,
        rows: Sequence[int],
        config: WindowBatchConfig,
        seed: int,
        dense: DenseFrames | None = None,
    ) -> None:
        if len(rows) < 2:
            raise ConfigError(f"expected at least two windows to train on, got {len(rows)}")
        if config.matches and dense is None:
            raise ConfigError("batches.matches needs frames of the windows in which matches are searched: give dense")
        self.windows, self.config, self.seed = windows, config, seed
        self.rows = torch.tensor(rows)
        self.size = min(config.size, len(rows))
        self.world = World.join()
        self.failed: dict[str, Exception] = {}  # windows are in memory
        self.by_subject: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            self.by_subject[windows.subjects[row]].append(row)
        self._partners = self._find_partners() if config.neighbours else None
        self._bags = Bags(windows, rows, config.bag) if config.bag else None
        self._matcher = self._make_matcher(config.matches, dense) if config.matches and dense else None
        if self.world.is_first:
            if config.subjects:
                self._name_left_out()
            self._tell_partners()

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of every epoch."""
        return max(1, len(self._order(0)) // batches_per_step)

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[WindowBatch]:
        """Iterate over this rank's batches of an epoch, from any step on."""
        order = self._order(epoch)
        for step in range(first_step, len(order) // batches_per_step):
            batches = order[step * batches_per_step : (step + 1) * batches_per_step]
            for rows in batches[self.world.rank :: self.world.size]:
                yield self._batch(rows, epoch)

    def fixed(self) -> Iterator[WindowBatch]:
        """This rank's part of the batches of epoch 0."""
        return (self._batch(rows, 0) for rows in self._order(0)[self.world.rank :: self.world.size])

    def _order(self, epoch: int) -> list[Int[Tensor, "B"]]:
        generator = derive_generator(self.seed, "windows", epoch)
        count = self._subjects_per_batch()
        if not count:
            shuffled = self.rows[torch.randperm(len(self.rows), generator=generator)]
            return list(shuffled[: len(shuffled) // self.size * self.size].split(self.size))
        # Pieces of one subject each, shuffled; a batch is the next pieces of `count` different subjects.
        share = max(1, self.size // count)
        pieces = []
        for rows in self.by_subject.values():
            shuffled = torch.tensor(rows)[torch.randperm(len(rows), generator=generator)]
            pieces += [(index, piece) for index, piece in enumerate(shuffled.split(share)) if len(piece) == share]
        if len(pieces) < count:
            raise ConfigError(f"no subject has {share} windows; lower batches.size or batches.subjects")
        drawn = torch.randperm(len(pieces), generator=generator).tolist()
        chosen = [pieces[i][1] for i in sorted(drawn, key=lambda i: pieces[i][0])]  # so that few pieces of one subject meet
        batches = [torch.cat(chosen[first : first + count]) for first in range(0, len(chosen) - count + 1, count)]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def _subjects_per_batch(self) -> int:
        return min(self.config.subjects, len(self.by_subject))

    def _name_left_out(self) -> None:
        """Say who has too few windows for a share of a batch, and so is never trained on."""
        share = max(1, self.size // self._subjects_per_batch())
        few = [f"{name} ({len(rows)})" for name, rows in self.by_subject.items() if len(rows) < share]
        if 0 < len(few) < len(self.by_subject):
            say_once(
                f"batches of {self.config.size} windows of {self.config.subjects} subjects take {share} of each; never trained "
                f"on, with fewer, are {', '.join(few)}: lower batches.size or raise batches.subjects"
            )

    def _tell_partners(self) -> None:
        """Say how many windows have no partner but themselves."""
        if self._bags is not None and self.config.bag != "window" and (alone := self._bags.share_alone):
            say_once(f"batches.bag={self.config.bag}: {alone:.0%} of the windows are alone in their bag, and their own partners")
        if self._matcher is not None and self.config.matches is not None:
            rows = self._order(0)[0].tolist()
            ids = [self.windows.ids[row] for row in rows]
            _, found = self._matcher(self.windows.values, self.windows.lengths, rows, ids, (self.seed, 0))
            share = float(found.float().mean())
            lower = "; lower batches.matches.threshold" if share < LEAST_MATCHED else ""
            say_once(
                f"batches.matches: {share:.0%} of the crops of the first batch have a match above "
                f"{self.config.matches.threshold:g}, the others are their own{lower}"
            )

    def _batch(self, rows: Int[Tensor, "B"], epoch: int) -> WindowBatch:
        windows, batch = self.windows, windows_of(self.windows, rows, epoch, self.seed)
        if self._partners is not None:
            key = derive_generator(self.seed, epoch, *batch.ids[:1], "partners")
            first, last = self._partners[rows].T
            partners = first + (torch.rand(len(rows), generator=key) * (last - first + 1)).long()
            batch.partner, batch.partner_lengths = windows.values[partners], windows.lengths[partners]
        if self._bags is not None:
            key = derive_generator(self.seed, epoch, *batch.ids[:1], "bags")
            partners = torch.stack([self._bags.partner_of(row, key) for row in rows.tolist()])
            batch.partner, batch.partner_lengths = windows.values[partners], windows.lengths[partners]
            batch.bags = [self._bags.names[row] for row in rows.tolist()]
        if self.config.crops is not None:
            key = (self.seed, epoch)
            batch.crops = cut_crops(batch.signal, batch.lengths, batch.ids, key, self.config.crops)
        if self._matcher is not None:
            key = (self.seed, epoch)
            batch.matches, batch.matched = self._matcher(windows.values, windows.lengths, rows.tolist(), batch.ids, key)
        return batch

    def _make_matcher(self, config: MatchConfig, dense: DenseFrames) -> Matcher:
        names = [id_.rpartition("@")[0] for id_ in self.windows.ids]
        return Matcher(dense, names if config.other == "recording" else self.windows.subjects, self.rows.tolist(), config)

    def _find_partners(self) -> Int[Tensor, "N 2"]:
        """First and last window of the same recording that start near each window of the set; windows are in order of time."""
        recording = self.windows.recording
        samples = torch.tensor([int(id_.rpartition("@")[2]) for id_ in self.windows.ids], dtype=torch.float64)
        start = samples / self.windows.rate
        # Recordings are set far apart on one line of time.
        line = start + recording * 2.0 * (float(start.max()) + self.config.neighbours + 1)
        # Each of two starts is rounded to a sample, so that windows as far apart as asked may be one sample further.
        reach = self.config.neighbours + 1 / self.windows.rate
        first = torch.searchsorted(line, line - reach)
        last = torch.searchsorted(line, line + reach, right=True) - 1
        return torch.stack([first, last], 1)


@cache
def say_once(text: str) -> None:
    """Print a line, however many seeds and folds have cause for it."""
    console.print(text, markup=False)


def windows_of(windows: WindowSet, rows: Int[Tensor, "B"], epoch: int = 0, seed: int = 0) -> WindowBatch:
    """Some windows as a batch."""
    chosen = rows.tolist()
    ids, subjects = [windows.ids[row] for row in chosen], [windows.subjects[row] for row in chosen]
    return WindowBatch(windows.values[rows], windows.lengths[rows], ids, subjects, windows.rate, epoch, seed)
