"""A queue of negatives."""

import math

import pytest
import torch
from torch.nn import functional

from audiossl.objectives.queue import Queue


def test_equal_embeddings_give_the_logarithm_of_the_choices():
    queue, ones = Queue(6, 4), torch.ones(3, 4)
    queue.rows.copy_(functional.normalize(torch.ones(6, 4), dim=1))
    assert queue.contrast(ones, ones, 0.07).tolist() == pytest.approx([math.log(7)] * 3)


def test_orthogonal_negatives():
    queue = Queue(3, 4)
    queue.rows.copy_(torch.eye(4)[1:])
    first = torch.eye(4)[:1]
    assert float(queue.contrast(first, 5 * first, 0.5)) == pytest.approx(math.log(1 + 3 * math.exp(-2)))


def test_the_oldest_go_first_and_nothing_flows_to_them():
    queue, keys = Queue(4, 3), torch.randn(3, 2, 3, requires_grad=True)
    for pair in keys:
        queue.add(pair)
    unit = functional.normalize(keys.detach(), dim=2)
    torch.testing.assert_close(queue.rows, torch.cat([unit[2], unit[1]]))
    assert int(queue.filled) == 6 and not queue.rows.requires_grad
    queue.add(torch.randn(9, 3))
    assert int(queue.filled) == 10


def test_the_gradient_is_right_though_the_queue_has_moved_on():
    queue = Queue(4, 3)
    queries, keys = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3)
    wanted = torch.autograd.grad(queue.contrast(queries, keys, 0.2).sum(), queries)[0]
    loss = queue.contrast(queries, keys, 0.2).sum()
    queue.add(keys)
    assert torch.equal(torch.autograd.grad(loss, queries)[0], wanted)


def test_half_precision_is_close():
    queue, queries, keys = Queue(8, 16), torch.randn(4, 16).bfloat16(), torch.randn(4, 16).bfloat16()
    torch.testing.assert_close(queue.contrast(queries, keys, 0.2), queue.contrast(queries.float(), keys.float(), 0.2))
