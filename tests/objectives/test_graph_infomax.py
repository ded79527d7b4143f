"""Deep graph infomax: what it shuffles, whose summary it takes, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_connectivity_mae import batch, encoder
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.objectives.graph_infomax import GraphInfomax, GraphInfomaxConfig, _shuffled


@pytest.mark.parametrize("gap", [0, 2])
def test_it_learns_to_tell_regions_of_a_window_from_others(gap):
    torch.manual_seed(1)
    objective = GraphInfomax(encoder(), GraphInfomaxConfig(gap))
    optimiser = torch.optim.Adam(objective.parameters(), 1e-2)
    for step in range(80):
        optimiser.zero_grad()
        loss = objective(batch(seed=step))
        (loss.total / loss.weight).backward()
        optimiser.step()
    assert loss.mean() < 0.3 and loss.parts["accuracy"].mean() > 0.9  # 0.69 and 0.5 without looking


def test_the_loss_is_the_cross_entropy_of_a_bilinear_score():
    """Said again region by region, of the published objective, in evaluation mode."""
    torch.manual_seed(1)
    objective = GraphInfomax(encoder()).eval()
    runs = batch(count=2)
    torch.manual_seed(3)
    loss = objective(runs)
    torch.manual_seed(3)
    windows = objective.encoder.windows(runs.signal, runs.lengths)
    true, false = objective.encoder.nodes(windows)[-1], objective.encoder.nodes(_shuffled(windows))[-1]
    errors = []
    for window in range(len(true)):
        summary = torch.sigmoid(true[window].mean(0))
        for nodes, label in ((true, 1.0), (false, 0.0)):
            for region in nodes[window]:
                score = region @ objective.agreement.weight @ summary
                errors.append(functional.binary_cross_entropy(torch.sigmoid(score), torch.tensor(label)))
    assert loss.mean() == pytest.approx(float(torch.stack(errors).mean().detach()), rel=1e-4)


def test_shuffled_windows_have_the_same_connections_elsewhere():
    objective = GraphInfomax(encoder())
    windows = objective.encoder.windows(batch().signal, batch().lengths)
    other = _shuffled(windows)
    assert torch.equal(other.graphs, other.graphs.mT) and not torch.equal(other.graphs, windows.graphs)
    degrees = [one.graphs.sum(2).sort(1).values for one in (windows, other)]
    assert torch.equal(*degrees)
    assert torch.equal(windows.correlation.flatten(1).sort(1).values, other.correlation.flatten(1).sort(1).values)
    torch.testing.assert_close(other.correlation.diagonal(dim1=1, dim2=2), torch.ones_like(other.correlation[:, 0]))


def test_the_summary_is_of_the_same_run_so_many_windows_away():
    objective = GraphInfomax(encoder(), GraphInfomaxConfig(summary_gap=2))
    runs = replace(batch(count=2), lengths=torch.tensor([120, 60]))  # 13 and 6 windows
    windows = objective.encoder.windows(runs.signal, runs.lengths)
    numbers = torch.arange(19.0)[:, None].expand(-1, 16)
    found = objective._told_by(numbers, windows)[:, 0].long().tolist()
    assert found == [*range(2, 13), 9, 10, *range(15, 19), 15, 16]


def test_runs_too_short_for_the_gap_are_an_error():
    with pytest.raises(ConfigError, match="more than summary_gap=13 windows, got one of 13"):
        GraphInfomax(encoder(), GraphInfomaxConfig(13))(batch())
    with pytest.raises(ConfigError, match="0 windows or more"):
        GraphInfomaxConfig(-1)


def test_false_regions_do_not_move_what_batch_norms_keep():
    torch.manual_seed(0)
    one, other = GraphInfomax(encoder()), GraphInfomax(encoder())
    one(batch())
    other.encoder.nodes(other.encoder.windows(batch().signal, batch().lengths))
    for name, value in one.encoder.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(value, other.encoder.state_dict()[name])
