"""Word and character error rates, with intervals over groups (speakers, prompts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError, import_extra
from audiossl.evaluation.intervals import MEAN, Interval, range_of, rate_interval
from audiossl.evaluation.readout import rates_of_groups
from audiossl.evaluation.results import ResultRow
from audiossl.text import clean_text

METRICS = ("wer", "cer")


@dataclass(frozen=True)
class ErrorCounts:
    """Substitutions, deletions and insertions of each group, and the words or characters that it should have had."""

    edits: Float[Tensor, "G"]
    total: Float[Tensor, "G"]
    groups: Sequence[str] = ()


def count_errors(
    references: Mapping[str, str], hypotheses: Mapping[str, str], group_of: Mapping[str, str]
) -> dict[str, ErrorCounts]:
    """Align every hypothesis with its reference, by words (`wer`) and by characters (`cer`), and add up by group.

    Args:
        references: text by item id. Both sides are cleaned (`audiossl.text.clean_text`); case and punctuation count.
        hypotheses: text by item id, one for each reference.
        group_of: group by item id.

    Raises:
        DataError: if a hypothesis is missing.
        MissingExtraError: if `jiwer` is not installed.
    """
    jiwer = import_extra("jiwer", "finetune")
    if missing := sorted(references.keys() - hypotheses.keys()):
        raise DataError(f"expected a hypothesis for every reference, {len(missing)} have none, the first is '{missing[0]}'")
    numbers = {name: number for number, name in enumerate(sorted({group_of[id_] for id_ in references}))}
    counts = {metric: torch.zeros(2, len(numbers), dtype=torch.float64) for metric in METRICS}
    for id_, reference in references.items():
        for metric, process in zip(METRICS, (jiwer.process_words, jiwer.process_characters), strict=True):
            found = process(clean_text(reference), clean_text(hypotheses[id_]))
            counts[metric][:, numbers[group_of[id_]]] += torch.tensor(
                [found.substitutions + found.deletions + found.insertions, found.substitutions + found.deletions + found.hits]
            )
    return {metric: ErrorCounts(values[0], values[1], tuple(numbers)) for metric, values in counts.items()}


def error_rows(
    dataset: str,
    task: str,
    model: str,
    counts: Mapping[str, ErrorCounts],
    num_resamples: int | None = None,
    seed: int | None = None,
) -> list[ResultRow]:
    """Rates with 95 % intervals over groups; `n` counts words or characters.

    An interval of a rate draws nothing: `num_resamples` and `seed` are not used.

    Raises:
        DataError: if every reference is empty.
    """
    rows = []
    for metric, count in counts.items():
        if not count.total.sum():
            raise DataError(f"{dataset}, {task}: every reference is empty, so that there is no error rate. Check the transcripts")
        found = rate_interval(count.edits, count.total, range_of(metric))
        scores = rates_of_groups(count.groups, count.edits, count.total)
        rows.append(ResultRow.of(dataset, task, model, metric, found, int(count.total.sum()), scores))
    return rows


def error_difference(first: ErrorCounts, second: ErrorCounts) -> Interval:
    """Paired interval of the first model's rate minus the second's, over the same groups; below 0 the first is better.

    Raises:
        DataError: if the two were not scored on the same references.
    """
    if not torch.equal(first.total, second.total):
        raise DataError("expected two models scored on the same references, got different ones")
    return rate_interval(first.edits - second.edits, first.total, MEAN)
