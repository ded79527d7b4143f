"""Gradients of a batch that is shared by as many processes as there are: a script's half, and that of the test that runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import distributed, nn

from audiossl.objectives.contrast import world_size

COUNT = 8  # windows of a batch
Gradients = dict[str, torch.Tensor]


def rank() -> int:
    return distributed.get_rank() if world_size() > 1 else 0


def own_rows() -> slice:
    """This rank's part of a batch."""
    size = COUNT // world_size()
    return slice(rank() * size, (rank() + 1) * size)


def mean_gradients(objective: nn.Module) -> Gradients:
    """Gradient of the mean loss over all ranks, from sums as the training loop does it."""
    found = {}
    for key, parameter in objective.named_parameters():
        if parameter.grad is not None:
            found[key] = parameter.grad.clone()
            if world_size() > 1:
                distributed.all_reduce(found[key])
            found[key] /= COUNT  # the weight of all ranks
    return found


def write_gradients(gradients: Callable[[str], Gradients], names: Iterable[str]) -> None:
    """What a script does: the first rank writes the gradients of all names, into the folder of its first argument."""
    torch.manual_seed(0)
    if distributed.is_torchelastic_launched():
        distributed.init_process_group("gloo")
    results = {name: gradients(name) for name in names}
    if rank() == 0:
        torch.save(results, Path(sys.argv[1]) / f"{world_size()}.pt")
    if world_size() > 1:
        distributed.destroy_process_group()


def assert_two_ranks_equal_one(script: str, folder: Path) -> None:
    """Run a script of this folder on two ranks and on one, and compare their gradients."""
    place = str(Path(__file__).with_name(script))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", place, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::FutureWarning"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    subprocess.run([sys.executable, place, str(folder)], check=True, env=environment)
    one, two = torch.load(folder / "1.pt"), torch.load(folder / "2.pt")
    assert one.keys() == two.keys() and len(one) >= 4
    for name, values in one.items():
        largest = max(float(value.abs().max()) for value in values.values())
        assert values.keys() == two[name].keys() and largest > 0
        for key, value in values.items():
            torch.testing.assert_close(two[name][key], value, rtol=1e-4, atol=1e-5 * largest, msg=f"{name} {key}")
