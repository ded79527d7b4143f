"""Recordings whose manifest states a length that is a little, or far, off."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lhotse import CutSet, Recording
from lhotse.audio.utils import DurationMismatchError

from audiossl.errors import DataError
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.linking import LinkedSource, link_corpus
from audiossl.signals.declared_lengths import tolerance_seconds

SECONDS = 2.0


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("declared") / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, int(16_000 * SECONDS)), 16_000)
    return path


def declared(path: Path, extra: int, start: float = 0.0, duration: float | None = None) -> CutSet:
    """The recording as a cut whose manifest states some samples more, or fewer, than there are."""
    about = Recording.from_file(path, recording_id="a").to_dict()
    samples = about["num_samples"] + extra
    cut = Recording.from_dict(about | {"num_samples": samples, "duration": samples / about["sampling_rate"]}).to_cut()
    return CutSet.from_cuts([cut.truncate(offset=start, duration=duration, preserve_id=True)])


@settings(max_examples=30, deadline=None)
@given(st.integers(-8000, 8000), st.floats(0.0, 1.4))
@example(8000, 0.1841310834870349)
def test_a_length_that_is_a_little_off_is_padded_or_cut_as_lhotse_does(path, extra, start):
    cuts = declared(path, extra, start if start > 0.05 else 0.0)
    corpus = Corpus.from_cuts(cuts)
    item = corpus.items[0]
    signal = corpus.read(item)
    try:
        expected = cuts[0].load_audio()[0]
    except DurationMismatchError:  # lhotse compares seconds, and of exactly half a second rounding makes a little more
        assert extra == 8000 and start > 0.05
        expected = np.pad(declared(path, 0, start)[0].load_audio()[0], (0, extra), mode="reflect")
    assert len(signal) == item.num_samples == len(expected)
    np.testing.assert_array_equal(signal.numpy(), expected)
    assert corpus.padded == ({"a": extra} if extra > 2 else {})


@pytest.mark.parametrize(
    ("extra", "says"),
    [(8001, r"ends 8001 samples early: 2\.000 s are there, 2\.500 s"), (-8001, r"holds 2\.000 s, its manifest says 1\.500")],
)
def test_a_length_that_is_far_off_is_an_error_that_says_what_was_found(path, extra, says):
    corpus = Corpus.from_cuts(declared(path, extra))
    with pytest.raises(DataError, match=rf"item 'a': .*a\.wav {says}"):
        corpus.read(corpus.items[0])
    assert not corpus.padded


def test_an_excerpt_of_what_is_padded_is_that_of_the_whole(path):
    corpus = Corpus.from_cuts(declared(path, 3000))
    item = corpus.items[0]
    whole = corpus.read(item)
    for first, size in ((0, 100), (31_000, 2000), (31_990, 20), (32_000, 100), (34_000, 1000), (34_999, 1)):
        assert torch.equal(corpus.read(item, first, size), whole[first : first + size])


def test_a_rate_that_is_not_the_files_own_is_found(path, tmp_path):
    about = Recording.from_file(path, recording_id="a").to_dict() | {"sampling_rate": 32_000, "duration": SECONDS / 2}
    corpus = Corpus.from_cuts(CutSet.from_cuts([Recording.from_dict(about).to_cut()]))
    with pytest.raises(DataError, match=r"holds 2\.000 s, its manifest says 1\.000 s: .* another sample rate"):
        corpus.read(corpus.items[0])


def test_the_tolerance_is_that_of_lhotse(path, monkeypatch):
    monkeypatch.setenv("LHOTSE_AUDIO_DURATION_MISMATCH_TOLERANCE", "0.01")
    assert tolerance_seconds() == 0.01
    corpus = Corpus.from_cuts(declared(path, 1000))
    with pytest.raises(DataError, match=r"up to 0\.01 s would be padded"):
        corpus.read(corpus.items[0])
    monkeypatch.setenv("LHOTSE_AUDIO_DURATION_MISMATCH_TOLERANCE", "1.5")
    corpus = Corpus.from_cuts(declared(path, 16_000))
    assert len(corpus.read(corpus.items[0])) == 48_000


def test_padding_is_counted_and_logged_at_powers_of_ten(path, tmp_path, caplog):
    (tmp_path / "data").mkdir()
    cut = declared(path, 500)[0]
    CutSet.from_cuts(cut.with_id(str(n)) for n in range(12)).to_file(tmp_path / "data" / "cuts.jsonl.gz")
    link_corpus([LinkedSource("a", "speech", str(tmp_path / "data"))], tmp_path / "linked")
    corpus = Corpus.open(tmp_path / "linked")
    with caplog.at_level(logging.WARNING):
        for item in [*corpus, *corpus]:
            assert len(corpus.read(item)) == 32_500
    assert len(corpus.padded) == 12 and set(corpus.padded.values()) == {500}
    assert [record.getMessage().rsplit("; ", 1)[1] for record in caplog.records] == ["so far 1 items are", "so far 10 items are"]
