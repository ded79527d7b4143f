import math

import pytest
import torch
from torch.nn import functional
from window_examples import small_resnet, windows

from audiossl.objectives.nnclr import NNCLR, NNCLRConfig, subject_numbers


def make(**options):
    torch.manual_seed(0)
    options = {"projector": [16, 8], "predictor": [8], "batch_norm": False, "queue": 8, **options}
    return NNCLR(small_resnet(), NNCLRConfig(**options))


def fill(objective, rows, subjects):
    objective.queue.copy_(functional.normalize(rows, dim=1))
    objective.owners.copy_(subject_numbers(subjects))
    objective.filled.fill_(len(rows))


def slow_half(positives, predictions, tau):
    positives, predictions = (functional.normalize(x, dim=1) for x in (positives, predictions))
    terms = []
    for i in range(len(positives)):
        scores = [float(positives[i] @ other) / tau for other in predictions]
        terms.append(-scores[i] + math.log(sum(math.exp(score) for score in scores)))
    return sum(terms) / len(terms) / 2


@torch.no_grad()
def test_the_loss_is_that_of_loops_before_and_after_the_queue_is_full():
    objective, batch = make(other_subjects=False, temperature=0.3).eval(), windows(5)
    a, b, rows = torch.randn(5, 8), torch.randn(5, 8), torch.randn(8, 8)
    found = objective.compare(a, b, batch)
    assert float(found["forth"]) == pytest.approx(slow_half(a, objective.predictor(b), 0.3), rel=1e-4)
    assert float(found["back"]) == pytest.approx(slow_half(b, objective.predictor(a), 0.3), rel=1e-4)
    fill(objective, rows, ["x"] * 8)
    found = objective.compare(a, b, batch)
    near = [torch.stack([max(rows, key=lambda r, z=z: float(functional.cosine_similarity(z, r, 0))) for z in x]) for x in (a, b)]
    assert float(found["forth"]) == pytest.approx(slow_half(near[0], objective.predictor(b), 0.3), rel=1e-4)
    assert float(found["back"]) == pytest.approx(slow_half(near[1], objective.predictor(a), 0.3), rel=1e-4)


def test_neighbours_are_of_other_subjects():
    objective = make()
    rows = torch.eye(8)
    fill(objective, rows, ["s0", "s1", "s2", "s0", "s0", "s0", "s0", "s0"])
    z = rows[:3] + 0.1 * rows[1:4]
    owners = subject_numbers(["s0", "s0", "s2"])
    assert objective._neighbours(z, owners).argmax(1).tolist() == [1, 1, 3]
    objective.options.other_subjects = False
    assert objective._neighbours(z, owners).argmax(1).tolist() == [0, 1, 2]


def test_without_another_subject_the_view_itself_is_the_positive():
    objective = make()
    fill(objective, torch.randn(8, 8), ["s0"] * 8)
    z = torch.randn(2, 8)
    found = objective._neighbours(z, subject_numbers(["s0", "s1"]))
    assert torch.equal(found[0], z[0])
    assert any(torch.equal(found[1], row) for row in objective.queue)


def test_a_queue_that_is_not_full_is_not_used():
    objective = make()
    fill(objective, torch.randn(8, 8), ["x"] * 8)
    objective.filled.fill_(7)
    z = torch.randn(2, 8)
    assert torch.equal(objective._neighbours(z, subject_numbers(["s0", "s1"])), z)


def test_the_queue_is_a_ring_of_the_first_views():
    objective = make().train()
    batches = torch.randn(5, 3, 8)
    for number, z in enumerate(batches):
        objective._enqueue(z, torch.full((3,), number))
    expected = functional.normalize(batches.flatten(0, 1), dim=1)
    assert int(objective.filled) == 15
    for place in range(8):
        source = place + 8 if place + 8 < 15 else place
        torch.testing.assert_close(objective.queue[place], expected[source])
        assert int(objective.owners[place]) == source // 3
    objective._enqueue(torch.eye(8).repeat(2, 1)[3:14], torch.arange(11))  # more than there is room for: the last stay
    assert sorted(objective.owners.tolist()) == list(range(3, 11))


def test_the_queue_takes_in_the_first_view_in_training_only():
    objective, batch = make(), windows(5)
    a, b = torch.randn(2, 5, 8)
    objective.eval().compare(a, b, batch)
    assert int(objective.filled) == 0
    objective.train().compare(a, b, batch)
    torch.testing.assert_close(objective.queue[:5], functional.normalize(a, dim=1))
    assert torch.equal(objective.owners[:5], subject_numbers(batch.subjects))


def test_subjects_have_numbers_of_their_own():
    numbers = subject_numbers(["s0", "s1", "s0", "0s"])
    assert numbers[0] == numbers[2] and len(set(numbers.tolist())) == 3 and bool((numbers >= 0).all())
    assert subject_numbers(["s1"])[0] == numbers[1]
