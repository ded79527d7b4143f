"""Each window's other one."""

import torch

from audiossl.objectives.other_windows import OtherWindows


def test_everybody_has_another_and_the_order_does_not_matter():
    ids, order = ["a", "b", "c", "d", "e"], [3, 1, 4, 0, 2]
    rows = torch.arange(5)
    found = OtherWindows(ids, (0, 1)).of(rows)
    assert sorted(found.tolist()) == [0, 1, 2, 3, 4] and not bool((found == rows).any())
    again = OtherWindows([ids[i] for i in order], (0, 1)).of(rows[order])
    assert torch.equal(again, found[order])
    assert any(not torch.equal(OtherWindows(ids, (0, epoch)).of(rows), found) for epoch in range(2, 6))
    assert OtherWindows(["alone"], (0, 1)).of(torch.ones(1, 3, 2)).tolist() == torch.ones(1, 3, 2).tolist()


def test_gradients_flow_to_the_other():
    x = torch.randn(3, 2, requires_grad=True)
    others = OtherWindows(["a", "b", "c"], (0, 1))
    others.of(x)[0].sum().backward()
    assert x.grad is not None and x.grad.any(1).tolist() == [row == int(others.rows[0]) for row in range(3)]
