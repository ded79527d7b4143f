import pytest
import torch
from window_examples import small_resnet, windows

from audiossl.objectives.byol import BYOL, BYOLConfig, distance


def make(**options):
    torch.manual_seed(0)
    return BYOL(small_resnet(), BYOLConfig(projector=[16, 8], predictor=[16, 8], **options))


def test_distances():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert float(distance(a, 3 * a)) == pytest.approx(0)
    assert float(distance(a, a.flip(1))) == pytest.approx(2)
    assert float(distance(a, -a)) == pytest.approx(4)
    assert float(distance(a, torch.stack([a[0], -a[1]]))) == pytest.approx(2)


def test_the_loss_is_the_squared_distance_of_unit_vectors_in_both_directions():
    objective, batch = make().eval(), windows()
    for parameter in objective.target.parameters():
        parameter.data.add_(0.05)  # a target of its own
    views = objective.views(batch)
    with torch.no_grad():
        predictions = [unit(objective._predict(*view)) for view in views]
        encoder, projector = objective.target
        targets = [unit(projector(encoder(signal, lengths).last.mean(1))) for signal, lengths in views]
    expected = [(predictions[i] - targets[1 - i]).square().sum(1).mean() for i in (0, 1)]
    means = objective(batch).means()
    assert [means["forth"], means["back"]] == pytest.approx([float(x) for x in expected], rel=1e-4)


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


def test_the_target_has_no_gradient_and_keeps_no_statistics_of_the_batch():
    objective = make().train()
    before = {name: value.clone() for name, value in objective.target.state_dict().items()}
    objective(windows()).total.backward()
    assert all(p.grad is None for p in objective.target.parameters())
    for name, value in objective.target.state_dict().items():
        assert torch.equal(value, before[name]) or "num_batches" in name, name


def test_in_training_norms_of_the_target_are_of_the_batch():
    """While the networks are alike, so are their embeddings, of one view in both directions: norms are the same as well."""
    objective, batch = make(), windows()
    objective.predictor = torch.nn.Identity()
    objective.views = lambda batch: [(batch.signal, batch.lengths)] * 2
    assert objective.train()(batch).mean() == pytest.approx(0, abs=1e-5)
    embedded = objective._target(batch.signal, batch.lengths)
    assert not torch.equal(embedded, objective.eval()._target(batch.signal, batch.lengths))
    torch.testing.assert_close(
        objective._target(batch.signal[:1], batch.lengths[:1]), objective._target(batch.signal, batch.lengths)[:1]
    )


def test_the_target_moves_towards_parameters_and_statistics():
    objective = make(momentum=0.9)
    start = {name: value.clone() for name, value in objective.target.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in objective.parameters() if p.requires_grad], 0.1)
    objective.train()(windows()).total.backward()
    optimiser.step()
    objective.after_step(1)
    online = torch.nn.ModuleList([objective.encoder, objective.projector]).state_dict()
    assert any("running_mean" in name for name in start) and any("num_batches_tracked" in name for name in start)
    for name, value in objective.target.state_dict().items():
        if "num_batches" in name:
            assert int(value) == int(online[name]) == 2  # both views
        else:
            torch.testing.assert_close(value, 0.9 * start[name] + 0.1 * online[name], msg=name)
            assert not torch.equal(start[name], online[name]) or "bias" in name, name


def test_the_momentum_rises_along_a_cosine():
    objective = make(momentum=0.996, momentum_steps=100)
    assert [objective.momentum_at(step) for step in (0, 50, 100, 120)] == pytest.approx([0.996, 0.998, 1, 1])
    assert [make(momentum=0.99).momentum_at(step) for step in (0, 1000)] == [0.99, 0.99]
