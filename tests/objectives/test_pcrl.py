"""PCRL: the three contrasts and the four reconstructions, by hand."""

from dataclasses import fields, replace

import pytest
import torch
from torch.nn import functional
from window_examples import small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.objectives.other_windows import OtherWindows
from audiossl.objectives.pcrl import PCRL, PCRLConfig, _crossed, _final
from audiossl.objectives.transform_code import Transforms


def make(**options):
    torch.manual_seed(0)
    return PCRL(small_resnet(), PCRLConfig(**{"projector": [16, 8], "queue": 8, "decoder": [16], "gate": 8, **options})).eval()


def disturb(objective):
    """A moving average of its own."""
    for parameter in objective.target.parameters():
        parameter.data.add_(0.05)
    return objective


@torch.no_grad()
@pytest.mark.parametrize("lengths", [None, [64, 40, 64, 33]])
def test_the_loss_is_that_of_loops(lengths):
    objective, batch = disturb(make()), windows(4, lengths=lengths)
    (first, sizes), (second, _) = objective.views(batch)
    shares = objective._shares(batch)
    assert bool((shares >= 0.5).all())
    other = OtherWindows(batch.ids, (3, 1, "mixture")).rows.tolist()
    transforms = Transforms.draw(batch.ids, (3, 1), objective.options.transforms)
    encoder, projector = objective.target
    units = [
        functional.normalize(projector(encoder(second[j : j + 1, :, : sizes[j]], sizes[j : j + 1]).last.mean(1)), dim=1)
        for j in range(4)
    ]
    contrasts, errors = [], []
    for i, size in enumerate(sizes.tolist()):
        share, cross, j = float(shares[i, 0]), float(shares[i, 1]), other[i]
        one, length = slice(i, i + 1), sizes[i : i + 1]
        inputs = [first[one, :, :size], second[one, :, :size]]
        inputs += [share * x[one, :, :size] + (1 - share) * x[j : j + 1, :, :size] for x in (first, second)]
        student = [objective.encoder(inputs[k], length).last for k in (0, 2)]
        teacher = [encoder(inputs[k], length).last for k in (1, 3)]
        queries = [objective.projector(frames.mean(1)) for frames in student]
        keys = [projector(frames.mean(1)) for frames in teacher]
        pairs = [(queries[0], keys[0]), (queries[1], keys[1]), (queries[1], share * units[i] + (1 - share) * units[j])]
        for query, key in pairs:
            query, key = functional.normalize(query, dim=1), functional.normalize(key, dim=1)
            scores = torch.cat([query @ key.T, query @ objective.queue.rows.T], dim=1)[0] / objective.options.temperature
            contrasts.append(-float(scores.log_softmax(0)[0]))
        own = Transforms(*(getattr(transforms, field.name)[one] for field in fields(transforms)))
        for s, t, a, b in ((0, None, 0, 0), (1, None, 2, 2), (0, 0, 0, 1), (1, 1, 2, 3)):
            weight = 1.0 if t is None else cross
            frames = weight * student[s] + (1 - weight) * teacher[t or 0]
            target, counted = own.of_signal(weight * inputs[a] + (1 - weight) * inputs[b], length)
            moved, count = own.of_frames(frames.transpose(1, 2), torch.tensor([frames.shape[1]]), length, 0, 2)
            gated = moved * objective.gate(own.code).sigmoid()[:, :, None]
            rebuilt = objective.decoder(gated.transpose(1, 2), size)
            whole = min(int(counted), 2 * int(count))
            errors.append(float((rebuilt - target)[..., :whole].square().mean()))
    means = objective(batch).means()
    assert means["contrast"] == pytest.approx(sum(contrasts) / 12, rel=1e-4)
    assert means["rebuild"] == pytest.approx(sum(errors) / 16, rel=1e-4)


def test_a_mixture_of_both_networks_is_rebuilt_where_the_decoder_is_linear():
    """With one network and one view the crossed terms are the plain ones."""
    objective = make()
    objective.config.augmentations.per_view = 0
    batch = windows(3)
    first, second = objective.views(batch)
    transforms = Transforms.draw(batch.ids, (0, 0), objective.options.transforms)
    frames = objective.encoder(*first)
    keys = objective.key(*second)[0]
    torch.testing.assert_close(frames.last.detach(), keys.last)
    plain = objective._error(_final(frames), first, transforms)
    torch.testing.assert_close(
        objective._error(*_crossed(frames, keys, first, second, torch.tensor([0.5, 0.7, 1.0])), transforms), plain
    )


def test_nothing_flows_to_the_moving_average_and_the_queue_takes_plain_keys():
    objective = disturb(make()).train()
    batch = windows(4)
    keys = objective.key(*objective.views(batch)[1])[1]
    objective(batch).total.backward()
    assert all(parameter.grad is None for parameter in objective.target.parameters())
    assert all(bool(parameter.grad.any()) for parameter in objective.gate.parameters())
    torch.testing.assert_close(objective.queue.rows[:4], functional.normalize(keys, dim=1))
    assert int(objective.queue.filled) == 4


def test_partners_of_another_length_may_be_the_second_view():
    objective = make()
    other = windows(4, seed=1, lengths=[40, 40, 30, 64])
    paired = replace(windows(4), partner=other.signal, partner_lengths=other.lengths)
    assert bool(objective(paired).total.isfinite())


def test_half_precision_is_close():
    objective, batch = make(), windows(6)
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(batch).mean()
    assert found == pytest.approx(objective(batch).mean(), rel=1e-2)


def test_impossible_options_are_refused():
    with pytest.raises(ConfigError, match="gate above 0"):
        PCRLConfig(gate=0)
    with pytest.raises(ConfigError, match="rebuild_weight of at least 0"):
        PCRLConfig(rebuild_weight=-1.0)
