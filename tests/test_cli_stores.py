"""`audiossl embed` and `audiossl tokens` as commands: what they take, their exit codes, and what `--verify` says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, Recording, RecordingSet

from audiossl.cli import main
from audiossl.embedding import EmbeddingStore
from audiossl.files import read_json, read_jsonl
from audiossl.tokens.store import TokenStore


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "rec" / "spk0").mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name in ("a", "b"):
        soundfile.write(tmp_path / "rec" / "spk0" / f"{name}.wav", draws.uniform(-0.3, 0.3, 16000), 16000)
    return tmp_path / "rec"


@pytest.fixture
def tokeniser(folder, tmp_path) -> Path:
    quantiser = ["--teacher", "logmel", "--kind", "kmeans", "--num-codebooks", "1", "--codebook-size", "4"]
    assert main(["tokens", "fit", str(folder), "--out", str(tmp_path / "tokeniser"), *quantiser]) == 0
    return tmp_path / "tokeniser"


def commands(paths: list[Path], tmp_path: Path) -> dict[str, list[str]]:
    named = [str(path) for path in paths]
    return {
        "embed": ["embed", "logmel", *named, "--out", str(tmp_path / "embeddings")],
        "encode": ["tokens", "encode", *named, "--tokeniser", str(tmp_path / "tokeniser"), "--out", str(tmp_path / "tokens")],
    }


@pytest.mark.parametrize("command", ["embed", "encode"])
def test_nothing_usable_is_a_failure_and_one_bad_file_is_none(folder, tokeniser, tmp_path, capsys, command):
    (tmp_path / "page.wav").write_text("<html>404</html>")
    (tmp_path / "README.md").write_text("# no audio\n")
    bad = [tmp_path / "README.md", tmp_path / "page.wav"]
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "x.wav").symlink_to("absent.wav")
    for paths, code, name in ((bad, 2, "README.md"), ([tmp_path / "links"], 2, "x.wav"), ([folder, bad[1]], 0, "page.wav")):
        capsys.readouterr()
        assert main(commands(paths, tmp_path)[command]) == code
        said = capsys.readouterr().err
        assert name in said and ("could be used" in said) == (code == 2)
    rows = read_jsonl(tmp_path / ("embeddings" if command == "embed" else "tokens") / "rejected.jsonl")
    assert len(rows) == 3 and all(row["path"] and row["reason"] for row in rows)


def test_a_job_that_no_recording_falls_to_is_no_failure(folder, tmp_path):
    embed = commands([folder / "spk0" / "a.wav"], tmp_path)["embed"]
    assert [main([*embed, "--shard", f"{n}/5"]) for n in range(5)] == [0] * 5
    assert len(EmbeddingStore.open(tmp_path / "embeddings")) == 1


def test_both_take_the_same_manifest(folder, tokeniser, tmp_path):
    found = RecordingSet.from_recordings(Recording.from_file(path) for path in sorted(folder.rglob("*.wav")))
    cuts = CutSet.from_manifests(recordings=found).cut_into_windows(0.5)
    CutSet.from_cuts(cut.with_id(f"cut{n}") for n, cut in enumerate(cuts)).to_file(tmp_path / "cuts.jsonl.gz")
    found.to_file(tmp_path / "recordings.jsonl.gz")
    for name in ("cuts.jsonl.gz", "recordings.jsonl.gz", "cuts.jsonl.gz"):
        assert [main(words) for words in commands([tmp_path / name], tmp_path).values()] == [0, 0]
    frames, tokens = EmbeddingStore.open(tmp_path / "embeddings"), TokenStore.open(tmp_path / "tokens")
    assert sorted(frames) == sorted(tokens.cut_ids()) == ["a", "b", "cut0", "cut1", "cut2", "cut3"]
    assert [frames["cut1"].shape[1], frames["a"].shape[1]] == [50, 100]
    assert frames.times("cut1")[0] == pytest.approx(0.505)
    assert [tokens.num_frames("cut1"), tokens.num_frames("a")] == [25, 50]


@pytest.mark.parametrize("command", ["embed", "encode"])
def test_cuts_that_lhotse_makes_of_files_are_taken_and_resumed(folder, tokeniser, tmp_path, capsys, command):
    first, second = (Recording.from_file(path).to_cut() for path in sorted(folder.rglob("*.wav")))
    made = {"slow": first.perturb_speed(0.9), "padded": second.pad(2.0), "mixed": first.mix(second, snr=5)}
    CutSet.from_cuts(cut.with_id(id_) for id_, cut in made.items()).to_file(tmp_path / "cuts.jsonl.gz")
    words = commands([tmp_path / "cuts.jsonl.gz"], tmp_path)[command]
    assert main(words) == 0 and main(words) == 0 and "3 were there" in capsys.readouterr().out
    soundfile.write(second.recording.sources[0].source, np.random.default_rng(4).uniform(-0.3, 0.3, 16000), 16000)
    assert main([*words, "--verify"]) == 1 and "1 recordings as they were, 2 changed" in capsys.readouterr().out
    assert main(words) == 0 and "2 anew" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["embed", "encode"])
def test_replaced_files_are_made_anew_and_verify_sees_what_kept_size_and_time(folder, tokeniser, tmp_path, capsys, command):
    words = commands([folder], tmp_path)[command]
    assert main(words) == 0 and main([*words, "--verify"]) == 0
    assert "2 recordings as they were, 0 changed, 0 gone" in capsys.readouterr().out
    file = folder / "spk0" / "a.wav"
    time = file.stat().st_mtime_ns
    soundfile.write(file, np.random.default_rng(9).uniform(-0.3, 0.3, 16000), 16000)
    os.utime(file, ns=(time, time))
    assert main(words) == 0 and "2 were there" in capsys.readouterr().out
    assert main([*words, "--verify"]) == 1
    said = capsys.readouterr().out
    assert "rec/spk0/a.wav: it holds something else" in said and "touch it" in said
    assert "1 recordings as they were, 1 changed" in said
    file.touch()
    assert main(words) == 0 and "1 anew" in capsys.readouterr().out
    assert main([*words, "--verify"]) == 0
    (folder / "spk0" / "b.wav").unlink()
    assert main([*words, "--verify"]) == 1 and "b.wav: its file is gone" in capsys.readouterr().out


def test_tokens_of_a_replaced_file_are_those_of_the_new_one(folder, tokeniser, tmp_path):
    encode = commands([folder], tmp_path)["encode"]
    assert main(encode) == 0
    soundfile.write(folder / "spk0" / "a.wav", np.random.default_rng(3).uniform(-0.3, 0.3, 8000), 16000)
    assert main(encode) == 0
    store = TokenStore.open(tmp_path / "tokens")
    assert len(store) == 2 and store.num_frames("rec/spk0/a.wav") == 25 and store.num_token_frames == 75
    assert main([*commands([folder], tmp_path / "anew")["encode"], "--tokeniser", str(tokeniser)]) == 0
    assert store["rec/spk0/a.wav"].equal(TokenStore.open(tmp_path / "anew" / "tokens")["rec/spk0/a.wav"])


def test_a_tokeniser_knows_its_files(folder, tokeniser):
    rows = read_jsonl(tokeniser / "fitted_to_files.jsonl")
    assert [row["id"] for row in rows] == read_json(tokeniser / "fitted_to.json")
    assert all(row["size"] == Path(row["path"]).stat().st_size and len(row["digest"]) == 32 for row in rows)
