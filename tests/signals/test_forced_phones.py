from __future__ import annotations

import importlib
from itertools import pairwise

import pytest
import torch

from audiossl.errors import ConfigError, DataError, MissingExtraError
from audiossl.signals import forced_phones
from audiossl.signals.audio import read_audio
from audiossl.signals.fetch import fetch
from audiossl.signals.forced_phones import (
    PHONE_LABELS,
    SAMPLE_RATE,
    Phone,
    align_corpus_phones,
    align_phones,
    join_words,
    label_frames,
)


def tone(seconds: float) -> torch.Tensor:
    return 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def test_there_are_39_phones_and_silence():
    assert len(PHONE_LABELS) == len(set(PHONE_LABELS)) == 40
    assert PHONE_LABELS[0] == "SIL"


def test_label_frames_follows_the_spans():
    phones = [Phone("SIL", 0.0, 0.5), Phone("AA", 0.5, 0.75), Phone("SIL", 0.75, 1.0)]
    labels = label_frames(phones, torch.tensor([0.0, 0.49, 0.5, 0.7, 0.75, 0.9, 1.0, 1.01]))
    assert [PHONE_LABELS[i] for i in labels] == ["SIL", "SIL", "AA", "AA", "SIL", "SIL", "SIL", "SIL"]
    with pytest.raises(DataError, match="no phones"):
        label_frames([], torch.zeros(1))


def test_spans_become_touching_times_and_fillers_become_silence():
    decoded = [("SIL", 0, "<sil>"), ("+NSN+", 4, "+NSN+"), ("AA", 10, "a"), ("B", 15, "a"), ("SIL", 20, "<sil>")]
    spans = [forced_phones._Span(name, frame, word, place) for place, (name, frame, word) in enumerate(decoded)]
    spans[3] = spans[3]._replace(place=2)  # the same word as the phone before
    phones = forced_phones._phones(spans, 0.3)
    assert join_words(phones) == [("a", phones[1].start, phones[2].end)]
    phones.pop(2)
    assert [phone.label for phone in phones] == ["SIL", "AA", "SIL"]
    assert [phone.start for phone in phones] == [0.0, pytest.approx(0.1078, abs=1e-4), pytest.approx(0.2078, abs=1e-4)]
    assert [phone.end for phone in phones] == [phones[1].start, pytest.approx(0.1578, abs=1e-4), 0.3]


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    forced_phones._decoder.cache_clear()
    with pytest.raises(MissingExtraError, match=r"audiossl\[demo\]"):
        align_phones(tone(1.0), "hello")


class TestWithDecoder:
    @pytest.fixture(autouse=True)
    def _needs_pocketsphinx(self):
        pytest.importorskip("pocketsphinx")

    @pytest.mark.parametrize(
        ("audio", "text", "message"),
        [
            (tone(1.0), "[tone]", "note or a tone"),
            (tone(1.0), "hello", "does not seem to hold its text"),
            (torch.zeros(16000), "hello", "does not seem to hold its text"),
            (tone(1.0), "hello zzyzxq", "zzyzxq"),
            (tone(0.2), "all representatives are busy", "too short"),
            (torch.zeros(0), "hello", "too short"),
            (torch.full((16000,), torch.nan), "hello", "NaN"),
            (torch.zeros(2, 16000), "hello", "[2, 16000]"),
        ],
    )
    def test_bad_items_are_refused_with_a_reason(self, audio, text, message):
        labels, rejected = align_corpus_phones([("it", audio, text)], num_workers=1)
        assert labels == {}
        assert message in rejected["it"]

    def test_a_lexicon_adds_words_for_its_own_calls_only(self):
        for lexicon, reason in [(None, "dictionary"), ({"zzyzxq": "Z IY Z"}, "does not seem to hold"), (None, "dictionary")]:
            with pytest.raises(DataError, match=reason):
                align_phones(tone(1.0), "zzyzxq", lexicon)

    @pytest.mark.parametrize("lexicon", [{"Word": "AA"}, {"word": ""}, {"word": "AA1"}, {"": "AA"}])
    def test_a_wrong_lexicon_is_a_config_error(self, lexicon):
        with pytest.raises(ConfigError, match="lexicon"):
            align_corpus_phones([], lexicon=lexicon)

    def test_ids_must_be_unique(self):
        with pytest.raises(DataError, match="twice"):
            align_corpus_phones([("a", tone(1.0), "hello"), ("a", tone(1.0), "hello")])

    def test_a_missing_file_is_rejected_with_its_name(self, tmp_path):
        _, rejected = align_corpus_phones([("gone", tmp_path / "gone.wav", "hello")], num_workers=1)
        assert "gone.wav" in rejected["gone"]


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """Five read sentences that Debian ships with pocketsphinx."""
    pytest.importorskip("pocketsphinx")
    try:
        root = fetch("deb:pocketsphinx-testdata", cache=tmp_path_factory.mktemp("cache"))
    except DataError as error:
        pytest.skip(str(error))
    folder = root / "usr/share/pocketsphinx/test/data/librivox"
    lines = [line.rstrip(")").rpartition(" (") for line in (folder / "transcription").read_text().splitlines()]
    return [(name, folder / f"{name}.wav", words.strip("<s>/ ")) for words, _, name in lines]


@pytest.mark.slow
class TestRealSpeech:
    def test_spans_tile_each_clip_and_spell_its_words(self, items):
        labels, rejected = align_corpus_phones(items, num_workers=1)
        assert len(labels) == 5, rejected
        for item_id, path, _ in items:
            phones = labels[item_id]
            audio, _ = read_audio(path, SAMPLE_RATE)
            assert phones[0].start == 0.0
            assert phones[-1].end == len(audio) / SAMPLE_RATE
            assert all(a.end == b.start and a.start < a.end for a, b in pairwise(phones))
        spoken = [phone.label for phone in labels[items[1][0]] if phone.label != "SIL"]  # "he was not an ill disposed young man"
        assert "".join(spoken[:2] + spoken[-3:]) == "HHIYMAEN"

    def test_silence_is_quiet(self, items):
        labels, _ = align_corpus_phones(items, num_workers=1)
        quiet, loud = [], []
        for item_id, path, _ in items:
            audio, _ = read_audio(path, SAMPLE_RATE)
            power = audio[: len(audio) // 160 * 160].view(-1, 160).square().mean(1)
            silent = label_frames(labels[item_id], (torch.arange(len(power)) + 0.5) / 100) == 0
            quiet.append(power[silent])
            loud.append(power[~silent])
        assert torch.cat(loud).median() > 10 * torch.cat(quiet).median()

    def test_order_and_processes_do_not_matter(self, items):
        one, _ = align_corpus_phones(items, num_workers=1)
        two, rejected = align_corpus_phones([*items[::-1], ("no", items[0][1], "(beep)")], num_workers=2)
        assert one == two
        assert list(rejected) == ["no"]
