"""Append the rows of a finished run to the results.jsonl of its recipe, with commit, seed, machine and the scores of each group.

python tools/record_results.py runs/asterisk recipes/asterisk/results.jsonl
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from audiossl.errors import AudiosslError
from audiossl.report.recorded import record_run


def main() -> int:
    """Record one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a recipe's run, or of audiossl evaluate")
    parser.add_argument("file", type=Path, help="results.jsonl of the recipe")
    parser.add_argument("--seed", type=int, help="of a run that does not record it")
    parser.add_argument("--machine", help="in place of this machine's processor")
    arguments = parser.parse_args()
    try:
        count = record_run(arguments.run, arguments.file, arguments.seed, arguments.machine)
    except AudiosslError as error:
        print(f"record_results: {error}", file=sys.stderr)
        return 1
    print(f"{count} new rows in {arguments.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
