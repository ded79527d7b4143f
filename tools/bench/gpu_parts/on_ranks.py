"""What a rank does in the part `ranks`: train, and write what the first rank measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as if it lay next to gpu.py

import torch

from audiossl.files import write_json
from audiossl.training import TrainingConfig
from audiossl.world import World
from gpu_parts.synthetic import pace_of, train


def main() -> None:
    """Read the options and train."""
    out, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    world, is_cuda = World.join(), options["device"] == "cuda"
    device = f"cuda:{world.local_rank}" if is_cuda else "cpu"
    if not is_cuda:
        torch.set_num_threads(1)
    given = {name: options[name] for name in ("precision", "parallel", "accumulate")}
    config = TrainingConfig(max_steps=options["steps"], lr=0.01, warmup_steps=10, log_every=1, **given)
    torch.backends.cudnn.allow_tf32 = options["precision"] != "float32"
    train(out, options["preset"], config, device, options["seconds"])
    measured = {"audio s/s": pace_of(out)} if world.is_first else {}
    if is_cuda:
        measured["peak memory, GiB"] = torch.cuda.max_memory_allocated() / 2**30
    if world.is_first:
        write_json(out / "measured.json", measured)
    world.leave()


if __name__ == "__main__":
    main()
