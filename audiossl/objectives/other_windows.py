"""For each window of a batch another one, over all ranks, whatever order the batch is in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Num
from torch import Tensor, distributed
from torch.nn import functional

from audiossl.objectives.contrast import gather, world_size
from audiossl.seeds import derive_seed


class OtherWindows:
    """A round in which each window of the global batch has the next one as its other; a window alone has itself.

    The round is drawn from a key and the ids, so that windows in another order, or shared by other ranks, find the same others.
    Without gradients, as in validation, the round is that of the rank's own windows, as with `gather`.

    Args:
        ids: ids of the rank's windows.
        key: what the round is drawn from, with each id.
        device: device of what is looked up.

    >>> others = OtherWindows(["a", "b", "c"], (0, 1))
    >>> sorted(others.of(torch.arange(3.0)[:, None])[:, 0].tolist())
    [0.0, 1.0, 2.0]
    >>> bool((others.of(torch.arange(3.0)[:, None])[:, 0] == torch.arange(3.0)).any())
    False
    """

    def __init__(self, ids: Sequence[str], key: tuple[int | str, ...], device: torch.device | str = "cpu") -> None:
        numbers = torch.tensor([derive_seed(*key, id_, "round") for id_ in ids], device=device)
        everybody = gather(numbers[:, None])[:, 0]
        order = everybody.argsort(stable=True)
        following = torch.empty_like(order)
        following[order] = order.roll(-1)
        first = distributed.get_rank() * len(ids) if len(everybody) > len(ids) else 0
        self.rows = following[first : first + len(ids)]

    def of(self, x: Num[Tensor, "B *S"]) -> Num[Tensor, "B *S"]:
        """What belongs to the others, of what belongs to the windows; gradients flow to them.

        The last axis may be longer on another rank: what lies beyond the rank's own is left out, what is missing is 0.
        """
        if x.ndim < 2:
            return self.of(x[:, None])[:, 0]
        size = x.shape[-1]
        if world_size() > 1 and torch.is_grad_enabled():
            longest = torch.tensor(size, device=x.device)
            distributed.all_reduce(longest, distributed.ReduceOp.MAX)
            x = functional.pad(x, (0, int(longest) - size))
        return gather(x.flatten(1))[self.rows].reshape(x.shape)[..., :size]
