"""Text units: normal forms, round trips, what is unknown, and inventories on disk."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError, MissingExtraError, StoreError
from audiossl.objectives import text_units
from audiossl.objectives.text_units import CharacterUnits, TextConfig, fit_units, load_units, normalise_text

TEXTS = ["press one to call", "press two to hang up", "the call is over", "one call at a time", "two calls"] * 5


@pytest.mark.parametrize(
    ("text", "config", "expected"),
    [
        ("  Por favor, ¿contrasen\u0303a?\n", TextConfig(), "por favor contraseña"),
        ("DON’T hang-up: 'now'", TextConfig(), "don't hang up now"),
        ("Нажмите 1.", TextConfig(), "нажмите 1"),
        ("Hello,  World!", TextConfig(lower=False), "Hello World"),
        ("Hello,  World!", TextConfig(punctuation=True), "hello, world!"),
        ("...", TextConfig(), ""),
        ("می\u200cخواهم", TextConfig(), "می\u200cخواهم"),
        ("ශ්\u200dරී ලංකා", TextConfig(), "ශ්\u200dරී ලංකා"),
        ("Wör\u00adter \u2060word\u2060s", TextConfig(), "wörter words"),
        ("don´t, Hawai‘i; it`s O′Neill", TextConfig(), "don't hawai'i it's o'neill"),
        ("‘don´t’ \ufeffgo", TextConfig(punctuation=True), "‘don't' go"),
    ],
)
def test_normal_forms(text, config, expected):
    assert normalise_text(text, config) == expected


@given(st.text() | st.text("aé\u0301' \u00ad\u200b\u200c\u200d\ufe0fسक्ខ\u2019\u00b4·"), st.booleans(), st.booleans())
def test_a_normal_form_is_composed_and_its_own_normal_form(text, lower, punctuation):
    config = TextConfig(lower=lower, punctuation=punctuation)
    once = normalise_text(text, config)
    assert once == normalise_text(once, config) == unicodedata.normalize("NFC", once)


@pytest.mark.parametrize("config", [TextConfig(), TextConfig(units="bpe", size=40)])
def test_round_trip_and_disk(tmp_path, config):
    units = fit_units(TEXTS, config)
    units.save(tmp_path / "units")
    again = load_units(tmp_path / "units")
    assert type(again) is type(units) and again.size == units.size
    for text in (*TEXTS[:5], "a call to two", ""):
        numbers = units.encode(text)
        assert numbers == again.encode(text) and all(2 <= number < units.size for number in numbers)
        assert units.decode(numbers) == again.decode(numbers) == text
    assert 1 in units.encode("zebra") and "\ufffd" in units.decode(units.encode("zebra"))
    assert units.decode([0, 0]) == ""


def test_bpe_is_shorter_than_characters_and_as_large_as_told():
    characters, pieces = fit_units(TEXTS, TextConfig()), fit_units(TEXTS, TextConfig(units="bpe", size=40))
    assert characters.size == len(set("".join(TEXTS))) + 2 and pieces.size == 40
    assert len(pieces.encode(TEXTS[0])) < len(characters.encode(TEXTS[0]))


def test_errors(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="got none"):
        fit_units(["", ""], TextConfig())
    with pytest.raises(ConfigError, match="too small for"):
        fit_units(TEXTS, TextConfig(units="bpe", size=10))
    with pytest.raises(StoreError, match=r"units\.json"):
        load_units(tmp_path)
    monkeypatch.setattr(text_units, "import_extra", _missing)
    with pytest.raises(MissingExtraError):
        fit_units(TEXTS, TextConfig(units="bpe", size=40))
    assert isinstance(fit_units(TEXTS, TextConfig()), CharacterUnits)  # characters need nothing


def _missing(module, extra):
    raise MissingExtraError(f"{module} {extra}")
