"""Encoders that pre-training of connectivity starts from, and what they may have seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bold_designs import designed

from audiossl.errors import DataError
from audiossl.files import read_json
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, FingerprintConfig, GraphModel, PretrainConfig
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.models import ModelConfig, represent
from audiossl.pipelines.connectivity.rows import design_of, make_rows
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.training.config import TrainingConfig

SIZES = ConnectivityConfig(window=20, stride=10, dim=8, num_layers=1)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Runs of four people, among which one works."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write_recordings((bold_run(f"p{i}", f"p{i}", rng.standard_normal((4, 80)), 2.0, list("wxyz")) for i in range(4)), Path("set"))
    return tmp_path


def recipe(start="base", **pretrain) -> ConnectivityRecipe:
    training = TrainingConfig(max_steps=2, warmup_steps=1, validate_every=0, tensorboard=False)
    return ConnectivityRecipe(
        "toy", {"infomax": GraphModel("graph_infomax")}, encoder=SIZES, pretrain=PretrainConfig(crop=40, **pretrain),
        training=training, fingerprint=FingerprintConfig(20, 4), start=start,
    )  # fmt: skip


def check(seen, **pretrain) -> None:
    """Ask whether an encoder that saw this may be started from."""
    torch.manual_seed(0)
    ConnectivityEncoder(list("wxyz"), 2.0, SIZES).save(Path("base"), seen)
    config = recipe(**pretrain)
    make_rows(config)["infomax"].check(designed(Runs.open(Path("set")), config))


@pytest.mark.parametrize(
    "seen",
    [
        {"dataset": "toy", "part": "first_half", "subjects": []},
        {"dataset": "other", "part": "all", "subjects": ["p0"]},
        {},
    ],
    ids=["same half", "elsewhere", "not recorded"],
)
def test_what_saw_no_more_than_this_run_will_is_continued(desk, seen):
    check(seen)


@pytest.mark.parametrize(
    "seen",
    [
        {"dataset": "toy", "part": "all", "subjects": []},
        {"dataset": "toy", "part": "all", "subjects": ["p2"]},
        {"dataset": "toy"},
        {"dataset": "other", "part": "first_half", "start": {"dataset": "toy", "part": "all"}},
    ],
    ids=["everybody", "one person", "not said", "two trainings ago"],
)
def test_volumes_that_are_to_be_identified_are_not_seen_before_unless_that_is_wanted(desk, seen):
    with pytest.raises(DataError, match=r"start: base was pre-trained on part 'all', in which .* Start .* part 'first_half'"):
        check(seen)
    check(seen, part="all")


def test_people_of_the_tasks_are_not_seen_before_where_others_are_pre_trained_on(desk):
    check({"dataset": "toy", "part": "all", "subjects": ["p0", "p1"]}, part="all", subjects=["p0", "p1"])
    for names, said in ((["p0", "p2"], r"1 of the people .* \(p2\)"), ([], r"2 of the people .* \(p2, p3\)")):
        with pytest.raises(DataError, match=said):
            check({"dataset": "toy", "part": "first_half", "subjects": names}, part="all", subjects=["p0", "p1"])


def test_an_encoder_says_what_it_continued(desk):
    check({"dataset": "other", "part": "all"})
    config = recipe()
    rows = make_rows(config)
    represent(Path("run"), {"recordings": Path()}, ModelConfig(rows["infomax"], config.seeds, design_of(config, rows)))
    origin = read_json(Path("run/seed1/encoder/config.json"))["pretrained_on"]
    assert origin["dataset"] == "toy" and origin["start"] == {"dataset": "other", "part": "all"}
