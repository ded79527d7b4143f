"""What the stages of spear and finetune receive is what they, or earlier stages that they read, are hashed by."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.pipelines.catalogue import METHODS
from audiossl.pipelines.sides import SplitConfig, divide
from audiossl.recipe import read_recipe
from audiossl.signals.corpora.corpus import CorpusItem
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


@given(names=st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=3, max_size=12, unique=True), seed=st.integers(0, 9))
def test_every_side_gets_a_recording_and_a_corpus_that_grows_moves_few(names, seed):
    items = [CorpusItem(name, Path(f"{name}.wav"), 0.0, 1.0, 16000, name) for name in names]
    sides = divide(items, SplitConfig(), seed)
    assert all(sides.values()) and sorted(id_ for ids in sides.values() for id_ in ids) == sorted(names)
    more = [*items, CorpusItem("new", Path("new.wav"), 0.0, 1.0, 16000, "new")]
    grown = divide(more, SplitConfig(), seed)
    side_of = {id_: side for side, ids in grown.items() for id_ in ids}
    moved = [id_ for side, ids in sides.items() for id_ in ids if side_of[id_] != side]
    assert len(moved) <= 2, "no more than one for each side that the hash left empty"
