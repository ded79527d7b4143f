"""Stores that Ray's workers make of the asterisk prompts have the bytes of those of one process, also if a worker is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from audiossl.cli import main
from audiossl.provenance import folder_digests

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "asterisk" / "spear.yaml"


@pytest.fixture(scope="module")
def corpus(prompts, tmp_path_factory):
    pytest.importorskip("ray", reason="ray (extra ray) is not installed")
    folder = tmp_path_factory.mktemp("asterisk")
    assert main(["run", str(RECIPE), f"output={folder}", "--to", "corpus"]) == 0
    return folder / "corpus" / "corpus"


def kill_one_worker(after: Path, killed: list[int]) -> threading.Thread:
    """Kill a process of Ray that works on a group, some seconds after the file or folder `after` has come."""

    def watch() -> None:
        while not after.exists():
            time.sleep(0.05)
        for _ in range(600):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    name = (process / "cmdline").read_bytes().decode(errors="replace")
                    if "MapWorker" in name and name.startswith("ray::") and "(" in name:
                        os.kill(int(process.name), signal.SIGKILL)
                        killed.append(int(process.name))
                        return
                except OSError:
                    continue
            time.sleep(0.1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", ["tokens", "embeddings"])
def test_ray_makes_the_same_bytes_and_survives_a_killed_worker(kind, corpus, tmp_path):
    recordings, tokeniser = str(corpus / "audio"), str(tmp_path / "tokeniser")
    if kind == "tokens":
        fitted = ["--teacher", "logmel", "--num-codebooks", "4", "--codebook-size", "64", "--frames", "8000", "--out", tokeniser]
        assert main(["tokens", "fit", recordings, *fitted]) == 0
        words = ["tokens", "encode", recordings, "--tokeniser", tokeniser, "--quality", "fast"]
    else:
        words = ["embed", "logmel", recordings]
    assert main([*words, "--out", str(tmp_path / "local")]) == 0
    killed: list[int] = []
    watcher = kill_one_worker(tmp_path / "by_ray", killed)
    assert main([*words, "--out", str(tmp_path / "by_ray"), "--engine", "ray", "--workers", "2"]) == 0
    watcher.join(timeout=70)
    left_out = frozenset({"command.json"})
    found, expected = (folder_digests(tmp_path / name, left_out) for name in ("by_ray", "local"))
    assert found == expected and len(found) >= 3
    assert killed, "no worker was killed: the job ended before"
