"""Running averages against plain means."""

from __future__ import annotations

import copy

import torch
from torch import nn

from audiossl.training.averaging import ModelAverage, load_average


def test_average_and_any_interval_are_means_of_what_was_seen():
    model = nn.Linear(3, 2)
    average, seen, states = ModelAverage(model, every=5), [], {}
    for step in range(1, 101):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        average.update(model, step)
        if step % 5 == 0:
            seen.append(model.weight.detach().double().clone())
            states[step] = copy.deepcopy(average.state_dict())
    torch.testing.assert_close(average.values["weight"], torch.stack(seen).mean(dim=0), atol=1e-12, rtol=0)
    torch.testing.assert_close(average.since(states[60])["weight"], torch.stack(seen[12:]).mean(dim=0), atol=1e-12, rtol=0)
    assert average.since(states[100]) is average.values
    load_average(model, average.since(states[60]))
    torch.testing.assert_close(model.weight.double(), torch.stack(seen[12:]).mean(dim=0), atol=1e-6, rtol=0)
