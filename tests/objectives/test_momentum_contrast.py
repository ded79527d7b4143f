"""Queries, keys of a moving average, and their queue."""

import pytest
import torch
from torch.nn import functional
from window_examples import small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.objectives.momentum_contrast import MomentumContrast, MomentumContrastConfig


def make(**options):
    torch.manual_seed(0)
    return MomentumContrast(small_resnet(), MomentumContrastConfig(**{"projector": [16, 8], "queue": 8, **options}))


def test_keys_are_those_of_the_moving_average_with_norms_of_the_batch():
    objective, batch = make().train(), windows()
    state = {key: value.clone() for key, value in objective.target.state_dict().items()}
    _, query = objective.query(batch.signal, batch.lengths)
    _, key = objective.key(batch.signal, batch.lengths)
    torch.testing.assert_close(query.detach(), key)  # the networks are still alike, and so are their norms
    assert query.requires_grad and not key.requires_grad
    kept = {name: value for name, value in objective.target.state_dict().items() if "num_batches" not in name}
    assert all(torch.equal(value, state[name]) for name, value in kept.items())


def test_the_target_follows_parameters_and_statistics():
    objective = make(momentum=0.9)
    start = {key: value.clone() for key, value in objective.target.state_dict().items()}
    objective.train().query(*[getattr(windows(), name) for name in ("signal", "lengths")])
    with torch.no_grad():
        objective.projector[0].weight += 1
    objective.after_step(1)
    torch.testing.assert_close(objective.target[1][0].weight, start["1.0.weight"] + 0.1)
    name = "0.stem_norm.running_mean"
    torch.testing.assert_close(
        objective.target.state_dict()[name], 0.9 * start[name] + 0.1 * objective.encoder.stem_norm.running_mean
    )
    assert not any(parameter.requires_grad for parameter in objective.target.parameters())


def test_the_queue_takes_in_keys_in_training_only():
    objective, keys = make(), torch.randn(3, 8)
    objective.eval().take_in(keys)
    with torch.no_grad():
        objective.train().take_in(keys)
    assert int(objective.queue.filled) == 0
    objective.take_in(keys)
    torch.testing.assert_close(objective.queue.rows[:3], functional.normalize(keys, dim=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": 0}, "queue above 0"),
        ({"momentum": 2.0}, "momentum of 0 to 1"),
        ({"projector": []}, "projector to be widths of at least 1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
