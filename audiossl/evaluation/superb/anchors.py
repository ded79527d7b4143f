"""superb_s: the mean over tasks of how far an encoder is from FBANK (0) to a reference (1000) (arXiv 2210.08634).

No text that was at hand states the constants. These were reconstructed: of some twenty candidates the only set that returns the
aggregates usually quoted for seven models within one point. The score's name says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from audiossl.errors import ConfigError

Values = Mapping[str, Mapping[str, float]]  # by task and metric, error rates and accuracies in percent


@dataclass(frozen=True)
class Anchors:
    """Values of both ends of the scale."""

    name: str
    fbank: Values
    reference: Values


ANCHORS = Anchors(
    "superb-10-prewavlm",
    {
        "PR": {"per": 82.01}, "ASR": {"wer": 23.18}, "KS": {"accuracy": 41.38}, "QbE": {"mtwv": 0.0058},
        "SID": {"accuracy": 20.06},        "ASV": {"eer": 9.56}, "SD": {"der": 10.05}, "IC": {"accuracy": 10.44},
        "SF": {"slot_type_f1": 69.64, "slot_value_cer": 52.94}, "ER": {"accuracy": 48.24},
    },
    {
        "PR": {"per": 3.53}, "ASR": {"wer": 3.62}, "KS": {"accuracy": 96.66}, "QbE": {"mtwv": 0.0736},
        "SID": {"accuracy": 90.33},        "ASV": {"eer": 5.11}, "SD": {"der": 5.62}, "IC": {"accuracy": 98.76},
        "SF": {"slot_type_f1": 89.81, "slot_value_cer": 21.76}, "ER": {"accuracy": 67.62},
    },
)  # fmt: skip


def superb_s(values: Values, anchors: Anchors = ANCHORS) -> float:
    """Score an encoder on all ten tasks; metrics of a task are averaged first.

    Args:
        values: values of the official test sets; in percent, but MTWV as a fraction.
        anchors: both ends.

    Raises:
        ConfigError: if a task or metric is missing: a mean over fewer tasks is another number.
    """
    missing = [
        f"{task} {metric}" for task, metrics in anchors.fbank.items() for metric in metrics if metric not in values.get(task, {})
    ]
    if missing:
        raise ConfigError(f"superb_s ({anchors.name}) is over ten tasks; missing {', '.join(missing)}")
    scores = []
    for task, metrics in anchors.fbank.items():
        parts = [(values[task][m] - zero) / (anchors.reference[task][m] - zero) for m, zero in metrics.items()]
        scores.append(fmean(parts))
    return 1000 * fmean(scores)
