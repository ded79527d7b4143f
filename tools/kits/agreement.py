"""Scores one encoder on SUPERB task folders by our heads and by s3prl's own problems, with several seeds each.

python tools/kits/agreement.py MODEL TASKS --task KS ASR --seeds 3 --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from audiossl.evaluation.superb.evaluate import evaluate_superb
from audiossl.evaluation.superb.training import ProbeOptions
from audiossl.files import write_json
from audiossl.kits.superb_problems import evaluate_superb_by_kit
from audiossl.load import load


def main() -> int:
    """Print and write every score, the means and their difference."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", help="as audiossl.load takes it")
    parser.add_argument("tasks", type=Path, help="folder of task folders")
    parser.add_argument("--task", nargs="*", default=[], help="names of folders, or SUPERB's abbreviations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, help="of each head")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    embedder, scores = load(options.model), {}
    for seed in range(options.seeds):
        given = (
            options.model,
            options.tasks,
            options.out / f"kit_{seed}",
            "s3prl",
            options.task,
            (),
            options.updates,
            seed,
        )
        rows = evaluate_superb_by_kit(*given)
        heads = ProbeOptions(seed=seed)
        rows += evaluate_superb(
            embedder, options.tasks, options.out / f"ours_{seed}", "ours", options.task, (), options.updates, heads
        )
        for row in rows:
            scores.setdefault(f"{row.dataset} {row.metric}", {}).setdefault(row.model, []).append(row.value)
        write_json(options.out / "agreement.json", scores)
    for name, found in scores.items():
        means = {who: fmean(values) for who, values in found.items()}
        each = "; ".join(
            f"{who} {means[who]:.3f} of {', '.join(f'{value:.3f}' for value in values)}" for who, values in found.items()
        )
        print(f"{name}: {each}; difference {means['ours'] - means['s3prl']:+.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
