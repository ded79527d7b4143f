from __future__ import annotations

import pytest

from audiossl.errors import DataError
from audiossl.signals.spoken_text import spoken_words

KNOWN = {*"abdimnpsx", "a.m.", "at", "call", "call-waiting", "don't", "dot", "forward", "i'm", "leave", "one", "please", "press"}
KNOWN |= {"say", "sorry", "space", "to"}


def words(text):
    return spoken_words(text, KNOWN.__contains__)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Please press 1, to leave...", "please press one to leave"),
        ("press 17", "press seventeen"),
        ("Press 0 press 20 press 45", "press zero press twenty press forty five"),
        ("A.M.", "a.m."),
        ("at [@]", "at"),
        ("dot [.]", "dot"),
        ("space [ ]", "space"),
        ("Call-Forward!", "call forward"),
        ("call-waiting", "call-waiting"),
        ("I\u2019m sorry \u2014 don't", "i'm sorry don't"),
        ('say "don\'t call"', "say don't call"),
        ("M I S D N", "m i s d n"),
        ("PBX", "p b x"),
        ("one...press", "one press"),
        ("press 'one'", "press one"),
    ],
)
def test_reads_ordinary_spelling(text, spoken):
    assert words(text) == spoken.split()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[ascending tones]", "ascending tones"),
        ("please leave. (simple tone sound plays)", "simple tone sound plays"),
        ("<beep ascending>", "beep"),
        ("press 500", "500"),
        ("press 28.8", "28.8"),
        ("press 05", "05"),
        ("press #", "#"),
        ("call DAHDI", "DAHDI"),
        ("un-sorry", "un"),
        ("3D", "3D"),
        ("call Wiesbaden", "Wiesbaden"),
        ("pbx", "pbx"),
        ("PBY", "PBY"),
        ("...", "no words"),
        ("", "no words"),
        ("press \u00b2", "\u00b2"),
    ],
)
def test_refuses_what_is_not_certain(text, named):
    with pytest.raises(DataError, match=r"words|dictionary|way") as caught:
        words(text)
    assert named in str(caught.value)
