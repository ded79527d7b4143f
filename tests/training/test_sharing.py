"""A model shared out over ranks (FSDP2) with gloo: the curve, the checkpoints and the weights are those of one process."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import torch
from several_ranks import CONFIG, TwoHeads, batches, train
from test_ranks import assert_same, curve, launch
from torch import distributed

from audiossl.errors import ConfigError
from audiossl.models.resnet1d import ResNet1d
from audiossl.objectives.frame_projection import FrameProjection, FrameProjectionConfig
from audiossl.training.checkpoints import list_checkpoints
from audiossl.training.fit import fit
from audiossl.training.sharing import innermost_layers, share_out
from audiossl.world import World

ADAMW = {"optimiser": "adamw", "lr": 0.01, "clip": 0.5}


def assert_same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], atol=1e-4, rtol=1e-4)


def test_two_ranks_with_half_of_the_model_each_draw_the_curve_of_one_process(tmp_path):
    """Ranks lack different heads; matrices do not divide by two; the first rank has more to validate, also on the way."""
    options = {"average_every": 5, "validate_every": 20}
    done = launch(2, tmp_path / "two", 2, parallel="fsdp", **options)
    assert done.returncode == 0, done.stderr
    held = [json.loads((tmp_path / "two" / f"held{rank}.json").read_text()) for rank in range(2)]
    assert sorted(held) == [[268, 484], [272, 484]]
    objective = train(tmp_path / "one", accumulate=4, **options)
    assert_same(curve(tmp_path / "one"), curve(tmp_path / "two"))
    for rank in range(2):
        assert_same_weights(objective.state_dict(), torch.load(tmp_path / "two" / f"rank{rank}.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, ADAMW], ids=["scaled_adam", "adamw"])
def test_a_killed_run_goes_on_with_other_ranks_and_without_sharing(tmp_path, options):
    """Four batches a step: shared by two until one is killed, then by four until one is killed, then with ddp, then alone."""
    run = tmp_path / "run"
    assert launch(2, run, 2, 17, parallel="fsdp", **options).returncode != 0
    assert list_checkpoints(run / "checkpoints")[0].name == "step-00000010.pt"
    assert launch(4, run, 1, 28, parallel="fsdp", **options).returncode != 0
    assert list_checkpoints(run / "checkpoints")[0].name == "step-00000020.pt"
    assert launch(2, run, 2, 38, **options).returncode != 0
    assert list_checkpoints(run / "checkpoints")[0].name == "step-00000030.pt"
    train(run, accumulate=4, **options)
    train(tmp_path / "one", accumulate=4, **options)
    assert_same(curve(tmp_path / "one"), curve(run))


@pytest.mark.slow
def test_statistics_are_those_of_the_first_rank_also_after_a_kill(tmp_path):
    options = {"parallel": "fsdp", "remembers": True}
    assert launch(2, tmp_path / "killed", 2, 17, **options).returncode != 0
    for name in ("killed", "whole"):
        done = launch(2, tmp_path / name, 2, **options)
        assert done.returncode == 0, done.stderr
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


def test_layers_that_ranks_run_unequally_often_are_gathered_with_the_rest():
    objective = FrameProjection(ResNet1d(3, 50.0), FrameProjectionConfig(views=["time", "fourier"]))
    assert innermost_layers(objective) == list(objective.encoder.blocks)


@pytest.fixture
def alone():
    """A process group of this process."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_the_copy_lists_items_with_the_objective_and_leaves_recurrent_weights_where_they_are(alone):
    objective = TwoHeads()
    objective.clock, objective.too_short = torch.nn.GRU(3, 4), {}
    shared = share_out(objective, torch.device("cpu"))
    shared.too_short["a"] = "too short"
    assert objective.too_short == {"a": "too short"}
    assert shared.clock.flatten_parameters() is None and "flatten_parameters" in vars(shared.clock)
    assert "flatten_parameters" not in vars(objective.clock)


def test_ranks_that_cannot_share_the_batches_equally_are_an_error(tmp_path, monkeypatch):
    fit(TwoHeads(), batches, replace(CONFIG, accumulate=4, max_steps=1), tmp_path)
    monkeypatch.setattr(World, "join", classmethod(lambda cls: World(0, 0, 3)))
    monkeypatch.setattr(World, "gather", lambda self, value: [value])
    monkeypatch.setattr(sys.modules["audiossl.training.fit"], "share_out", lambda objective, device: objective)
    with pytest.raises(ConfigError, match="4 batches per step, which 3 processes cannot share equally"):
        fit(TwoHeads(), batches, replace(CONFIG, accumulate=4, parallel="fsdp"), tmp_path)


def test_a_torch_that_cannot_share_is_named(monkeypatch):
    from torch.distributed import fsdp

    monkeypatch.delattr(fsdp.FSDPModule, "set_reduce_scatter_unused_params")
    with pytest.raises(ConfigError, match=f"a newer torch than {torch.__version__}".replace("+", r"\+")):
        share_out(TwoHeads(), torch.device("cpu"))
