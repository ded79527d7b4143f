"""Written English to the words that were said, and only where that is certain."""

from __future__ import annotations

import re
from collections.abc import Callable

from audiossl.errors import DataError

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SIGN_IN_BRACKETS = re.compile(r"\[[^\w\]]*\]")  # "dot [.]": a second way to write the word before it
_STAGE_DIRECTION = re.compile(r"[\[(<{].*")  # "[ascending tones]", "(simple tone sound plays)": heard, but not words
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": " "})


def spoken_words(text: str, is_known: Callable[[str], bool]) -> list[str]:
    """Turn a written line into lower-case dictionary words, in the order they are spoken.

    Punctuation goes, hyphenated words that the dictionary lacks are split, numbers from 0 to 99 are written out, and capitals
    that hold no vowel are spelled (`PBX` -> `p b x`). Larger numbers, signs such as `#` and unknown words can be read in several
    ways: they are refused, never guessed.

    Args:
        text: one line of English.
        is_known: says whether the pronunciation dictionary holds a lower-case word.

    Raises:
        DataError: if the line has no words, a note in brackets, or something whose reading is uncertain; the message names it.
    """
    plain = _SIGN_IN_BRACKETS.sub(" ", text.translate(_QUOTES)).replace("...", " ")
    if note := _STAGE_DIRECTION.search(plain):
        raise DataError(f"the text holds a note or a tone, not only words: '{note.group().strip()}'")
    words = [word for token in plain.split() for word in _read_token(token, is_known)]
    if not words:
        raise DataError(f"the text has no words: '{text.strip()}'")
    return words


def _read_token(token: str, is_known: Callable[[str], bool]) -> list[str]:
    """Words of one token between spaces."""
    core = token.strip('.,;:!?"')
    if not core or set(core) <= set("-'\u2013\u2014"):
        return []
    dotted = token.strip(',;:!?"').lower()  # "a.m." is a word of its own
    for form in (core.lower(), dotted, core.lower().strip("'")):
        if is_known(form):
            return [form]
    if core.isascii() and core.isdigit():
        return _read_number(core)
    if "-" in core.strip("-"):
        return [word for part in core.split("-") if part for word in _read_token(part, is_known)]
    letters = list(core.lower())
    if core.isalpha() and core.isupper() and not set(letters) & set("aeiouy") and all(map(is_known, letters)):
        return letters
    raise DataError(f"'{core}' is not in the pronunciation dictionary, or can be read in more than one way")


def _read_number(digits: str) -> list[str]:
    """Words of a number below one hundred, the only ones that are always read in one way."""
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        raise DataError(f"the number '{digits}' can be read in more than one way: write it in words")
    tens, ones = divmod(int(digits), 10)
    if tens < 2:
        return [(_ONES + _TEENS)[int(digits)]]
    return [_TENS[tens - 2]] + ([_ONES[ones]] if ones else [])
