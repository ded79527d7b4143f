"""What the stages of spear and finetune receive is what they, or earlier stages that they read, are hashed by."""

from __future__ import annotations

import dataclasses

import pytest

from audiossl.pipelines.catalogue import METHODS
from audiossl.recipe import read_recipe
from audiossl.stage import Stage, StageConfig

RECIPES = {
    "spear": "method: spear\ndataset: toy\nstreams: {a: {}, b: {}}\nevaluation: {tasks: [{name: t, kind: clips}]}\n",
    "finetune": "method: finetune\ndataset: toy\ntask: ctc\nencoder: logmel\n",
}


@pytest.mark.parametrize("method", RECIPES)
def test_a_field_that_does_not_count_is_hashed_by_an_earlier_stage(tmp_path, method):
    (tmp_path / "prepare.py").write_text("def prepare_corpus(*_): ...\ndef prepare_labels(*_): ...\n")
    (tmp_path / "toy.yaml").write_text(RECIPES[method])
    kind, lay_out = METHODS[method]
    stages = {stage.name: stage for stage in lay_out(read_recipe(tmp_path / "toy.yaml", [], {method: kind}), tmp_path)}
    given = 0
    for stage in stages.values():
        assert isinstance(stage.config, StageConfig), stage.name
        for item in dataclasses.fields(stage.config):  # pyright: ignore[reportArgumentType]
            if named := item.metadata.get("stage"):
                assert named in _above(stage, stages), (stage.name, item.name)
                given += 1
    assert given


def _above(stage: Stage, stages: dict[str, Stage]) -> set[str]:
    return {name for before in stage.inputs for name in (before, *_above(stages[before], stages))}


def test_options_that_were_added_count_where_they_are_used(tmp_path):
    from audiossl.pipelines.spear.config import StudentConfig
    from audiossl.stage import deciding

    assert set(deciding(StudentConfig())) == {"preset", "overrides", "max_item_seconds", "devices"}
    own = tmp_path / "own.py"
    own.write_text("class Own:\n    compute_features = forward_features = None\n")
    said = deciding(StudentConfig(kind=f"{own}:Own"))
    assert said["kind"] == f"{own}:Own" and len(said["source"]) == 32
    own.write_text("class Own:\n    compute_features = forward_features = 1\n")
    assert deciding(StudentConfig(kind=f"{own}:Own"))["source"] != said["source"], "another source trains again"
