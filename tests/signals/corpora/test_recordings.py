"""Whatever names recordings - files, folders, corpora, manifests, tables - gives the same recordings to every command."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, Recording, RecordingSet

from audiossl.embedding.sources import ItemSource
from audiossl.errors import ConfigError, DataError
from audiossl.signals.audio import read_audio
from audiossl.signals.corpora.corpus import Item, build_corpus
from audiossl.signals.corpora.manifest import CorpusItem
from audiossl.signals.corpora.recordings import gather

RATE = 8000


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two recordings of 1.5 s, and all that names them."""
    place = tmp_path_factory.mktemp("all") / "rec"
    place.mkdir()
    draws = np.random.default_rng(0)
    for name in "ab":
        soundfile.write(place / f"{name}.wav", draws.uniform(-0.3, 0.3, 12000), RATE)
    found = RecordingSet.from_recordings(Recording.from_file(place / f"{name}.wav") for name in "ab")
    found.to_file(place.parent / "recordings.jsonl.gz")
    cuts = CutSet.from_manifests(recordings=found).cut_into_windows(0.5)
    CutSet.from_cuts(cut.with_id(f"cut{n}") for n, cut in enumerate(cuts)).to_file(place.parent / "cuts.jsonl.gz")
    build_corpus([Item(name, place / f"{name}.wav") for name in "ab"], place.parent / "corpus", RATE, progress=False)
    rows = [{"path": f"rec/{name}.wav", "start": 0.5, "end": 1.0, "id": f"clip {name}"} for name in "ab"]
    (place.parent / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place.parent / "bad.csv").write_text("path,start,end\nrec/a.wav,1,9\nrec/none.wav,0,1\nrec/a.wav,1,1.52\nrec/b.wav,,\n")
    return place.parent


@pytest.mark.parametrize(
    ("names", "ids", "seconds"),
    [
        (["rec"], ["rec/a.wav", "rec/b.wav"], None),
        (["recordings.jsonl.gz"], ["a", "b"], 1.5),
        (["cuts.jsonl.gz"], [f"cut{n}" for n in range(6)], 0.5),
        (["corpus"], ["a", "b"], 1.5),
        (["clips.jsonl"], ["clip a", "clip b"], 0.5),
        (["rec/a.wav", "corpus", "clips.jsonl"], ["a", "b", "clip a", "clip b", "rec/a.wav"], None),
    ],
)
def test_each_kind_and_any_mixture_is_taken(folder, names, ids, seconds):
    found = gather([folder / name for name in names], 16_000)
    assert list(found.by_id) == ids and found.rejected == []
    for one in found.by_id.values():
        if one.item is not None and seconds:
            source = ItemSource(one.item, 16_000)
            assert source.num_samples == 16_000 * seconds == source.read().shape[1]


def test_a_part_is_that_part(folder):
    one = gather([folder / "clips.jsonl"], RATE).by_id["clip b"]
    whole, _ = read_audio(folder / "rec" / "b.wav")
    assert one.item is not None
    assert np.array_equal(ItemSource(one.item, RATE).read()[0], whole[4000:8000])
    assert np.array_equal(np.concatenate([*ItemSource(one.item, RATE).blocks()], axis=1)[0], whole[4000:8000])


def test_rows_that_cannot_be_used_are_listed(folder):
    found = gather([folder / "bad.csv"], RATE)
    assert sorted(found.by_id) == ["rec/a.wav@1-1.52", "rec/b.wav"] and found.by_id["rec/b.wav"].item is None
    assert [row["id"] for row in found.rejected] == ["rec/a.wav@1-9", "rec/none.wav@0-1"]
    assert "the recording lasts 1.50 s" in found.rejected[0]["reason"] and "no such file" in found.rejected[1]["reason"]


def test_a_cut_that_cannot_be_used_is_listed_and_the_others_are_taken(folder, tmp_path):
    lines = gzip.decompress((folder / "cuts.jsonl.gz").read_bytes()).decode().splitlines()
    bad = [json.loads(line) for line in lines[:3]]
    bad[0] |= {"id": "empty", "duration": 0.0}
    bad[1]["id"] = "command"
    bad[1]["recording"]["sources"][0] |= {"type": "command", "source": "cat x"}
    bad[2]["start"] = 0.25  # under the id of another cut
    bad.append(
        {**json.loads(lines[3]), "id": "eternal", "duration": 576_460_752_303_424}
    )  # seconds: more samples than 64 bits count
    bad.append({**bad[2], "id": "unknown", "type": "NoCut", "recording": {**bad[2]["recording"], "transforms": [{"name": "No"}]}})
    (tmp_path / "cuts.jsonl").write_text("\n".join([*lines, *map(json.dumps, bad)]) + "\n")
    found = gather([tmp_path / "cuts.jsonl"], RATE)
    assert list(found.by_id) == [f"cut{n}" for n in range(6)]
    assert [row["id"] for row in found.rejected] == ["empty", "command", "eternal", "unknown", "cut2"]
    assert "commands of a manifest are not run" in found.rejected[1]["reason"]
    (tmp_path / "cuts.jsonl").write_text(json.dumps({"id": "p", "type": "NoCut"}) + "\n")
    with pytest.raises(DataError, match="cannot be read as a lhotse CutSet"):
        gather([tmp_path / "cuts.jsonl"], RATE)


def test_a_part_of_a_file_of_several_channels_that_is_gone_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        ItemSource(CorpusItem("a", tmp_path / "a.wav", 0.0, 1.0, RATE, "a", channels=(0, 1)), RATE).read()


@pytest.mark.parametrize("left", ["opposite", "dead"])
def test_a_part_of_a_file_loses_no_channel(tmp_path, left):
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, 12000)
    soundfile.write(tmp_path / "a.wav", np.stack([-sound if left == "opposite" else 0 * sound, sound], 1), RATE)
    (tmp_path / "t.csv").write_text("path,start,end\na.wav,0.5,1\n")
    CutSet.from_cuts([Recording.from_file(tmp_path / "a.wav").to_cut()]).to_file(tmp_path / "cuts.jsonl")
    for name in ("t.csv", "cuts.jsonl"):
        (one,) = gather([tmp_path / name], RATE).by_id.values()
        assert one.item is not None
        read = ItemSource(one.item, RATE).read()[0].numpy()
        part = sound[4000:8000] if name == "t.csv" else sound
        assert np.allclose(np.abs(read), np.abs(part), atol=1e-4)


def test_one_name_for_two_recordings_is_rejected_and_one_recording_twice_counts_once(folder, tmp_path):
    (tmp_path / "other").mkdir()
    soundfile.write(tmp_path / "other" / "c.wav", np.zeros(4000), RATE)
    build_corpus([Item("a", tmp_path / "other" / "c.wav")], tmp_path / "corpus", RATE, progress=False)
    found = gather([folder / "corpus", folder / "corpus", tmp_path / "corpus"], RATE)
    assert list(found.by_id) == ["a", "b"] and [row["id"] for row in found.rejected] == ["a"]


def test_what_names_nothing_is_an_error(folder, tmp_path):
    with pytest.raises(ConfigError, match="found nothing at"):
        gather([tmp_path / "absent"])
    (tmp_path / "broken.jsonl").write_text('{"id": "a"\n')
    with pytest.raises(DataError, match=r"broken\.jsonl"):
        gather([tmp_path / "broken.jsonl"])
