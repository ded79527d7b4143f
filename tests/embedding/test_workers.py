"""Stores that several processes made have the bytes of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiossl
from audiossl.embedding.groups import GROUP_FILES
from audiossl.models import Zipformer, hub


def contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in sorted(store.rglob("*")) if file.is_file()}


@pytest.mark.slow
def test_one_two_and_three_workers_make_the_same_store_and_resume_each_other(tmp_path):
    draws = np.random.default_rng(0)
    (tmp_path / "recordings").mkdir()
    for number in range(GROUP_FILES * 2 + 9):
        noise = draws.normal(0, 0.1, draws.integers(4000, 12000))
        soundfile.write(tmp_path / "recordings" / f"{number:03d}.wav", noise, 16000)
    (tmp_path / "recordings" / "bad.wav").write_bytes(b"no sound")
    torch.manual_seed(0)
    hub.save(Zipformer.from_preset("tiny"), tmp_path / "model")
    for workers in (None, 2, 3):
        audiossl.embed(tmp_path / "model", tmp_path / "recordings", tmp_path / f"by_{workers}", workers=workers)
    expected = contents(tmp_path / "by_None")
    assert "bad.wav" in expected["rejected.jsonl"].decode()
    assert contents(tmp_path / "by_2") == expected
    assert contents(tmp_path / "by_3") == expected

    some = [tmp_path / "recordings" / f"{number:03d}.wav" for number in range(GROUP_FILES)]
    audiossl.embed(tmp_path / "model", some, tmp_path / "resumed", workers=2)
    resumed = audiossl.embed(tmp_path / "model", tmp_path / "recordings", tmp_path / "resumed", workers=3)
    whole = audiossl.EmbeddingStore.open(tmp_path / "by_None")
    assert sorted(resumed.ids) == sorted(whole.ids)
    for item_id in whole.ids:
        assert np.array_equal(resumed[item_id], whole[item_id])
