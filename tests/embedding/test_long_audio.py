"""One hour of audio through `embed` in a process of its own, whose peak memory is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

PROGRAM = """
import json, resource, sys
import torch
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import ToyEncoder
from audiossl.embedding import Embedder
torch.set_num_threads(1)
embedder = Embedder(ToyEncoder(sample_rate=2000.0, dim=96, num_layers=1))
embedder.embed(torch.randn(20_000))  # libraries are loaded and warm
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
embedding = embedder.embed(Path(sys.argv[1]), layers="all")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([list(embedding.frames.shape), embedding.times[-1].item(), before * unit, after * unit]))
"""


def test_an_hour_of_audio_needs_little_more_than_its_frames(tmp_path):
    path, rate, seconds = tmp_path / "hour.wav", 2000, 3600
    noise = np.random.default_rng(0).integers(-9999, 9999, rate * 60, dtype=np.int16)
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(seconds // 60):
            file.write(noise)
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, path, Path(__file__).parent], text=True)
    shape, last_time, before, after = json.loads(output)
    num_frames = (rate * seconds - 32) // 20 + 1
    assert shape == [1, num_frames, 96]
    assert abs(last_time - seconds) < 0.02
    frame_bytes = num_frames * 96 * 4  # 138 MB, as much as an hour of a speech model at 192 x 50 Hz
    assert after - before < frame_bytes + 250e6
