from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

# In a process of its own: the type checks of the tests cannot be traced.
SCRIPT = """
import sys
import torch
from audiossl.models import Zipformer

torch.manual_seed(0)
torch.set_num_threads(1)
model = Zipformer.from_preset(sys.argv[1]).eval()
lengths = torch.tensor([int(length) for length in sys.argv[2:]])
features = torch.randn(len(lengths), 998, model.config.num_mel_bins)
compiled = torch.compile(model.forward_features, fullgraph=True)
with torch.no_grad():
    ours, expected = compiled(features, lengths), model.forward_features(features, lengths)
for layer, wanted in zip((*ours.layers, ours.last), (*expected.layers, expected.last), strict=True):
    for row, length in enumerate(expected.lengths.tolist()):
        torch.testing.assert_close(layer[row, :length], wanted[row, :length], atol=5e-5, rtol=0)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(("preset", "lengths"), [("tiny", [998, 700]), ("base", [998])])
def test_one_graph_gives_the_same_layers(preset, lengths):
    """Base is compiled in full: torch 2.13 overwrote its last layer, and that of no smaller model, with a concatenation in it."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, preset, *map(str, lengths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
