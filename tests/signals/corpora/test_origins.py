"""A recording is known again by its content and its part, and a replaced one is not taken for the old one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from lhotse import CutSet
from lhotse import Recording as Recorded

from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.manifest import CorpusItem
from audiossl.signals.corpora.origins import COLUMNS, Origin, compare, origin_columns, part_of
from audiossl.signals.corpora.recordings import Recording
from audiossl.signals.corpora.tar_index import TarMember


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"0123456789")
    return tmp_path / "a.wav"


def item(path: Path, start: float = 0.0, duration: float = 1.0) -> CorpusItem:
    return CorpusItem("a", path, start, duration, 100, "a", channels=(0,))


def test_replaced_touched_moved_and_gone_files(file):
    known = Origin.of(Recording("a", file))
    assert known.state(Recording("a", file)) == "same"
    os.utime(file, ns=(1, 1))
    assert known.state(Recording("a", file)) == "same"  # touched: the content decides
    (moved := file.with_name("b.wav")).write_bytes(file.read_bytes())
    assert known.state(Recording("a", moved)) == "same"
    moved.write_bytes(b"another file")
    assert known.state(Recording("a", moved)) == "elsewhere"
    file.write_bytes(b"9876543210")
    assert known.state(Recording("a", file)) == "changed"
    file.unlink()
    assert known.state(Recording("a", file)) == "changed"
    assert Origin(known.path).state(Recording("a", file)) == "unknown"  # of an older version


def test_only_verifying_sees_a_change_that_kept_size_and_time(file):
    known = Origin.of(Recording("a", file))
    time = file.stat().st_mtime_ns
    file.write_bytes(b"9876543210")
    os.utime(file, ns=(time, time))
    assert known.state(Recording("a", file)) == "same"
    assert known.state(Recording("a", file), verify=True) == "changed"


def test_another_part_of_the_same_file_is_another_recording(file):
    known = Origin.of(Recording("a", file, item(file)))
    assert known.state(Recording("a", file, item(file))) == "same"
    for other in (item(file, 0.5), item(file, 0.0, 0.9), replace(item(file), channels=(1,))):
        assert known.state(Recording("a", file, other)) == "changed"
    assert known.state(Recording("a", file)) == "changed"


def test_a_part_of_a_tar_is_known_by_its_bytes(file):
    def member(offset: int) -> Recording:
        packed = replace(item(file / "x.flac"), member=TarMember(str(file), offset, 4))
        return Recording("a", packed.path, packed)

    known = Origin.of(member(2))
    assert known.state(member(2)) == "same" and known.state(member(2), verify=True) == "same"
    file.write_bytes(b"__2345____")
    os.utime(file, ns=(1, 1))
    assert known.state(member(2)) == "same"
    file.write_bytes(b"__2346____")
    assert known.state(member(2)) == "changed"


@settings(max_examples=20, deadline=None)
@given(content=st.binary(max_size=20), later=st.binary(max_size=20), version=st.integers(0, 9))
def test_any_change_of_content_is_seen_and_columns_come_back(tmp_path_factory, content, later, version):
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(content)
    known = replace(Origin.of(Recording("a", path)), version=version)
    columns = {name: column.to_pylist()[0] for name, column in origin_columns([known]).items()}
    assert tuple(columns) == COLUMNS and Origin.from_row(known.path, columns) == known
    path.write_bytes(later)
    checked = compare([Recording("a", path), Recording("b", path)], {"a": known}, verify=True)
    assert (checked.current, checked.changed) == ((["a"], []) if content == later else ([], ["a"])) and checked.new == ["b"]
    assert part_of(None) == Origin.from_row("x", {}).part == ""


def test_cuts_of_several_files_change_with_each_of_them(tmp_path):
    """Kept as a line of a manifest or as lhotse's object, a noise that is mixed in counts too."""
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(ord(name)).uniform(-0.3, 0.3, 8000), 8000)
    a, b = (Recorded.from_file(tmp_path / f"{name}.wav").to_cut() for name in "ab")
    cuts = CutSet.from_cuts(
        [a.pad(2.0).with_id("padded"), a.mix(b, snr=10).with_id("mixed"), b.perturb_speed(0.9).with_id("slow")]
    )
    cuts.to_file(tmp_path / "cuts.jsonl")
    for corpus in (Corpus.from_cuts(cuts, 8000), Corpus.from_cuts(tmp_path / "cuts.jsonl", 8000)):
        found = [Recording(item.id, item.path, item) for item in corpus]
        held = {one.id: Origin.of(one) for one in found}
        assert sorted(compare(found, held, verify=True).current) == ["mixed", "padded", "slow"]
        soundfile.write(tmp_path / "b.wav", np.random.default_rng(0).uniform(-0.2, 0.2, 8001), 8000)
        checked = compare(found, held)
        assert (sorted(checked.changed), checked.current) == (["mixed", "slow"], ["padded"])
        soundfile.write(tmp_path / "b.wav", np.random.default_rng(ord("b")).uniform(-0.3, 0.3, 8000), 8000)
