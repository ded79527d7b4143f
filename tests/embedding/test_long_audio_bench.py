"""The short form of `tools/bench/long_audio.py`."""

from __future__ import annotations

import json

import pytest
import torch
from tool_modules import load_tool

from audiossl.embedding import Embedder

bench = load_tool("bench/long_audio.py")


def test_short_form_with_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    arguments = ["--seconds", "3", "--windows", "2", "4", "--contexts", "0.5", "1", "--json", str(tmp_path / "rows.json")]
    bench.main(arguments)
    whole, windowed = json.loads((tmp_path / "rows.json").read_text())["rows"]  # 2 s leave no core for 1 s, 4 s are the whole
    assert (whole["window"], whole["error"]) == (None, 0.0)
    assert (windowed["window"], windowed["context"]) == (2.0, 0.5)
    assert 0 < windowed["error"] < 1 and windowed["near_joins"] > 0 and windowed["cosine"] < 1


def test_recordings_of_a_convolution_are_the_same_alone_and_in_a_row(toy):
    """Nothing is lost between recordings, and the frames that are compared lie at the same places."""
    recordings = [torch.randn(size, generator=torch.Generator().manual_seed(size)) for size in (700, 15, 1310)]
    file = bench.LongFile.join(recordings, 4.0, toy)
    assert [first for first, _ in file.parts] == [0, 720 + 40, 2080, 2800 + 40]  # multiples of 40 samples; 15 are too short
    assert [len(part) for _, part in file.parts] == [700, 1310, 700, 1160]
    embedder = Embedder(toy, window_seconds=None)
    alone = [embedder.embed(part).frames for _, part in file.parts]
    assert bench.alone_error(embedder, file, embedder.embed(file.signal).frames, alone) < 0.35  # the edges alone
    toy.blocks = torch.nn.ModuleList(torch.nn.Conv1d(6, 6, 1) for _ in range(3))  # now frames see no further than themselves
    alone = [embedder.embed(part).frames[:-1] for _, part in file.parts]  # but for the last, of half a pair
    assert bench.alone_error(embedder, file, embedder.embed(file.signal).frames, alone) == pytest.approx(0, abs=1e-6)
