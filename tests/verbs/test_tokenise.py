"""`audiossl.tokenise`: tokeniser and tokens at one go, resumed, and never mixed with those of another."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

import audiossl
from audiossl.cli import main
from audiossl.errors import DataError, StoreError
from audiossl.pipelines.tokenise.plan import TokenPlan
from audiossl.tokens.factory import QUANTISERS
from audiossl.tokens.store import TokenStore

SMALL = {"teacher": "logmel", "kind": "kmeans", "num_codebooks": 1, "codebook_size": 4}


@pytest.fixture
def table(tmp_path):
    draws = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", draws.uniform(-0.3, 0.3, 16000), 16000)
    (tmp_path / "clips.csv").write_text("path,speaker\n" + "".join(f"{name}.wav,{name}\n" for name in "abc"))
    return tmp_path / "clips.csv"


def test_more_recordings_are_tokenised_by_the_tokeniser_that_is_there(table, tmp_path):
    first = audiossl.tokenise(table, tmp_path / "tokens", where="speaker != 'c'", **SMALL)
    assert first.cut_ids() == ["a.wav", "b.wav"]
    stamp = (tmp_path / "tokens" / "tokeniser" / "teacher.json").stat().st_mtime_ns
    corpus = audiossl.open_corpus(table)
    store = audiossl.tokenise(corpus, tmp_path / "tokens", **SMALL)
    assert len(store) == 3 and torch.equal(store["a.wav"], first["a.wav"])
    assert (tmp_path / "tokens" / "tokeniser" / "teacher.json").stat().st_mtime_ns == stamp
    # The two halves give the same.
    words = ["--teacher", "logmel", "--kind", "kmeans", "--num-codebooks", "1", "--codebook-size", "4"]
    which = [str(table), "--where", "speaker != 'c'"]
    assert main(["tokens", "fit", *which, *words, "--out", str(tmp_path / "fitted")]) == 0
    assert main(["tokens", "encode", *which, "--tokeniser", str(tmp_path / "fitted"), "--out", str(tmp_path / "halves")]) == 0
    assert torch.equal(TokenStore.open(tmp_path / "halves")["a.wav"], first["a.wav"])


def test_another_tokeniser_is_refused(table, tmp_path):
    audiossl.tokenise(table, tmp_path / "tokens", **SMALL)
    for change in ({"codebook_size": 8}, {"seed": 2}, {"normalise": False}):
        with pytest.raises(StoreError, match="was made otherwise"):
            audiossl.tokenise(table, tmp_path / "tokens", **{**SMALL, **change})
    (tmp_path / "tokens" / "tokeniser.json").unlink()
    with pytest.raises(StoreError, match="nothing says how it was made"):
        audiossl.tokenise(table, tmp_path / "tokens", **SMALL)


def test_plans_write_nothing(table, tmp_path, capsys):
    plan = audiossl.tokenise(table, tmp_path / "tokens", dry_run=True, **SMALL)
    assert isinstance(plan, TokenPlan) and (plan.num_recordings, plan.disk_bytes) == (3, 150)
    assert "3 recordings (0.00 h) to tokenise with logmel" in str(plan) and not (tmp_path / "tokens").exists()
    words = ["--teacher", "logmel", "--kind", "kmeans", "--num-codebooks", "1", "--codebook-size", "4"]
    for command in (["tokenise", str(table), *words], ["tokens", "fit", str(table), *words]):
        assert main([*command, "--out", str(tmp_path / "x"), "--dry-run"]) == 0
    assert main(["tokenise", str(table), *words, "--out", str(tmp_path / "tokens")]) == 0
    encode = ["tokens", "encode", str(table), "--tokeniser", str(tmp_path / "tokens" / "tokeniser"), "--dry-run"]
    capsys.readouterr()
    assert main([*encode, "--out", str(tmp_path / "tokens")]) == 0
    assert "0 recordings (0.00 h) to tokenise" in (said := capsys.readouterr().out) and "3 are there" in said
    assert not (tmp_path / "x").exists()


def test_a_quantiser_of_ones_own_is_used_again(table, tmp_path, capsys):
    code = "from audiossl.tokens import KMeansQuantizer\n\n\nclass Mine(KMeansQuantizer):\n    pass\n"
    (tmp_path / "mine.py").write_text(code)
    mine = {**SMALL, "kind": f"{tmp_path / 'mine.py'}:Mine"}
    first = audiossl.tokenise(table, tmp_path / "tokens", where="speaker == 'a'", **mine)
    assert torch.equal(audiossl.tokenise(table, tmp_path / "tokens", **mine)["a.wav"], first["a.wav"])
    assert main(["tokenise", str(table), "--kind", "kmeens", "--out", str(tmp_path / "x")]) == 2
    assert "kmeens" in (said := capsys.readouterr().err) and "did you mean kmeans" in said


def test_kinds_of_quantisers_are_those_of_the_table(capsys):
    with pytest.raises(SystemExit):
        main(["tokenise", "--help"])
    said = capsys.readouterr().out
    assert all(kind in said and f'"{kind}"' in audiossl.tokenise.__doc__ for kind in QUANTISERS)


def test_nothing_usable(tmp_path):
    (tmp_path / "bad.wav").write_text("<html>")
    with pytest.raises(DataError, match="none of 1 recordings can be used"):
        audiossl.tokenise(tmp_path / "bad.wav", tmp_path / "tokens", **SMALL)
