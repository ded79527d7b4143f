"""5,000 clips of a table: into a store, killed half-way, resumed, exported and searched, as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from audiossl.embedding import EmbeddingStore

NUM_FILES, CLIPS = 5, 1000


@pytest.mark.slow
def test_a_killed_embedding_of_many_clips_ends_as_one_that_was_not(tmp_path):
    for number in range(NUM_FILES):
        noise = np.random.default_rng(number).uniform(-0.3, 0.3, CLIPS * 1600)
        soundfile.write(tmp_path / f"{number}.wav", noise, 16_000)
    with (tmp_path / "clips.jsonl").open("w") as table:
        for number in range(NUM_FILES * CLIPS):
            start = round(number % CLIPS * 0.1, 1)
            row = {"path": f"{number // CLIPS}.wav", "start": start, "end": start + 0.1, "speaker": f"s{number % 7}", "n": number}
            table.write(json.dumps(row) + "\n")
    command = [sys.executable, "-m", "audiossl", "embed", "logmel", "clips.jsonl", "--pool", "mean", "--out"]
    subprocess.run([*command, "whole"], cwd=tmp_path, check=True, capture_output=True)
    child = subprocess.Popen([*command, "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list((tmp_path / "killed").glob("index-*.parquet"))) < 4:
        assert child.poll() is None
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    partial = EmbeddingStore.open(tmp_path / "killed")
    assert 0 < len(partial) < NUM_FILES * CLIPS
    done = subprocess.run([*command, "killed"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert f"{NUM_FILES * CLIPS - len(partial)} files embedded" in done and f"{len(partial)} were there" in done

    whole, resumed = EmbeddingStore.open(tmp_path / "whole"), EmbeddingStore.open(tmp_path / "killed")
    assert resumed.ids == whole.ids and np.array_equal(resumed.pooled(), whole.pooled())
    tables = [parquet.read_table(store.to_parquet(tmp_path / f"{name}.parquet")) for name, store in
              (("whole", whole), ("killed", resumed))]  # fmt: skip
    assert tables[0].equals(tables[1]) and tables[0].num_rows == NUM_FILES * CLIPS
    assert sorted(tables[0].column("n").to_pylist()) == list(range(NUM_FILES * CLIPS))
    said = [
        subprocess.run(
            [*command[:3], "search", name, whole.ids[1234], "-k", "5", "--where", "speaker == 's3'", "--json"],
            cwd=tmp_path, check=True, capture_output=True, text=True,
        ).stdout
        for name in ("whole", "killed")
    ]  # fmt: skip
    vectors = whole.to_numpy().astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    speakers = whole.table().column("speaker").to_pylist()
    order = [place for place in np.argsort(-(vectors @ vectors[1234])) if speakers[place] == "s3" and place != 1234][:5]
    assert said[0] == said[1] and [row["id"] for row in json.loads(said[0])] == [whole.ids[place] for place in order]
