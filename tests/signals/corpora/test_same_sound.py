"""One sound under several ids is on one side of every split, and counted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from lhotse import CutSet, MonoCut, Recording, RecordingSet
from lhotse.audio import AudioSource

from audiossl.files import read_json
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.corpora.linking import LinkedSource, link_corpus
from audiossl.signals.corpora.opening import open_corpus
from audiossl.signals.corpora.splits import split_by

NUM_SOUNDS = 12
FRACTIONS = {"train": 0.5, "valid": 0.25, "test": 0.25}


@pytest.fixture
def wavs(tmp_path) -> list[Path]:
    paths = [tmp_path / f"sound {number}.wav" for number in range(NUM_SOUNDS)]
    for number, path in enumerate(paths):
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, 3200 + 16 * number), 16_000)
    return paths


def check(corpus: Corpus, key: str = "recording") -> None:
    """The number of the sound stands in front of each id; no sound is on two sides, for any seed."""
    for seed in range(8):
        sides = split_by(corpus.items, key, FRACTIONS, seed)
        assert sum(map(len, sides.values())) == len(corpus) and all(sides.values())
        where = {(id_.rpartition("/")[2].split("-")[0], side) for side, ids in sides.items() for id_ in ids}
        assert len(where) == len({sound for sound, _ in where}) == NUM_SOUNDS


def cuts_of(paths: list[Path], suffix: str = "") -> CutSet:
    recordings = [Recording.from_file(path, recording_id=f"{number}-{suffix}") for number, path in enumerate(paths)]
    cuts = CutSet.from_manifests(RecordingSet.from_recordings(recordings))
    return CutSet.from_cuts(cut.with_id(cut.recording_id) for cut in cuts).to_eager()


@pytest.mark.parametrize("key", ["recording", "id"])
def test_perturbed_copies_of_a_manifest_stay_together_however_it_is_opened(wavs, tmp_path, key, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    cuts = cuts_of(wavs)
    cuts = (cuts.perturb_speed(0.9) + cuts + cuts.perturb_speed(1.1) + cuts.perturb_volume(2.0)).to_eager()
    (tmp_path / "shar").mkdir()
    cuts.to_file(tmp_path / "cuts.jsonl.gz")
    cuts.to_shar(tmp_path / "shar", fields={"recording": "wav"}, shard_size=7)
    check(Corpus.from_cuts(cuts), key)
    check(Corpus.from_cuts(tmp_path / "cuts.jsonl.gz"), key)
    check(open_corpus(tmp_path / "shar"), key)
    for place in ("cuts.jsonl.gz", "shar"):
        summary = link_corpus([LinkedSource("a", "speech", str(tmp_path / place))], tmp_path / "linked")
        assert summary.num_duplicates == 3 * NUM_SOUNDS == read_json(tmp_path / "linked" / "corpus.json")["num_duplicates"]
        check(Corpus.open(tmp_path / "linked"), key)


def test_links_and_files_named_twice_are_one_sound(wavs, tmp_path):
    (tmp_path / "links").mkdir()
    links = [tmp_path / "links" / f"{number}.wav" for number in range(NUM_SOUNDS)]
    for link, path in zip(links, wavs, strict=True):
        link.symlink_to(os.path.relpath(path, link.parent))
    (tmp_path / "folder").symlink_to(tmp_path)
    elsewhere = [tmp_path / "folder" / path.name for path in wavs]
    cuts = cuts_of(wavs, "a") + cuts_of(links, "b") + cuts_of(elsewhere, "c") + cuts_of(wavs, "d")
    check(Corpus.from_cuts(cuts.to_eager()))
    check(Corpus.from_cuts(cuts.to_eager()), "id")
    windows = cuts.cut_into_windows(0.1).to_eager()
    check(Corpus.from_cuts(windows))


def test_copies_of_a_file_are_found_among_those_of_a_manifest(wavs, tmp_path, monkeypatch):
    (tmp_path / "copies").mkdir()
    copies = [Path(shutil.copy(path, tmp_path / "copies" / f"{number}.wav")) for number, path in enumerate(wavs)]
    raw = bytearray(wavs[0].read_bytes())
    raw[-1] ^= 1  # of like length, size and middle, and yet another
    (tmp_path / "other.wav").write_bytes(raw)
    cuts = (cuts_of(copies, "a") + cuts_of(wavs, "b")).to_eager()
    check(Corpus.from_cuts(cuts))
    check(Corpus.from_cuts(cuts), "id")
    other = CutSet.from_cuts([Recording.from_file(tmp_path / "other.wav", recording_id="other").to_cut()])
    assert number_of_groups(Corpus.from_cuts((cuts + other).to_eager()), "recording") == NUM_SOUNDS + 1
    monkeypatch.setattr("audiossl.signals.corpora.same_sound.MOST_COMPARED", 2)
    assert number_of_groups(Corpus.from_cuts(cuts), "recording") == 2 * NUM_SOUNDS


@pytest.mark.parametrize("transcode", [True, False])
def test_copies_of_a_file_are_found_when_a_corpus_is_built(wavs, tmp_path, transcode):
    items = []
    for number, path in enumerate(wavs):
        copy = Path(shutil.copy(path, tmp_path / f"copy {number}.wav"))
        other = tmp_path / f"other {number}.flac"
        soundfile.write(other, soundfile.read(path, dtype="int16")[0], 16_000)
        items += [
            Item(f"{number}-{name}", place, speaker=f"{number} {name}")
            for name, place in (("a", path), ("b", copy), ("c", other))
        ]
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(3200), 16_000)
    summary = build_corpus([*items, Item("12-a", silent), Item("13-a", silent)], tmp_path / "corpus", transcode=transcode)
    assert summary.num_duplicates == 2 * NUM_SOUNDS
    corpus = Corpus.open(tmp_path / "corpus").subset(item.id for item in items)
    assert [item.same_as for item in corpus][:3] == [None, "0-a", "0-a"]
    assert all(item.custom == {} for item in corpus)
    check(corpus)
    check(corpus, "speaker")
    link_corpus([LinkedSource("joined", "speech", str(tmp_path / "corpus"))], tmp_path / "linked")
    check(Corpus.open(tmp_path / "linked").subset(f"joined/{item.id}" for item in items), "speaker")


def segments(*stretches: tuple[float, float]) -> Corpus:
    """Cuts of one file, and of one more, by a speaker each."""
    sources = [AudioSource("file", [0], f"/nowhere/{name}.wav") for name in ("a", "b")]
    one, other = (Recording(source.source, [source], 16_000, 16_000 * 100, 100.0) for source in sources)
    cuts = [MonoCut(str(number), start, end - start, 0, recording=one) for number, (start, end) in enumerate(stretches)]
    cuts.append(MonoCut("other", 0.0, 10.0, 0, recording=other))
    for cut in cuts:
        cut.custom = {"voice": cut.id}
    return Corpus.from_cuts(CutSet.from_cuts(cuts))


def number_of_groups(corpus: Corpus, key: str) -> int:
    from audiossl.signals.corpora.splits import united_groups

    return len(set(united_groups(corpus.items, key)))


def test_speakers_of_one_recording_stay_apart_unless_they_share_a_sound():
    assert number_of_groups(segments((0, 10), (10, 20), (20, 30)), "voice") == 4
    assert number_of_groups(segments((0, 10), (9, 20), (20, 30)), "voice") == 4  # they speak over each other
    assert number_of_groups(segments((0, 10), (4, 14), (13, 30)), "voice") == 3
    assert number_of_groups(segments((0, 10), (2, 4), (3, 30)), "voice") == 2  # by one that shares with both
    assert number_of_groups(segments((0, 10), (10, 20), (20, 30)), "recording") == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_what_shares_a_sound_is_one_group_transitively(pairs):
    from audiossl.signals.corpora.same_sound import UnitedGroups

    united, sets = UnitedGroups(), [{str(number)} for number in range(10)]
    for one, other in pairs:
        united.unite(str(one), str(other))
        joined = next(part for part in sets if str(one) in part) | next(part for part in sets if str(other) in part)
        sets = [part for part in sets if not part & joined] + [joined]
    for part in sets:
        assert {united.name(group) for group in part} == {min(part)}


def test_one_file_for_everything_is_split_by_ids_with_a_warning(wavs, caplog):
    recordings = [Recording.from_file(wavs[0], recording_id=f"{number}-") for number in range(NUM_SOUNDS)]
    cuts = CutSet.from_manifests(RecordingSet.from_recordings(recordings))
    cuts = [cut.with_id(cut.recording_id) for cut in cuts + cuts.perturb_speed(0.9)]
    check(Corpus.from_cuts(CutSet.from_cuts(cuts)))
    assert "all items are heard in one file" in caplog.text
