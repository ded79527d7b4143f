"""MICLe: NT-Xent over bags."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional
from window_examples import small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.objectives.contrast import nt_xent
from audiossl.objectives.micle import MICLe, MICLeConfig
from audiossl.objectives.simclr import SimCLR, SimCLRConfig
from audiossl.objectives.window_batch import WindowBatch


def paired(count=6, bags=None, **options):
    batch, other = windows(count, **options), windows(count, seed=1, **options)
    return replace(
        batch, partner=other.signal, partner_lengths=other.lengths, bags=bags or [f"bag {row}" for row in range(count)]
    )


def make(**options):
    torch.manual_seed(0)
    config = MICLeConfig(**options)
    config.augmentations.per_view = 0
    return MICLe(small_resnet(), config).eval()


@pytest.mark.parametrize("count", [2, 5])
def test_closed_forms(count):
    ones, alone = torch.ones(count, 4), torch.arange(count)
    assert float(nt_xent(ones, ones, 0.1, alone)) == pytest.approx(math.log(2 * count - 1), abs=1e-5)
    assert float(nt_xent(ones, ones, 0.1, 0 * alone)) == pytest.approx(0, abs=1e-5), "one bag has no negatives"
    eye = torch.eye(count)
    assert float(nt_xent(eye, eye, 0.5, alone)) == pytest.approx(math.log(1 + (2 * count - 2) * math.exp(-2)), abs=1e-6)


def test_half_precision_is_close():
    a, b = torch.randn(2, 4, 8).bfloat16()
    bags = torch.tensor([0, 1, 1, 2])
    assert float(nt_xent(a, b, 0.5, bags)) == pytest.approx(float(nt_xent(a.float(), b.float(), 0.5, bags)), abs=1e-3)


def test_items_of_the_same_bag_are_no_negatives():
    """Row by row, with the sums of the paper over rows of other bags."""
    a, b = torch.randn(2, 6, 8)
    bags, tau = [0, 0, 1, 2, 1, 0], 0.3
    rows = functional.normalize(torch.cat([a, b]), dim=1)
    losses = []
    for i in range(12):
        partner = (i + 6) % 12
        others = [k for k in range(12) if bags[k % 6] != bags[i % 6]]
        scores = {k: math.exp(float(rows[i] @ rows[k]) / tau) for k in (partner, *others)}
        losses.append(-math.log(scores[partner] / sum(scores.values())))
    assert float(nt_xent(a, b, tau, torch.tensor(bags))) == pytest.approx(sum(losses) / 12, rel=1e-5)
    found = torch.autograd.functional.jacobian(lambda x: nt_xent(x, b, tau, torch.tensor([0] * 5 + [1])), a)
    alone = torch.autograd.functional.jacobian(lambda x: nt_xent(a, x, tau, torch.tensor([0] * 6)), b)
    assert bool(found.any()) and not alone.any(), "without negatives there is no gradient"


def test_bags_of_one_item_each_give_the_loss_of_simclr():
    batch, micle = paired(), make(temperature=0.2)
    simclr = SimCLR(micle.encoder, SimCLRConfig(micle.options.augmentations, temperature=0.2)).eval()
    simclr.projector.load_state_dict(micle.projector.state_dict())
    assert micle(batch).mean() == pytest.approx(simclr(batch).mean(), rel=1e-6)
    assert micle(replace(batch, bags=["same", "same", *batch.bags[2:]])).mean() < micle(batch).mean()


def test_what_is_alone_in_its_bag_is_two_crops_of_itself():
    batch = windows(6, lengths=[64, 64, 10, 64, 64, 64])
    batch = replace(batch, partner=batch.signal, partner_lengths=batch.lengths, bags=batch.ids)
    (first, lengths), (_, sizes) = make(crop=0.5).views(batch)
    assert not torch.equal(lengths, sizes) and bool((torch.stack([lengths, sizes]) >= batch.lengths // 2).all())
    signal, size = batch.signal[0], int(lengths[0])
    pieces = signal.unfold(1, size, 1)  # (C, places, size)
    assert bool((pieces == first[0, :, None, :size]).all(dim=2).all(dim=0).any()) and not first[0, :, size:].any()


def test_sensors_are_members_of_a_bag():
    objective = make(sensors=[[0, 1], [2, 3], [4]])
    batch = paired(24)
    (first, _), (second, _) = objective.views(batch)
    assert torch.equal(objective.views(batch)[0][0], first)
    pairs = set()
    for view, other in zip(first, second, strict=True):
        seen = [tuple(x.any(dim=1).nonzero()[:, 0].tolist()) for x in (view, other)]
        assert set(seen) <= {(0, 1), (2, 3), (4,)} and seen[0] != seen[1]
        pairs.add(tuple(seen))
    assert len(pairs) == 6, "every two, in both orders"
    with pytest.raises(ConfigError, match="beyond the 6 of the windows"):
        make(sensors=[[0], [6]]).views(paired())


def test_graphs_of_regions_are_encoded_as_well():
    encoder = ConnectivityEncoder(list("abcdef"), 2.0, ConnectivityConfig(10, 5, dim=8, num_layers=1))
    signal = torch.randn(4, 6, 40)
    batch = WindowBatch.of(signal[:2], rate=0.5, subjects=["a", "b"])
    config = MICLeConfig(projector=[8])
    config.augmentations.per_view = 0
    loss = MICLe(encoder, config)(replace(batch, partner=signal[2:], partner_lengths=batch.lengths, bags=batch.subjects))
    loss.total.backward()
    assert encoder.entry.weight.grad is not None and bool(encoder.entry.weight.grad.any())


def test_a_batch_without_partners_is_refused():
    with pytest.raises(ConfigError, match="MICLe needs a partner from the same bag for each window"):
        make()(windows())


@pytest.mark.parametrize(
    "options", [{"crop": 0.0}, {"sensors": [[0]]}, {"sensors": [[0], []]}, {"sensors": [[0], [-1]]}, {"temperature": 0.0}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="expected"):
        MICLeConfig(**options)
