"""Written text as it is compared: composed, without what nobody sees, with words parted by single spaces.

Which characters part words follows the Unicode standard: format characters (category Cf) do not (UAX #29, rule WB4), marks
belong to what they stand on, and an apostrophe between letters is a part of the word (MidNumLet), however it was typed.
"""

from __future__ import annotations

import unicodedata

# Typed for an apostrophe: quotation marks, accents that stand alone, primes, modifier letters, the full-width form.
APOSTROPHES = frozenset("'\u2018\u2019\u201b\u00b4`\u2032\u02b9\u02bb\u02bc\uff07")
# Within a word of letters these part nothing: the Catalan middle dot, Greek ano teleia in its place, the hyphenation point, and
# Hebrew geresh and gershayim (UAX #29, MidLetter).
MIDDLES = frozenset("\u00b7\u0387\u2027\u05f3\u05f4")
# Marks and letters that show nothing themselves: grapheme joiner, Hangul fillers, variation selectors.
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u3164\uffa0\u180b\u180c\u180d\u180f"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
ZERO_WIDTH_SPACE, NON_JOINER, JOINER = "\u200b", "\u200c", "\u200d"
CONTEXTUAL = frozenset((ZERO_WIDTH_SPACE, NON_JOINER, JOINER))  # what becomes of them depends on their neighbours
# Scripts that write words without spaces and mark their ends by the zero-width space, as Unicode recommends (chapter 16).
# Thai is not among them: a zero-width space there is noise, which its own normalisers remove (PyThaiNLP issue 373).
PARTED_BY_ZERO_WIDTH = ("KHMER", "LAO", "MYANMAR")
VIRAMA = 9  # canonical combining class


def clean_text(text: str) -> str:
    """Compose characters (NFC), drop what is not seen, and part words by single spaces, whatever space was written.

    No-break spaces, tabs, line separators and runs of spaces are one space. Soft hyphens, word joiners, byte order marks and
    marks of direction vanish. Joiners and non-joiners stay where they are spelling: after a virama and between letters of Arabic
    scripts (UAX #31, contexts A1, A2 and B). A zero-width space parts words of Khmer, Lao and Myanmar, and vanishes elsewhere.

    >>> clean_text("the\\u00a0cat \\t so\\u00adfa")
    'the cat sofa'
    """
    text = unicodedata.normalize("NFC", text)
    if not text.isascii() or not text.isprintable():
        text = unicodedata.normalize("NFC", "".join(map(_seen, text)))
        if not CONTEXTUAL.isdisjoint(text):
            text = unicodedata.normalize("NFC", "".join(_in_context(text, place) for place in range(len(text))))
    return " ".join(text.split())


def plain_apostrophes(text: str) -> str:
    """Write the apostrophes within words as U+0027, however they were typed, and U+2019 everywhere.

    Accents and primes count between letters only, so that 5′3 stays a length.

    >>> plain_apostrophes("don´t, Hawai‘i, ‘quoted’")
    "don't, Hawai'i, ‘quoted'"
    """
    text = text.replace("\u2019", "'")
    if APOSTROPHES.isdisjoint(text):
        return text
    return "".join(
        "'" if char in APOSTROPHES and _is_letter(text[place - 1 : place]) and _is_letter(text[place + 1 : place + 2]) else char
        for place, char in enumerate(text)
    )


def words_only(text: str) -> str:
    """Keep letters, digits, their marks and the apostrophes within words; all else parts words.

    >>> words_only("press '1' - don't, col·legi")
    "press 1 don't col·legi"
    """
    kept: list[str] = []
    for place, char in enumerate(text):
        category = unicodedata.category(char)[0]
        before = kept[-1] if kept else " "
        if category in "LN" or char == "'":
            kept.append(char)
        elif category == "M" or char in (JOINER, NON_JOINER):
            if before not in " '":  # what it stands on is kept
                kept.append(char)
        elif char in MIDDLES and _is_letter(before) and _is_letter(text[place + 1 : place + 2]):
            kept.append(char)
        else:
            kept.append(" ")
    return " ".join(word for word in (word.strip("'") for word in "".join(kept).split()) if word)


def _is_letter(char: str) -> bool:
    return char != "" and unicodedata.category(char)[0] in "LM"


def _seen(char: str) -> str:
    """What becomes of a character anywhere."""
    if char.isascii() and char.isprintable():
        return char
    category = unicodedata.category(char)
    if char in INVISIBLE or (category == "Cf" and char not in CONTEXTUAL):
        return ""
    return " " if category == "Cc" else char


def _in_context(text: str, place: int) -> str:
    """What becomes of a joiner, a non-joiner or a zero-width space between its neighbours; other characters stay."""
    char, before, after = text[place], text[place - 1 : place] if place else "", text[place + 1 : place + 2]
    if char == ZERO_WIDTH_SPACE:
        scripts = {unicodedata.name(one, "").split(" ")[0] for one in (before, after) if one}
        return " " if scripts.intersection(PARTED_BY_ZERO_WIDTH) else ""
    if char == JOINER:
        return char if VIRAMA in (unicodedata.combining(before or " "), unicodedata.combining(after or " ")) else ""
    if char == NON_JOINER:
        spells = before != "" and (unicodedata.combining(before) == VIRAMA or _is_arabic(before, after))
        return char if spells and _is_letter(before) and _is_letter(after) else ""
    return char


def _is_arabic(before: str, after: str) -> bool:
    """Letters of Arabic scripts or their points on both sides."""
    return after != "" and all(unicodedata.bidirectional(char) in ("AL", "NSM") for char in (before, after))
