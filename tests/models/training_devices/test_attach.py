"""The devices on whole models: absent in evaluation, the plain forward pass where all are off, and training with all on."""

from __future__ import annotations

import copy
from dataclasses import fields

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.lengths import pad_stack
from audiossl.models.training_devices import TrainingDevices

OFF = TrainingDevices(enabled=True, **{item.name: False for item in fields(TrainingDevices) if item.name != "enabled"})
ON = TrainingDevices(enabled=True)
FRONTENDS = pytest.mark.parametrize("frontend", ["conv1d", "conv2d"])


def batch_of(lengths=(50, 33, 61), bins=16):
    return pad_stack([torch.randn(length, bins) * 3 - 8 for length in lengths])


def gradients(model, features, lengths):
    model.zero_grad()
    last = model.forward_features(features, lengths).last
    (last[0, :10].square().sum() + last[2].sum()).backward()
    return last.detach(), [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()]


@FRONTENDS
@pytest.mark.parametrize("factor", [1, 2])
def test_with_all_off_training_is_the_plain_forward_pass(make_small, frontend, factor):
    model = make_small(frontend=frontend, output_downsampling_factor=factor).train()
    batch = batch_of()
    plain, plain_grads = gradients(model, *batch)
    model.use_training_devices(OFF)
    out, grads = gradients(model, *batch)
    assert torch.equal(out, plain)
    assert all(torch.equal(a, b) for a, b in zip(grads, plain_grads, strict=True) if a is not None and b is not None)
    assert [grad is None for grad in grads] == [grad is None for grad in plain_grads]


@FRONTENDS
def test_in_evaluation_they_are_absent(make_small, frontend):
    model = make_small(frontend=frontend)
    batch, names = batch_of(), list(model.state_dict())
    plain, plain_grads = gradients(model, *batch)
    model.use_training_devices(ON)
    state = torch.get_rng_state()
    out, grads = gradients(model, *batch)
    assert torch.equal(out, plain)
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(grads, plain_grads, strict=True))
    assert torch.equal(torch.get_rng_state(), state), "nothing is drawn"
    assert list(model.state_dict()) == names


@FRONTENDS
def test_taken_off_they_leave_no_trace(make_small, frontend):
    model = make_small(frontend=frontend).train()
    batch = batch_of()
    plain, plain_grads = gradients(model, *batch)
    model.use_training_devices(ON)
    assert not torch.equal(gradients(model, *batch)[0], plain)
    for nothing in (None, TrainingDevices()):
        model.use_training_devices(nothing)
        out, grads = gradients(model, *batch)
        assert torch.equal(out, plain)
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(grads, plain_grads, strict=True))


@FRONTENDS
@pytest.mark.parametrize("device", [item.name for item in fields(TrainingDevices) if item.name != "enabled"])
def test_every_switch_switches_its_device(make_small, frontend, device):
    if frontend == "conv1d" and device in ("convnext_layer_drop", "frontend_gradient"):
        pytest.skip("devices of the published front end")
    model = make_small(frontend=frontend).train()
    with torch.no_grad():
        for parameter in (parameter for name, parameter in model.named_parameters() if name.endswith("log_scale")):
            parameter.fill_(2.0)  # outside its limits
        for parameter in (parameter for name, parameter in model.named_parameters() if "self_attn_weights.in_proj" in name):
            parameter.mul_(6.0)  # scores beyond 25
    batch = batch_of()
    plain = gradients(model, *batch)
    options = copy.copy(OFF)
    setattr(options, device, True)
    model.use_training_devices(options)
    forward_too = device not in ("balancer", "whiten", "bypass_limits", "parameter_limits", "score_penalty", "frontend_gradient")
    changed = []
    for seed in range(20):
        if forward_too and changed and all(map(any, zip(*changed, strict=True))):
            break  # both were seen to change; that the forward pass does not is seen in all draws alone
        torch.manual_seed(seed)
        out, grads = gradients(model, *batch)
        same_grads = all(a is b is None or (a is not None and torch.equal(a, b)) for a, b in zip(grads, plain[1], strict=True))
        changed.append((not torch.equal(out, plain[0]), not same_grads))
    assert any(forward for forward, _ in changed) == forward_too
    assert any(backward for _, backward in changed)


def test_the_same_seed_gives_the_same_step(make_small):
    model = make_small(frontend="conv2d").train()
    model.use_training_devices(ON, seconds_per_step=60.0)
    batch, results = batch_of(), []
    for _ in range(2):
        gradients(model, *batch)  # what came before leaves nothing behind
        model.before_step(70, 0.0)
        torch.manual_seed(5)
        results.append(gradients(model, *batch))
    assert model.devices.shop.clock.batch == 7.0
    assert torch.equal(results[0][0], results[1][0])
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_a_copy_has_devices_of_its_own(make_small):
    model = make_small().train()
    model.use_training_devices(ON, seconds_per_step=600.0)
    twin = copy.deepcopy(model)
    model.before_step(3, 0.0)
    assert twin.devices.shop.clock.batch == 0.0
    twin.devices.limits[0].acts = True
    name, parameter = next((name, value) for name, value in twin.named_parameters() if value is twin.devices.limits[0].parameter)
    parameter.data.fill_(-9.0)
    parameter.sum().backward()
    assert (parameter.grad < 0).all(), f"the limit on {name} acts on the copy"
    assert model.get_parameter(name).grad is None


@FRONTENDS
def test_padding_does_not_change_what_balancer_and_whiten_do(make_small, frontend):
    """One clip alone and with a padded tail: the same gradients, though the devices look at all frames."""
    model = make_small(frontend=frontend).train()
    options = copy.copy(OFF)
    options.balancer = options.whiten = True
    model.use_training_devices(options)
    features, lengths = batch_of((61,))
    padded = torch.nn.functional.pad(features, (0, 0, 0, 20), value=-23.0)
    frames, grads = (61 - 7) // 2, []
    for x in (features, padded):
        torch.manual_seed(3)
        model.zero_grad()
        model.forward_features(x, lengths).last[:, :frames].square().sum().backward()
        grads.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]))
    torch.testing.assert_close(*grads, atol=1e-4 * float(grads[0].abs().max()), rtol=1e-3)


def test_causal_models_are_refused(make_small):
    model = make_small(causal=True)
    with pytest.raises(ConfigError, match="not for causal"):
        model.use_training_devices(ON)
    model.use_training_devices(TrainingDevices())
