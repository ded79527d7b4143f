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
narrow = {name: (size,) * 7 for name, size in {
    "feedforward_dim": 24, "encoder_dim": 16, "encoder_unmasked_dim": 8, "num_heads": 2}.items()}
preset = sys.argv[1]
model = Zipformer.from_preset(preset, **({"num_mel_bins": 16, **narrow} if preset == "base" else {})).eval()
for name, parameter in model.named_parameters():
    if parameter.ndim > 1:
        torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
compiled = torch.compile(model.forward_features, fullgraph=True)
features, lengths = torch.randn(2, 998, model.config.num_mel_bins), torch.tensor([998, 700])
with torch.no_grad():
    ours, expected = compiled(features, lengths), model.forward_features(features, lengths)
for layer, wanted in zip((*ours.layers, ours.last), (*expected.layers, expected.last), strict=True):
    for row, length in enumerate(expected.lengths.tolist()):
        torch.testing.assert_close(layer[row, :length], wanted[row, :length], atol=1e-3, rtol=0)  # other order of sums, through 12 layers of weights of no small size
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("preset", ["tiny", "base"])
def test_one_graph_gives_the_same_layers(preset):
    """The stacks of the base model are made narrow; its number of layers brings out faults that fewer do not."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, preset], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
