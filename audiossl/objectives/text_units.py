"""Transcripts as units: characters, or pieces of words by byte-pair encoding; 0 is the blank of CTC, 1 an unknown character."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from audiossl.errors import ConfigError, DataError, StoreError, import_extra
from audiossl.files import read_json, write_json
from audiossl.text import clean_text, plain_apostrophes, words_only

BLANK, UNKNOWN = "<blank>", "<unk>"
FILE, BPE_FILE = "units.json", "bpe.json"
SHOWN_UNKNOWN = "\ufffd"


@dataclass
class TextConfig:
    """How transcripts are written.

    Attributes:
        units: `characters`, or `bpe`, which needs the extra `finetune`.
        size: number of BPE units with the blank and the unknown one.
        lower: write everything in lower case.
        punctuation: keep it; otherwise only letters, digits, their marks and apostrophes within words stay.

    >>> normalise_text("So, so!", TextConfig())
    'so so'
    """

    units: Literal["characters", "bpe"] = "characters"
    size: int = 500
    lower: bool = True
    punctuation: bool = False


def normalise_text(text: str, config: TextConfig) -> str:
    """Clean a text (`audiossl.text.clean_text`), and fold case and punctuation as the config says.

    Apostrophes within words are written as U+0027 however they were typed.

    >>> normalise_text("Don't  press ‘1’ - ¿sí?", TextConfig())
    "don't press 1 sí"
    """
    text = plain_apostrophes(clean_text(text))
    if config.lower:
        text = unicodedata.normalize("NFC", text.lower())
    return text if config.punctuation else words_only(text)


class TextUnits(ABC):
    """Turns normalised text into unit numbers and back.

    Attributes:
        size: number of units, the blank and the unknown one included.

    >>> units = fit_units(["so so", "no"], TextConfig())
    >>> isinstance(units, TextUnits), units.encode("no?")
    (True, [3, 4, 1])
    """

    size: int

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Unit numbers of a text; what is not in the inventory becomes 1."""

    @abstractmethod
    def decode(self, units: Sequence[int]) -> str:
        """Text of unit numbers; 1 is shown as the replacement character."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the inventory."""


class CharacterUnits(TextUnits):
    """One unit a character, the space among them."""

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = list(characters)
        self.size = len(self.characters) + 2
        self._numbers = {char: number for number, char in enumerate(self.characters, 2)}

    def encode(self, text: str) -> list[int]:
        """Unit numbers of a text."""
        return [self._numbers.get(char, 1) for char in text]

    def decode(self, units: Sequence[int]) -> str:
        """Text of unit numbers."""
        return "".join(self.characters[unit - 2] if unit > 1 else SHOWN_UNKNOWN for unit in units if unit > 0)

    def save(self, folder: Path) -> None:
        """Write `units.json`."""
        write_json(folder / FILE, {"kind": "characters", "units": [BLANK, UNKNOWN, *self.characters]})


@runtime_checkable
class Tokenizer(Protocol):
    """What is used of a `tokenizers.Tokenizer`; that package is an extra."""

    def get_vocab_size(self) -> int: ...

    def encode(self, sequence: str) -> Encoding: ...

    def id_to_token(self, id: int) -> str: ...

    def save(self, path: str) -> None: ...


@runtime_checkable
class Encoding(Protocol):
    """What is used of a `tokenizers.Encoding`."""

    @property
    def ids(self) -> list[int]: ...


class BpeUnits(TextUnits):
    """Pieces of words by byte-pair encoding (arXiv 1508.07909), from the `tokenizers` package; words begin with a mark."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size = tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Unit numbers of a text."""
        return self.tokenizer.encode(text).ids

    def decode(self, units: Sequence[int]) -> str:
        """Text of unit numbers."""
        pieces = [SHOWN_UNKNOWN if unit == 1 else self.tokenizer.id_to_token(unit) for unit in units if unit > 0]
        return "".join(pieces).replace("\u2581", " ").strip()

    def save(self, folder: Path) -> None:
        """Write `bpe.json` and `units.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / BPE_FILE))
        write_json(folder / FILE, {"kind": "bpe"})


def fit_units(texts: Iterable[str], config: TextConfig) -> TextUnits:
    """Collect the inventory of normalised texts.

    Args:
        texts: normalised transcripts.
        config: kind and number of units.

    Raises:
        DataError: if there is no text.
        MissingExtraError: if BPE is wanted and `tokenizers` is not installed.
        ConfigError: if a BPE inventory of that size cannot hold the characters.

    >>> units = fit_units(["so so", "no"], TextConfig())
    >>> units.size, units.decode(units.encode("no so"))
    (6, 'no so')
    """
    texts = list(texts)
    characters = sorted(set("".join(texts)))
    if not characters:
        raise DataError("expected transcripts to collect units from, got none: has the corpus texts?")
    if config.units == "characters":
        return CharacterUnits(characters)
    if config.size < len(characters) + 3:
        raise ConfigError(f"text.size={config.size} is too small for {len(characters)} characters; take several hundred.")
    tokenizers = import_extra("tokenizers", "finetune")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=config.size, special_tokens=[BLANK, UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return BpeUnits(tokenizer)


def load_units(folder: Path) -> TextUnits:
    """Read units that `TextUnits.save` wrote.

    Args:
        folder: folder that was written.

    Raises:
        StoreError: if the folder holds none.
        MissingExtraError: if they are BPE units and `tokenizers` is not installed.

    >>> fit_units(["yes", "no"], TextConfig()).save(Path("units"))
    >>> load_units(Path("units")).decode([2])
    'e'
    """
    try:
        values = read_json(folder / FILE)
        if values["kind"] == "characters":
            return CharacterUnits(values["units"][2:])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"expected text units in {folder / FILE}, could not read them: {error!r}") from error
    return BpeUnits(import_extra("tokenizers", "finetune").Tokenizer.from_file(str(folder / BPE_FILE)))
