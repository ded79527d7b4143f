from __future__ import annotations

import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiossl.embedding import Embedder, EmbeddingStore, embed_paths
from audiossl.embedding.store_writer import StoreWriter
from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_jsonl
from audiossl.signals.corpora.recordings import gather

SECONDS = (0.5, 0.01, 3.0, 1.2, 0.5, 2.1)


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    (folder / "sub dir").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    noise = np.random.default_rng(0)
    for number, seconds in enumerate(SECONDS):
        name = f"sub dir/é {number}.flac" if number % 2 else f"{number}.wav"
        soundfile.write(folder / name, noise.uniform(-0.5, 0.5, int(seconds * 4000)), 4000)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.WAV").write_text("this is not audio")
    (folder / "notes.txt").write_text("not looked at")
    soundfile.write(folder / ".hidden" / "x.wav", np.zeros(100), 4000)
    return folder


@pytest.fixture
def embedder(toy):
    return Embedder(toy, window_seconds=1.0, context_seconds=0.2)


def test_folder_becomes_a_store(corpus, embedder, tmp_path):
    summary = embed_paths(embedder, [corpus], tmp_path / "out", dtype="float32")
    assert (summary.num_written, summary.num_present, summary.num_rejected) == (6, 0, 2)
    assert summary.audio_seconds == pytest.approx(sum(SECONDS), abs=0.01)
    store = EmbeddingStore.open(tmp_path / "out")
    assert sorted(store) == sorted(f"corpus/sub dir/é {n}.flac" if n % 2 else f"corpus/{n}.wav" for n in range(6))
    for item_id, frames in store.items():
        expected = embedder.embed(corpus.parent / item_id)
        assert np.allclose(frames[0], expected.frames.numpy(), atol=1e-5)
        assert np.allclose(store.times(item_id), expected.times.numpy(), atol=1e-9)
    rejected = read_jsonl(tmp_path / "out" / "rejected.jsonl")
    assert sorted(row["id"] for row in rejected) == ["corpus/empty.wav", "corpus/text.WAV"]
    assert all(row["reason"] and row["path"] for row in rejected)


