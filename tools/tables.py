"""Print the tables of a recipe's results.jsonl in Markdown, or put them into its README between two comments.

python tools/tables.py recipes/asterisk/results.jsonl --metric accuracy
python tools/tables.py recipes/asterisk/results.jsonl --write recipes/asterisk/README.md
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from audiossl.errors import AudiosslError, ConfigError
from audiossl.report.recorded_tables import read_recorded, recorded_tables

BEGIN, END = "<!-- tables of results.jsonl -->", "<!-- end of tables -->"


def put_between(text: str, tables: str) -> str:
    """Put tables in the place of what stands between the two comments.

    Raises:
        ConfigError: if the text does not hold each of them once.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigError(f"expected the line {BEGIN} and below it {END}, once each")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Print or write the tables of one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="results.jsonl of a recipe")
    parser.add_argument("--metric", nargs="+", default=[], help="metrics that are shown; all by default")
    parser.add_argument("--write", type=Path, help="README in which they are put between the two comments")
    arguments = parser.parse_args()
    try:
        tables = recorded_tables(read_recorded(arguments.file), arguments.metric)
        if arguments.write:
            text = put_between(arguments.write.read_text(encoding="utf-8"), tables)
            arguments.write.write_text(text, encoding="utf-8")
        else:
            print(tables)
    except AudiosslError as error:
        print(f"tables: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
