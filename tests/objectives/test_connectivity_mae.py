"""Masked auto-encoding of connectivity: its masks, its spacing, what it ignores, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from audiossl.errors import ConfigError, DataError
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.objectives.connectivity_labels import ConnectivityLabels, likeness
from audiossl.objectives.connectivity_mae import ConnectivityMAE, ConnectivityMAEConfig, scaled_cosine_error
from audiossl.objectives.region_masks import hide_regions
from audiossl.objectives.window_batch import WindowBatch
from audiossl.objectives.window_labels import LabelledWindowBatch

REGIONS = [f"r{i}" for i in range(12)]
NETWORKS = [i // 4 for i in range(12)]


def encoder(**changes) -> ConnectivityEncoder:
    torch.manual_seed(0)
    return ConnectivityEncoder(
        REGIONS, 0.8, ConnectivityConfig(**{"window": 20, "stride": 8, "dim": 16, "num_layers": 2, **changes})
    )


def batch(count: int = 3, volumes: int = 120, seed: int = 0) -> WindowBatch:
    """Runs in which the regions of a network move together."""
    draws = torch.Generator().manual_seed(seed)
    common = torch.randn(count, 3, volumes, generator=draws)[:, NETWORKS]
    signal = common + 0.6 * torch.randn(count, 12, volumes, generator=draws)
    names = [f"run{i}" for i in range(count)]
    return WindowBatch(signal, torch.full((count,), volumes), names, names, 1.25)


@pytest.mark.parametrize("target", ["input", "fc_row", "latent_ema"])
@pytest.mark.parametrize("decoder", ["mixer", "mlp", "gin"])
def test_it_learns_with_every_target_and_decoder(target, decoder):
    torch.manual_seed(1)
    objective = ConnectivityMAE(encoder(rows=True), ConnectivityMAEConfig(node_target=target, decoder=decoder, momentum=0.9))
    optimiser = torch.optim.Adam(objective.parameters(), 3e-3)
    losses = []
    for step in range(30):
        optimiser.zero_grad()
        loss = objective(batch(seed=step))
        (loss.total / loss.weight).backward()
        optimiser.step()
        objective.after_step(step)
        losses.append(loss.mean())
    assert sum(losses[-5:]) / 5 < 0.8 * losses[0]
    assert set(loss.parts) == {"space_nodes", "space_edges", "time_nodes", "time_edges", "edge_skill"}


def test_edges_are_told_better_than_by_their_density():
    torch.manual_seed(1)
    objective = ConnectivityMAE(encoder())
    assert objective.chance == pytest.approx(0.6109, abs=1e-4)
    optimiser = torch.optim.Adam(objective.parameters(), 3e-3)
    for step in range(60):
        optimiser.zero_grad()
        objective(batch(seed=step)).total.backward()
        optimiser.step()
    with torch.no_grad():
        assert float(objective.eval().edge_error(batch(seed=999))) < 0.5
        logits = objective.reconstruct(batch(seed=999).signal, batch().lengths)
    assert logits.shape == (3, 13, 66)


def test_targets_carry_no_gradient():
    objective = ConnectivityMAE(encoder(), ConnectivityMAEConfig(node_target="input"))
    windows = objective.encoder.windows(batch().signal, batch().lengths)
    assert windows.stamps.requires_grad and not objective._targets(windows).requires_grad
    latent = ConnectivityMAE(encoder(), ConnectivityMAEConfig(node_target="latent_ema"))
    assert not latent._targets(windows).requires_grad
    assert not any(value.requires_grad for value in latent.target.parameters())


@pytest.mark.parametrize(("window", "stride", "gap"), [(50, 16, 3), (20, 8, 2), (20, 20, 1), (50, 3, 9)])
def test_windows_around_a_target_share_no_volume(window, stride, gap):
    objective = ConnectivityMAE(encoder(window=window, stride=stride))
    assert objective.gap == gap
    valid = torch.arange(40) < torch.tensor([40, 2 * gap + 1, 25])[:, None]
    for _ in range(20):
        target, before, after = objective._triples(valid)
        assert bool((before <= target - gap).all() and (after >= target + gap).all())
        start = torch.arange(40) * stride
        run = torch.arange(3).repeat_interleave(valid.sum(1))
        place = torch.cat([torch.arange(int(count)) for count in valid.sum(1)])
        assert bool((run[target] == run[before]).all() and (run[target] == run[after]).all())
        assert bool((start[place[after]] - start[place[before]] >= window).all())


def test_windows_around_a_target_are_such_as_keep_their_volumes():
    objective = ConnectivityMAE(encoder(window=20, stride=8))
    valid = torch.rand(3, 30, generator=torch.Generator().manual_seed(0)) < 0.6
    valid[1, 20:] = False
    run, place = valid.nonzero().unbind(1)
    seen = set()
    for _ in range(300):
        target, before, after = objective._triples(valid)
        assert bool((run[target] == run[before]).all() and (run[target] == run[after]).all())
        assert bool((place[before] <= place[target] - 2).all() and (place[after] >= place[target] + 2).all())
        seen |= set(zip(target.tolist(), before.tolist(), strict=True))
    pairs = ((run[:, None] == run) & (place <= place[:, None] - 2)).nonzero()  # target, before
    has_after = [bool(((run == run[t]) & (place >= place[t] + 2)).any()) for t in range(len(run))]
    assert seen == {(t, b) for t, b in pairs.tolist() if has_after[t]}


def test_a_run_too_short_for_a_target_is_an_error():
    objective = ConnectivityMAE(encoder())
    with pytest.raises(DataError, match="at least 52 volumes, a target and a window 2 before and after"):
        objective(batch(volumes=51))
    objective(batch(volumes=52))


def test_the_order_of_regions_does_not_matter_to_a_gin_decoder(monkeypatch):
    """Regions, their names and their masks in another order give the same losses."""
    from audiossl.objectives import connectivity_mae

    objective = ConnectivityMAE(encoder(), ConnectivityMAEConfig(decoder="gin", node_target="latent_ema")).double().eval()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    other = ConnectivityMAE(encoder(), ConnectivityMAEConfig(decoder="gin", node_target="latent_ema")).double().eval()
    other.load_state_dict(objective.state_dict())
    for model in (other.encoder, other.target):
        for name in ("weight_ih_l0",):
            getattr(model.clock, name).data.copy_(getattr(objective.encoder.clock, name).data[:, order])
        model.entry.weight.data[:, :12] = objective.encoder.entry.weight.data[:, :12][:, order]
    hidden = torch.rand(39, 12, generator=torch.Generator().manual_seed(4)) < 0.5
    mine = batch()
    theirs = WindowBatch(mine.signal[:, order], mine.lengths, mine.ids, mine.subjects, mine.rate)
    found = []
    for model, given, mask in ((objective, mine, hidden), (other, theirs, hidden[:, order])):
        monkeypatch.setattr(connectivity_mae, "hide_regions", lambda *_, mask=mask: mask)
        torch.manual_seed(5)
        found.append(model.float()(given).means())
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_statistics_are_those_of_whole_windows():
    """Masked encodings must not move what batch norms keep: the encoder is used unmasked."""
    objective = ConnectivityMAE(encoder())
    objective(batch())
    plain = encoder().train()
    plain.nodes(plain.windows(batch().signal, batch().lengths))
    for name, value in plain.layers.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        torch.testing.assert_close(objective.encoder.layers.state_dict()[name], value)


def test_scaled_cosine_error():
    target = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    told = torch.tensor([[5.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert scaled_cosine_error(told, target, 1.0).item() == pytest.approx((0 + 1 + 2) / 3)
    assert scaled_cosine_error(told, target, 3.0).item() == pytest.approx((0 + 1 + 8) / 3)


@pytest.mark.parametrize("kind", ["random", "block", "network"])
def test_masks_hide_their_share(kind):
    torch.manual_seed(0)
    hidden = hide_regions(200, 12, 0.5, kind, NETWORKS, torch.device("cpu"))
    assert hidden.sum(1).tolist() == [6] * 200
    assert float(hidden.float().mean(0).min()) > 0.3
    if kind == "block":
        assert bool((hidden != hidden.roll(1, 1)).sum(1).eq(2).all())
    if kind == "network":
        shares = hidden.float().unflatten(1, (3, 4)).mean(2)
        assert bool(((shares == 1).sum(1) == 1).all() and ((shares == 0.5).sum(1) == 1).all())


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="network with labels"):
        hide_regions(3, 12, 0.5, "network", None, torch.device("cpu"))
    with pytest.raises(ConfigError, match="mask_ratio"):
        ConnectivityMAEConfig(mask_ratio=1.0)
    with pytest.raises(Exception, match="node_target"):
        ConnectivityMAE(encoder(), ConnectivityMAEConfig(node_target="pixels"))


@pytest.mark.parametrize("time_pool", ["mean", "transformer"])
def test_labels_are_learnt(time_pool):
    torch.manual_seed(1)
    objective = ConnectivityLabels(encoder(readout="sero"), 2, time_pool)
    optimiser = torch.optim.Adam(objective.parameters(), 3e-3)
    y = torch.arange(8) % 2

    def runs(seed: int) -> LabelledWindowBatch:
        """The first network moves together in one class only."""
        windows = batch(8, 60, seed)
        windows.signal[y == 1, :4] = torch.randn(4, 4, 60)
        return LabelledWindowBatch(windows, y)

    for step in range(40):
        optimiser.zero_grad()
        objective(runs(step)).total.backward()
        optimiser.step()
    assert float((objective.eval().answer(runs(99).windows) == y).float().mean()) > 0.8
    quantity = ConnectivityLabels(encoder(), 0, mean=30.0, deviation=5.0)
    loss = quantity(LabelledWindowBatch(batch(), torch.tensor([20.0, 30.0, 40.0])))
    assert torch.isfinite(loss.total) and quantity.answer(batch()).shape == (3,)


def test_orthogonal_regions_are_not_alike():
    assert float(likeness(torch.eye(5)[None])) < 1e-6
    same = likeness(torch.ones(1, 5, 3))
    assert float(same) == pytest.approx(10**0.5, abs=1e-5)  # ten pairs above the diagonal
    assert torch.isfinite(functional.mse_loss(same, same))
