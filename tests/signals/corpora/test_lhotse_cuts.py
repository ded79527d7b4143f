"""Cuts that take lhotse to read give what lhotse gives, however their manifest is opened, or are rejected with the reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lhotse import CutSet, MultiCut, Recording
from lhotse.audio import AudioSource

from audiossl.errors import DataError
from audiossl.files import read_jsonl
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.linking import LinkedSource, link_corpus
from audiossl.signals.corpora.manifest import CorpusItem


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lhotse cuts")
    for number, seconds in enumerate((2.0, 2.0, 0.3)):
        soundfile.write(folder / f"{number}.wav", np.random.default_rng(number).uniform(-0.3, 0.3, int(16_000 * seconds)), 16_000)
    return folder


def recording(folder: Path, name: str = "0") -> Recording:
    return Recording.from_file(folder / f"{name}.wav", recording_id=f"r{name}")


def two_microphones(folder: Path) -> Recording:
    sources = [AudioSource("file", [number], str(folder / f"{number}.wav")) for number in range(2)]
    return Recording("pair", sources, 16_000, 32_000, 2.0, [0, 1])


def cuts_of_every_kind(folder: Path) -> CutSet:
    one, other = recording(folder).to_cut().with_id("one"), recording(folder, "1").to_cut().with_id("other")
    pair = two_microphones(folder).to_cut()
    assert isinstance(pair, MultiCut)
    left, right = pair.to_mono()
    return CutSet.from_cuts([
        one,
        one.perturb_speed(0.9),
        one.perturb_speed(1.1).truncate(offset=0.5, duration=0.7).with_id("part of a faster one"),
        one.perturb_volume(0.5),
        one.perturb_speed(1.1).perturb_volume(2.0).with_id("both"),
        one.reverb_rir(recording(folder, "2")),
        one.resample(8000).with_id("8 kHz"),
        pair.with_id("two microphones"),
        left.with_id("left"),
        right.with_id("right"),
        one.append(other).with_id("in turn"),
        one.mix(other, snr=10).with_id("mixed"),
        one.pad(3.0).with_id("padded"),
        one.mix(other.perturb_speed(0.9), offset_other_by=0.5, snr=5).with_id("mixed with a slower one"),
    ])  # fmt: skip


def opened(cuts: CutSet, folder: Path, out: Path, how: str) -> Corpus:
    """Open cuts in one of the ways that there are."""
    out.mkdir()
    if how == "CutSet":
        return Corpus.from_cuts(cuts)
    lines = [json.loads(json.dumps(cut.to_dict()).replace(f'"{folder}/', '"wav/')) for cut in cuts]
    (out / "wav").symlink_to(folder)
    path = out / ("cuts.jsonl" if how == "plain manifest" else "cuts.jsonl.gz")
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_bytes(text.encode() if path.suffix == ".jsonl" else gzip.compress(text.encode()))
    if how == "manifest":
        return Corpus.from_cuts(path)
    summary = link_corpus([LinkedSource("x", "speech", str(out))], out / "linked")
    assert summary.rejected == {}
    return Corpus.open(out / "linked")


@pytest.mark.parametrize("how", ["CutSet", "manifest", "linked", "plain manifest"])
def test_every_cut_sounds_as_lhotse_reads_it(folder, tmp_path, how):
    cuts = cuts_of_every_kind(folder)
    corpus = opened(cuts, folder, tmp_path / "open", how)
    assert [item.id.removeprefix("x/") for item in corpus] == [cut.id for cut in cuts]
    for cut, item in zip(cuts, corpus, strict=True):
        expected = torch.from_numpy(np.atleast_2d(cut.load_audio()).mean(axis=0))
        signal = corpus.read(item)
        assert len(signal) == item.num_samples == round(cut.duration * 16_000)
        if cut.sampling_rate == 16_000:
            assert float((signal - expected).abs().max()) < 1e-6, cut.id
        assert torch.equal(corpus.read(item, 1000, 2000), signal[1000:3000])


@settings(max_examples=15, deadline=None)
@given(st.floats(0.7, 1.4).map(lambda factor: round(factor, 2)), st.floats(0.0, 1.0), st.floats(0.1, 0.4))
def test_any_part_at_any_speed(folder, factor, start, duration):
    cut = recording(folder).to_cut().perturb_speed(factor).truncate(offset=start, duration=duration)
    corpus = Corpus.from_cuts(CutSet.from_cuts([cut]))
    np.testing.assert_allclose(corpus.read(corpus.items[0]).numpy(), cut.load_audio()[0], atol=1e-6)


def test_lhotse_gets_the_cuts_with_paths_that_it_finds(folder, tmp_path):
    cuts = cuts_of_every_kind(folder)
    corpus = opened(cuts, folder, tmp_path / "open", "manifest")
    for cut, expected in zip(corpus.cuts(), cuts, strict=True):
        np.testing.assert_allclose(cut.load_audio(), expected.load_audio(), atol=1e-6)


def test_a_piece_of_an_item_that_lhotse_reads_begins_where_it_says(folder):
    corpus = Corpus.from_cuts(CutSet.from_cuts([recording(folder).to_cut().perturb_speed(1.1)]))
    item = corpus.items[0]
    piece = CorpusItem(**(vars(item) | {"start": 0.5, "num_samples": 4000, "duration": 0.25}))
    assert torch.equal(corpus.read(piece), corpus.read(item)[8000:12_000])
    assert torch.equal(corpus.read(piece, 10, 20), corpus.read(item)[8010:8030])


def test_a_microphone_of_its_own_file_takes_no_lhotse(folder):
    cut = two_microphones(folder).to_cut()
    assert isinstance(cut, MultiCut)
    corpus = Corpus.from_cuts(CutSet.from_cuts(cut.to_mono()))
    assert [Path(item.path).name for item in corpus] == ["0.wav", "1.wav"]


def test_what_cannot_be_applied_is_rejected_with_its_reason(folder, tmp_path):
    good, quiet = recording(folder).to_cut().with_id("good"), recording(folder).to_cut().with_id("bad").to_dict()
    command = recording(folder).to_cut().reverb_rir(recording(folder, "2")).with_id("command").to_dict()
    needy = recording(folder).to_cut().reverb_rir(recording(folder, "2")).with_id("needy").to_dict()
    needy["recording"]["transforms"] = [
        {"name": "Narrowband", "kwargs": {"codec": "no such codec", "source_sampling_rate": 16_000, "restore_orig_sr": True}}
    ]
    command["recording"]["transforms"][0]["kwargs"]["rir"]["sources"][0].update(type="command", source="touch mark")
    lines = [
        good.to_dict(),
        quiet | {"id": "unknown", "recording": quiet["recording"] | {"transforms": [{"name": "Nothing", "kwargs": {}}]}},
        {key: value for key, value in quiet.items() if key != "recording"} | {"id": "features alone"},
        command,
        needy,
    ]
    (tmp_path / "cuts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = link_corpus([LinkedSource("x", "speech", str(tmp_path))], tmp_path / "linked")
    assert (summary.num_items, summary.rejected) == (1, {"command": 1, "transform": 2, "unreadable": 1})
    rows = {row["id"]: row["message"] for row in read_jsonl(tmp_path / "linked" / "rejected.jsonl")}
    assert "has the transform Nothing, which lhotse cannot apply here: AssertionError: Unknown transform" in rows["x/unknown"]
    assert "has the transform Narrowband, which lhotse cannot apply here: " in rows["x/needy"]
    assert "commands of a manifest are not run" in rows["x/command"]
    assert "KeyError: 'recording'" in rows["x/features alone"]
    for number, says in ((1, "Unknown transform type: Nothing"), (3, "commands of a manifest")):
        (tmp_path / "one.jsonl").write_text(json.dumps(lines[number]) + "\n")
        with pytest.raises(DataError, match=says):
            Corpus.from_cuts(tmp_path / "one.jsonl")
