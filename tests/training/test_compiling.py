"""Compiled training: few graphs, and the same losses and gradients."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from audiossl.errors import ConfigError
from audiossl.training.compiling import compiled, padded_length

# In a process of its own: the type checks of the tests cannot be traced.
SCRIPT = """
import torch
from audiossl.models.student import make_student
from audiossl.objectives.batch import collate_tokens
from audiossl.objectives.masked_prediction import MaskedPredictionConfig, TokenStream
from audiossl.objectives.masked_tokens import MaskedTokens
from audiossl.training.compiling import compiled

graphs = []

def counting(graph, inputs):
    graphs.append(graph)
    return graph.forward

def losses(backend):
    torch.manual_seed(0)
    sizes = {"num_mel_bins": 20, "encoder_dim": (32,) * 3, "feedforward_dim": (32,) * 3}
    per_stack = {"downsampling_factor": (1, 2, 1), "num_encoder_layers": (1,) * 3, "encoder_unmasked_dim": (16,) * 3}
    per_stack |= {"cnn_module_kernel": (15,) * 3, "num_heads": (4,) * 3, "output_downsampling_factor": 1}
    student = make_student("zipformer", "tiny", {**sizes, **per_stack})
    objective = MaskedTokens(student, {"tokens": TokenStream(50.0, 2, 16)}, MaskedPredictionConfig(channel_mask_length=3)).train()
    found = []
    with compiled(objective, backend is not None, backend or "eager"):
        for index in range(9):
            generator = torch.Generator().manual_seed(index)
            seconds = (torch.rand(1 + index % 4, generator=generator) * 2 + 0.4).tolist()
            signals = [torch.randn(1, int(16000 * length), generator=generator) for length in seconds]
            tokens = [{"tokens": torch.randint(16, (int(50 * length), 2), generator=generator)} for length in seconds]
            batch = collate_tokens([f"{index}-{item}" for item in range(len(seconds))], signals, tokens)
            objective.zero_grad()
            loss = objective(batch)
            loss.total.backward()
            norm = torch.stack([param.grad.norm() for param in objective.parameters() if param.grad is not None]).norm()
            found.append((loss.total.detach(), norm, loss.weight))
    return found

expected = losses(None)
for ours, wanted in zip(losses(counting), expected, strict=True):
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-4, atol=1e-4)
assert 1 <= len(graphs) <= 2, len(graphs)
"""


@pytest.mark.slow
def test_few_graphs_give_the_same_losses():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_lengths_are_few():
    lengths = {padded_length(size) for size in range(100, 1201)}
    assert len(lengths) <= 8 * 4 and all(size <= padded_length(size) <= 1.125 * size for size in range(100, 1201))


def test_what_cannot_be_compiled_is_refused():
    objective = nn.Module()
    objective.encoder = nn.Linear(1, 1)
    with pytest.raises(ConfigError, match="for encoders with forward_features, a Linear has none"), compiled(objective):
        pass
    objective.encoder.forward_features = lambda features, lengths: None
    objective.encoder.devices = object()
    with pytest.raises(ConfigError, match=r"student\.devices\.enabled=false"), compiled(objective):
        pass
    assert torch.is_grad_enabled()
