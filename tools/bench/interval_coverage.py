"""How often 95 % intervals of few groups cover the truth: simulated, ours next to percentiles of resampled groups.

python tools/bench/interval_coverage.py                  # the tables of docs/intervals.md, two minutes on one core
python tools/bench/interval_coverage.py --trials 200     # a glance
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.evaluation.intervals import ANY, ERROR_RATE, SHARE, Interval, Range, rate_interval
from audiossl.evaluation.windows.ranking import WindowRanking
from audiossl.evaluation.windows.scores import WindowScores

ITEMS = 200  # of a group, on average
MANY = 400_000  # groups from which the truth is taken
GROUPS = (2, 3, 5, 10, 20)


@dataclass(frozen=True)
class Case:
    """A kind of data: `draw` gives sums and counts (N, G) of groups of the given sizes."""

    name: str
    range_: Range
    draw: Callable[[Float[Tensor, "N G"], torch.Generator], Float[Tensor, "N G"]]


def shares(centre: float, spread: float) -> Callable[[Float[Tensor, "N G"], torch.Generator], Float[Tensor, "N G"]]:
    """Right answers of groups whose shares differ: their log-odds are normal."""

    def draw(sizes: Float[Tensor, "N G"], generator: torch.Generator) -> Float[Tensor, "N G"]:
        odds = centre + spread * torch.randn(sizes.shape, generator=generator, dtype=torch.float64)
        return torch.binomial(sizes, odds.sigmoid(), generator=generator)

    return draw


def paired(sizes: Float[Tensor, "N G"], generator: torch.Generator) -> Float[Tensor, "N G"]:
    """Right answers of a model minus those of another, to which the same groups are hard."""
    odds = 1 + 0.8 * torch.randn(sizes.shape, generator=generator, dtype=torch.float64)
    worse = odds - 0.3 + 0.3 * torch.randn(sizes.shape, generator=generator, dtype=torch.float64)
    return torch.binomial(sizes, odds.sigmoid(), generator=generator) - torch.binomial(
        sizes, worse.sigmoid(), generator=generator
    )


def errors(spread: float) -> Callable[[Float[Tensor, "N G"], torch.Generator], Float[Tensor, "N G"]]:
    """Sums of absolute errors: means of groups are log-normal, items inside a group scatter by half of its mean."""

    def draw(sizes: Float[Tensor, "N G"], generator: torch.Generator) -> Float[Tensor, "N G"]:
        means = (spread * torch.randn(sizes.shape, generator=generator, dtype=torch.float64)).exp()
        noise = 0.5 * torch.randn(sizes.shape, generator=generator, dtype=torch.float64) / sizes.sqrt()
        return means * (1 + noise).clamp(min=0) * sizes

    return draw


def gaps_of_errors(sizes: Float[Tensor, "N G"], generator: torch.Generator) -> Float[Tensor, "N G"]:
    """Paired differences of mean errors, normal over groups."""
    return (0.2 + torch.randn(sizes.shape, generator=generator, dtype=torch.float64)) * sizes


CASES = (
    Case("share, 0.72 on average", SHARE, shares(1.0, 0.8)),
    Case("share, 0.96", SHARE, shares(3.5, 0.8)),
    Case("share, 0.99", SHARE, shares(5.0, 1.0)),
    Case("share, 0.05", SHARE, shares(-3.3, 0.8)),
    Case("share, 0.5 in every group", SHARE, shares(0.0, 0.0)),
    Case("paired difference of shares", SHARE.of_differences, paired),
    Case("mean error, groups differ by a quarter", ERROR_RATE, errors(0.25)),
    Case("mean error, groups differ by half", ERROR_RATE, errors(0.5)),
    Case("paired difference of mean errors", ANY, gaps_of_errors),
)


def sizes_of(shape: tuple[int, int], equal: bool, generator: torch.Generator) -> Float[Tensor, "N G"]:
    """Items of groups: alike, or log-normal, where the largest of 5 has 46 % of all items on average."""
    if equal:
        return torch.full(shape, float(ITEMS), dtype=torch.float64)
    return (ITEMS * torch.randn(shape, generator=generator, dtype=torch.float64).exp()).round().clamp(min=5)


def coverage(case: Case, num_groups: int, equal: bool, trials: int, seed: int = 0) -> tuple[float, float]:
    """Share of trials in which our interval covers the truth, and in which percentiles of 500 resamples do."""
    generator = torch.Generator().manual_seed(seed)
    many = sizes_of((1, MANY), True, generator)
    truth = (case.draw(many, generator).sum() / many.sum()).item()
    whole = sizes_of((trials, num_groups), equal, generator)
    part = case.draw(whole, generator)
    found = [rate_interval(*sums, case.range_) for sums in zip(part, whole, strict=True)]
    times = torch.stack([_resampled(one_part, one_whole, generator) for one_part, one_whole in zip(part, whole, strict=True)])
    low, high = torch.quantile(times, torch.tensor([0.025, 0.975], dtype=torch.float64), dim=1)
    old = ((low <= truth) & (truth <= high)).double().mean().item()
    return sum(_covers(interval, truth) for interval in found) / trials, old


def _resampled(part: Float[Tensor, "G"], whole: Float[Tensor, "G"], generator: torch.Generator) -> Float[Tensor, "R"]:
    drawn = torch.randint(len(part), (500, len(part)), generator=generator)
    return part[drawn].sum(1) / whole[drawn].sum(1)


def _covers(interval: Interval, truth: float) -> bool:
    """Whether it holds the truth; an interval without ends holds nothing."""
    return interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high


def window_scores(
    metric: str, num_groups: int, equal: bool, generator: torch.Generator, size: int = 60
) -> WindowScores | WindowRanking:
    """Scores of three classes by groups that are predicted unequally well and hold the classes in unequal shares."""
    sizes = sizes_of((1, num_groups), equal, generator)[0] * size / ITEMS
    group = torch.arange(num_groups).repeat_interleave(sizes.round().clamp(min=12).long())
    shares_of_classes = (0.5 * torch.randn(num_groups, 3, generator=generator)).softmax(1)
    truth = torch.multinomial(shares_of_classes[group], 1, generator=generator)[:, 0]
    signal = (1.5 + 0.5 * torch.randn(num_groups, 1, generator=generator))[group]
    scores = torch.randn(len(group), 3, generator=generator) + signal * torch.nn.functional.one_hot(truth, 3)
    names = [f"g{number:06d}" for number in group.tolist()]
    if metric == "auroc":
        return WindowRanking.of_scores(truth, scores[None], names)
    return WindowScores.of_classes(truth, scores.argmax(1)[None], names, 3)


def coverage_of_windows(metric: str, num_groups: int, equal: bool, trials: int, seed: int = 0) -> tuple[float, float]:
    """Share of trials in which the interval of a metric that is no mean covers the truth, and in which there was an interval."""
    generator = torch.Generator().manual_seed(seed)
    truth = window_scores(metric, 3000, True, generator).each_seed(metric)[0]
    found = [window_scores(metric, num_groups, equal, generator).interval(metric) for _ in range(trials)]
    given = [interval for interval in found if interval.low is not None]
    return sum(_covers(interval, truth) for interval in given) / max(len(given), 1), len(given) / trials


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000)
    trials = parser.parse_args().trials
    head = " | ".join(f"{number} groups" for number in GROUPS)
    print(f"| | sizes | {head} |\n|---|---|{'---|' * len(GROUPS)}")
    for case in CASES:
        for equal in (True, False):
            cells = [coverage(case, number, equal, trials) for number in GROUPS]
            print(
                f"| {case.name} | {_named(equal)} | {' | '.join(f'{100 * new:.1f} ({100 * old:.0f})' for new, old in cells)} |",
                flush=True,
            )
    for metric in ("macro_f1", "auroc"):
        for equal in (True, False):
            cells = [coverage_of_windows(metric, number, equal, max(trials // 2, 1)) for number in GROUPS]
            print(f"| {metric} | {_named(equal)} | {' | '.join(f'{100 * new:.1f}' for new, _ in cells)} |", flush=True)


def _named(equal: bool) -> str:
    return "equal" if equal else "unequal"


if __name__ == "__main__":
    main()
