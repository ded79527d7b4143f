"""Fail unless the student of the asterisk recipe beats its baselines by what the recipe promises."""

from __future__ import annotations

import sys
from pathlib import Path

from audiossl.evaluation.results import read_results

OVER_LOGMEL, OVER_RANDOM = 0.03, 0.08  # points of frame phone accuracy, as fractions


def main(path: Path) -> int:
    """Compare the linear probes of one `results.json`."""
    rows = read_results(path)
    accuracy = {row.model: row.value for row in rows if (row.task, row.metric) == ("frame_phones", "accuracy")}
    gaps = {"logmel": OVER_LOGMEL, "random": OVER_RANDOM}
    failed = [name for name, gap in gaps.items() if accuracy["student"] - accuracy[name] < gap]
    for name, gap in gaps.items():
        print(f"student - {name}: {100 * (accuracy['student'] - accuracy[name]):+.1f} points, expected at least {100 * gap:.0f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