def test_second_run_does_nothing_and_new_files_are_added(corpus, embedder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    embed_paths(embedder, [corpus / "0.wav", corpus / "sub dir"], out)
    summary = embed_paths(embedder, [corpus], out)
    assert (summary.num_written, summary.num_present) == (5, 1)  # `sub dir` was embedded under its own name
    before = {path: path.read_bytes() for path in out.iterdir() if path.suffix != ".json"}
    summary = embed_paths(embedder, [corpus], out)
    assert (summary.num_written, summary.num_present, summary.num_rejected) == (0, 6, 2)
    assert before == {path: path.read_bytes() for path in out.iterdir() if path.suffix != ".json"}


def test_shards_share_the_work_and_resume_with_another_number(corpus, embedder, tmp_path):
    out = tmp_path / "out"
    counts = [embed_paths(embedder, [corpus], out, layers="all", pool="mean", shard=(i, 3)) for i in range(2)]
    rest = embed_paths(embedder, [corpus], out, layers="all", pool="mean")
    assert sum(summary.num_written for summary in [*counts, rest]) == 6
    assert rest.num_present == sum(summary.num_written for summary in counts)
    embed_paths(embedder, [corpus], tmp_path / "at once", layers="all", pool="mean")
    parts, whole = EmbeddingStore.open(out), EmbeddingStore.open(tmp_path / "at once")
    assert sorted(parts) == sorted(whole) and parts.description == whole.description
    order = [parts.ids.index(item_id) for item_id in whole]
    assert whole.pooled().shape == (6, 3, 6)
    assert np.allclose(parts.pooled()[order], whole.pooled(), atol=1e-6)


def test_killed_run_is_resumed(corpus, embedder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr("audiossl.embedding.extract.GROUP_FILES", 2)
    calls = []

    def embed(signal, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return Embedder.embed(embedder, signal, **kwargs)

    monkeypatch.setattr(embedder, "embed", embed)
    with pytest.raises(KeyboardInterrupt):
        embed_paths(embedder, [corpus], out)
    monkeypatch.undo()
    done = len(EmbeddingStore.open(out))
    assert 0 < done < 6
    assert embed_paths(embedder, [corpus], out).num_written == 6 - done


def test_a_group_is_embedded_whole_or_not_at_all(corpus, embedder, tmp_path, monkeypatch):
    """Company changes the last bits of frames, so what a run left of a group is embedded in the group's company."""
    seen, added = [], []
    real_embed, real_add = Embedder.embed, StoreWriter.add

    def embed(self, signals, **kwargs):
        if isinstance(signals, list):
            seen.append([len(signal[0]) for signal in signals])
        return real_embed(self, signals, **kwargs)

    def add(self, item_id, *args, **kwargs):
        added.append(item_id)
        if len(added) == 2:
            raise KeyboardInterrupt
        real_add(self, item_id, *args, **kwargs)

    monkeypatch.setattr(Embedder, "embed", embed)
    monkeypatch.setattr(StoreWriter, "add", add)
    with pytest.raises(KeyboardInterrupt):
        embed_paths(embedder, [corpus], tmp_path / "out", dtype="float32")
    assert len(EmbeddingStore.open(tmp_path / "out")) == 1 and len(seen) == 1 and len(seen[0]) > 2
    assert embed_paths(embedder, [corpus], tmp_path / "out", dtype="float32").num_written == 5
    assert seen == [seen[0]] * 2
    # Only files that cannot be read are left: they are tried again, and nothing is embedded for them.
    assert embed_paths(embedder, [corpus], tmp_path / "out", dtype="float32").num_rejected == 2
    assert len(seen) == 2
    embed_paths(embedder, [corpus], tmp_path / "whole", dtype="float32")
    resumed, whole = (EmbeddingStore.open(tmp_path / name) for name in ("out", "whole"))
    assert all(np.array_equal(resumed[item_id], whole[item_id]) for item_id in whole)


def test_another_model_is_refused(corpus, embedder, make_toy, tmp_path):
    embed_paths(embedder, [corpus / "0.wav"], tmp_path / "out")
    other = make_toy()
    torch.nn.init.zeros_(other.front.weight)
    with pytest.raises(StoreError, match="digest"):
        embed_paths(Embedder(other, window_seconds=1.0, context_seconds=0.2), [corpus], tmp_path / "out")


def test_same_file_counts_once_and_same_name_is_rejected(corpus, tmp_path):
    (tmp_path / "b" / "corpus").mkdir(parents=True)
    (tmp_path / "b" / "corpus" / "0.wav").write_bytes((corpus / "0.wav").read_bytes())
    found = gather([corpus, corpus / "0.wav", tmp_path / "b" / "corpus"])
    assert len(found.by_id) == 8 and found.by_id["corpus/0.wav"].path == corpus / "0.wav"
    assert [row["path"] for row in found.rejected] == [str(tmp_path / "b" / "corpus" / "0.wav")]
    assert "duplicate" in found.rejected[0]["reason"]


def test_an_id_that_the_store_holds_of_another_file_is_rejected(corpus, embedder, tmp_path, monkeypatch):
    """Folders `s1/wav` and `s2/wav` name their files alike: the second was taken for the first, and lost."""
    for name, file in (("s1", "0.wav"), ("s2", "2.wav")):
        (tmp_path / name / "wav").mkdir(parents=True)
        (tmp_path / name / "wav" / "001.wav").write_bytes((corpus / file).read_bytes())
    monkeypatch.chdir(tmp_path / "s1")
    embed_paths(embedder, [Path("wav")], tmp_path / "out")
    monkeypatch.chdir(tmp_path / "s2")
    summary = embed_paths(embedder, [Path("wav")], tmp_path / "out")
    assert (summary.num_written, summary.num_present, summary.num_rejected) == (0, 0, 1)
    (row,) = read_jsonl(tmp_path / "out" / "rejected.jsonl")
    assert row["id"] == "wav/001.wav" and row["path"] == str(tmp_path / "s2" / "wav" / "001.wav")
    assert "duplicate id" in row["reason"] and all(str(tmp_path / name) in row["reason"] for name in ("s1", "s2"))
    # The same file by another way is there.
    (tmp_path / "link").symlink_to(tmp_path / "s1")
    summary = embed_paths(embedder, [tmp_path / "link" / "wav"], tmp_path / "out")
    assert (summary.num_written, summary.num_present, summary.num_rejected) == (0, 1, 0)


def test_what_an_earlier_call_rejected_stays_listed_until_it_succeeds(corpus, embedder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    for folder in (corpus, Path("corpus/0.wav"), Path("corpus/text.WAV")):
        embed_paths(embedder, [folder], out)
        assert sorted(row["id"] for row in read_jsonl(out / "rejected.jsonl")) == ["corpus/empty.wav", "corpus/text.WAV"]
    soundfile.write(corpus / "empty.wav", np.zeros(4000), 4000)
    assert embed_paths(embedder, [corpus / "empty.wav"], out).num_written == 1
    assert [row["id"] for row in read_jsonl(out / "rejected.jsonl")] == ["corpus/text.WAV"]
    (out / "rejected.jsonl").write_text("{")
    with pytest.raises(StoreError, match=r"rejected\.jsonl"):
        embed_paths(embedder, [corpus], out)


def replace_file(path: Path, seconds: float, seed: int = 7) -> None:
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * 4000)), 4000)


@pytest.mark.parametrize("pool", [None, "mean"])
def test_a_replaced_file_is_embedded_anew_and_a_touched_one_is_not(corpus, embedder, tmp_path, pool):
    out = tmp_path / "out"
    embed_paths(embedder, [corpus], out, pool=pool)
    replace_file(corpus / "2.wav", 0.7)
    os.utime(corpus / "0.wav", ns=(1, 1))
    summary = embed_paths(embedder, [corpus], out, pool=pool)
    assert (summary.num_written, summary.num_renewed, summary.num_present) == (1, 1, 5)
    store, expected = EmbeddingStore.open(out), embedder.embed(corpus / "2.wav")
    assert len(store) == 6 and store.item("corpus/2.wav").num_frames == len(expected.frames)
    assert np.allclose(store.pooled()[store.ids.index("corpus/2.wav"), 0], expected.pooled.numpy(), atol=1e-2)
    assert embed_paths(embedder, [corpus], out, pool=pool).num_written == 0
    # What can no longer be read is listed, and so is what the store still holds.
    (corpus / "2.wav").write_bytes(b"gone bad")
    assert embed_paths(embedder, [corpus], out, pool=pool).num_rejected == 3
    [row] = [row for row in read_jsonl(out / "rejected.jsonl") if row["id"] == "corpus/2.wav"]
    assert "made of the file as it was" in row["reason"]


def test_what_was_replaced_in_a_part_is_taken_from_the_later_call(corpus, embedder, tmp_path):
    out = tmp_path / "out"
    for i in range(2):
        embed_paths(embedder, [corpus], out, shard=(i, 2))
    for seconds, shard in ((0.7, None), (0.9, (0, 2)), (0.3, (1, 2)), (1.1, None)):
        replace_file(corpus / "2.wav", seconds, seed=int(10 * seconds))
        embed_paths(embedder, [corpus], out, shard=shard)
        if shard is not None:  # the file falls to one of the two
            embed_paths(embedder, [corpus], out, shard=(1 - shard[0], 2))
        store = EmbeddingStore.open(out)
        assert len(store) == 6 and store.item("corpus/2.wav").num_frames == len(embedder.embed(corpus / "2.wav").frames)


def test_cuts_of_a_manifest_are_embedded_as_the_parts_that_they_are(corpus, make_toy, tmp_path):
    """Long parts go through windows, short ones through batches; a cut that is moved in its recording is embedded anew."""
    embedder = Embedder(make_toy(sample_rate=4000.0), window_seconds=0.3, context_seconds=0.1)
    rows = [("a", 0.5, 0.7), ("b", 0.5, 1.9)]
    signal, _ = soundfile.read(corpus / "2.wav", dtype="float32")
    for shift in (0.0, 0.25):
        text = "".join(f"corpus/2.wav,{start + shift},{end + shift},{name}\n" for name, start, end in rows)
        (tmp_path / "clips.csv").write_text("path,start,end,id\n" + text)
        summary = embed_paths(embedder, [tmp_path / "clips.csv"], tmp_path / "out", dtype="float32")
        assert (summary.num_written, summary.num_renewed) == (2, 2 if shift else 0)
        store = EmbeddingStore.open(tmp_path / "out")
        for name, start, end in rows:
            part = signal[round((start + shift) * 4000) : round((end + shift) * 4000)]
            assert np.allclose(store[name][0], embedder.embed(part).frames.numpy(), atol=1e-4)
            assert store.times(name)[0] == pytest.approx(start + shift + embedder.grid("last")[1])


def test_models_of_sensors_embed_no_files(corpus, make_toy, tmp_path):
    with pytest.raises(ConfigError, match="takes signals at 50 Hz, no files of audio"):
        embed_paths(Embedder(make_toy(sample_rate=50.0)), [corpus], tmp_path / "out")


def test_user_errors(corpus, embedder, tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        embed_paths(embedder, [tmp_path / "nowhere"], tmp_path / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ConfigError, match="found none"):
        embed_paths(embedder, [tmp_path / "bare"], tmp_path / "out")
    for option, value in (("pool", "max"), ("dtype", "float64")):
        with pytest.raises(ConfigError, match=f"expected {option}=.* got '{value}'"):
            inspect.unwrap(embed_paths)(embedder, [corpus], tmp_path / "out", **{option: value})  # as users call it, unchecked
    with pytest.raises(ConfigError, match="0 <= i < n"):
        embed_paths(embedder, [corpus], tmp_path / "out", shard=(2, 2))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Choose another"):
        embed_paths(embedder, [corpus], tmp_path / "file" / "out")
