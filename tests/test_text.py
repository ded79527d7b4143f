"""Clean text: format characters part no words, white space is one space, apostrophes are written one way."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.text import JOINER, NON_JOINER, ZERO_WIDTH_SPACE, clean_text, plain_apostrophes, words_only

FORMAT = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"]
SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("the\u00a0cat \t sat\r\non\u2028it\u3000 now\u0085", "the cat sat on it now"),
        ("Wör\u00adter", "Wörter"),
        ("\ufeff\u2060word\u2060s\u200e", "words"),
        ("cafe\u0301", "café"),
        ("e\u200d\u0301", "é"),  # composed once the joiner is gone
        ("می\u200cخواهم", "می\u200cخواهم"),  # spelling
        ("می\u200c خواهم", "می خواهم"),  # at an end of a word it shows nothing
        ("ශ්\u200dරී", "ශ්\u200dරී"),
        ("ক্\u200cষ", "ক্\u200cষ"),
        ("র\u200d্য", "র\u200d্য"),
        ("അവന്\u200d ", "അവന്\u200d"),
        ("wo\u200crd wo\u200drd", "word word"),
        ("wo\u200brd ภาษา\u200bไทย", "word ภาษาไทย"),
        ("ភាសា\u200bខ្មែរ မြန်မာ\u200bစာ ພາສາ\u200bລາວ", "ភាសា ខ្មែរ မြန်မာ စာ ພາສາ ລາວ"),
        ("a\x00b", "a b"),
        ("葛\U000e0100城 ❤\ufe0f", "葛城 ❤"),
        ("", ""),
    ],
)
def test_clean(text, clean):
    assert clean_text(text) == clean == clean_text(unicodedata.normalize("NFD", clean))


@given(st.sampled_from(FORMAT), st.sampled_from(["ab", "яд", "سل", "กข", "漢字", "क्ष", "12"]))
def test_no_format_character_parts_a_word(char, word):
    text = clean_text(word[0] + char + word[1:])
    assert len(text.split()) == 1
    assert text == word or char in (JOINER, NON_JOINER)
    assert clean_text(f"{char}{word}{char}") == word


def test_every_white_space_is_a_space():
    assert all(clean_text(f"a{space}{space}b{space}") == "a b" for space in SPACES)
    assert ZERO_WIDTH_SPACE not in SPACES


ODD = "aé\u0301' \u00a0\u00ad\u200b\u200c\u200d\u2060\ufe0f\u034fس\u064bक्ខ្က\u2019\u00b4·"


@given(st.text() | st.text(ODD, max_size=12))
def test_clean_text_is_composed_and_its_own_clean_text(text):
    once = clean_text(text)
    assert once == clean_text(once) == unicodedata.normalize("NFC", once) == clean_text(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize("char", "'\u2018\u2019\u201b\u00b4`\u2032\u02b9\u02bb\u02bc\uff07")
def test_what_is_typed_for_an_apostrophe(char):
    assert plain_apostrophes(f"don{char}t a{char}é") == "don't a'é"
    assert words_only(plain_apostrophes("5\u20323 ‘a’ b")) == "5 3 a b"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rock ’n’ roll, 'tis", "rock n roll tis"),
        ("col·legi a · b 1·2", "col·legi a b 1 2"),
        ("צה״ל ג׳ירפה", "צה״ל ג׳ירפה"),
        ("I ❤\u0301 you", "I you"),  # a mark whose base is no letter
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("snake_case e-mail", "snake case e mail"),
    ],
)
def test_words(text, words):
    assert words_only(plain_apostrophes(text)) == words
