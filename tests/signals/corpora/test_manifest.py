"""What is said in a cut: by time and by channel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.linking import LinkedSource, link_corpus
from audiossl.signals.corpora.manifest import read_supervisions


def said(start: float, duration: float, text: str | None, **more) -> dict:
    return {"start": start, "duration": duration, "text": text, **more}


def test_texts_come_in_the_order_of_time():
    late, early = said(3.0, 3.0, "and then good bye", speaker="a"), said(0.0, 3.0, "hello to you all", speaker="a")
    assert read_supervisions([late, early], 6.0) == {"text": "hello to you all and then good bye", "speaker": "a"}
    assert read_supervisions([{"text": "a line without times"}], 6.0) == {"text": "a line without times"}


@pytest.mark.parametrize(
    ("start", "duration"), [(-1.0, 2.0), (-0.01, 1.0), (5.5, 1.0), (-1.0, 9.0)], ids=["begin", "10 ms", "end", "both"]
)
def test_a_text_that_lies_in_a_cut_in_part_is_none(start, duration):
    whole, part = said(1.0, 2.0, "whole", language="en"), said(start, duration, "part", language="en")
    assert read_supervisions([whole, part], 6.0) == {"text_is_cut": True, "language": "en"}
    assert read_supervisions([whole, part | {"text": None}], 6.0) == {"text": "whole", "language": "en"}


def test_what_lies_outside_a_cut_or_within_rounding_does_not_count():
    inside = said(-0.001, 6.002, "inside", speaker="a")
    outside = [said(-2.0, 2.0, "before", speaker="b"), said(6.0, 1.0, "after", speaker="c")]
    assert read_supervisions([*outside, inside], 6.0) == {"text": "inside", "speaker": "a"}
    assert read_supervisions(outside, 6.0) == {}


def test_supervisions_of_other_channels_do_not_count():
    left, right, both = (
        said(2.0, 1.0, "left", channel=0),
        said(1.0, 1.0, "right", channel=1),
        said(0.0, 1.0, "both", channel=[0, 1]),
    )
    assert read_supervisions([left, right, both], 3.0, [0])["text"] == "both left"
    assert read_supervisions([left, right, both], 3.0, [1])["text"] == "both right"
    assert read_supervisions([left, right, both], 3.0, [0, 1])["text"] == "both right left"
    assert read_supervisions([left, right, both], 3.0)["text"] == "both right left"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.25, 3.0), min_size=1, max_size=6), st.floats(0.5, 4.0), st.randoms(use_true_random=False))
def test_the_words_of_any_window_are_heard_in_it(lengths, window, random):
    """A text is given exactly if every word that can be heard is heard whole; then it is these words in order."""
    edges = np.cumsum([0.0, *lengths])
    words = [(first, last, f"w{n}") for n, (first, last) in enumerate(pairwise(edges))]
    for start in np.arange(0.0, edges[-1], window):
        shuffled = [said(first - start, last - first, word) for first, last, word in words]
        random.shuffle(shuffled)
        heard = [(first, last, word) for first, last, word in words if first < start + window - 0.002 and last > start + 0.002]
        is_whole = all(first >= start - 0.002 and last <= start + window + 0.002 for first, last, _ in heard)
        text = read_supervisions(shuffled, window).get("text")
        assert text == (" ".join(word for *_, word in heard) if heard and is_whole else None)


def test_windows_of_a_recording_have_the_text_that_is_in_them_however_they_are_opened(tmp_path):
    from lhotse import CutSet, Recording, RecordingSet, SupervisionSegment, SupervisionSet

    soundfile.write(tmp_path / "r.wav", np.zeros(16_000 * 6), 16_000)
    recording = Recording.from_file(tmp_path / "r.wav", recording_id="r")
    segments = [SupervisionSegment("2", "r", 4.0, 1.5, text="good bye"), SupervisionSegment("1", "r", 0.0, 3.0, text="hello you")]
    cuts = CutSet.from_manifests(RecordingSet.from_recordings([recording]), SupervisionSet.from_segments(segments))
    for name in ("data", "shar"):
        (tmp_path / name).mkdir()
    windows = cuts.cut_into_windows(2.0).to_eager()
    windows.to_file(tmp_path / "data" / "cuts.jsonl.gz")
    windows.to_shar(tmp_path / "shar", fields={"recording": "wav"}, shard_size=2)
    expected = [None, None, "good bye"]
    assert [item.text for item in Corpus.from_cuts(windows)] == expected
    assert [item.text for item in Corpus.from_cuts(tmp_path / "data" / "cuts.jsonl.gz")] == expected
    for place in ("data", "shar"):
        summary = link_corpus([LinkedSource("a", "speech", str(tmp_path / place))], tmp_path / "linked")
        assert [item.text for item in Corpus.open(tmp_path / "linked")] == expected
        assert summary.num_cut_texts == 2
    assert [item.text for item in Corpus.from_cuts(cuts)] == ["hello you good bye"]
