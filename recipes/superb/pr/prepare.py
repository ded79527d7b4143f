"""PR: LibriSpeech train-clean-100, dev-clean, test-clean, words by a lexicon (`--data-root .../LibriSpeech`).

The folder holds the lexicon too, `lexicon.txt` (WORD PHONE PHONE ...; the first of a word counts). Published numbers use s3prl's,
which is not part of LibriSpeech.
"""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError

from ..librispeech import SETS, write
from ..official import corpus_root

UNKNOWN = "<UNK>"


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables; a word that the lexicon lacks is one unit, as in s3prl."""
    root = corpus_root(data_root, "LibriSpeech with a lexicon", [*SETS.values(), "lexicon.txt"])
    lexicon = read_lexicon(root / "lexicon.txt")
    write(out, data_root, "PR", lambda words: " ".join(lexicon.get(word, UNKNOWN) for word in words.split()))


def read_lexicon(path: Path) -> dict[str, str]:
    """Phones of each word.

    Raises:
        DataError: if a line has no phones.
    """
    lexicon: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, *phones = line.split()
        if not phones:
            raise DataError(f"{path}, line {number}: expected a word and its phones, got '{line}'")
        lexicon.setdefault(word, " ".join(phones))
    return lexicon
